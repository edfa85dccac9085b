"""Find the checkpoint of a variant, and name the file that has its place if there is none."""

from __future__ import annotations

from convnextpose_check.checkpoints.load import Checkpoint
from convnextpose_check.errors import ConvNeXtPoseCheckError, ErrorCode
from convnextpose_check.network.layout import identify, modern_state
from convnextpose_check.run.run import Run


def find_checkpoint(run: Run, variant: str) -> Checkpoint:
    """Load the one checkpoint that is used as this variant.

    Raises what ``run.checkpoints`` raises. If there is none, the error names a file that contains
    the variant under the name of another.
    """
    try:
        return run.checkpoints[variant]
    except ConvNeXtPoseCheckError as error:
        if error.code != ErrorCode.CHECKPOINT_NOT_FOUND or not (found := _misnamed(run, variant)):
            raise
        raise ConvNeXtPoseCheckError(
            error.code,
            f"there is no checkpoint of {variant} under its name, but {found.path} holds {variant}",
            f"Rename that file to {run.catalogue[variant].checkpoint.file_name}",
        ) from None


def _misnamed(run: Run, variant: str) -> Checkpoint | None:
    """A file that contains this variant and has the name of another."""
    for other in run.catalogue.names:
        try:
            checkpoint = run.checkpoint_files.load(other)
            held = identify(modern_state(checkpoint.network), run.catalogue)
        except ConvNeXtPoseCheckError:
            continue
        if variant in held and other not in held:
            return checkpoint
    return None
