"""Load a checkpoint from an untrusted file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch

from convnextpose_check.checkpoints import content
from convnextpose_check.checkpoints.members import RefusedError
from convnextpose_check.checkpoints.pickle_check import NUMPY_CODES, NUMPY_SCALARS
from convnextpose_check.checkpoints.safetensors_file import load_safetensors
from convnextpose_check.checkpoints.unpack import repack
from convnextpose_check.errors import ConvNeXtPoseCheckError, ErrorCode
from convnextpose_check.network.keymap import StateDict, find_prefix
from convnextpose_check.network.layout import normalize_keys


@dataclass(frozen=True)
class Checkpoint:
    """The network of a checkpoint file, under the file's keys and in its order.

    ``form`` names the containers, outermost last. ``sha256`` is that of the user's file. ``epoch``
    is None if the file does not record it. ``steps`` are the optimizer's steps of each parameter,
    empty without an optimizer. ``metadata`` are those of safetensors, all unverified.
    """

    path: Path
    form: str
    sha256: str
    epoch: int | None
    network: StateDict
    steps: tuple[float, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def not_recorded(self) -> tuple[str, ...]:
        """What the file lacks of a training snapshot."""
        lacks = {"epoch": self.epoch is None, "optimizer steps": not self.steps}
        return tuple(name for name, is_missing in lacks.items() if is_missing)

    @cached_property
    def prefix(self) -> str:
        """The wrappers' prefix of the file's keys, empty for none; raises like ``state``."""
        return find_prefix(self.network)

    @cached_property
    def state(self) -> StateDict:
        """The network under the keys of ``ConvNeXtPose``: no prefix, modern.

        Raises ``ConvNeXtPoseCheckError`` (``wrong-keys``), which names the file.
        """
        try:
            return normalize_keys(self.network)
        except ConvNeXtPoseCheckError as error:
            problem = f"{self.path} has unexpected keys: {error.problem}"
            raise ConvNeXtPoseCheckError(error.code, problem, error.remedy) from None


def load_checkpoint(path: Path) -> Checkpoint:
    """Load a checkpoint in any container, with ``weights_only`` and checked content.

    Raises ``ConvNeXtPoseCheckError``: ``file-not-found``, ``unreadable``, ``html-page``,
    ``damaged``, ``not-a-checkpoint``, ``ambiguous``, ``unsupported-archive``, ``unsafe-archive``,
    ``wrong-layout``.
    """
    try:
        archive, form, sha256 = repack(path)
        is_pickle = not form.startswith("safetensors")
        saved, metadata = (_load_pickle(archive), {}) if is_pickle else load_safetensors(archive)
        epoch, steps = content.read_epoch(saved), content.read_steps(saved)
        network = content.read_network(saved)
        return Checkpoint(path, form, sha256, epoch, network, steps, metadata)
    except RefusedError as error:
        problem = f"{path} {error.problem}"
        raise ConvNeXtPoseCheckError(error.code, problem, error.remedy) from None
    except OSError as error:
        is_missing = isinstance(error, FileNotFoundError)
        raise ConvNeXtPoseCheckError(
            ErrorCode.FILE_NOT_FOUND if is_missing else ErrorCode.UNREADABLE,
            f"cannot read {path}: {error.strerror or error}",
            "Check the path and permissions",
        ) from None


def _load_pickle(archive: IO[bytes]) -> Any:
    """The object saved in a repacked zip; raises ``RefusedError``."""
    scalar = np.float64().__reduce__()[0]
    allowed: list[Any] = [(scalar, name.replace(" ", ".")) for name in NUMPY_SCALARS]
    allowed += [np.dtype, *(type(np.dtype(code)) for code in NUMPY_CODES)]
    try:
        with torch.serialization.safe_globals(allowed):
            return torch.load(archive, map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001 - of many types, and with unsafe advice
        problem = f"has a data.pkl that torch cannot load ({type(error).__name__})"
        raise RefusedError(problem) from None
