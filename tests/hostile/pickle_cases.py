"""Pickles that call, shadow, exhaust or lie."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable

from tests.hostile import assembler as a
from tests.hostile.cases import LOADS, Good, add
from tests.support.archives import members_of


def _pickle(name: str, data: bytes | Callable[[], bytes], *codes: str, **members: bytes) -> None:
    def build(good: Good) -> bytes:
        return a.with_pickle(good.archive, data if isinstance(data, bytes) else data(), **members)

    add(f"pickle_{name}", build, *codes)


_COPIES = 20_000


def _in_parts(values: list[bytes], start: bytes, end: bytes, size: int = 1_000) -> bytes:
    parts = [values[i : i + size] for i in range(0, len(values), size)]
    return start + b"".join(a.MARK + b"".join(part) + end for part in parts)


def _dict_copies(copy: bytes) -> bytes:
    pairs = [a.integer(n) + b"N" for n in range(40_000)]
    large = _in_parts(pairs, b"}q\x01", b"u")
    copies = _in_parts([copy] * _COPIES, b"]", b"e")
    return a.content(extra=a.text("large") + large + a.text("copies") + copies)


def _long_shape() -> bytes:
    shape = b"".join([a.MARK, b"K\x01" * 4_000, a.TUPLE, b"q\x01"])
    weight = a.REBUILD + b"q\x02" + a.MARK + a.storage() + b"q\x03K\x00" + shape + b"h\x01\x89"
    weight += a.ORDERED_DICT + b"q\x04tR"
    more = b"h\x02(h\x03K\x00h\x01h\x01\x89h\x04tR"
    return a.content(weight, extra=a.text("more") + _in_parts([more] * 10_000, b"]", b"e"))


_pickle("plain", a.content(), LOADS)
_pickle("empty", b"", "bad-pickle")
_pickle("only_zeros", bytes(100), "bad-pickle")
_pickle("without_stop", a.content()[:-1], "bad-pickle")
_pickle("trailing_second_pickle", a.content() + b"cos\nsystem\n(X\x04\0\0\0truetR.", LOADS)
_pickle("protocol_3", b"\x80\x03" + a.content()[2:], "forbidden-opcode")
_pickle("protocol_5", pickle.dumps({"epoch": 1}, protocol=5), "forbidden-opcode")
_pickle("magic_number_bypass", b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19." + a.content(), "bad-pickle")
_pickle("stack_global", b"\x80\x02X\2\0\0\0osX\6\0\0\0system\x93(t R.", "forbidden-opcode")
_pickle("inst", b"(S'true'\nios\nsystem\n.", "forbidden-opcode")
_pickle("obj", b"\x80\x02(cos\nsystem\no.", "forbidden-global")
_pickle("newobj", b"\x80\x02ccollections\nOrderedDict\n)\x81.", "forbidden-opcode")
_pickle("extension", b"\x80\x02\x82\x01.", "forbidden-opcode")
_pickle("persistent_text", b"Pos.system\n.", "forbidden-opcode")
_pickle("dup", b"\x80\x02}2.", "forbidden-opcode")
_pickle("pop_mark", b"\x80\x02(1}.", "forbidden-opcode")
_pickle("missing_mark", b"\x80\x02}K\x01K\x02u.", "bad-pickle")
_pickle("pops_through_a_mark", b"\x80\x02}K\x01(s.", "bad-pickle")
_pickle("memo_never_set", b"\x80\x02h\x07.", "bad-pickle")
_pickle("memo_of_nothing", b"\x80\x02q\x07.", "bad-pickle")
_pickle("memo_overwritten", b"\x80\x02cos\nsystem\nq\x010}q\x01h\x01.", "forbidden-global")
_pickle("invalid_utf8", a.content(extra=a.text(b"\xff\xfe") + b"N"), "bad-pickle")
_pickle("surrogate_key", a.content(extra=a.text(b"\xed\xa0\x80") + b"N"), LOADS)
_pickle(
    "surrogate_network_key",
    a.content(network=b"}" + a.text(b"\xed\xa0\x80") + a.tensor() + b"s"),
    "bad-tensor",
)
_pickle("escaped_global_used", a.content().replace(b"\nFloatS", b"\n\\x46loatS"), "bad-pickle")
_pickle(
    "global_of_4_megabytes", lambda: b"\x80\x02c" + b"a" * (3 << 20) + b"\nb\n.", "forbidden-global"
)
_pickle("global_with_terminal_codes", b"\x80\x02c\x1b[2J\n\x07\n.", "forbidden-global")
_pickle("text_longer_than_the_file", b"\x80\x02X\xff\xff\xff\xff.", "bad-pickle")
_pickle(
    "integer_of_255_bytes", a.content(extra=a.text("n") + b"\x8a\xff" + b"\x7f" * 255), "bad-pickle"
)
_pickle("larger_than_any", lambda: a.content(extra=a.text("n") + a.text("a" * (5 << 20))), "bomb")
_pickle("million_opcodes", lambda: a.content(extra=a.text("n") + b"N\x85" * 500_000), "bomb")
_pickle("two_million_nones", lambda: b"\x80\x02" + b"N" * 2_000_000 + b".", "bomb")
_pickle("deep_marks", lambda: b"\x80\x02" + b"(" * 100_000 + b"t" * 100_000 + b".", "bomb")
_pickle("deep_lists", lambda: b"\x80\x02" + b"]" * 90_000 + b"a" * 89_999 + b".", "bomb")
_pickle(
    "deep_tuple_as_a_key",
    lambda: a.content(extra=b"N" + b"\x85" * 190_000 + b"N"),
    "bomb",
)
_pickle(
    "deep_lists_by_memo",
    lambda: a.content(extra=a.text("n") + b"]q\x01" + b"\x85q\x01](h\x01eq\x01" * 5_000),
    "bad-pickle",
    "bomb",
    LOADS,
)
for _name, _key in {
    "terminal_codes": "module.\x1b[2J",
    "line_break": "module.w\n::error::",
    "delete": "module.\x7f",
    "nul": "module.\0w",
}.items():
    _network = a.ORDERED_DICT + a.MARK + a.text(_key) + a.tensor() + b"u"
    _pickle(f"network_key_with_{_name}", a.content(network=_network), "bad-tensor")
_pickle("tuple_as_a_key", a.content(extra=b"K\x01\x85N"), "bad-tensor")
_pickle("unhashable_key", a.content(extra=b"]N"), "bad-tensor")
_pickle(
    "colliding_hashes",
    lambda: a.content(
        extra=a.text("n")
        + _in_parts([a.integer(n * ((1 << 61) - 1)) + b"N" for n in range(1, 60_000)], b"}", b"u")
    ),
    "bad-pickle",
)
_pickle(
    "copies_of_a_dict_by_call",
    lambda: _dict_copies(b"ccollections\nOrderedDict\nh\x01\x85R"),
    "bad-pickle",
)
_pickle("copies_of_a_dict_by_build", lambda: _dict_copies(a.ORDERED_DICT + b"h\x01b"), "bad-pickle")
_pickle("tensors_of_4000_dimensions", _long_shape, "bad-tensor")
_pickle("list_in_itself", a.content(extra=a.text("n") + b"]q\x01h\x01a"), LOADS)
_pickle(
    "list_fetched_and_filled", a.content(extra=a.text("n") + b"]q\x01h\x01Na\x86"), "bad-pickle"
)

for _method in ("items", "keys", "__class__", "values", "__len__"):
    _pickle(
        f"shadows_{_method.strip('_')}",
        a.content(
            network=a.ORDERED_DICT
            + b"("
            + a.text("module.w")
            + a.tensor()
            + b"u}"
            + a.text(_method)
            + b"ccollections\nOrderedDict\nsb"
        ),
        "not-a-checkpoint",
    )
_pickle(
    "metadata",
    a.content(
        network=a.ORDERED_DICT
        + b"("
        + a.text("module.w")
        + a.tensor()
        + b"u}"
        + a.text("_metadata")
        + a.ORDERED_DICT
        + b"sb"
    ),
    LOADS,
)
_pickle("shadows_clone", a.content(a.tensor() + b"}" + a.text("clone") + b"Nsb"), "bad-pickle")
_pickle(
    "sets_a_tensor_anew",
    a.content(
        a.tensor()
        + a.tuple_of(a.storage(), a.integer(0), a.integers([1 << 28]), a.integers([1]))
        + b"b"
    ),
    "bad-pickle",
)
_pickle("state_that_is_no_dict", a.content(network=a.ORDERED_DICT + b"]b"), "bad-pickle")
_pickle(
    "hooks",
    a.content(a.tensor(hooks=a.ORDERED_DICT + b"K\x01ccollections\nOrderedDict\ns")),
    "bad-tensor",
)
_pickle("hooks_that_are_none", a.content(a.tensor(hooks=b"N")), "bad-tensor")
_pickle("quantized", a.content(b"ctorch._utils\n_rebuild_qtensor\n)R"), "forbidden-global")
_pickle("calls_a_storage", a.content(b"ctorch\nFloatStorage\nJ\xff\xff\xff\x7f\x85R"), "bad-pickle")
_pickle("calls_a_number", a.content(b"K\x01)R"), "bad-pickle")
_pickle("rebuilds_with_one_argument", a.content(a.REBUILD + a.storage() + b"\x85R"), "bad-pickle")
_pickle("seven_arguments", a.content(a.tensor()[:-2] + b"}tR"), "bad-pickle")

for _tensor_name, _written in {
    "beyond_its_storage": a.tensor(size=[7]),
    "far_beyond_its_storage": a.tensor(size=[1 << 28]),
    "offset_beyond": a.tensor(offset=1),
    "offset_negative": a.tensor(offset=-1),
    "negative_size": a.tensor(size=[-6]),
    "stride_0": a.tensor(size=[10**6, 10**6], stride=[0, 0]),
    "overflowing_product": a.tensor(size=[1 << 40, 1 << 40], stride=[0, 0]),
    "stride_huge": a.tensor(size=[2], stride=[1 << 62]),
    "fewer_strides": a.tensor(size=[2, 3], stride=[1]),
    "size_of_floats": a.tensor().replace(a.integers([6]), b"G@\x18\0\0\0\0\0\0\x85"),
    "no_storage": a.tensor(source=b"N"),
    "transposed": a.tensor(size=[3, 2], stride=[1, 3]),
}.items():
    _codes = ("bad-tensor", "bad-pickle") if "overflow" in _tensor_name else ("bad-tensor",)
    _pickle(f"tensor_{_tensor_name}", a.content(_written), *_codes)

_TWICE = a.ORDERED_DICT + b"(" + a.text("a") + a.tensor() + a.text("b") + a.tensor() + b"u"
_pickle("tensors_sharing_a_storage", a.content(network=_TWICE), "bad-tensor")

for _storage_name, _written in {
    "larger_than_the_file": a.storage(items=1 << 30),
    "smaller": a.storage(items=5),
    "negative": a.storage(items=-6),
    "of_another_type": a.storage(kind="LongStorage"),
    "missing": a.storage(key=a.text("1")),
    "outside": a.storage(key=a.text("../version")),
    "key_is_a_number": a.storage(key=a.integer(0)),
    "tag": a.storage(tag="module"),
    "id_is_a_number": b"K\x01Q",
    "id_is_empty": b")Q",
}.items():
    _pickle(f"storage_{_storage_name}", a.content(a.tensor(source=_written)), "bad-pickle")
_pickle("storage_half", a.content(a.tensor(a.storage(kind="HalfStorage"))), "forbidden-global")
_pickle(
    "storage_untyped", a.content(a.tensor(a.storage(kind="UntypedStorage"))), "forbidden-global"
)
_pickle(
    "epoch_nan", a.content().replace(a.integer(1), b"G\x7f\xf8" + bytes(6), 1), "not-a-checkpoint"
)
_pickle("epoch_true", a.content().replace(a.integer(1), b"\x88", 1), "not-a-checkpoint")
_pickle("epoch_huge", a.content().replace(a.integer(1), a.integer(1 << 60), 1), "not-a-checkpoint")
_pickle("top_level_list", b"\x80\x02]" + a.tensor() + b"a.", "not-a-checkpoint")
_pickle("top_level_number", b"\x80\x02K\x01.", "not-a-checkpoint")
_pickle("network_in_itself", a.content(network=b"}q\x01" + a.text("w") + b"h\x01s"), "bad-tensor")
_pickle(
    "nan_bits_load_as_they_are",
    a.content(),
    LOADS,
    **{"data/0": struct.pack("<6I", *[0x7FC00001] * 6)},
)


add("bare_pickle", lambda good: members_of(good.archive)["data.pkl"], "not-an-archive")
