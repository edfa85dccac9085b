"""Statistics of images, boxes and joints that sound data have within known limits.

They need neither a network nor a reference: they show that the data contradict one another.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from convnextpose_check.diagnosis.finding import MIN_EXPLAINED, Finding, Grade
from convnextpose_check.diagnosis.table import AXES, SampleTable
from convnextpose_check.human36m.annotations import select_evenly
from convnextpose_check.human36m.crops import read_crop
from convnextpose_check.human36m.geometry import Array, camera_to_image
from convnextpose_check.human36m.samples import Sample
from convnextpose_check.human36m.skeleton import ANNOTATED_JOINTS, BONES

HEAD_BYTES, QUANTIZATION_TABLE = 1 << 16, b"\xff\xdb"
"""Number of bytes in which a JPEG's first quantization table is searched, and its marker, before a
length of two bytes and an index of one."""

IMAGES = 60
"""Number of images to read."""

FIT_ROUNDS, MIN_COUNT = 5, 4
"""Rounds of a fit to the better half of the samples; least number of departing samples, and of
sequences to fit."""

DATA = "Take cameras, joints, boxes and images from one release of the data set"
BOX = "Take x, y, width and height of the annotated box, in pixels of the image"
IMAGE = "Extract these images from the videos again, without other changes"

MIN_BONES_SHARE = 0.1
"""Least share of samples with changed bones: frames without motion keep theirs if smoothed."""

COARSE_AXES = ("all", "subject", "camera", "subject and camera")
"""Axes of groups that a fault of cameras, boxes or bones affects."""


@dataclass(frozen=True)
class Statistic:
    """Values (N,) of samples, between ``low`` and ``high`` if data are sound.

    ``what`` describes a departure, with ``{}`` for the median value. ``min_share`` is the least
    share of departing samples in the affected group.
    """

    what: str
    remedy: str
    values: Array
    low: float
    high: float
    min_share: float = MIN_EXPLAINED
    grade: Grade = "fact"

    def find_departure(self, table: SampleTable, axes: Collection[str]) -> Finding | None:
        """Find the group of these axes in which many values depart from the limits."""
        departs = (self.values < self.low) | (self.values > self.high)
        group = table.find_smallest_group(1.0 * departs, axes)
        if departs.sum() < MIN_COUNT or departs[group.mask].mean() < self.min_share:
            return None
        median = float(np.median(self.values[group.mask & departs]))
        evidence = (
            f"the values of {departs.sum():,} of {len(departs):,} samples are not in"
            f" {self.low:g} to {self.high:g}"
        )
        return Finding(
            self.grade, "inputs", self.what.format(median), evidence, self.remedy, None, group.place
        )


def list_departures(table: SampleTable, samples: Sequence[Sample]) -> list[Finding]:
    """List the statistics of geometry and images that depart from their limits."""
    found = [each.find_departure(table, COARSE_AXES) for each in measure_geometry(table)]
    found.append(find_displacement(table) if table.has_pelvis else None)
    chosen = select_evenly(range(len(samples)), IMAGES)
    pixels = {n: crop for n in chosen if (crop := read_crop(samples[n]).pixels_rgb) is not None}
    if pixels:
        few, paths = table.select(list(pixels)), [samples[n].path for n in pixels]
        statistics = measure_images(np.array(list(pixels.values())), paths)
        found += [each.find_departure(few, ("all", *AXES)) for each in statistics]
    return [finding for finding in found if finding is not None]


def measure_geometry(table: SampleTable) -> Iterator[Statistic]:
    """Compare boxes with the joints in them, and bones with those of the same subject."""
    truth_px = project_joints(table, table.truth_mm + table.pelvis_mm[:, None])
    low_px, high_px = truth_px.min(axis=1), truth_px.max(axis=1)
    corners_px, sides_px = table.boxes_px[:, :2], table.boxes_px[:, 2:]
    right, down = (((low_px + high_px) / 2 - corners_px) / sides_px - 0.5).T
    filled = (high_px - low_px).max(axis=1) / sides_px.max(axis=1)
    yield Statistic("joints extend over {:.2f} of the box side", BOX, filled, 0.56, 0.85)
    yield Statistic("boxes are moved: joints are {:+.2f} sides off in x", BOX, right, -0.05, 0.05)
    yield Statistic("boxes are moved: joints are {:+.2f} sides off in y", BOX, down, -0.08, 0.08)
    ends = np.array(BONES)
    bones_mm = np.linalg.norm(table.truth_mm[:, ends[:, 0]] - table.truth_mm[:, ends[:, 1]], axis=2)
    change = np.zeros(len(table))
    for group in table.select_groups("subject") or table.groups[:1]:
        part_mm, usual_mm = bones_mm[group.mask], np.median(bones_mm[group.mask], axis=0)
        changes = np.abs(part_mm - usual_mm) / np.maximum(usual_mm, 1.0)
        change[group.mask] = changes.max(axis=1)
    what = "bones change their length by {:.0%} from frame to frame: joints were smoothed or edited"
    yield Statistic(what, DATA, change, 0.0, 0.02, MIN_BONES_SHARE, "holds")


def measure_images(pixels_rgb: Array, paths: Sequence[Path]) -> Iterator[Statistic]:
    """Measure content and sharpness of crops (N, 3, 256, 256), and compression of their files."""
    gray = pixels_rgb[:, :, ::4].mean(axis=1)  # a quarter of the rows is enough
    yield Statistic("images are empty", IMAGE, gray.std(axis=(1, 2)), 2.0, 128.0)
    near, far = (
        np.quantile(np.abs(gray[:, :, step:] - gray[:, :, :-step]), 0.995, axis=(1, 2))
        for step in (1, 8)
    )
    what = "images are blurred: the contrast of neighboring pixels is {:.2f} of that at 8 pixels"
    yield Statistic(what, IMAGE, near / np.maximum(far, 1e-6), 0.2, np.inf)
    heads = [path.read_bytes()[:HEAD_BYTES] for path in paths]
    tables = [head.partition(QUANTIZATION_TABLE)[2][3:67] or b"\0" for head in heads]
    steps = np.array([sum(table) / len(table) for table in tables])
    yield Statistic(
        "JPEG quality is low: its mean quantization step is {:.0f}", IMAGE, steps, 0.0, 100.0
    )


def find_displacement(table: SampleTable) -> Finding | None:
    """Find a group in which predicted joints lie elsewhere in the image than annotated ones.

    Fits a complex line, of scale, angle and shift about the image's center, to the better half of
    the samples. A shift of less than a cell may come from the flip test.
    """
    predicted, truth = (
        (project_joints(table, joints_mm) - table.center_px[:, None]) @ (1, 1j)
        for joints_mm in (table.predicted_mm, table.truth_mm + table.pelvis_mm[:, None])
    )
    cell_px = float(np.median(table.boxes_px[:, 2])) / table.grid_whd[0]
    found: list[tuple[float, Finding]] = []
    for group in table.groups:
        if group.axis not in COARSE_AXES or group.sequences.sum() < MIN_COUNT:
            continue
        x, y = truth[group.mask], predicted[group.mask]
        before_px = after_px = np.abs(y - x).mean(axis=1)
        half, slope, offset = np.arange(len(x)), 1 + 0j, 0j
        for _ in range(FIT_ROUNDS):
            slope, offset = np.polyfit(x[half].ravel(), y[half].ravel(), 1)
            after_px = np.abs(y - slope * x - offset).mean(axis=1)
            half = np.argsort(after_px)[: (len(x) + 1) // 2]
        scale, degrees = abs(slope), float(np.angle(slope, deg=True))
        rows = [
            (abs(scale - 1) > 0.01, f"scaled by {scale:.3f}"),
            (abs(degrees) > 1, f"turned by {degrees:+.1f} degrees"),
            (abs(offset) > cell_px, f"moved by {offset.real:+.0f} and {offset.imag:+.0f} pixels"),
        ]
        how = ", ".join(text for applies, text in rows if applies)
        medians = float(np.median(before_px)), float(np.median(after_px))
        if how and medians[0] > cell_px and medians[1] <= (1 - MIN_EXPLAINED) * medians[0]:
            found.append((float((after_px - before_px).sum()), Finding(
                "fact", "inputs", f"images and annotated joints do not fit: the image is {how}",
                f"this lowers the distance of predicted joints from {medians[0]:.0f} to"
                f" {medians[1]:.0f} pixels", DATA, None, group.place,
            )))  # fmt: skip
    return min(found, key=lambda each: each[0])[1] if found else None


def project_joints(table: SampleTable, joints_mm: Array) -> Array:
    """Project joints (N, 18, 3) in camera coordinates to pixels (N, 17, 2)."""
    return camera_to_image(joints_mm, table.conversion[3])[:, :ANNOTATED_JOINTS]
