"""Statistics of boxes and images, whose limits were not verified on Human3.6M."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from convnextpose_check.diagnosis.finding import MIN_EXPLAINED, Finding, Grade
from convnextpose_check.diagnosis.regression import fit_lines
from convnextpose_check.diagnosis.table import AXES, SampleTable
from convnextpose_check.human36m.annotations import select_evenly
from convnextpose_check.human36m.crops import read_crop
from convnextpose_check.human36m.geometry import Array, camera_to_image
from convnextpose_check.human36m.samples import Sample
from convnextpose_check.human36m.skeleton import ANNOTATED_JOINTS

HEAD_BYTES, QUANTIZATION_TABLE = 1 << 16, b"\xff\xdb"
"""Number of bytes in which a JPEG's first quantization table is searched, and its marker, before a
length of two bytes and an index of one."""

IMAGES, MIN_COUNT = 60, 4
"""Number of images to read; least number of departing samples, and of sequences to fit."""

DATA = "Take cameras, joints, boxes and images from one release of the data set"
BOXES = "Compare these boxes with another copy of the annotations"
IMAGE_FILES = "Compare these images with another copy of Human3.6M"

MIN_Z = 4.0
"""Least distance of a group's median from that of the others, in robust deviations of theirs."""

COARSE_AXES = ("all", "subject", "camera", "subject and camera")
"""Axes of groups that a fault of cameras or boxes affects."""


class Statistic(NamedTuple):
    """Values (N,), their range in sound data, and a text for the median of those beyond it."""

    what: str
    values: Array
    low: float
    high: float
    grade: Grade = "possible"


def list_departures(table: SampleTable, samples: Sequence[Sample]) -> list[Finding]:
    """List the statistics of boxes and images that depart from their ranges."""
    found = [_find_departure(table, COARSE_AXES, BOXES, each) for each in measure_boxes(table)]
    chosen = select_evenly(range(len(samples)), IMAGES)
    pixels = {n: crop for n in chosen if (crop := read_crop(samples[n]).pixels_rgb) is not None}
    if pixels:
        few, paths = table.select(list(pixels)), [samples[n].path for n in pixels]
        statistics = measure_images(np.array(list(pixels.values())), paths)
        found += [_find_departure(few, ("all", *AXES), IMAGE_FILES, each) for each in statistics]
    return [finding for finding in found if finding is not None]


def _find_departure(
    table: SampleTable, axes: Collection[str], remedy: str, statistic: Statistic
) -> Finding | None:
    """Find the group of these axes in which at least half of the values depart.

    A group far from the others is located; a departure of all samples only remains possible.
    """
    what, values, low, high, grade = statistic
    departs = (values < low) | (values > high)
    group = table.find_smallest_group(1.0 * departs, axes)
    if departs.sum() < MIN_COUNT or departs[group.mask].mean() < MIN_EXPLAINED:
        return None
    median = float(np.median(values[group.mask & departs]))
    evidence = f"{departs.sum():,} of {len(departs):,} samples are affected"
    if grade == "possible":
        evidence += f"; the synthetic data have {low:g} to {high:g}"
        grade = "holds" if group.label and _is_far(values, group.mask) else grade
    return Finding(grade, "inputs", what.format(median), evidence, remedy, None, group.place)


def _is_far(values: Array, mask: Array) -> bool:
    """Whether the median of the masked values is far from that of the others."""
    usual = np.median(values[~mask])
    spread = 1.4826 * np.median(np.abs(values[~mask] - usual))
    return bool(abs(np.median(values[mask]) - usual) > MIN_Z * spread)


def measure_boxes(table: SampleTable) -> Iterator[Statistic]:
    """Compare boxes with the joints in them."""
    truth_px = project_joints(table, table.truth_mm + table.pelvis_mm[:, None])
    low_px, high_px = truth_px.min(axis=1), truth_px.max(axis=1)
    corners_px, sides_px = table.boxes_px[:, :2], table.boxes_px[:, 2:]
    right, down = (((low_px + high_px) / 2 - corners_px) / sides_px - 0.5).T
    filled = (high_px - low_px).max(axis=1) / sides_px.max(axis=1)
    yield Statistic("joints extend over {:.2f} of the box side", filled, 0.56, 0.85)
    yield Statistic("boxes are moved: joints are {:+.2f} sides off in x", right, -0.05, 0.05)
    yield Statistic("boxes are moved: joints are {:+.2f} sides off in y", down, -0.08, 0.08)


def measure_images(pixels_rgb: Array, paths: Sequence[Path]) -> Iterator[Statistic]:
    """Measure content and sharpness of crops (N, 3, 256, 256), and compression of their files."""
    gray = pixels_rgb[:, :, ::4].mean(axis=1)  # a quarter of the rows is enough
    what = "images are empty: all pixels have one color"
    yield Statistic(what, gray.std(axis=(1, 2)), 1.0, 128.0, "fact")
    near, far = (
        np.quantile(np.abs(gray[:, :, step:] - gray[:, :, :-step]), 0.995, axis=(1, 2))
        for step in (1, 8)
    )
    what = "images are blurred: the contrast of neighboring pixels is {:.2f} of that at 8 pixels"
    yield Statistic(what, near / np.maximum(far, 1e-6), 0.2, 10.0)
    heads = [path.read_bytes()[:HEAD_BYTES] for path in paths]
    tables = [head.partition(QUANTIZATION_TABLE)[2][3:67] or b"\0" for head in heads]
    steps = np.array([sum(table) / len(table) for table in tables])
    what = "JPEG quality is low: its mean quantization step is {:.0f}"
    yield Statistic(what, steps, 0.0, 100.0)


def find_displacement(table: SampleTable) -> Finding | None:
    """Find a group in which predicted joints lie elsewhere in the image than annotated ones.

    The fit is a complex line: scale, angle and shift about the image's center.
    """
    predicted, truth = (
        (project_joints(table, joints_mm) - table.center_px[:, None]) @ (1, 1j)
        for joints_mm in (table.predicted_mm, table.truth_mm + table.pelvis_mm[:, None])
    )
    cell_px = float(np.median(table.boxes_px[:, 2])) / table.grid_whd[0]
    found: list[tuple[float, Finding]] = []
    for group in table.groups if table.has_pelvis else []:
        if group.axis not in COARSE_AXES or group.sequences.sum() < MIN_COUNT:
            continue
        x, y = truth[group.mask, :, None], predicted[group.mask, :, None]
        (slope,), (offset,), _ = fit_lines(x, y)
        before_px, after_px = (np.abs(y - line).mean(axis=1) for line in (x, slope * x + offset))
        usual_px, left_px = float(np.median(before_px)), float(np.median(after_px))
        if usual_px > cell_px and left_px <= (1 - MIN_EXPLAINED) * usual_px:
            found.append((float((after_px - before_px).sum()), Finding(
                "holds", "inputs", "images and annotated joints do not fit: the image is scaled by"
                f" {abs(slope):.3f}, turned by {np.angle(slope, deg=True):+.1f} degrees and moved"
                f" by {offset.real:+.0f} and {offset.imag:+.0f} pixels",
                f"undoing this lowers the distance of predicted joints from {usual_px:.0f} to"
                f" {left_px:.0f} pixels", DATA, None, group.place,
            )))  # fmt: skip
    return min(found, key=lambda each: each[0])[1] if found else None


def project_joints(table: SampleTable, joints_mm: Array) -> Array:
    """Project joints (N, 18, 3) in camera coordinates to pixels (N, 17, 2)."""
    return camera_to_image(joints_mm, table.conversion[3])[:, :ANNOTATED_JOINTS]
