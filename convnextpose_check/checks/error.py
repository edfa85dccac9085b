"""Check that an evaluation is complete and that its error is within a tolerance."""

import shlex
from pathlib import Path

from convnextpose_check.errors import CheckFailedError, ErrorCode
from convnextpose_check.evaluation.measurements import Evaluation
from convnextpose_check.evaluation.verdict import Judgment
from convnextpose_check.human36m.samples import Dataset
from convnextpose_check.text import format_count


def check_evaluation_is_complete(evaluation: Evaluation, dataset: Dataset) -> int:
    """Every sample of the protocol was measured; returns the number of measured samples."""
    if evaluation.complete or (evaluation.surplus and not evaluation.unreadable):
        return len(evaluation.image_ids)
    measured, expected = len(evaluation.image_ids), dataset.facts.samples
    problem = f"{measured} samples were measured: expected {expected}"
    remedy = "Run on the protocol's data set, without --limit"
    if evaluation.unreadable:
        images = ", ".join(f"{e.file_name}: {e.reason}" for e in evaluation.unreadable[:4])
        count = format_count(len(evaluation.unreadable), "image")
        problem += f"; {count} cannot be used ({images})"
        remedy = "Replace them with the data set's original images"
    follows = None if evaluation.unreadable else ErrorCode.INCOMPLETE
    raise CheckFailedError(
        ErrorCode.INCOMPLETE, problem, remedy, measured, expected, follows=follows
    )


def check_images_are_undamaged(evaluation: Evaluation) -> int:
    """No image has a libjpeg warning; returns the number of images.

    The error includes damaged images, since OpenCV, as in the authors' code, decodes them silently.
    """
    images = [f"{each.file_name}: {each.reason}" for each in evaluation.damaged]
    what = "damaged and used as decoded by OpenCV"
    return _fail_if_any(evaluation, images, what, ErrorCode.DAMAGED_IMAGE)


def check_images_are_distinct(evaluation: Evaluation) -> int:
    """No image is a copy from another sequence; returns the number of images.

    A single copy changes the error by less than any tolerance. Copies within one sequence pass: the
    camera may have repeated a frame.
    """
    pairs = [" and ".join(pair) for pair in evaluation.cross_sequence_copies]
    what = "copied from another sequence"
    return _fail_if_any(evaluation, pairs, what, ErrorCode.SAME_IMAGE)


def _fail_if_any(evaluation: Evaluation, images: list[str], what: str, code: ErrorCode) -> int:
    if images:
        count = "1 image is" if len(images) == 1 else f"{len(images)} images are"
        problem = f"{count} {what} ({', '.join(images[:4])})"
        raise CheckFailedError(code, problem, "Download these images again", len(images), 0)
    return len(evaluation.image_ids)


def check_error_is_within(
    judgment: Judgment, tolerance_mm: float, where: str, results_dir: Path
) -> float:
    """MPJPE or PA-MPJPE is within the tolerance; returns the difference in mm."""
    difference_mm = judgment.difference_mm
    if judgment.not_judged or difference_mm is None or judgment.reference is None:
        raise CheckFailedError(
            ErrorCode.NOT_JUDGED,
            f"{where} has {judgment.obtained_mm:.2f} mm, {judgment}",
            "" if judgment.is_subset else "To accept an error without a verdict, add --gate none",
            obtained=str(judgment),
            expected="a verdict",
            follows=ErrorCode.INCOMPLETE if judgment.is_subset else None,
        )
    if not abs(difference_mm) < tolerance_mm:
        raise CheckFailedError(
            ErrorCode.OUTSIDE_TOLERANCE,
            f"{where} has {judgment.obtained_mm:.4f} mm: expected"
            f" {judgment.reference.value:.4f} +/- {tolerance_mm:g} mm"
            f" ({judgment.reference.source}), the difference is {difference_mm:+.4f} mm",
            "To find likely causes, run",
            judgment.obtained_mm,
            judgment.reference.value,
            command=f"python -m convnextpose_check diagnose {shlex.quote(str(results_dir))}",
        )
    return difference_mm
