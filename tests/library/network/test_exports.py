"""Exported networks: ONNX and .pt2 files."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import Module

from convnextpose_check.checks.network import AGREEMENT_CELLS
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.network.exports import (
    load_exported_network,
    select_onnx_providers,
)
from convnextpose_check.network.reference import ConvNeXtPose
from convnextpose_check.variants import Architecture
from tests.support.onnx_models import make_corner_model, make_onnx_model, make_sparse_model

CPU = torch.device("cpu")


@pytest.mark.parametrize("batch_size", ["batch", 1, 2, 4])
def test_load_exported_network_predicts_in_batches_of_model_size(
    batch_size: int | str, tiny: Architecture, crops: Tensor, tmp_path: Path
) -> None:
    """Three crops do not fill batches of two or four, and onnxruntime rejects others."""
    side = "side" if batch_size == "batch" else 256
    (tmp_path / "T.onnx").write_bytes(make_corner_model(batch_size, side))
    network = load_exported_network(str(tmp_path / "{variant}.onnx"), "T", tiny, CPU)

    assert torch.equal(network(crops[:2]), crops[:2, 0, :18, :3])
    assert torch.equal(network(crops), crops[:, 0, :18, :3])


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        ({"dtype": "FLOAT16"}, "its input 'crops' is tensor(float16): expected float32"),
        ({"side": 224}, "its input 'crops' has shape (1, 3, 224, 224): expected (B, 3, 256, 256)"),
        ({"copies": (2, 1)}, "it has 2 inputs and 1 outputs: expected one of each"),
        ({"copies": (1, 2)}, "it has 1 inputs and 2 outputs: expected one of each"),
    ],
)
def test_load_exported_network_other_signature_is_named(
    model: dict[str, Any], problem: str, tiny: Architecture, tmp_path: Path
) -> None:
    (tmp_path / "T.onnx").write_bytes(make_corner_model(1, **model))

    with pytest.raises(ConvNeXtPoseCheckError) as caught:
        load_exported_network(str(tmp_path / "T.onnx"), "T", tiny, CPU)

    assert caught.value.code == "bad-network"
    assert caught.value.problem.endswith(f": {problem}")


def write_pt2(path: Path, network: Module, example: Tensor, batch: Any = None) -> None:
    shapes = ({0: batch},) if batch else None
    program = torch.export.export(network, (example,), dynamic_shapes=shapes)
    torch.export.save(program, path)


def write_onnx(path: Path, network: Module, example: Tensor, batch: Any) -> None:
    shapes = {"crops": {0: batch}} if batch else None
    torch.onnx.export(network, (example,), path, dynamic_shapes=shapes, verbose=False)


@pytest.mark.parametrize(
    ("suffix", "write"),
    [
        (".pt2", write_pt2),
        pytest.param(
            ".onnx",
            write_onnx,
            marks=[
                pytest.mark.slow,
                pytest.mark.filterwarnings("ignore"),  # the exporter's own deprecations
            ],
        ),
    ],
)
@pytest.mark.parametrize("batch", [torch.export.Dim("batch"), None])
def test_load_exported_network_agrees_with_reference(
    suffix: str,
    write: Callable[..., None],
    batch: Any,
    tiny: Architecture,
    reference: ConvNeXtPose,
    crops: Tensor,
    tmp_path: Path,
) -> None:
    path, specification = tmp_path / f"T{suffix}", str(tmp_path / f"{{variant}}{suffix}")
    write(path, reference, crops[:2], batch)
    network = load_exported_network(specification, "T", tiny, CPU)

    assert network.batch_size == (None if batch else 2)
    with torch.inference_mode():
        assert float((network(crops) - reference(crops)).abs().max()) < AGREEMENT_CELLS
    write(path, ConvNeXtPose(tiny).eval(), crops[:2], batch)
    assert load_exported_network(specification, "T", tiny, CPU).sha256 != network.sha256


def test_onnx_providers_use_selected_gpu_in_exact_float32() -> None:
    both = ["CUDAExecutionProvider", "CPUExecutionProvider"]

    on_cuda = select_onnx_providers(torch.device("cuda:1"), both)

    options = {"device_id": 1, "use_tf32": 0, "cudnn_conv_algo_search": "HEURISTIC"}
    assert on_cuda == [(both[0], options), both[1]]
    assert select_onnx_providers(CPU, both) == both[1:]
    assert select_onnx_providers(torch.device("cuda"), both[1:]) == both[1:]


def _write_model_with_weights_at(location: str) -> Callable[[Path], Any]:
    return lambda folder: (folder / "X.onnx").write_bytes(make_onnx_model("a test", location))


BROKEN_EXPORTS: list[tuple[str, Callable[[Path], Any]]] = [
    ("missing.onnx", lambda _: None),
    ("X.onnx", lambda folder: (folder / "X.onnx").write_bytes(b"not a model")),
    *(
        ("X.onnx", _write_model_with_weights_at(location))
        for location in (
            "../outside", "inside/../../outside", "/etc/passwd", "..", "", "missing", "inside",
            "*/_ORT_MEM_ADDR_/*",
        )
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "spoil"), BROKEN_EXPORTS)
def test_load_exported_network_invalid_file_raises_bad_network(
    tiny: Architecture, tmp_path: Path, name: str, spoil: Callable[[Path], Any]
) -> None:
    (tmp_path / "outside").write_bytes(bytes(4))
    folder = tmp_path / "exports"
    (folder / "inside").mkdir(parents=True)
    _write_model_with_weights_at("weights")(folder)
    (folder / "weights").write_bytes(bytes(4))
    spoil(folder)

    problem = r"^\[bad-network\] .*(does not exist|be loaded)"
    with pytest.raises(ConvNeXtPoseCheckError, match=problem):
        load_exported_network(str(folder / name), "T", tiny, CPU)


def test_load_exported_network_sparse_tensor_in_other_file_is_refused(
    tiny: Architecture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """onnx would not load it, and onnxruntime would read it from the current folder."""
    (tmp_path / "T.onnx").write_bytes(make_sparse_model("weights"))
    (tmp_path / "weights").write_bytes(bytes(4))
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ConvNeXtPoseCheckError, match=r"^\[bad-network\] .* it cannot be loaded: "):
        load_exported_network("T.onnx", "T", tiny, CPU)


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_load_exported_network_missing_package_is_named(
    package: str, tiny: Architecture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "X.onnx").write_bytes(make_corner_model(1))
    monkeypatch.setitem(sys.modules, package, None)

    with pytest.raises(ConvNeXtPoseCheckError, match=rf" {package} .*:\n  .*pip install onnx "):
        load_exported_network(str(tmp_path / "X.onnx"), "T", tiny, CPU)


def test_load_exported_network_hash_covers_external_weights(
    tiny: Architecture, tmp_path: Path
) -> None:
    from onnx import load_from_string

    def digest(weights: bytes, producer: str = "a test") -> str | None:
        model = load_from_string(make_corner_model(1))
        (tensor,) = load_from_string(make_onnx_model("", "below/weights")).graph.initializer
        tensor.name, model.producer_name = "unused", producer
        model.graph.initializer.append(tensor)
        (tmp_path / "X.onnx").write_bytes(model.SerializeToString())
        (tmp_path / "below").mkdir(exist_ok=True)
        (tmp_path / "below" / "weights").write_bytes(weights)
        return load_exported_network(str(tmp_path / "{variant}.onnx"), "X", tiny, CPU).sha256

    first = digest(b"1234")
    assert digest(b"1235") != first
    assert digest(b"1234", "another") != first
    assert digest(b"1234") == first
