"""Networks that are not this suite's: built by a user's code, or exported to a file.

``--network package.module:factory`` calls the factory with the variant's name. ``--network
exports/{variant}.onnx`` reads what was exported, ONNX or TorchScript. Either takes crops
(B, 3, 256, 256) and returns joint positions (B, 18, 3) in cells or raw heatmaps, told apart by
their shape.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.network import Network
from convnextpose_check.network.layout import layout_difference, modern_state
from convnextpose_check.network.onnx_files import external_files
from convnextpose_check.variants import INPUT_SIDE_PX, Architecture

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from torch.nn import Module

    from convnextpose_check.network.keymap import StateDict

VARIANT_MARK = "{variant}"
ONNX_SUFFIX = ".onnx"
TORCHSCRIPT_SUFFIXES = {".pt", ".pth", ".ts", ".torchscript"}


def is_exported(specification: str) -> bool:
    """Whether ``--network`` names files and not a factory."""
    return Path(specification).suffix in TORCHSCRIPT_SUFFIXES | {ONNX_SUFFIX}


def built_module(specification: str, variant: str, folder: Path | None = None) -> Module:
    """What the factory ``package.module:factory`` returns for the variant.

    The module may be in ``folder``, which is put at the end of the import path, so that it hides
    no installed package. It stays there: a factory may import more when it is called.

    Raises ``ConvNeXtPoseCheckError`` (``bad-network``); what the factory itself raises is the
    user's own bug, and shows its traceback.
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
        kind = type(module).__name__
        raise bad_network(specification, f"it returned a {kind} and no torch.nn.Module")
    return module


def takes_weights(module: Module, architecture: Architecture) -> bool:
    """Whether the module has a place for each tensor of the published state dict."""
    try:
        return layout_difference(modern_state(module.state_dict()), architecture) is None
    except ConvNeXtPoseCheckError:  # keys of another kind
        return False


def load_weights(module: Module, state: StateDict) -> None:
    """Copy the published tensors, under the network's own names, to the module's places."""
    own = module.state_dict()
    places = modern_state(own)
    names = dict(zip(places, own, strict=True))
    module.load_state_dict({names[key]: tensor for key, tensor in state.items()}, strict=True)


class ForeignNetwork:
    """A function from crops to cells or heatmaps, as the evaluation takes networks."""

    def __init__(
        self,
        answer: Callable[[Tensor], Any],
        architecture: Architecture,
        specification: str,
        images_at_once: int | None = None,
    ) -> None:
        self.architecture = architecture
        self._answer = answer
        self._specification = specification
        self._images_at_once = images_at_once

    def __call__(self, crops: Tensor, /) -> Tensor:
        """Joint positions (B, 18, 3) in cells; ``bad-network`` if the answer has another shape."""
        import torch

        parts = torch.split(crops, self._images_at_once or len(crops))
        return torch.cat([self._cells_xyz(self._answer(part), len(part)) for part in parts])

    def _cells_xyz(self, answer: Any, images: int) -> Tensor:
        import torch

        from convnextpose_check.network.plain import soft_argmax

        if isinstance(answer, (tuple, list)) and answer:
            answer = answer[0]
        a = self.architecture
        columns, rows, bins = a.grid_whd
        if isinstance(answer, torch.Tensor):
            if answer.shape == (images, a.joints, 3):
                return answer.float()
            if answer.shape in (
                (images, a.joints * bins, rows, columns),
                (images, a.joints, bins, rows, columns),
            ):
                return soft_argmax(answer.float().reshape(images, a.joints, bins, rows, columns))
            found = f"a tensor of shape {tuple(answer.shape)}"
        else:
            found = f"a {type(answer).__name__}"
        raise bad_network(
            self._specification,
            f"it answers {images} crops with {found}: expected ({images}, {a.joints}, 3) cells or"
            f" ({images}, {a.joints * bins}, {rows}, {columns}) heatmaps",
        )


def exported_network(
    specification: str, variant: str, architecture: Architecture, device: torch.device
) -> Network:
    """The exported model of the variant, on the device; ``{variant}`` stands for its name."""
    path = _file_of(specification, variant)
    load = _onnx if path.suffix == ONNX_SUFFIX else _torchscript
    try:
        answer, images_at_once = load(path, device)
    except ConvNeXtPoseCheckError:
        raise
    except Exception as error:  # noqa: BLE001 - the runtimes raise types of their own
        problem = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise bad_network(specification, f"{path} cannot be loaded: {problem}") from None
    return ForeignNetwork(answer, architecture, str(path), images_at_once)


def exported_digest(specification: str, variant: str) -> str:
    """A sha256 over every file that the exported model is read from.

    An ONNX model may keep its weights in further files. A TorchScript model is one file.
    """
    path = _file_of(specification, variant)
    further = external_files(path) if path.suffix == ".onnx" else {}
    files = {"": path, **further}
    contents = {location: _sha256(file) for location, file in files.items()}
    return hashlib.sha256(json.dumps(contents, sort_keys=True).encode()).hexdigest()


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(2**20):
            digest.update(chunk)
    return digest.hexdigest()


def _file_of(specification: str, variant: str) -> Path:
    path = Path(specification.replace(VARIANT_MARK, variant))
    if not path.is_file():
        raise bad_network(specification, f"there is no file {path}")
    return path


def _torchscript(path: Path, device: torch.device) -> tuple[Callable[[Tensor], Any], None]:
    import torch

    module = torch.jit.load(str(path), map_location=device).eval()  # type: ignore[no-untyped-call]  # untyped in torch
    return module, None


def _onnx(path: Path, device: torch.device) -> tuple[Callable[[Tensor], Any], int | None]:
    """The model in onnxruntime; a batch of fixed size in the file is what it is asked in."""
    import torch

    try:
        runtime = importlib.import_module("onnxruntime")
    except ImportError:
        raise ConvNeXtPoseCheckError(
            "bad-network", f"{path} needs onnxruntime", "Install it: pip install onnxruntime"
        ) from None
    external_files(path)  # refuses what onnxruntime might read elsewhere
    session = runtime.InferenceSession(
        str(path), providers=onnx_providers(device, runtime.get_available_providers())
    )
    (taken,) = session.get_inputs()
    if tuple(taken.shape[1:]) != (3, INPUT_SIDE_PX, INPUT_SIDE_PX):
        raise bad_network(str(path), f"it takes {taken.shape}: expected crops (B, 3, 256, 256)")

    def answer(crops: Tensor) -> Tensor:
        found = session.run(None, {taken.name: np.ascontiguousarray(crops.cpu().numpy())})
        return torch.from_numpy(found[0]).to(crops.device)

    return answer, taken.shape[0] if isinstance(taken.shape[0], int) else None


def onnx_providers(
    device: torch.device, offered: Collection[str]
) -> list[str | tuple[str, dict[str, object]]]:
    """What onnxruntime runs a model on: this card in exact float32, else the CPU.

    It would try every way of each convolution for each size of batch; its guess is nearly as good.
    """
    cpu, cuda = "CPUExecutionProvider", "CUDAExecutionProvider"
    if device.type != "cuda" or cuda not in offered:
        return [cpu]
    options = {
        "device_id": device.index or 0,
        "use_tf32": 0,
        "cudnn_conv_algo_search": "HEURISTIC",
    }
    return [(cuda, options), cpu]


def bad_network(specification: str, problem: str) -> ConvNeXtPoseCheckError:
    """The error for a ``--network`` that cannot be judged."""
    return ConvNeXtPoseCheckError(
        "bad-network",
        f"--network {specification}: {problem}",
        "Name a function as package.module:factory, or files as exports/{variant}.onnx",
    )
