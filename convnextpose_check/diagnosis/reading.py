"""Read a finished run of this suite or of the authors' code, and list its facts."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
import numpy as np

from convnextpose_check.diagnosis.finding import Finding, Link
from convnextpose_check.diagnosis.table import Grid, SampleTable
from convnextpose_check.errors import ConvNeXtPoseCheckError, ErrorCode
from convnextpose_check.evaluation.measurements import find_copies
from convnextpose_check.files.json_files import read_json
from convnextpose_check.files.regular_files import open_regular
from convnextpose_check.human36m.geometry import Array, append_thorax, camera_to_cells
from convnextpose_check.human36m.samples import Dataset, Sample
from convnextpose_check.human36m.skeleton import ANNOTATED_JOINTS, ROOT
from convnextpose_check.results.schema import Results, VariantResult

Finite = Annotated[float, msgspec.Meta(ge=-1e6, le=1e6)]
Positive = Annotated[float, msgspec.Meta(gt=0, le=1e6)]
"""Bounds that millimeters and pixels of people in front of a camera never reach."""
Joints = Annotated[
    tuple[tuple[Finite, Finite, Finite], ...],
    msgspec.Meta(min_length=ANNOTATED_JOINTS, max_length=ANNOTATED_JOINTS),
]


class SavedSamples(NamedTuple):
    """Samples of a run; ``copies`` are pairs of equal images."""

    table: SampleTable
    errors_mm: Array
    samples: list[Sample]
    copies: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class FinishedRun:
    """One variant of a finished run, with the number of ``missing`` samples.

    ``results`` and ``record`` are None for the authors' output.
    """

    variant: str
    result_mm: float
    reference_mm: float | None
    saved: SavedSamples
    dataset: Dataset
    missing: int
    results: Results | None = None
    record: VariantResult | None = None


def read_evaluation(path: Path, dataset: Dataset, grid_whd: Grid) -> SavedSamples:
    """Read a saved evaluation of any settings; raises ``bad-results``."""
    try:
        with open_regular(path) as stream, np.load(stream, allow_pickle=False) as arrays:
            image_ids, done, cells_xyz, errors_mm, sha256 = (
                arrays[name] for name in ("image_ids", "done", "cells_xyz", "errors_mm", "sha256")
            )
        by_id = {sample.image_id: sample for sample in dataset.samples}
        used = done & cells_xyz.any(axis=(1, 2)) & np.isin(image_ids, list(by_id))
        samples = [by_id[image_id] for image_id in image_ids[used].tolist()]
        if not samples:
            raise ValueError(f"it has no sample of the data set in {dataset.layout.root}")
        table = SampleTable.from_samples(samples, cells_xyz[used], grid_whd, dataset.protocol)
        copies, within = find_copies([sample.path.name for sample in samples], sha256[used])
        if len(within) > 0.05 * len(samples):  # fewer may be equal where a person stands still
            copies += within
        return SavedSamples(table, errors_mm[used], samples, copies)
    except Exception as error:  # noqa: BLE001 - NumPy raises several unrelated types
        reason = getattr(error, "strerror", None) or error
        raise _error(f"cannot read {path}: {reason}") from None


class _Entry(msgspec.Struct, frozen=True):
    """An image's joints in mm, relative to the root, its box and its root position."""

    image_id: int
    joint_cam: Joints
    bbox: tuple[Finite, Finite, Positive, Positive]
    root_cam: tuple[Finite, Finite, Positive]


def read_authors_output(path: Path, dataset: Dataset) -> SavedSamples:
    """Read ``bbox_root_pose_human36m_output.json``; raises ``bad-results``.

    The predicted pelvis, which it lacks, is the annotated one at the file's root depth.
    """
    try:
        entries = {entry.image_id: entry for entry in read_json(path, list[_Entry])}
    except ConvNeXtPoseCheckError as error:
        raise _error(f"the output of the authors' test script {error.problem}") from None
    samples = [sample for sample in dataset.samples if sample.image_id in entries]
    if not samples:
        raise _error(f"none of the {len(entries)} images in {path} is a sample of this data set")
    joints_mm, boxes_px, roots_mm = (
        np.array([getattr(entries[sample.image_id], name) for sample in samples], dtype=np.float64)
        for name in ("joint_cam", "bbox", "root_cam")
    )
    truth_mm = np.array([sample.joints_cam_mm[:ANNOTATED_JOINTS] for sample in samples])
    truth_mm = truth_mm - truth_mm[:, ROOT, None]
    differences_mm = joints_mm.astype(truth_mm.dtype) - truth_mm  # float32, like the authors'
    errors_mm = np.sqrt((differences_mm**2).sum(axis=2)).astype(np.float64)

    empty = np.zeros((len(samples), ANNOTATED_JOINTS + 1, 3))
    largest_grid_whd = (64, 64, 64)  # the file lacks the heatmap's size
    table = replace(
        SampleTable.from_samples(samples, empty, largest_grid_whd, dataset.protocol),
        boxes_px=boxes_px, root_depths_mm=roots_mm[:, 2], alignment="root", has_pelvis=False,
    )  # fmt: skip
    pelvis_mm = table.pelvis_mm * (table.root_depths_mm / table.pelvis_mm[:, 2])[:, None]
    cells_xyz = camera_to_cells(append_thorax(joints_mm) + pelvis_mm[:, None], *table.conversion)
    return SavedSamples(replace(table, cells_xyz=cells_xyz), errors_mm, samples)


def _error(problem: str) -> ConvNeXtPoseCheckError:
    remedy = "Pass the results folder, or the authors' output, of a run on this data set"
    return ConvNeXtPoseCheckError(ErrorCode.BAD_RESULTS, problem, remedy)


def find_subset(run: FinishedRun) -> Finding | None:
    """Returns a finding if too few samples were evaluated to compare their error."""
    count, expected = len(run.saved.samples), len(run.saved.samples) + run.missing
    if count >= 0.9 * expected:
        return None
    return Finding(
        "fact", "settings", f"{count:,} of {expected:,} samples were evaluated",
        "the reference is the error of all samples, so the two cannot be compared",
        "Evaluate all samples, without --limit",
    )  # fmt: skip


def list_facts(run: FinishedRun) -> Iterator[Finding]:
    """List settings, failed checks and data problems that may have changed the error."""
    results, record, copies = run.results, run.record, run.saved.copies
    names = [sample.path.name for sample in run.saved.samples]
    are_copies = np.isin(names, [name for pair in copies for name in pair])
    table, copied = run.saved.table, "images are copies of other images"
    misfits = [m for m in run.dataset.box_consistency if isinstance(m, ConvNeXtPoseCheckError)]
    places = {copied: table.find_smallest_group(1.0 * are_copies).place} | {
        misfit.problem: group.place
        for misfit in misfits
        for group in table.select_groups("subject")
        if len(misfits) == 1 and f"subject {group.label[1:]} " in misfit.problem
    }
    rows: list[tuple[object, Link, str, str, str]] = [
        *((True, "inputs", misfit.problem, "errors are computed from these annotations",
           misfit.remedy) for misfit in misfits),
        (copies, "inputs", copied,
         f"{len(copies):,} pairs are equal, such as {' and '.join(copies[0] if copies else ())}",
         "Download these images again"),
        (run.missing, "settings", f"{run.missing:,} of {run.missing + len(run.saved.samples):,}"
         " samples are missing", "the reference includes them", "Download them again"),
    ]  # fmt: skip
    if results is not None and record is not None:
        rows += [
            (record.identity == "contradicted", "weights", "the weights are not the published ones",
             record.identity_reason, "Download the checkpoint again"),
            (results.own_models, "weights", "the models are the user's own, not the published",
             "the reference is from --variants-file", "Check the file of --variants-file"),
            (not results.flip, "settings", "the run used no flip test, the reference does",
             "--no-flip was given", "Run again without it"),
            (results.target == "published" and results.bbox != "gt", "settings",
             "boxes and root depths are RootNet's, the reference is for annotated ones",
             "--bbox rootnet was given", "Run again with --bbox gt"),
            *((check.outcome == "failed", "settings", f"{check.test.rpartition('::')[2]} failed",
               check.message, "Fix the failed check first")
              for check in results.checks
              if check.variant in (None, run.variant) and not check.duplicate_of
              and "test_mpjpe" not in check.test and "test_throughput" not in check.test),
        ]  # fmt: skip
    return (
        Finding("fact", link, what, evidence, remedy, None, places.get(what, ""))
        for applies, link, what, evidence, remedy in rows if applies
    )  # fmt: skip
