"""Pickles that call functions, shadow methods, exhaust memory, or have false sizes."""

from __future__ import annotations

import pickle
from collections.abc import Callable

from tests.hostile import assembler as a
from tests.hostile.cases import LOADS, add

Data = bytes | Callable[[], bytes]


def _pickle(name: str, data: Data, *codes: str, fragment: str = "") -> None:
    def build(good: bytes) -> bytes:
        return a.with_pickle(good, data if isinstance(data, bytes) else data())

    add(f"pickle_{name}", build, *codes, fragment=fragment)


_pickle("plain", a.content(), LOADS)
_pickle("trailing_second_pickle", a.content() + b"cos\nsystem\n(X\x04\0\0\0truetR.", LOADS)
_pickle("list_in_itself", a.content(extra=a.text("n") + b"]q\x01h\x01a"), LOADS)
_pickle("surrogate_key", a.content(extra=a.text(b"\xed\xa0\x80") + b"N"), LOADS)

OPCODES: dict[str, tuple[Data, str]] = {
    "protocol_5": (pickle.dumps({"epoch": 1}, protocol=5), "PROTO"),
    "stack_global": (b"\x80\x02X\2\0\0\0osX\6\0\0\0system\x93(t R.", "STACK_GLOBAL"),
    "inst": (b"\x80\x02(ios\nsystem\n.", "INST"),
    "persistent_text": (b"Pos.system\n.", "PERSID"),
}
GLOBALS: dict[str, tuple[Data, str]] = {
    "obj": (b"\x80\x02(cos\nsystem\no.", "'os.system'"),
    "global_of_3_megabytes": (lambda: b"\x80\x02c" + b"a" * (3 << 20) + b"\nb\n.", "aaa..."),
    "global_with_terminal_codes": (b"\x80\x02c\x1b[2J\n\x07\n.", r"\x1b[2J"),
}
BROKEN: dict[str, bytes] = {
    "without_stop": a.content()[:-1],
    "missing_mark": b"\x80\x02}K\x01K\x02u.",
    "memo_never_set": b"\x80\x02h\x07.",
    "escaped_global": a.content().replace(b"\nFloatS", b"\n\\x46loatS"),
    "integer_of_9_bytes": a.content(extra=a.text("n") + a.integer(1 << 63)),
    "list_fetched_and_filled": a.content(extra=a.text("n") + b"]q\x01h\x01Na\x86"),
    "shadows_clone": a.content(a.tensor() + b"}" + a.text("clone") + b"Nsb"),
    "state_that_is_not_a_dict": a.content(network=a.ORDERED_DICT + b"]b"),
    "calls_a_number": a.content(b"K\x01)R"),
    "fills_a_tuple": a.content(extra=a.text("n") + b")Na"),
    "seven_arguments": a.content(a.tensor()[:-2] + b"}tR"),
}


def _write_scalar(
    code: str = "f8",
    encoded: bytes = a.text(b"\0" * 8),
    codec: str = "latin1",
    state: bytes = b"(K\x03" + a.text("<") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb",
    dtype: bytes = b"",
) -> bytes:
    """A NumPy scalar as ``pickle`` writes it, under the key ``extra``."""
    dtype = dtype or b"cnumpy\ndtype\n" + a.text(code) + b"\x89\x88\x87R" + state
    data = b"c_codecs\nencode\n" + encoded + a.text(codec) + b"\x86R"
    scalar = b"cnumpy._core.multiarray\nscalar\n" + dtype + data + b"\x86R"
    return a.content(extra=a.text("extra") + scalar)


_FIELDS = b"(K\x03" + a.text("|") + b"N" + a.text("f") + b"\x85}J\x08\0\0\0K\x01K\x3ftb"
_pickle("scalar", _write_scalar(), LOADS)
_pickle("scalar_without_state", _write_scalar(state=b""), LOADS)
SCALARS: dict[str, tuple[Data, str]] = {
    "of_objects": (_write_scalar("O"), "calls numpy.dtype"),
    "with_fields": (_write_scalar(state=_FIELDS), "state of an object"),
    "with_a_dict_as_state": (_write_scalar(state=b"}b"), "state of an object"),
    "of_7_bytes": (_write_scalar(encoded=a.text(b"\0" * 7)), "torch cannot load"),
    "of_16_bytes": (_write_scalar(encoded=a.text(b"\0" * 16)), "at most 8"),
    "of_no_text": (_write_scalar(encoded=b"K\x01"), "calls _codecs.encode"),
    "in_another_codec": (_write_scalar(codec="zlib"), "calls _codecs.encode"),
    "without_dtype": (_write_scalar(dtype=b"N"), "scalar with"),
}
for _name, (_data, _fragment) in SCALARS.items():
    _pickle(f"scalar_{_name}", _data, fragment=_fragment)
for _name, (_data, _fragment) in OPCODES.items():
    _pickle(_name, _data, fragment=f"opcode {_fragment}:")
for _name, (_data, _fragment) in GLOBALS.items():
    _pickle(_name, _data, fragment=_fragment)
for _name, _data in BROKEN.items():
    _pickle(_name, _data)


def _in_parts(values: list[bytes], start: bytes, end: bytes) -> bytes:
    parts = [values[i : i + 1_000] for i in range(0, len(values), 1_000)]
    return start + b"".join(a.MARK + b"".join(part) + end for part in parts)


def _dict_copies(copy: bytes) -> bytes:
    large = _in_parts([a.integer(n) + b"N" for n in range(40_000)], b"}q\x01", b"u")
    copies = _in_parts([copy] * 20_000, b"]", b"e")
    return a.content(extra=a.text("large") + large + a.text("copies") + copies)


_ORDERED_DICT_OF_MEMO = b"ccollections\nOrderedDict\nh\x01\x85R"
EXHAUSTING: dict[str, Callable[[], bytes]] = {
    "data_of_5_megabytes": lambda: a.content(extra=a.text("n") + a.text("a" * (5 << 20))),
    "two_million_nones": lambda: b"\x80\x02" + b"N" * 2_000_000 + b".",
    "many_opcodes": lambda: a.content(extra=a.text("n") + b"]" + b"Na" * 110_000),
    "deep_marks": lambda: b"\x80\x02" + b"(" * 40 + b"t" * 40 + b".",
    "deep_tuple_as_a_key": lambda: a.content(extra=b"N" + b"\x85" * 190_000 + b"N"),
    "copies_of_a_dict_by_call": lambda: _dict_copies(_ORDERED_DICT_OF_MEMO),
    "copies_of_a_dict_by_build": lambda: _dict_copies(a.ORDERED_DICT + b"h\x01b"),
}
for _name, _make in EXHAUSTING.items():
    _pickle(_name, _make)

KEYS: dict[str, bytes] = {
    "terminal_codes": a.text("module.\x1b[2J"),
    "surrogate": a.text(b"\xed\xa0\x80"),
    "tuple": b"K\x01\x85",
}
for _name, _key in KEYS.items():
    _network = a.ORDERED_DICT + a.MARK + _key + a.tensor() + b"u"
    _pickle(f"key_{_name}", a.content(network=_network), fragment="key")


def _with_state(name: str, value: bytes) -> bytes:
    network = a.ORDERED_DICT + b"(" + a.text("module.w") + a.tensor() + b"u"
    return a.content(network=network + b"}" + a.text(name) + value + b"sb")


_ITEMS = _with_state("items", b"ccollections\nOrderedDict\n")
_pickle("shadows_items", _ITEMS, "not-a-checkpoint", fragment="items")
_pickle("metadata", _with_state("_metadata", a.ORDERED_DICT), LOADS)

TENSORS: dict[str, bytes] = {
    "offset_beyond": a.tensor(offset=1),
    "negative_size": a.tensor(size=[-6]),
    "stride_0": a.tensor(size=[10**6, 10**6], stride=[0, 0]),
    "fewer_strides": a.tensor(size=[2, 3], stride=[1]),
    "nine_dimensions": a.tensor(size=[1] * 9, stride=[1] * 9),
    "size_of_floats": a.tensor().replace(a.integers([6]), b"G@\x18\0\0\0\0\0\0\x85"),
    "no_storage": a.tensor(source=b"N"),
    "hooks": a.tensor(hooks=a.ORDERED_DICT + b"K\x01ccollections\nOrderedDict\ns"),
    "hooks_that_are_none": a.tensor(hooks=b"N"),
}
for _name, _written in TENSORS.items():
    _pickle(f"tensor_{_name}", a.content(_written))
_TWICE = a.ORDERED_DICT + b"(" + a.text("a") + a.tensor() + a.text("b") + a.tensor() + b"u"
_pickle("tensors_sharing_a_storage", a.content(network=_TWICE))
_BYTES = a.tensor(a.storage(items=24, kind="ByteStorage"), size=[24])
_pickle("storage_of_two_types", a.content(extra=a.text("other") + _BYTES), fragment="as two types")

STORAGES: dict[str, bytes] = {
    "larger_than_the_file": a.storage(items=1 << 30),
    "smaller": a.storage(items=5),
    "of_another_type": a.storage(kind="LongStorage"),
    "missing": a.storage(key=a.text("1")),
    "key_is_a_number": a.storage(key=a.integer(0)),
    "tag": a.storage(tag="module"),
}
for _name, _written in STORAGES.items():
    _pickle(f"storage_{_name}", a.content(a.tensor(source=_written)))
