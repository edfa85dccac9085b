"""Read a finished run: the results folder of this suite, or the authors' output."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
import numpy as np

from convnextpose_check.diagnosis.table import SampleTable
from convnextpose_check.errors import ConvNeXtPoseCheckError, ErrorCode
from convnextpose_check.evaluation.measurements import copies_of
from convnextpose_check.files.json_files import UNDECODABLE
from convnextpose_check.files.whole import open_regular
from convnextpose_check.human36m.geometry import Array, with_thorax
from convnextpose_check.human36m.samples import Dataset, Sample
from convnextpose_check.human36m.skeleton import ANNOTATED_JOINTS, ROOT
from convnextpose_check.results.schema import Results, VariantResult

Finite = Annotated[float, msgspec.Meta(ge=-1e6, le=1e6)]
"""Millimeters and pixels of people before a camera."""
Point = tuple[Finite, Finite, Finite]

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


@dataclass(frozen=True)
class FinishedRun:
    """One variant of a finished run.

    ``figure_mm`` is its published error, ``missing`` counts the expected samples that were not
    evaluated. ``results`` and ``record`` are None for the authors' output.
    """

    variant: str
    figure_mm: float
    reference_mm: float | None
    saved: SavedSamples
    missing: int
    results: Results | None = None
    record: VariantResult | None = None

    @property
    def excess_mm(self) -> float:
        """The figure minus the reference; 0 without one."""
        return 0.0 if self.reference_mm is None else self.figure_mm - self.reference_mm


def read_evaluation(path: Path, dataset: Dataset, grid_whd: tuple[int, int, int]) -> SavedSamples:
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
            misplaced, _ = copies_of(names, sha256[used])
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
    joint_cam: tuple[Point, ...]
    bbox: tuple[Finite, Finite, Finite, Finite]
    root_cam: Point


def read_authors_output(path: Path, dataset: Dataset) -> SavedSamples:
    """The content of ``bbox_root_pose_human36m_output.json``.

    The file lacks the place of the predicted pelvis. It is put where the truth has it, at the depth
    that was used. Raises ``ConvNeXtPoseCheckError`` (``bad-results``) for a file of another form or
    without any of the samples.
    """
    entries = {entry.image_id: entry for entry in _entries(path)}
    samples = [sample for sample in dataset.samples if sample.image_id in entries]
    chosen = [entries[sample.image_id] for sample in samples]
    if not chosen:
        raise _bad(f"none of the {len(entries)} images in {path} is a test sample of this data set")
    joints_mm = np.array([entry.joint_cam for entry in chosen], dtype=np.float64)
    depths_mm = np.array([entry.root_cam[2] for entry in chosen])
    truth_mm = np.array([sample.joints_cam_mm[:ANNOTATED_JOINTS] for sample in samples])
    truth_mm = truth_mm - truth_mm[:, ROOT, None]
    differences_mm = joints_mm.astype(truth_mm.dtype) - truth_mm  # float32, like the authors'
    errors_mm = np.sqrt((differences_mm**2).sum(axis=2)).astype(np.float64)

    empty = np.zeros((len(samples), ANNOTATED_JOINTS + 1, 3))
    table = SampleTable.of_samples(samples, empty, AUTHORS_GRID, dataset.protocol)
    boxes_px = np.array([entry.bbox for entry in chosen])
    table = replace(
        table, boxes_px=boxes_px, root_depths_mm=depths_mm, alignment="root", has_pelvis=False
    )
    pelvis_mm = table.pelvis_mm * (depths_mm / table.pelvis_mm[:, 2])[:, None]
    cells_xyz = table.cells_of(with_thorax(joints_mm) + pelvis_mm[:, None])
    return SavedSamples(replace(table, cells_xyz=cells_xyz), errors_mm, samples)


def _entries(path: Path) -> list[_Entry]:
    try:
        with open_regular(path) as stream:
            entries = msgspec.json.decode(stream.read(), type=list[_Entry])
    except OSError as error:
        raise _bad(f"cannot read {path}: {error.strerror}") from None
    except UNDECODABLE as error:
        raise _bad(f"{path} is not the output of the authors' test script: {error}") from None
    for entry in entries:
        if len(entry.joint_cam) != ANNOTATED_JOINTS:
            count = len(entry.joint_cam)
            raise _bad(f"{path} has {count} joints for image {entry.image_id}: expected 17")
        if not (min(entry.bbox[2:]) > 0 and entry.root_cam[2] > 0):
            raise _bad(f"the box or depth of image {entry.image_id} in {path} is not positive")
    return entries


def _bad(
    problem: str, remedy: str = "Pass the bbox_root_pose_human36m_output.json of one run"
) -> ConvNeXtPoseCheckError:
    return ConvNeXtPoseCheckError(ErrorCode.BAD_RESULTS, problem, remedy)
