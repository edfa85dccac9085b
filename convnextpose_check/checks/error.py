"""Check that an evaluation is complete, and its error against the reference."""

from __future__ import annotations

import shlex
from pathlib import Path

from convnextpose_check.errors import CheckFailedError, ErrorCode
from convnextpose_check.evaluation.measurements import Evaluation
from convnextpose_check.evaluation.verdict import Judgement
from convnextpose_check.human36m.samples import Dataset


def check_evaluation_is_complete(evaluation: Evaluation, dataset: Dataset) -> int:
    """Every sample of the protocol was measured; returns their number."""
    if evaluation.complete:
        return len(evaluation.image_ids)
    unreadable = ", ".join(f"{e.file_name}: {e.reason}" for e in evaluation.unreadable[:4])
    raise CheckFailedError(
        ErrorCode.INCOMPLETE,
        f"{len(evaluation.image_ids)} samples were measured: expected {dataset.facts.samples}"
        + (
            f"; {len(evaluation.unreadable)} images cannot be used ({unreadable})"
            if unreadable
            else ""
        ),
        "Download the missing images again; a subset is not a reproduction",
        len(evaluation.image_ids),
        dataset.facts.samples,
    )


def check_images_are_undamaged(evaluation: Evaluation) -> int:
    """Libjpeg warns about no image; returns their number.

    OpenCV decodes damaged images silently, as in the authors' code, so the error includes them.
    """
    images = [f"{each.file_name}: {each.reason}" for each in evaluation.damaged]
    what = "images are damaged and were used as OpenCV decodes them"
    return _check_none(evaluation, images, what, ErrorCode.DAMAGED_IMAGE)


def check_images_are_distinct(evaluation: Evaluation) -> int:
    """No image is a copy from another sequence; returns the number of images.

    One copied image changes the error by less than any tolerance. Copies within one sequence pass:
    the camera may have repeated a frame.
    """
    pairs = [" and ".join(pair) for pair in evaluation.cross_sequence_copies]
    return _check_none(
        evaluation, pairs, "of the images are copies of others", ErrorCode.SAME_IMAGE
    )


def _check_none(evaluation: Evaluation, unfit: list[str], what: str, code: ErrorCode) -> int:
    if unfit:
        problem = f"{len(unfit)} {what} ({', '.join(unfit[:4])})"
        raise CheckFailedError(code, problem, "Fetch these images again", len(unfit), 0)
    return len(evaluation.image_ids)


def check_error_is_within(
    judgement: Judgement, tolerance_mm: float, where: str, results_dir: Path
) -> float:
    """MPJPE or PA-MPJPE differs by less than the tolerance; returns the difference."""
    difference_mm = judgement.difference_mm
    if judgement.not_judged or difference_mm is None or judgement.reference is None:
        raise CheckFailedError(
            ErrorCode.NOT_JUDGED,
            f"{where} has {judgement.obtained_mm:.2f} mm, {judgement}",
            "" if judgement.is_subset else "To see it without a verdict, add --gate none",
            obtained=str(judgement),
            expected="a verdict",
        )
    if not abs(difference_mm) < tolerance_mm:
        raise CheckFailedError(
            ErrorCode.OUTSIDE_TOLERANCE,
            f"{where} has {judgement.obtained_mm:.4f} mm: expected"
            f" {judgement.reference.value:.4f} +/- {tolerance_mm:g} mm"
            f" ({judgement.reference.source}), the difference is {difference_mm:+.4f} mm",
            "To search for the cause, run: python -m convnextpose_check diagnose"
            f" {shlex.quote(str(results_dir))}",
            judgement.obtained_mm,
            judgement.reference.value,
        )
    return difference_mm
