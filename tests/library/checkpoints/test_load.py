from __future__ import annotations

import math
import os
import pickle
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from convnextpose_check.checkpoints import unpack as containers
from convnextpose_check.checkpoints.load import load_checkpoint
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.variants import Architecture
from tests.support.archives import content_of, members_of, saved, zipped
from tests.support.deferred import Deferred

if TYPE_CHECKING:
    import torch
else:
    torch = Deferred("torch")

Make = Callable[[], Any]


class Call:
    """Pickles as a call of any function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def _weight() -> torch.Tensor:
    return torch.arange(6.0).reshape(2, 3)


def _subclassed() -> Any:
    """Of a class that a pickle names by its place in this module."""

    class Subclass(torch.Tensor):
        __qualname__ = "Subclass"

    globals()["Subclass"] = Subclass
    return _weight().as_subclass(Subclass)


def _content(make: Make = _weight, epoch: Any = 1) -> dict[str, Any]:
    return {"epoch": epoch, "network": OrderedDict({"module.w": make()})}


def _path(folder: Path, content: Any, **options: Any) -> Path:
    path = folder / "ConvNeXtPose_L.tar"
    path.write_bytes(saved(content, **options))
    return path


def _with_pickle(folder: Path, data: bytes) -> Path:
    path = folder / "ConvNeXtPose_L.tar"
    path.write_bytes(zipped(members_of(saved(_content())) | {"data.pkl": data}))
    return path


def _assert_refused(path: Path, code: str, naming: str = "") -> None:
    with pytest.raises(ConvNeXtPoseCheckError) as caught:
        load_checkpoint(path)
    error = caught.value
    assert error.code == code
    assert str(path) in error.problem
    assert naming in error.problem
    assert error.remedy
    assert "weights_only" not in str(error)
    assert error.__cause__ is None
    assert error.__suppress_context__ or error.__context__ is None


def test_everything_but_the_network_is_left_out(tiny: Architecture, tmp_path: Path) -> None:
    content = content_of(tiny, epoch=0)
    checkpoint = load_checkpoint(_path(tmp_path, content))
    assert checkpoint.epoch == 0
    assert list(checkpoint.network) == list(content["network"])
    assert type(checkpoint.network) is dict


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.tensor(3),
        lambda: torch.empty(0),
        lambda: torch.arange(100.0)[10:20],
    ],
    ids=["scalar", "no_element", "slice"],
)
def test_plain_tensors_load(make: Make, tmp_path: Path) -> None:
    loaded = load_checkpoint(_path(tmp_path, _content(make))).network["module.w"]
    assert loaded.equal(make())


@pytest.mark.parametrize(
    "make",
    [
        lambda: [_content()],
        lambda: OrderedDict(_content()),
        _weight,
        lambda: {"epoch": 1},
        lambda: {"network": {"w": _weight()}},
        lambda: {"epoch": 1, "state_dict": {"w": _weight()}, "w": _weight()},
        lambda: {"module.w": _weight()},
        lambda: {"epoch": 1, "network": {}, "w": _weight()},
        lambda: {"epoch": 1, "network": [_weight()]},
        lambda: {"epoch": 1, "network": _weight()},
        lambda: {"epoch": 1, "network": None, "w": _weight()},
    ],
    ids=[
        "list",
        "ordered_dict",
        "tensor",
        "no_network_no_tensor",
        "no_epoch",
        "other_name",
        "bare_state_dict",
        "empty_network",
        "network_is_a_list",
        "network_is_a_tensor",
        "network_is_none",
    ],
)
def test_what_is_not_a_training_snapshot_is_refused(make: Make, tmp_path: Path) -> None:
    content = make()
    code = "no-checkpoint" if content == {"epoch": 1} else "not-a-checkpoint"
    _assert_refused(_path(tmp_path, content), code)


@pytest.mark.parametrize(
    "epoch", [math.nan, math.inf, 70.0, -1, True, "70", None, 10**6, [70], _weight]
)
def test_an_epoch_that_is_no_sensible_number_is_refused(epoch: Any, tmp_path: Path) -> None:
    epoch = epoch() if callable(epoch) else epoch
    _assert_refused(_path(tmp_path, _content(epoch=epoch)), "not-a-checkpoint", "epoch")


@pytest.mark.parametrize("key", [1, None, (1, 2), b"w"])
def test_a_key_that_is_not_a_string_is_refused(key: Any, tmp_path: Path) -> None:
    content = {"epoch": 1, "network": {key: _weight()}}
    code = "forbidden-global" if isinstance(key, bytes) else "bad-tensor"
    _assert_refused(_path(tmp_path, content), code)


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.zeros(1).expand(1000),
        lambda: torch.zeros(()).as_strided((1000, 1000), (0, 0)),
        lambda: _weight().t(),
        lambda: _weight().clone().requires_grad_(),
        lambda: [_weight()],
        lambda: 1.5,
        lambda: None,
    ],
    ids=["expanded", "stride_0", "transposed", "requires_grad", "list", "number", "none"],
)
def test_what_is_no_plain_tensor_is_refused(make: Make, tmp_path: Path) -> None:
    content = _content(make) | {"other": _weight()}
    _assert_refused(_path(tmp_path, content), "bad-tensor", "'module.w'")


@pytest.mark.parametrize(
    ("make", "naming"),
    [
        (lambda: torch.nn.Parameter(_weight()), "torch._utils._rebuild_parameter"),
        (lambda: _weight().to_sparse(), "torch._utils._rebuild_sparse_tensor"),
        (lambda: _weight().half(), "torch.HalfStorage"),
        (lambda: _weight().bfloat16(), "torch.BFloat16Storage"),
        (lambda: _weight().double(), "torch.DoubleStorage"),
        (lambda: _weight().int(), "torch.IntStorage"),
        (lambda: _weight().to("meta"), "torch._utils._rebuild_meta_tensor_no_storage"),
        (_subclassed, "torch._tensor._rebuild_from_type_v2"),
        (lambda: _weight().numpy(), "numpy"),
        (lambda: np.float64(1.0), "numpy"),
        (lambda: bytearray(8), "bytearray"),
        (lambda: Call(eval, "1 + 1"), "eval"),
        (lambda: Call(torch.load, "a.pth"), "torch.serialization.load"),
        (lambda: Call(torch.FloatTensor, 2**40), "torch.FloatTensor"),
        (lambda: {1, 2}, "set"),
        (lambda: Path("a"), "pathlib"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_other_global_is_refused_by_name(make: Make, naming: str, tmp_path: Path) -> None:
    content = _content(make) | {"other": _weight()}
    _assert_refused(_path(tmp_path, content), "forbidden-global", naming)


@pytest.mark.parametrize("wrap", [lambda call: call, lambda call: _content() | {"x": call}])
def test_a_pickle_that_calls_the_system_runs_nothing(wrap: Any, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    hostile = pickle.dumps(wrap(Call(os.mkdir, str(canary))), protocol=2)
    if b"_rebuild" in hostile:
        hostile = members_of(saved(wrap(Call(os.mkdir, str(canary)))))["data.pkl"]
    _assert_refused(_with_pickle(tmp_path, hostile), "forbidden-global", "posix.mkdir")
    assert not canary.exists()


def test_the_canary_would_have_sung(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Call(os.mkdir, str(tmp_path / "canary")), protocol=2))
    assert (tmp_path / "canary").exists()


def test_os_system_is_refused_by_name(tmp_path: Path) -> None:
    path = _with_pickle(tmp_path, b"\x80\x02cos\nsystem\nX\x04\0\0\0true\x85R.")
    _assert_refused(path, "forbidden-global", "'os.system'")


@pytest.mark.parametrize(
    ("data", "naming"),
    [
        (pickle.dumps({"epoch": 1}, protocol=4), "PROTO"),
        (pickle.dumps(OrderedDict(), protocol=4)[11:], "opcode"),
        (b"\x80\x02\x8c\x02os\x8c\x06system\x93.", "SHORT_BINUNICODE"),
        (b"\x80\x02X\x02\0\0\0osX\x06\0\0\0system\x93.", "STACK_GLOBAL"),
        (b"\x80\x02(ios\nsystem\n.", "INST"),
        (b"\x80\x02\x82\x01.", "EXT1"),
        (pickle.dumps({"epoch": 1}, protocol=0), "opcode"),
        (b"\x80\x02]2.", "DUP"),
    ],
)
def test_an_opcode_that_torch_does_not_write_is_refused(
    data: bytes, naming: str, tmp_path: Path
) -> None:
    _assert_refused(_with_pickle(tmp_path, data), "forbidden-opcode", naming)


@pytest.mark.parametrize(
    "data", [b"", b"\x80\x02", b"\xff\xff", b"\x80\x02.", b"\x80\x02}s.", b"\x80\x02h\x07."]
)
def test_a_broken_pickle_is_refused(data: bytes, tmp_path: Path) -> None:
    _assert_refused(_with_pickle(tmp_path, data), "bad-pickle")


def test_a_huge_pickle_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "MAX_PICKLE_BYTES", 100)
    _assert_refused(_path(tmp_path, _content()), "bomb")


def test_the_format_before_torch_1_6_is_refused(tmp_path: Path) -> None:
    path = _path(tmp_path, _content(), _use_new_zipfile_serialization=False)
    _assert_refused(path, "not-an-archive")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("data/0", b"\0" * 20),
        ("data/0", b""),
        ("data/0", b"\0" * 28),
        ("version", b"99\n"),
        ("version", b"none"),
        ("byteorder", b"middle"),
    ],
)
def test_members_that_belie_the_pickle_are_refused(name: str, data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "ConvNeXtPose_L.tar"
    path.write_bytes(zipped(members_of(saved(_content())) | {name: data}))
    _assert_refused(path, "bad-pickle")


def test_torchs_own_advice_is_never_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*_: Any, **__: Any) -> None:
        raise pickle.UnpicklingError("re-running with weights_only=False will likely succeed")

    path = _path(tmp_path, _content())
    monkeypatch.setattr("torch.load", load)
    _assert_refused(path, "bad-pickle", "UnpicklingError")


def test_a_network_that_contains_itself_is_refused(tmp_path: Path) -> None:
    network: dict[str, Any] = {"module.w": _weight()}
    network["module.network"] = network
    path = _path(tmp_path, {"epoch": 1, "network": network})
    _assert_refused(path, "bad-tensor", "'module.network'")


def test_a_file_that_replaces_methods_is_refused(tmp_path: Path) -> None:
    content = _content()
    content["network"].itemX = 1  # pickling calls items, so its name comes in afterwards
    members = members_of(saved(content))
    path = _with_pickle(tmp_path, members["data.pkl"].replace(b"itemX", b"items"))
    _assert_refused(path, "not-a-checkpoint", "items")


def test_torch_is_asked_for_weights_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def load(*_: Any, **options: Any) -> Any:
        asked.append(options["weights_only"])
        return _content()

    path = _path(tmp_path, _content())
    monkeypatch.setattr("torch.load", load)
    load_checkpoint(path)
    assert asked == [True]


def test_a_tensor_with_attributes_of_its_own_is_refused(tmp_path: Path) -> None:
    weight = _weight()
    weight.note = 1  # type: ignore[attr-defined]
    path = _path(tmp_path, _content(lambda: weight))
    _assert_refused(path, "forbidden-global", "torch._tensor._rebuild_from_type_v2")
