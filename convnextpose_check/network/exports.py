"""Exported models for ``--network``: ONNX files, and .pt2 files of ``torch.export.save``."""

import hashlib
import importlib
import io
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.network.users import UserNetwork, bad_network
from convnextpose_check.variants import INPUT_SIDE_PX, Architecture

_Input = tuple[str, str, Sequence[Any]]
"""Name, type and shape of a model's input; a side that is not an integer is variable."""


def load_exported_network(
    specification: str, variant: str, architecture: Architecture, device: torch.device
) -> UserNetwork:
    """Load the variant's model and check its signature; a fixed batch size is respected."""
    with _convert_errors(specification):
        content = _read_model(specification, variant)
        load = _load_onnx if specification.endswith(".onnx") else _load_pt2
        predict, inputs, outputs = load(content, device)
    if len(inputs) != 1 or outputs != 1:
        problem = f"it has {len(inputs)} inputs and {outputs} outputs: expected one of each"
        raise bad_network(specification, problem, "Export only crops to joint positions")
    batch_size = _check_input(specification, *inputs[0])
    sha256 = hashlib.sha256(content).hexdigest()
    return UserNetwork(predict, architecture, specification, batch_size, sha256)


def _load_onnx(
    content: bytes, device: torch.device
) -> tuple[Callable[[Tensor], Any], list[_Input], int]:
    """Return the prediction function, the inputs and the number of outputs."""
    runtime = importlib.import_module("onnxruntime")
    providers = select_onnx_providers(device, runtime.get_available_providers())
    options = runtime.SessionOptions()
    # onnxruntime would load sparse tensors from other files, which the hash does not cover.
    options.add_session_config_entry(
        "session.model_external_initializers_file_folder_path", os.devnull
    )
    session = runtime.InferenceSession(content, options, providers=providers)
    inputs = [(each.name, each.type, each.shape) for each in session.get_inputs()]

    def predict(crops: Tensor) -> Tensor:
        feed = {inputs[0][0]: np.ascontiguousarray(crops.cpu().numpy())}
        return torch.from_numpy(session.run(None, feed)[0]).to(crops.device)

    return predict, inputs, len(session.get_outputs())


def _load_pt2(
    content: bytes, device: torch.device
) -> tuple[Callable[[Tensor], Any], list[_Input], int]:
    """Return the prediction function, the inputs and the number of outputs."""
    from torch.export.passes import move_to_device_pass

    program = torch.export.load(io.BytesIO(content))
    signature = program.graph_signature
    values = {node.name: node.meta.get("val") for node in program.graph.nodes}
    inputs = [
        (name, str(value.dtype), value.shape)
        for name, value in values.items()
        if name in signature.user_inputs
    ]
    return move_to_device_pass(program, device).module(), inputs, len(signature.user_outputs)


def _check_input(specification: str, name: str, dtype: str, shape: Sequence[Any]) -> int | None:
    """Check the input's type, then its shape; return the batch size if it is fixed."""
    if dtype not in ("tensor(float)", "torch.float32"):
        problem = f"its input '{name}' is {dtype}: expected float32"
        remedy = "Export it with a float32 input; weights may have any type (keep_io_types=True)"
        raise bad_network(specification, problem, remedy)
    sides = [side if isinstance(side, int) else None for side in shape]
    if len(sides) != 4 or sides[1] not in (None, 3) or {*sides[2:]} - {None, INPUT_SIDE_PX}:
        text = ", ".join(map(str, shape))
        problem = f"its input '{name}' has shape ({text}): expected (B, 3, 256, 256)"
        raise bad_network(specification, problem, "Export it for crops of this shape")
    return sides[0]


def _read_model(specification: str, variant: str) -> bytes:
    """Read the .pt2 archive, or the ONNX model with the weights from its other files.

    onnx raises an error for weights outside the model's folder.
    """
    path = Path(specification.replace("{variant}", variant))
    if not path.is_file():
        raise bad_network(specification, f"{path} does not exist")
    if specification.endswith(".onnx"):
        model = importlib.import_module("onnx").load(str(path))
        return bytes(model.SerializeToString(deterministic=True))
    return path.read_bytes()


def select_onnx_providers(
    device: torch.device, available: Collection[str]
) -> list[str | tuple[str, dict[str, object]]]:
    """CUDA in exact float32 for a GPU if onnxruntime supports it, else the CPU.

    ``HEURISTIC`` is nearly as fast as an exhaustive search for each batch size.
    """
    cpu, cuda = "CPUExecutionProvider", "CUDAExecutionProvider"
    if device.type != "cuda" or cuda not in available:
        return [cpu]
    options = {"use_tf32": 0, "cudnn_conv_algo_search": "HEURISTIC"}
    return [(cuda, {"device_id": device.index or 0} | options), cpu]


@contextmanager
def _convert_errors(specification: str) -> Iterator[None]:
    """Convert exceptions of onnx, onnxruntime and torch to ``bad-network``."""
    try:
        yield
    except ConvNeXtPoseCheckError:
        raise
    except ImportError as error:
        command = "python -m pip install onnx onnxruntime"
        raise bad_network(specification, str(error), "Run", command) from None
    except Exception as error:  # noqa: BLE001 - they raise various types
        remedy = "Copy all files of the export, or export it again"
        problem = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        problem = f"it cannot be loaded: {problem}"
        raise bad_network(specification, problem, remedy) from None
