"""Read a finished run, this suite's or the authors' output, and what it knows itself."""

from __future__ import annotations

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
from convnextpose_check.files.json_files import DECODE_ERRORS
from convnextpose_check.files.regular_files import open_regular
from convnextpose_check.human36m.geometry import Array, camera_to_cells, with_thorax
from convnextpose_check.human36m.samples import Dataset, Sample
from convnextpose_check.human36m.skeleton import ANNOTATED_JOINTS, ROOT
from convnextpose_check.results.schema import Results, VariantResult

Finite = Annotated[float, msgspec.Meta(ge=-1e6, le=1e6)]
Positive = Annotated[float, msgspec.Meta(gt=0, le=1e6)]
"""Millimeters and pixels of people before a camera."""
Joints = Annotated[
    tuple[tuple[Finite, Finite, Finite], ...],
    msgspec.Meta(min_length=ANNOTATED_JOINTS, max_length=ANNOTATED_JOINTS),
]

ENOUGH = 0.9
"""With a smaller share of the samples, the reference says nothing about their error."""

AUTHORS_GRID = (64, 64, 64)
"""The authors' output lacks the heatmap's size: positions are expressed in cells of the largest."""


class SavedSamples(NamedTuple):
    """Positions, errors (N, 17) and samples of a run.

    ``misplaced`` are images that equal an earlier one of another sequence, each with that one.
    """

    table: SampleTable
    errors_mm: Array
    samples: list[Sample]
    misplaced: tuple[tuple[str, str], ...] = ()

    def by_image(self) -> dict[int, float]:
        """The mean error of each sample by its image's id."""
        rows = zip(self.samples, self.errors_mm.mean(axis=1), strict=True)
        return {sample.image_id: float(mm) for sample, mm in rows}


@dataclass(frozen=True)
class FinishedRun:
    """One variant of a finished run.

    ``result_mm`` is its published error, ``missing`` counts the expected samples that were not
    evaluated. ``results`` and ``record`` are None for the authors' output.
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
    """The content of a saved evaluation, whatever has changed since.

    Raises ``ConvNeXtPoseCheckError`` (``bad-results``).
    """
    try:
        with open_regular(path) as stream, np.load(stream, allow_pickle=False) as arrays:
            image_ids, done, cells_xyz, errors_mm, sha256 = (
                arrays[name] for name in ("image_ids", "done", "cells_xyz", "errors_mm", "sha256")
            )
        by_id = {sample.image_id: sample for sample in dataset.samples}
        used = done & cells_xyz.any(axis=(1, 2)) & np.isin(image_ids, list(by_id))
        samples = [by_id[image_id] for image_id in image_ids[used].tolist()]
        if samples:
            table = SampleTable.of_samples(samples, cells_xyz[used], grid_whd, dataset.protocol)
            names = [sample.path.name for sample in samples]
            misplaced, _ = find_copies(names, sha256[used])
            return SavedSamples(table, errors_mm[used], samples, misplaced)
        problem = f"{path} has no sample of the data set below {dataset.layout.root}"
    except OSError as error:
        problem = f"cannot read {path}: {error.strerror}"
    except Exception as error:  # noqa: BLE001 - NumPy raises several unrelated types
        problem = f"{path} contains no evaluation: {error}"
    raise _bad(problem, "Pass the results folder of a run on this data set")


class _Entry(msgspec.Struct, frozen=True):
    """An image's joints in mm, roots at the origin, with the box and the root of the conversion."""

    image_id: int
    joint_cam: Joints
    bbox: tuple[Finite, Finite, Positive, Positive]
    root_cam: tuple[Finite, Finite, Positive]


def read_authors_output(path: Path, dataset: Dataset) -> SavedSamples:
    """The content of ``bbox_root_pose_human36m_output.json``.

    The file lacks the place of the predicted pelvis. It is put where the truth has it, at the depth
    that was used. Raises ``ConvNeXtPoseCheckError`` (``bad-results``) for a file of another form or
    without any of the samples.
    """
    try:
        with open_regular(path) as stream:
            read = msgspec.json.decode(stream.read(), type=list[_Entry])
    except OSError as error:
        raise _bad(f"cannot read {path}: {error.strerror}") from None
    except DECODE_ERRORS as error:
        raise _bad(f"{path} is not the output of the authors' test script: {error}") from None
    entries = {entry.image_id: entry for entry in read}
    samples = [sample for sample in dataset.samples if sample.image_id in entries]
    if not samples:
        raise _bad(f"none of the {len(entries)} images in {path} is a test sample of this data set")
    joints_mm, boxes_px, roots_mm = (
        np.array([getattr(entries[sample.image_id], name) for sample in samples], dtype=np.float64)
        for name in ("joint_cam", "bbox", "root_cam")
    )
    truth_mm = np.array([sample.joints_cam_mm[:ANNOTATED_JOINTS] for sample in samples])
    truth_mm = truth_mm - truth_mm[:, ROOT, None]
    differences_mm = joints_mm.astype(truth_mm.dtype) - truth_mm  # float32, like the authors'
    errors_mm = np.sqrt((differences_mm**2).sum(axis=2)).astype(np.float64)

    empty = np.zeros((len(samples), ANNOTATED_JOINTS + 1, 3))
    table = replace(
        SampleTable.of_samples(samples, empty, AUTHORS_GRID, dataset.protocol),
        boxes_px=boxes_px, root_depths_mm=roots_mm[:, 2], alignment="root", has_pelvis=False,
    )  # fmt: skip
    pelvis_mm = table.pelvis_mm * (table.root_depths_mm / table.pelvis_mm[:, 2])[:, None]
    cells_xyz = camera_to_cells(with_thorax(joints_mm) + pelvis_mm[:, None], *table.conversion)
    return SavedSamples(replace(table, cells_xyz=cells_xyz), errors_mm, samples)


def _bad(
    problem: str, remedy: str = "Pass the bbox_root_pose_human36m_output.json of one run"
) -> ConvNeXtPoseCheckError:
    return ConvNeXtPoseCheckError(ErrorCode.BAD_RESULTS, problem, remedy)


def subset_of(run: FinishedRun) -> Finding | None:
    """The fact that too few samples were evaluated for any comparison in millimeters."""
    count, expected = len(run.saved.samples), len(run.saved.samples) + run.missing
    if count >= ENOUGH * expected:
        return None
    return Finding(
        "fact", "settings", f"{count:,} of {expected:,} samples were evaluated",
        "the reference is the error of all samples, so the difference means nothing",
        "Evaluate all samples, without --limit",
    )  # fmt: skip


def facts_of(run: FinishedRun) -> Iterator[Finding]:
    """Facts that may have moved the error."""
    results, record, misplaced = run.results, run.record, run.saved.misplaced
    rows: list[tuple[object, Link, str, str, str]] = [
        *((True, "inputs", misfit.problem, "errors are computed from these annotations",
           misfit.remedy)
          for misfit in run.dataset.box_consistency if isinstance(misfit, ConvNeXtPoseCheckError)),
        *((True, "inputs", f"{len(misplaced):,} images are copies of images of other sequences",
           f"{first} and {copy} are equal", "Fetch these images again")
          for copy, first in misplaced[:1]),
        (run.missing, "settings", f"{run.missing:,} samples are missing",
         "the reference includes them", "Fetch them again"),
    ]  # fmt: skip
    if results is not None and record is not None:
        opencv = results.environment.get("opencv", "4")
        rows += [
            (record.identity == "contradicted", "weights", "the weights are not the published ones",
             record.identity_reason, "Download the checkpoint again and compare its sha256"),
            (results.own_models, "weights", "the models are from a variants file of the user's",
             "so is the reference", "Check that file"),
            (not results.flip, "settings", "the run used no flip test, the reference does",
             "--no-flip was given", "Run again without it"),
            (results.target == "published" and results.bbox != "gt", "settings",
             "boxes and root depths are RootNet's, the reference is for annotated ones",
             "--bbox rootnet was given", "Use --bbox gt"),
            (not opencv.startswith("4"), "settings", f"images were warped by OpenCV {opencv}",
             "other major versions than 4 moved errors by 0.03 to 0.4 mm",
             'Install "opencv-python-headless<5"'),
            *((check.outcome == "failed", "settings", f"{check.test.rpartition('::')[2]} failed",
               check.message, "Fix this first")
              for check in results.checks
              if check.variant in (None, run.variant) and not check.duplicate_of
              and "test_mpjpe" not in check.test and "test_throughput" not in check.test),
        ]  # fmt: skip
    return (
        Finding("fact", link, what, evidence, remedy)
        for is_so, link, what, evidence, remedy in rows if is_so
    )  # fmt: skip
