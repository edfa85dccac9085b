"""Models passed with ``--network``: built by the user's code, or exported to files.

``--network package.module:factory`` calls the factory with the variant's name; ``--network
exports/{variant}.onnx`` or ``.pt2`` loads a file. Either maps crops (B, 3, 256, 256) to joint
positions (B, 18, 3) in cells or to raw heatmaps; the output's shape decides which.
"""

import importlib
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import torch
from torch import Tensor
from torch.nn import Module

from convnextpose_check.errors import ConvNeXtPoseCheckError, ErrorCode
from convnextpose_check.network.keymap import StateDict
from convnextpose_check.network.layout import find_layout_difference, normalize_keys
from convnextpose_check.network.reference import soft_argmax
from convnextpose_check.variants import Architecture

EXPORT_SUFFIXES = (".onnx", ".pt2")
EXPECTED = "package.module:factory, exports/{variant}.onnx or exports/{variant}.pt2"


def parse_specification(text: str) -> str:
    """Return the value of ``--network``; raises ``ValueError`` with the expected forms."""
    if text.endswith(EXPORT_SUFFIXES) or re.fullmatch(r"[\w.]+:\w+", text):
        return text
    raise ValueError(EXPECTED)


def is_factory(specification: str | None) -> TypeGuard[str]:
    """True if ``--network`` names a factory, not exported files."""
    return specification is not None and not specification.endswith(EXPORT_SUFFIXES)


def runs_code(specification: str | None) -> bool:
    """True if the user's network can execute code: loading a .pt2 file can."""
    return specification is not None and not specification.endswith(".onnx")


def build_module(specification: str, variant: str, folder: Path | None = None) -> Module:
    """Call the factory ``package.module:factory`` with the variant's name.

    ``folder`` is appended to ``sys.path``, after installed packages, and stays there, since the
    factory may import more when it is called. Raises ``ConvNeXtPoseCheckError`` (``bad-network``)
    if it does not exist or the result is not a module; the user's exceptions propagate.
    """
    if folder is not None and str(folder) not in sys.path:
        sys.path.append(str(folder))
    name, _, attribute = specification.partition(":")
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if not f"{name}.".startswith(f"{error.name}."):  # an import in the user's module
            raise
        raise bad_network(specification, f"it cannot be imported: {error}") from None
    factory = getattr(module, attribute, None)
    if factory is None:
        raise bad_network(specification, f"module {name} has no '{attribute}'")
    built = factory(variant)
    if not isinstance(built, torch.nn.Module):
        problem = f"it returned a {type(built).__name__}: expected a torch.nn.Module"
        raise bad_network(specification, problem)
    return built


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
    """Adapts the user's ``predict`` to ``Network``.

    If ``batch_size`` is given, all batches have this size; the last one is filled up with zeros.
    ``sha256`` is that of all that an exported model was loaded from.
    """

    predict: Callable[[Tensor], Any]
    architecture: Architecture
    specification: str
    batch_size: int | None = None
    sha256: str | None = None

    def __call__(self, crops: Tensor, /) -> Tensor:
        """Return positions (B, 18, 3) in cells; ``bad-network`` for another shape."""
        size = self.batch_size or len(crops)
        filling = crops.new_zeros(-len(crops) % size, *crops.shape[1:])
        parts = torch.split(torch.cat([crops, filling]), size)
        cells_xyz = torch.cat([self._to_cells(self.predict(part), size) for part in parts])
        return cells_xyz[: len(crops)]

    def _to_cells(self, output: Any, images: int) -> Tensor:
        joints, (columns, rows, bins) = self.architecture.joints, self.architecture.grid_whd
        volumes = (images, joints, bins, rows, columns)
        flat = (images, joints * bins, rows, columns)
        if isinstance(output, torch.Tensor):
            if output.shape == (images, joints, 3):
                return output.float()
            if output.shape in (volumes, flat):
                return soft_argmax(output.float().reshape(volumes))
        shape = tuple(getattr(output, "shape", ()))
        raise bad_network(
            self.specification,
            f"it returned a {type(output).__name__} of shape {shape}: expected"
            f" ({images}, {joints}, 3) cells or {flat} heatmaps",
        )


def bad_network(
    specification: str, problem: str, remedy: str = f"Pass {EXPECTED}", command: str = ""
) -> ConvNeXtPoseCheckError:
    """The error for a ``--network`` that cannot be evaluated."""
    return ConvNeXtPoseCheckError(
        ErrorCode.BAD_NETWORK, f"--network {specification}: {problem}", remedy, command=command
    )
