"""Find the checkpoint file of each variant.

A file or folder with the authors' name (``ConvNeXtPose_L.tar``, also with `` (1)``, another
suffix, or as the folder around an unpacked archive) claims to be that variant; the claim is
checked later, against the content. Files with other names are identified by their shapes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from convnextpose_check.checkpoints.fingerprints import tensor_digests
from convnextpose_check.checkpoints.load import Checkpoint, load_checkpoint
from convnextpose_check.errors import ConvNeXtPoseCheckError, ErrorCode
from convnextpose_check.files.folders import is_file, is_there, too_many_files, walk
from convnextpose_check.network.layout import identify, modern_state
from convnextpose_check.variants import Catalogue

CHECKPOINT_SUFFIXES = (".tar", ".pth", ".pt", ".zip", ".tgz", ".gz")
MAX_CANDIDATES = 1_000
"""Each may have to be opened; there are four published ones."""
_DECORATION = re.compile(r"( ?\(\d+\)|\.\w+)+$")

GIVE_CHECKPOINTS = (
    "Give the folder or the files that hold the authors' four downloads with --checkpoints, or"
    " fetch them with --download"
)

Opened = dict[Path, Checkpoint | str]
"""The files opened in a run: the checkpoint, or the reason why a file was passed over."""


@dataclass
class CheckpointFiles:
    """The checkpoints below the given files and folders.

    ``refused`` maps variants to known errors, such as a failed download.
    """

    places: Sequence[Path]
    catalogue: Catalogue
    refused: dict[str, ConvNeXtPoseCheckError] = field(default_factory=dict)
    opened: Opened = field(default_factory=dict)

    @cached_property
    def candidates(self) -> tuple[Path, ...]:
        """Every file or unpacked folder that may be a checkpoint.

        Raises ``ConvNeXtPoseCheckError``: ``checkpoint-not-found`` for a place that does not exist,
        ``too-many-files``.
        """
        found: dict[Path, None] = {}
        for place in self.places:
            if not is_there(place):
                raise ConvNeXtPoseCheckError(
                    ErrorCode.CHECKPOINT_NOT_FOUND, f"there is nothing at {place}", GIVE_CHECKPOINTS
                )
            for path in _candidates(place):
                found[path] = None
                if len(found) > MAX_CANDIDATES:
                    raise too_many_files(MAX_CANDIDATES, "files that may be checkpoints", place)
        return tuple(found)

    def claim(self, path: Path) -> str | None:
        """The variant in the name of the file or of a folder around it, the innermost first."""
        stems = {Path(v.checkpoint.file_name).stem.lower(): v.name for v in self.catalogue.variants}
        for part in reversed(path.parts):
            if name := stems.get(_DECORATION.sub("", part).lower()):
                return name
        return None

    def load(self, variant: str) -> Checkpoint:
        """Load a variant's one checkpoint; copies of the same weights count as one."""
        if variant in self.refused:
            raise self.refused[variant]
        claimed = [path for path in self.candidates if self.claim(path) == variant]
        loaded = [self._open(path) for path in claimed] or self._by_content(variant)
        contents = [(each.epoch, tensor_digests(each)) for each in loaded] if loaded[1:] else []
        if any(content != contents[0] for content in contents):
            raise ConvNeXtPoseCheckError(
                ErrorCode.AMBIGUOUS,
                f"several different files are checkpoints of {variant}:"
                f" {_listed(checkpoint.path for checkpoint in loaded)}",
                "Name the right file with --checkpoints",
            )
        return loaded[0]

    def _open(self, path: Path) -> Checkpoint:
        opened = self.opened.get(path)
        if not isinstance(opened, Checkpoint):
            opened = self.opened[path] = load_checkpoint(path)
        return opened

    def _by_content(self, variant: str) -> list[Checkpoint]:
        found, passed_over = [], ""
        for path in (path for path in self.candidates if self.claim(path) is None):
            outcome = self._identified(path)
            if isinstance(outcome, str):
                passed_over = passed_over or f"; {path.name} was passed over: {outcome}"
            elif variant in identify(modern_state(outcome.network), self.catalogue):
                found.append(outcome)
        if not found:
            raise ConvNeXtPoseCheckError(
                ErrorCode.CHECKPOINT_NOT_FOUND,
                f"there is no checkpoint of {variant} in {_listed(self.places) or 'any place'}:"
                f" found {_listed(self.candidates) or 'nothing like a checkpoint'}{passed_over}",
                GIVE_CHECKPOINTS,
            )
        return found

    def _identified(self, path: Path) -> Checkpoint | str:
        """The checkpoint of any variant in the file, or the reason why there is none."""
        if path not in self.opened:
            try:
                state = modern_state(self._open(path).network)
                if not identify(state, self.catalogue):
                    self.opened[path] = f"{path} holds none of the variants"
            except ConvNeXtPoseCheckError as error:
                self.opened[path] = error.problem  # the checkpoint itself may be large
        return self.opened[path]


def _candidates(place: Path) -> Iterator[Path]:
    if is_file(place) or is_file(place / "data.pkl"):
        yield place
        return
    for folder, folders, files in walk(place):
        if "data.pkl" in files:
            yield folder
            folders.clear()
        else:
            visible = (name for name in files if not name.startswith("."))
            yield from (folder / n for n in visible if n.lower().endswith(CHECKPOINT_SUFFIXES))


def _listed(paths: Iterable[Path]) -> str:
    names = [str(path) for path in paths]
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
