"""What a run itself knows: other settings than those of the reference, and failed checks."""

from __future__ import annotations

from collections.abc import Iterator

from convnextpose_check.diagnosis.finding import Finding, Link
from convnextpose_check.diagnosis.reading import FinishedRun
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.human36m.samples import Dataset

ENOUGH = 0.9
"""With a smaller share of the samples, the reference says nothing about their error."""

NO_FLIP = "the run used no flip test, the reference does"


def subset_of(run: FinishedRun) -> Finding | None:
    """The fact that too few samples were evaluated for any comparison in millimeters."""
    count, expected = len(run.saved.samples), len(run.saved.samples) + run.missing
    if count >= ENOUGH * expected:
        return None
    what = f"{count:,} of {expected:,} samples were evaluated"
    evidence = "the reference is the error of all samples, so the difference means nothing"
    return Finding("fact", "settings", what, evidence, "Evaluate all samples, without --limit")


def facts_of(run: FinishedRun, dataset: Dataset) -> Iterator[Finding]:
    """Facts that may have moved the error."""
    return (Finding("fact", *each) for each in _facts(run, dataset))


def _facts(run: FinishedRun, dataset: Dataset) -> Iterator[tuple[Link, str, str, str]]:
    """The link, the fact, its evidence and the remedy."""
    for misfit in dataset.inside:
        if isinstance(misfit, ConvNeXtPoseCheckError):
            evidence = "errors are computed from these annotations"
            yield "inputs", misfit.problem, evidence, misfit.remedy
    if misplaced := run.saved.misplaced:
        what = f"{len(misplaced):,} images are copies of images of other sequences"
        copy, first = misplaced[0]
        yield "inputs", what, f"{first} and {copy} are equal", "Fetch these images again"
    if run.missing:
        what = f"{run.missing:,} samples are missing"
        yield "settings", what, "the reference includes them", "Fetch them again"
    results, record = run.results, run.record
    if results is None or record is None:
        return
    if record.identity == "contradicted":
        remedy = "Download the checkpoint again and compare its sha256"
        yield "weights", "the weights are not the published ones", record.identity_reason, remedy
    if results.own_models:
        what = "the models are from a variants file of the user's"
        yield "weights", what, "so is the reference", "Check that file"
    if not results.flip:
        yield "settings", NO_FLIP, "--no-flip was given", "Run again without it"
    if results.subject == "published" and results.bbox != "gt":
        what = "boxes and root depths are RootNet's, the reference is for annotated ones"
        yield "settings", what, "--bbox rootnet was given", "Use --bbox gt"
    opencv = results.environment.get("opencv", "4")
    if not opencv.startswith("4"):
        what = f"images were warped by OpenCV {opencv}"
        evidence = "other major versions than 4 moved errors by 0.03 to 0.4 mm"
        yield "settings", what, evidence, 'Install "opencv-python-headless<5"'
    for check in results.checks:
        is_about = check.variant in (None, run.variant) and not check.told_by
        is_of_error = "test_mpjpe" in check.test or "test_throughput" in check.test
        if is_about and check.outcome == "failed" and not is_of_error:
            what = f"{check.test.rpartition('::')[2]} failed"
            yield "settings", what, check.message, "Fix this first"
