"""Find the checkpoint file of each variant.

The authors' file name (``ConvNeXtPose_L.tar``, also with `` (1)`` or another suffix, or as the name
of a folder around an unpacked archive) assigns a file to a variant; other checks then compare it
with the content. Files with other names, such as ``Copy of ConvNeXtPose_L.tar``, are identified by
the shapes of their tensors.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from convnextpose_check.checkpoints.fingerprints import tensor_digests
from convnextpose_check.checkpoints.load import Checkpoint, load_checkpoint
from convnextpose_check.checkpoints.search import FoundFiles, search_paths
from convnextpose_check.errors import ConvNeXtPoseCheckError, ErrorCode
from convnextpose_check.network.layout import identify_variants
from convnextpose_check.variants import Catalogue

_SUFFIXES = re.compile(r"( ?\(\d+\)|\.\w+)+$")

PASS_CHECKPOINTS = (
    "Pass the folder or the files of the authors' four downloads with --checkpoints. To download"
    " them, run"
)
DOWNLOAD = "python -m convnextpose_check download checkpoints"


@dataclass
class CheckpointFiles:
    """The checkpoints in files and folders.

    ``refused`` maps variants to known errors, such as of a failed download. ``loaded_files`` has
    the checkpoint of each opened file, or the reason why it was skipped.
    """

    paths: Sequence[Path]
    catalogue: Catalogue
    refused: dict[str, ConvNeXtPoseCheckError] = field(default_factory=dict)
    loaded_files: dict[Path, Checkpoint | str] = field(default_factory=dict)

    @cached_property
    def found(self) -> FoundFiles:
        """The candidates, and reasons for skipping other files; raises like ``search_paths``."""
        return search_paths(self.paths)

    @property
    def candidates(self) -> tuple[Path, ...]:
        """Every file or unpacked folder that may be a checkpoint; raises like ``search_paths``."""
        return self.found.candidates

    def claimed_variant(self, path: Path) -> str | None:
        """The variant in the name of the file, or of the innermost folder with one."""
        stems = {Path(v.checkpoint.file_name).stem.lower(): v.name for v in self.catalogue.variants}
        for part in reversed(path.parts):
            if name := stems.get(_SUFFIXES.sub("", part).lower()):
                return name
        return None

    def load(self, variant: str) -> Checkpoint:
        """Load the variant's only checkpoint; of files with equal weights, the most complete.

        Raises ``ConvNeXtPoseCheckError``: ``checkpoint-not-found``, ``ambiguous``, what
        ``load_checkpoint`` raises, and the error in ``refused``.
        """
        if variant in self.refused:
            raise self.refused[variant]
        claimed = [path for path in self.candidates if self.claimed_variant(path) == variant]
        loaded = [self._load_once(path) for path in claimed] or self._find_by_content(variant)
        digests = [tensor_digests(each) for each in loaded] if loaded[1:] else []
        epochs = {each.epoch for each in loaded} - {None}
        if len(epochs) > 1 or any(each != digests[0] for each in digests):
            raise ConvNeXtPoseCheckError(
                ErrorCode.AMBIGUOUS,
                f"several different files are checkpoints of {variant}:"
                f" {_join([checkpoint.path for checkpoint in loaded])}",
                "Keep only the right one of these files",
            )
        return min(loaded, key=lambda checkpoint: len(checkpoint.not_recorded))

    def _load_once(self, path: Path) -> Checkpoint:
        checkpoint = self.loaded_files.get(path)
        if not isinstance(checkpoint, Checkpoint):
            checkpoint = self.loaded_files[path] = load_checkpoint(path)
        return checkpoint

    def _find_by_content(self, variant: str) -> list[Checkpoint]:
        """Load files with other names; return those with the variant's tensor shapes."""
        others = [path for path in self.candidates if self.claimed_variant(path) is None]
        contents = [self._identify(path) for path in others]
        found = [
            content
            for content in contents
            if isinstance(content, Checkpoint)
            and variant in identify_variants(content.state, self.catalogue)
        ]
        if found:
            return found
        reasons = [*self.found.skipped, *(each for each in contents if isinstance(each, str))]
        # Without candidates, all variants have the same message, which is shown once.
        what = f"checkpoint of {variant}" if self.candidates else "checkpoint"
        raise ConvNeXtPoseCheckError(
            ErrorCode.CHECKPOINT_NOT_FOUND,
            f"no {what} in {_join(self.paths) or 'any folder'}: found"
            f" {_join(self.candidates) or 'nothing like a checkpoint'}"
            + "; " * bool(reasons)
            + _join(reasons, "; "),
            PASS_CHECKPOINTS,
            command=DOWNLOAD,
        )

    def _identify(self, path: Path) -> Checkpoint | str:
        """The checkpoint in the file, or why it is not a checkpoint of any variant."""
        if path not in self.loaded_files:
            try:
                if not identify_variants(self._load_once(path).state, self.catalogue):
                    self.loaded_files[path] = f"{path} contains none of the variants"
            except ConvNeXtPoseCheckError as error:
                self.loaded_files[path] = error.problem  # the checkpoint itself may be large
        return self.loaded_files[path]


def _join(items: Sequence[object], separator: str = ", ") -> str:
    """List at most four items, and the number of others."""
    more = [f"and {len(items) - 4} more"] if len(items) > 4 else []
    return separator.join([*map(str, items[:4]), *more])
