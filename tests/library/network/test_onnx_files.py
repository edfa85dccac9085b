"""Every file that an ONNX model reads is found, and none outside of the model's folder is read."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.network.onnx_files import (
    FIELDS,
    TENSOR,
    external_files,
    external_locations,
)
from convnextpose_check.network.users import exported_digest, exported_network
from convnextpose_check.variants import Architecture
from tests.support.deferred import Deferred
from tests.support.onnx_models import external_tensor, field, onnx_model

torch: Any = Deferred("torch")


def fields_leading_to_tensors(model: Any) -> dict[str, dict[int, str]]:
    """The fields of this message and of those in it that lead to tensors, as in ``FIELDS``."""
    messages: dict[str, Any] = {}
    waiting = [model]
    while waiting:
        message = waiting.pop()
        if message.name not in messages:
            messages[message.name] = message
            waiting += [part.message_type for part in message.fields if part.message_type]

    def parts(message: str, names: set[str]) -> dict[int, str]:
        types = ((part.number, part.message_type) for part in messages[message].fields)
        return {number: kind.name for number, kind in types if kind and kind.name in names}

    leading = {TENSOR}
    while more := {name for name in messages if parts(name, leading)} - leading:
        leading |= more
    return {name: parts(name, leading) for name in leading - {TENSOR}}


def test_fields_are_those_of_the_installed_onnx() -> None:
    """A later onnx may have tensors in further places."""
    onnx = pytest.importorskip("onnx")
    external = onnx.TensorProto.DESCRIPTOR.fields_by_name["external_data"]

    expected = fields_leading_to_tensors(onnx.ModelProto.DESCRIPTOR)

    assert {**expected, TENSOR: {external.number: external.message_type.name}} == FIELDS


def ways_to_a_tensor(message: str, way: tuple[int, ...] = ()) -> list[tuple[int, ...]]:
    """The fields that lead from a message to a tensor, up to six of them."""
    if message == TENSOR:
        return [way]
    if len(way) > 5:
        return []
    inner = FIELDS[message].items()
    return [found for number, part in inner for found in ways_to_a_tensor(part, (*way, number))]


def test_external_data_is_found_wherever_a_tensor_may_be() -> None:
    ways = ways_to_a_tensor("ModelProto")
    assert len(ways) > 50
    for way in ways:
        content = external_tensor("weights.data")
        for number in reversed(way):
            content = field(99, b"unknown") + field(number, content) + b"\x98\x06\x01"

        assert external_locations(content) == {"weights.data"}, way


def test_locations_of_all_tensors_are_found() -> None:
    tensors = [external_tensor(f"{n}.data") for n in range(3)]
    graph = b"".join(field(5, tensor) for tensor in tensors[:2])
    content = field(7, graph) + field(7, field(5, tensors[2]))  # protobuf merges the two graphs

    assert external_locations(content) == {"0.data", "1.data", "2.data"}


def test_every_value_of_an_ambiguous_entry_is_a_location() -> None:
    entry = field(1, b"location") + field(2, b"one") + field(2, b"two") + field(1, b"offset")

    assert external_locations(field(7, field(5, field(13, entry)))) == {"one", "two"}


def save_with_external_data(folder: Path, weight: float) -> Path:
    """A model as exporters write it: a graph in the one file, its weights in another."""
    onnx = pytest.importorskip("onnx")
    numbers = np.full((64, 64), weight, dtype=np.float32)
    tensor = onnx.numpy_helper.from_array(numbers, "weight")
    node = onnx.helper.make_node("Identity", ["weight"], ["answer"])
    answer = onnx.helper.make_tensor_value_info("answer", onnx.TensorProto.FLOAT, [64, 64])
    graph = onnx.helper.make_graph([node], "graph", [], [answer], [tensor])
    folder.mkdir()
    onnx.save_model(
        onnx.helper.make_model(graph),
        folder / "X.onnx",
        save_as_external_data=True,
        location="X.onnx.data",
        size_threshold=0,
    )
    return folder / "X.onnx"


def test_digest_changes_with_the_weights_beside_the_model(tmp_path: Path) -> None:
    one = save_with_external_data(tmp_path / "one", 1.0)
    two = save_with_external_data(tmp_path / "two", 2.0)
    assert one.read_bytes() == two.read_bytes()

    assert exported_digest(str(two), "X") != exported_digest(str(one), "X")
    two.with_name("X.onnx.data").write_bytes(one.with_name("X.onnx.data").read_bytes())
    assert exported_digest(str(two), "X") == exported_digest(str(one), "X")


def test_digest_depends_on_which_file_holds_what(tmp_path: Path) -> None:
    path = tmp_path / "X.onnx"
    path.write_bytes(field(7, field(5, external_tensor("a")) + field(5, external_tensor("b"))))

    def digest(a: bytes, b: bytes) -> str:
        (tmp_path / "a").write_bytes(a)
        (tmp_path / "b").write_bytes(b)
        return exported_digest(str(path), "X")

    assert len({digest(b"x", b"y"), digest(b"y", b"x"), digest(b"xy", b"")}) == 3


def folder_for_weights(folder: Path) -> str:
    (folder / "weights").mkdir()
    return "weights"


def absolute(folder: Path) -> str:
    (folder.parent / "outside").write_bytes(b"weights")
    return str(folder.parent / "outside")


def above(folder: Path) -> str:
    (folder.parent / "outside").write_bytes(b"weights")
    return "../outside"


def above_by_a_detour(folder: Path) -> str:
    (folder / "inside").mkdir()
    return f"inside/../{above(folder)}"


@pytest.mark.parametrize(
    ("location", "problem"),
    [
        (absolute, "outside of its folder"),
        (above, "outside of its folder"),
        (above_by_a_detour, "outside of its folder"),
        (lambda _: "..", "outside of its folder"),
        (lambda _: "", "outside of its folder"),
        (lambda _: "missing", "is not a file"),
        (lambda _: "*/_ORT_MEM_ADDR_/*", "is not a file"),  # to onnxruntime an address
        (folder_for_weights, "is not a file"),
    ],
)
def test_location_that_is_no_file_of_the_folder_is_refused_before_it_is_read(
    location: Callable[[Path], str], problem: str, tiny: Architecture, tmp_path: Path
) -> None:
    folder = tmp_path / "exports"
    folder.mkdir()
    path = folder / "X.onnx"
    path.write_bytes(onnx_model("a test", location(folder)))

    for read in (
        lambda: external_files(path),
        lambda: exported_digest(str(path), "X"),
        lambda: exported_network(str(path), "X", tiny, torch.device("cpu")),
    ):
        with pytest.raises(ConvNeXtPoseCheckError, match=problem) as caught:
            read()
        assert caught.value.code == "bad-network"


def test_weights_in_a_subfolder_are_found(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "weights").write_bytes(b"weights")
    (tmp_path / "X.onnx").write_bytes(onnx_model("a test", "./below/weights"))

    files = external_files(tmp_path / "X.onnx")

    assert files == {"./below/weights": tmp_path / "below" / "weights"}


MODEL = onnx_model("a test", "weights.data")


@pytest.mark.parametrize(
    "content",
    [
        b"no model",
        MODEL[:-1],
        MODEL + b"\xff" * 11,  # a number without an end
        MODEL + b"\x0b",  # the begin of a group
        b"\x38\x01",  # a number where the graph belongs
    ],
)
def test_file_that_is_not_protobuf_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "X.onnx"
    path.write_bytes(content)

    with pytest.raises(ConvNeXtPoseCheckError, match="not an ONNX model"):
        external_files(path)


def test_damaged_model_raises_nothing_else() -> None:
    rng = random.Random(0)
    refused = 0
    for _ in range(3000):
        content = bytearray(MODEL)
        for _ in range(rng.randint(1, 3)):
            content[rng.randrange(len(content))] = rng.randrange(256)
        try:
            external_locations(bytes(content[: rng.randint(0, len(content))]))
        except ValueError:
            refused += 1

    assert 1000 < refused < 3000
