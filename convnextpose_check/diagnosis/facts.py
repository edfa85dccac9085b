"""What a run itself knows: other settings than those of the reference, and failed checks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from convnextpose_check.diagnosis.finding import Finding, Link
from convnextpose_check.diagnosis.reading import FinishedRun
from convnextpose_check.human36m.samples import Dataset

ENOUGH = 0.9
"""With a smaller share of the samples, the reference says nothing about their error."""

ABOUT_THE_ERROR = ("test_mpjpe", "test_throughput")
NO_FLIP = "no flip test"


def subset_of(run: FinishedRun) -> Finding | None:
    """The fact that too few samples were evaluated for any comparison in millimeters."""
    count, expected = len(run.samples), len(run.samples) + run.missing
    if count >= ENOUGH * expected:
        return None
    what = f"{count:,} of {expected:,} samples were evaluated"
    evidence = "the reference is the error of all samples, so the difference means nothing"
    return _fact("settings", "subset", what, evidence, "Evaluate all samples, without --limit")


def facts_of(run: FinishedRun, dataset: Dataset) -> Iterator[Finding]:
    """Facts that may have moved the error."""
    misfits = [fit.misfit for fit in dataset.fits if fit.misfit is not None]
    for misfit in misfits:
        evidence = "errors are computed from these annotations"
        yield _fact("inputs", "misfit", misfit.problem, evidence, misfit.remedy)
    if run.saved.copies:
        yield _copied_images(run)
    if run.missing:
        what = f"{run.missing:,} samples are missing"
        yield _fact("settings", "missing", what, "the reference includes them", "Fetch them again")
    results, record = run.results, run.record
    if results is None or record is None:
        return
    if record.identity == "contradicted":
        what = "the weights are not the published ones"
        remedy = "Download the checkpoint again and compare its sha256"
        yield _fact("weights", "weights", what, record.identity_reason, remedy)
    if results.own_models:
        what = "the models are from a variants file of the user's"
        yield _fact("weights", "own models", what, "so is the reference", "Check that file")
    if not results.flip:
        what = "the run used no flip test, the reference does"
        yield _fact("settings", NO_FLIP, what, "--no-flip was given", "Run again without it")
    if results.subject == "published" and results.bbox != "gt":
        what = "boxes and root depths are RootNet's, the reference is for annotated ones"
        yield _fact("settings", "RootNet", what, "--bbox rootnet was given", "Use --bbox gt")
    opencv = results.environment.get("opencv", "4")
    if not opencv.startswith("4"):
        what = f"images were warped by OpenCV {opencv}"
        evidence = "other major versions than 4 moved errors by 0.03 to 0.4 mm"
        yield _fact("settings", "OpenCV", what, evidence, 'Install "opencv-python-headless<5"')
    for check in results.checks:
        is_about = check.variant in (None, run.variant) and not check.told_by
        if is_about and check.outcome == "failed" and not is_of_error(check.test):
            what = f"{check.test.rpartition('::')[2]} failed"
            yield _fact("settings", "check", what, check.message, "Fix this first")


def is_of_error(test: str) -> bool:
    """Whether a check is of the error itself, which says nothing about its cause."""
    return any(name in test for name in ABOUT_THE_ERROR)


def _copied_images(run: FinishedRun) -> Finding:
    """Images that are copies, with what the worse of each pair adds to the error."""
    errors_mm, frames = run.errors_mm.mean(axis=1), run.table.frames
    worse = [max(pair, key=lambda index: float(errors_mm[index])) for pair in run.saved.copies]
    added_mm = float((errors_mm[worse] - np.median(errors_mm)).sum() / len(errors_mm))
    one, other = run.saved.copies[0]
    return _fact(
        "inputs", "copies", f"{len(worse):,} images are copies of images of other sequences",
        f"{frames[one]} and {frames[other]} are equal", "Fetch these images again", added_mm,
    )  # fmt: skip


def _fact(
    link: Link, name: str, what: str, evidence: str, remedy: str, effect_mm: float | None = None
) -> Finding:
    return Finding("fact", link, name, what, evidence, remedy, effect_mm)
