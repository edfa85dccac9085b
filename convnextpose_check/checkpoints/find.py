"""Which of the user's files is which variant's checkpoint.

A file or folder named as the authors named theirs (``ConvNeXtPose_L.tar``, also with `` (1)``,
another suffix, or as the folder around an unpacked archive) claims to be that variant; the claim is
checked later, against the content. Files with other names are opened and told by their shapes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

from convnextpose_check.checkpoints.load import Checkpoint, load_checkpoint
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.files.folders import is_file, is_there, too_many_files, walk
from convnextpose_check.network.layout import identify, modern_state
from convnextpose_check.variants import Catalogue

CHECKPOINT_SUFFIXES = (".tar", ".pth", ".pt", ".zip", ".tgz", ".gz")
MAX_CANDIDATES = 1_000
"""Each may have to be opened; of the published ones there are four."""
_DECORATION = re.compile(r"( ?\(\d+\)|\.\w+)+$")

GIVE_CHECKPOINTS = (
    "Give the folder or the files that hold the authors' four downloads with --checkpoints, or"
    " fetch them with --download"
)


class Opened:
    """What was opened in a run: each file once, whoever asks for it."""

    def __init__(self) -> None:
        """Nothing was opened yet."""
        self._checkpoints: dict[Path, Checkpoint] = {}
        self._held: dict[Path, tuple[tuple[str, ...], str]] = {}

    def load(self, path: Path) -> Checkpoint:
        """The file's checkpoint; raises whatever ``load_checkpoint`` raises."""
        if path not in self._checkpoints:
            self.put(load_checkpoint(path))
        return self._checkpoints[path]

    def put(self, checkpoint: Checkpoint) -> None:
        """Take one that was opened elsewhere, before it had this path."""
        self._checkpoints[checkpoint.path] = checkpoint

    def holds(self, path: Path, catalogue: Catalogue) -> tuple[tuple[str, ...], str]:
        """The variants that the file's content fits, or what is wrong with the file."""
        if path not in self._held:
            try:
                names = identify(modern_state(self.load(path).network), catalogue)
                self._held[path] = names, ""
            except ConvNeXtPoseCheckError as error:
                self._held[path] = (), error.problem
            if not self._held[path][0]:
                self._checkpoints.pop(path, None)  # it may be large
        return self._held[path]


class CheckpointFiles:
    """The checkpoints below the given files and folders.

    ``refused`` has what is known to keep a variant from being loaded, such as a download that
    failed, ``opened`` what has been opened before.
    """

    def __init__(
        self,
        places: Sequence[Path],
        catalogue: Catalogue,
        refused: Mapping[str, ConvNeXtPoseCheckError] = MappingProxyType({}),
        opened: Opened | None = None,
    ) -> None:
        self.places = tuple(places)
        self.catalogue = catalogue
        self.refused = refused
        self.opened = Opened() if opened is None else opened

    @cached_property
    def candidates(self) -> tuple[Path, ...]:
        """Every file or unpacked folder that may be a checkpoint.

        Raises ``ConvNeXtPoseCheckError``: ``no-checkpoints`` for a place that is not there,
        ``too-many-files``.
        """
        for place in self.places:
            if not is_there(place):
                raise ConvNeXtPoseCheckError(
                    "no-checkpoints", f"there is nothing at {place}", GIVE_CHECKPOINTS
                )
        found: dict[Path, None] = {}
        for place in self.places:
            for path in _candidates(place):
                found[path] = None
                if len(found) > MAX_CANDIDATES:
                    raise too_many_files(MAX_CANDIDATES, "files that may be checkpoints", place)
        return tuple(found)

    def claim(self, path: Path) -> str | None:
        """The variant that the path's name, or that of a folder around it, says it is."""
        stems = {Path(v.checkpoint.file_name).stem.lower(): v.name for v in self.catalogue.variants}
        for part in reversed(path.parts):
            if name := stems.get(_DECORATION.sub("", part).lower()):
                return name
        return None

    def load(self, variant: str) -> Checkpoint:
        """The one checkpoint of a variant, loaded.

        The same weights may be there more than once, in whatever container. Raises
        ``ConvNeXtPoseCheckError``: ``no-checkpoints`` for none, ``several-files`` for files that
        differ, what ``refused`` has, and whatever ``load_checkpoint`` raises.
        """
        if variant in self.refused:
            raise self.refused[variant]
        claimed = [path for path in self.candidates if self.claim(path) == variant]
        loaded = [self.opened.load(path) for path in claimed] or self._by_content(variant)
        if len(loaded) > 1 and len({_content_digest(checkpoint) for checkpoint in loaded}) > 1:
            raise ConvNeXtPoseCheckError(
                "several-files",
                f"several different files are checkpoints of {variant}:"
                f" {_listed(checkpoint.path for checkpoint in loaded)}",
                "Name the file that is meant with --checkpoints",
            )
        return loaded[0]

    def _by_content(self, variant: str) -> list[Checkpoint]:
        unclaimed = [path for path in self.candidates if self.claim(path) is None]
        found, refused = [], ""
        for path in unclaimed:
            names, problem = self.opened.holds(path, self.catalogue)
            if variant in names:
                found.append(self.opened.load(path))
            elif problem and not refused:  # a file that claims nothing may be anything
                refused = f"; {path.name} was passed over: {problem}"
        if not found:
            raise ConvNeXtPoseCheckError(
                "no-checkpoints",
                f"there is no checkpoint of {variant} in {_listed(self.places) or 'any place'}:"
                f" found {_listed(self.candidates) or 'nothing like a checkpoint'}{refused}",
                GIVE_CHECKPOINTS,
            )
        return found


def _content_digest(checkpoint: Checkpoint) -> str:
    """The same for the same epoch and numbers, whatever the container and the key style."""
    digest = hashlib.sha256(str(checkpoint.epoch).encode())
    for key, tensor in sorted(modern_state(checkpoint.network).items()):
        digest.update(f"{key} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def _candidates(place: Path) -> Iterator[Path]:
    if is_file(place) or is_file(place / "data.pkl"):
        yield place
        return
    for folder, folders, files in walk(place):
        if "data.pkl" in files:
            yield folder
            folders.clear()
        else:
            # macOS leaves a hidden twin beside each file, named alike: ._ConvNeXtPose_L.tar
            visible = [name for name in files if not name.startswith(".")]
            yield from (folder / f for f in visible if f.lower().endswith(CHECKPOINT_SUFFIXES))


def _listed(paths: Iterable[Path]) -> str:
    names = [str(path) for path in paths]
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
