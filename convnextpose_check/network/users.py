"""Models passed with ``--network``: built by the user's code, or ONNX files.

``--network package.module:factory`` calls the factory with the variant's name; ``--network
exports/{variant}.onnx`` loads a file. Either maps crops (B, 3, 256, 256) to joint positions
(B, 18, 3) in cells or to raw heatmaps; the output's shape decides which.
"""

from __future__ import annotations

import hashlib
import importlib
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from convnextpose_check.errors import ConvNeXtPoseCheckError, ErrorCode
from convnextpose_check.network.layout import find_layout_difference, normalize_keys
from convnextpose_check.variants import INPUT_SIDE_PX, Architecture

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from torch.nn import Module

    from convnextpose_check.network.keymap import StateDict


def is_factory(specification: str | None) -> TypeGuard[str]:
    """True if ``--network`` names a factory, not ONNX files."""
    return specification is not None and not specification.endswith(".onnx")


def build_module(specification: str, variant: str, folder: Path | None = None) -> Module:
    """Call the factory ``package.module:factory`` with the variant's name.

    ``folder`` is appended to ``sys.path``, after installed packages, and stays there, since the
    factory may import more when it is called. Raises ``ConvNeXtPoseCheckError`` (``bad-network``)
    if the import fails or the result is not a module; the factory's exceptions propagate.
    """
    import torch

    if folder is not None and str(folder) not in sys.path:
        sys.path.append(str(folder))
    name, _, attribute = specification.partition(":")
    try:
        factory: Any = importlib.import_module(name)
        for part in attribute.split("."):
            factory = getattr(factory, part)
    except (ImportError, AttributeError, ValueError) as error:
        raise bad_network(specification, f"it cannot be imported: {error}") from None
    module = factory(variant)
    if not isinstance(module, torch.nn.Module):
        problem = f"it returned a {type(module).__name__}: expected a torch.nn.Module"
        raise bad_network(specification, problem)
    return module


def has_published_layout(module: Module, architecture: Architecture) -> bool:
    """True if the module's state dict has the published keys, dtypes and shapes."""
    try:
        return find_layout_difference(normalize_keys(module.state_dict()), architecture) is None
    except ConvNeXtPoseCheckError:  # wrong-keys
        return False


def load_weights(module: Module, state: StateDict) -> None:
    """Load a state dict with normalized keys into a module with any key style."""
    current = module.state_dict()
    module_keys = dict(zip(normalize_keys(current), current, strict=True))
    module.load_state_dict({module_keys[key]: tensor for key, tensor in state.items()}, strict=True)


@dataclass(frozen=True, eq=False)
class UserNetwork:
    """Adapts the user's ``predict`` to ``Network``, in batches of ``batch_size`` if given."""

    predict: Callable[[Tensor], Any]
    architecture: Architecture
    specification: str
    batch_size: int | None = None

    def __call__(self, crops: Tensor, /) -> Tensor:
        """Return positions (B, 18, 3) in cells; ``bad-network`` for another shape."""
        import torch

        parts = torch.split(crops, self.batch_size or len(crops))
        return torch.cat([self._to_cells(self.predict(part), len(part)) for part in parts])

    def _to_cells(self, output: Any, images: int) -> Tensor:
        import torch

        from convnextpose_check.network.reference import soft_argmax

        if isinstance(output, (tuple, list)) and output:
            output = output[0]
        joints, (columns, rows, bins) = self.architecture.joints, self.architecture.grid_whd
        volumes = (images, joints, bins, rows, columns)
        flat = (images, joints * bins, rows, columns)
        description = f"a {type(output).__name__}"
        if isinstance(output, torch.Tensor):
            if output.shape == (images, joints, 3):
                return output.float()
            if output.shape in (volumes, flat):
                return soft_argmax(output.float().reshape(volumes))
            description = f"a tensor of shape {tuple(output.shape)}"
        raise bad_network(
            self.specification,
            f"it returned {description}: expected ({images}, {joints}, 3) cells or {flat} heatmaps",
        )


def load_onnx_network(
    specification: str, variant: str, architecture: Architecture, device: torch.device
) -> UserNetwork:
    """Load the variant's ONNX model with onnxruntime; a fixed batch size is respected."""
    import torch

    content = _read_onnx_model(specification, variant)
    try:
        runtime = importlib.import_module("onnxruntime")
        providers = select_onnx_providers(device, runtime.get_available_providers())
        session = runtime.InferenceSession(content, providers=providers)
    except Exception as error:  # noqa: BLE001 - onnxruntime raises various types
        raise _loading_error(specification, error) from None
    shapes = {each.name: each.shape for each in session.get_inputs()}
    if [shape[1:] for shape in shapes.values()] != [[3, INPUT_SIDE_PX, INPUT_SIDE_PX]]:
        problem = f"it takes inputs {shapes}: expected one of (B, 3, 256, 256)"
        raise bad_network(specification, problem)
    ((name, (batch_size, *_)),) = shapes.items()

    def predict(crops: Tensor) -> Tensor:
        outputs = session.run(None, {name: np.ascontiguousarray(crops.cpu().numpy())})
        return torch.from_numpy(outputs[0]).to(crops.device)

    is_fixed = isinstance(batch_size, int)
    return UserNetwork(predict, architecture, specification, batch_size if is_fixed else None)


def hash_onnx_model(specification: str, variant: str) -> str:
    """The sha256 of the model with all weights; raises ``bad-network``."""
    return hashlib.sha256(_read_onnx_model(specification, variant)).hexdigest()


def _read_onnx_model(specification: str, variant: str) -> bytes:
    """Serialize the model with the weights that exporters write to separate files.

    onnx raises an error for weights outside the model's folder.
    """
    path = Path(specification.replace("{variant}", variant))
    if not path.is_file():
        raise bad_network(specification, f"{path} does not exist")
    try:
        model = importlib.import_module("onnx").load(str(path))
        return bytes(model.SerializeToString(deterministic=True))
    except Exception as error:  # noqa: BLE001 - onnx and protobuf raise various types
        raise _loading_error(specification, error) from None


def select_onnx_providers(
    device: torch.device, available: Collection[str]
) -> list[str | tuple[str, dict[str, object]]]:
    """CUDA in exact float32 for a GPU if onnxruntime supports it, else the CPU.

    ``HEURISTIC`` is nearly as fast as an exhaustive search for each batch size.
    """
    cpu, cuda = "CPUExecutionProvider", "CUDAExecutionProvider"
    if device.type != "cuda" or cuda not in available:
        return [cpu]
    options = {
        "device_id": device.index or 0,
        "use_tf32": 0,
        "cudnn_conv_algo_search": "HEURISTIC",
    }
    return [(cuda, options), cpu]


def bad_network(
    specification: str,
    problem: str,
    remedy: str = "Pass a factory as package.module:factory, or files as exports/{variant}.onnx",
) -> ConvNeXtPoseCheckError:
    """The error for a ``--network`` that cannot be evaluated."""
    return ConvNeXtPoseCheckError(
        ErrorCode.BAD_NETWORK, f"--network {specification}: {problem}", remedy
    )


def _loading_error(specification: str, error: Exception) -> ConvNeXtPoseCheckError:
    if isinstance(error, ImportError):
        return bad_network(specification, str(error), "Run: pip install onnx onnxruntime")
    problem = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return bad_network(specification, f"it cannot be loaded: {problem}")
