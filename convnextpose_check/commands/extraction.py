"""From the authors' archives to modern ``.pth`` files and safetensors, without judging a model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from convnextpose_check.checkpoints.find import CheckpointFiles
from convnextpose_check.checkpoints.load import Checkpoint, load_checkpoint
from convnextpose_check.checkpoints.safetensors_file import write_safetensors
from convnextpose_check.checkpoints.snapshot import write_snapshot
from convnextpose_check.checks.archives import (
    check_batchnorm_variances,
    check_holds_variant,
    check_snapshot,
    check_weights_are_finite,
)
from convnextpose_check.errors import CheckFailedError, ConvNeXtPoseCheckError
from convnextpose_check.network.layout import identify, modern_state
from convnextpose_check.variants import Catalogue


@dataclass(frozen=True)
class Extracted:
    """A checkpoint, the variant it holds, and the files that were written from it."""

    checkpoint: Checkpoint
    variant: str
    path: Path
    safetensors: Path


@dataclass(frozen=True)
class Refused:
    """A file that nothing was written from.

    ``meant`` is false for one that merely lay in a folder and claims no variant by its name.
    """

    path: Path
    error: ConvNeXtPoseCheckError
    meant: bool


def extract_all(
    places: Sequence[Path], catalogue: Catalogue, results_dir: Path
) -> Iterator[Extracted | Refused]:
    """Extract every checkpoint among the files and folders, one at a time.

    A file that cannot be used does not stop the others. Each place yields something.
    """
    for place in places:
        files = CheckpointFiles([place], catalogue)
        try:
            candidates = files.candidates
            if not candidates:
                raise ConvNeXtPoseCheckError(
                    "no-checkpoints",
                    f"there is nothing like a checkpoint in {place}",
                    "Name the folder or the files of the authors' downloads",
                )
        except ConvNeXtPoseCheckError as error:
            yield Refused(place, error, meant=True)
            continue
        used = False
        passed_over: list[Refused] = []
        for path in candidates:
            claimed = files.claim(path)
            try:
                yield extract(path, claimed, catalogue, results_dir)
                used = True
            except ConvNeXtPoseCheckError as error:
                meant = path == place or claimed is not None or error.code == "cannot-write"
                used = used or meant
                passed_over.append(Refused(path, error, meant))
        for refused in passed_over:
            yield refused if used else Refused(refused.path, refused.error, meant=True)


def extract(path: Path, claimed: str | None, catalogue: Catalogue, results_dir: Path) -> Extracted:
    """Check a checkpoint as the tests do and write it below ``results_dir/model_dump``.

    ``claimed`` is the variant that the file's name says it is, None where it says nothing. Raises
    ``ConvNeXtPoseCheckError`` as ``load_checkpoint``, the checks and ``write_snapshot`` do.
    """
    checkpoint = load_checkpoint(path)
    variant = claimed or _variant_of(checkpoint, catalogue)
    check_holds_variant(catalogue[variant], checkpoint, catalogue)
    state = modern_state(checkpoint.network)
    check_weights_are_finite(state, str(path))
    check_batchnorm_variances(state, str(path))
    written = write_snapshot(checkpoint, variant, results_dir)
    check_snapshot(written, checkpoint)
    return Extracted(checkpoint, variant, written, write_safetensors(checkpoint, variant, written))


def _variant_of(checkpoint: Checkpoint, catalogue: Catalogue) -> str:
    names = identify(modern_state(checkpoint.network), catalogue)
    if len(names) == 1:
        return names[0]
    if names:
        raise CheckFailedError(
            "several-variants",
            f"{checkpoint.path} can be {' or '.join(names)}, which differ only in what leaves no"
            " trace in the weights",
            f"Name the file as its variant, such as {catalogue[names[0]].checkpoint.file_name}",
        )
    raise CheckFailedError(
        "wrong-layout",
        f"{checkpoint.path} holds none of {', '.join(catalogue.names)}",
        "A model of your own needs a --variants-file",
    )
