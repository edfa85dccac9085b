"""Find the samples that contain the excess, and how they differ from the others."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from operator import itemgetter
from typing import NamedTuple

import numpy as np

from convnextpose_check.diagnosis.finding import Finding
from convnextpose_check.diagnosis.table import AXES, Group, SampleTable
from convnextpose_check.human36m.annotations import select_evenly
from convnextpose_check.human36m.crops import read_crop
from convnextpose_check.human36m.geometry import Array, camera_to_image
from convnextpose_check.human36m.samples import Sample
from convnextpose_check.human36m.skeleton import ANNOTATED_JOINTS, JOINTS, ROOT

MIN_COUNT, MIN_Z = 4, 4.0
"""Least number of sequences, and of groups, to compare; least difference of a group in standard
errors, and in units of the statistic."""


class Statistic(NamedTuple):
    """Values (N,), NaN where unknown; ``what`` describes a difference of a few ``units``.

    Differences of logarithms are described as ratios, that of errors by ``locate_excess``. Values
    that compare a prediction with its annotation are ``paired``: they are 0 in sound data. Groups
    of ``axes`` are compared; takes have too few sequences for statistics.
    """

    what: str
    values: Array
    unit: float
    is_log: bool = False
    is_paired: bool = False
    axes: tuple[str, ...] = ("all", *[*AXES][:-1])


def find_differences(table: SampleTable, statistics: Iterable[Statistic]) -> dict[str, list[str]]:
    """Describe by group label how its samples differ from the others, clearest first.

    A group differs if its median over sequences is far from that of the others, in standard
    errors, in units, and at least twice as far as other groups of its kind. All samples, "", differ
    if paired values are far from 0.
    """
    found = defaultdict[str, list[tuple[float, str]]](list)
    for what, values, unit, is_log, is_paired, axes in statistics:
        means = table.average_sequences(values)
        known = np.isfinite(means)
        for axis in axes:
            masks = {
                group.label: mask
                for group in table.select_groups(axis)
                if (mask := group.sequences & known).sum() >= MIN_COUNT
            }
            medians = np.array([np.median(means[mask]) for mask in masks.values()])
            for n, (label, mask) in enumerate(masks.items()):
                others = means[known & ~mask]
                if len(others) < MIN_COUNT and (label or not is_paired):
                    continue
                difference = float(medians[n] - (np.median(others) if label else 0.0))
                # A quarter of outliers does not affect this standard deviation.
                spread = np.quantile(np.abs(means[mask] - medians[n]), 0.75) / 1.15
                scale = max(unit, float(spread) / mask.sum() ** 0.5)
                if len(medians) >= MIN_COUNT:
                    usual = np.abs(np.delete(medians, n) - np.median(medians))
                    scale = max(scale, float(np.quantile(usual, 0.9)) / 2)
                if abs(difference) > MIN_Z * scale:
                    text = what.format(np.exp(difference) if is_log else difference)
                    found[label].append((abs(difference) / scale, text))
    return {label: [text for _, text in sorted(each)[::-1]] for label, each in found.items()}


def measure_samples(table: SampleTable, samples: Sequence[Sample]) -> Iterator[Statistic]:
    """Measure errors, poses, boxes and, of some samples, images."""
    yield Statistic("", np.log(np.maximum(table.errors_mm.mean(axis=1), 1e-6)), 0.1, True)
    yield from measure_poses(table, np.array([sample.camera.rotation for sample in samples]))
    yield from measure_boxes(table)
    yield from measure_images(samples)


def measure_poses(table: SampleTable, rotations: Array) -> Iterator[Statistic]:
    """Compare the size, direction and pelvis of predicted and annotated poses.

    ``rotations`` (N, 3, 3) map world to camera axes; small angles add up like vectors.
    """
    poses = (table.predicted_mm, table.truth_mm)
    predicted, truth = (each[:, 1:ANNOTATED_JOINTS] - each[:, [ROOT]] for each in poses)
    for how, axes, unit in (("large across", [0, 1], 0.01), ("deep", [2], 0.04)):
        sizes = (np.maximum(each[..., axes].std(axis=1), 1e-6) for each in (predicted, truth))
        one, other = (np.linalg.norm(size, axis=1) for size in sizes)
        what = f"predictions are {{:.2f}} times as {how} as the annotations"
        yield Statistic(what, np.log(one / other), unit, True, True)
    moved = (predicted - truth).mean(axis=1)
    angles = np.cross(truth, predicted).sum(axis=1) / (truth**2).sum(axis=(1, 2))[:, None]
    turned = np.degrees(1.5 * angles)
    turned_world = np.einsum("nij,ni->nj", rotations, turned)
    for n, axis in enumerate("xyz"):
        what = f"predicted joints are {{:+.0f}} mm off the pelvis along {axis}"
        yield Statistic(what, moved[:, n], 5.0, is_paired=True)
        what = f"predictions are turned by {{:+.1f}} degrees about the {axis} axis of the"
        unit = 0.75 if axis == "z" else 1.0  # depths are less certain
        yield Statistic(f"{what} camera", turned[:, n], unit, is_paired=True)
        kinds = ("all", "subject", "action", "subject and action")
        yield Statistic(f"{what} world", turned_world[:, n], 0.75, is_paired=True, axes=kinds)


def measure_boxes(table: SampleTable) -> Iterator[Statistic]:
    """Compare boxes with the joints in them, and root depths with those of the joints."""
    joints_px, predicted_px = (
        camera_to_image(joints_mm, table.conversion[3])[:, :ANNOTATED_JOINTS]
        for joints_mm in (table.truth_mm + table.pelvis_mm[:, None], table.predicted_mm)
    )
    sides_px = table.boxes_px[:, 2:]
    low_px, high_px = joints_px.min(axis=1), joints_px.max(axis=1)
    middles = ((low_px + high_px) / 2 - table.boxes_px[:, :2]) / sides_px
    moved = np.median(predicted_px - joints_px, axis=1) / sides_px
    filled = np.log((high_px - low_px).max(axis=1) / sides_px.max(axis=1))
    depths = np.log(table.root_depths_mm / table.pelvis_mm[:, 2])
    yield Statistic("joints extend over {:.2f} times as much of the box", filled, 0.05, True)
    yield Statistic("root depths are {:.2f} times as large", depths, 0.01, True)
    for axis in range(2):
        where = f"sides off in {'xy'[axis]}"
        yield Statistic(f"boxes are moved: joints are {{:+.2f}} {where}", middles[:, axis], 0.015)
        if table.has_pelvis:
            what = f"images are moved: predicted joints are {{:+.2f}} {where}"
            yield Statistic(what, moved[:, axis], 0.01, is_paired=True)


def measure_images(samples: Sequence[Sample]) -> Iterator[Statistic]:
    """Measure colors and sharpness of crops (3, 256, 256), and compression of their files."""
    rows = np.full((len(samples), 6), np.nan)
    for n in select_evenly(range(len(samples)), 60):
        if (pixels_rgb := read_crop(samples[n]).pixels_rgb) is not None:
            rows[n] = _measure_image(pixels_rgb[:, ::4].astype(float), samples[n].path.read_bytes())
    units = {"brightness": 0.1, "contrast": 0.1, "saturation": 0.1, "sharpness": 0.1,
             "JPEG quantization": 0.25, "ratio of red to blue": 0.05}  # fmt: skip
    for what, logs in zip(units, np.log(np.maximum(rows, 1e-3)).T, strict=True):
        text = f"{what} of images is {{:.2f}} times that of the others"
        yield Statistic(text, logs, units[what], True)


def _measure_image(pixels_rgb: Array, jpeg: bytes) -> tuple[float, ...]:
    gray, (red, _, blue) = pixels_rgb.mean(axis=0), pixels_rgb.mean(axis=(1, 2)) + 1
    near, far = (np.quantile(np.abs(gray[:, step:] - gray[:, :-step]), 0.995) for step in (1, 8))
    # The first quantization table follows its marker, a length of two bytes and an index of one.
    table = jpeg[: 1 << 16].partition(b"\xff\xdb")[2][3:67] or b"\1"
    return (
        gray.mean(), gray.std(), np.ptp(pixels_rgb, axis=0).mean() / (gray.mean() + 1),
        near / (far + 1), sum(table) / len(table), red / blue,
    )  # fmt: skip


def locate_excess(
    table: SampleTable, differences: Mapping[str, Sequence[str]], excess_mm: float
) -> Finding | None:
    """Find the group with ``differences`` from the others, or set of takes, with the excess."""
    errors_mm = table.errors_mm.mean(axis=1)
    groups = [group for group in table.groups if group.label and group.label in differences]
    if (takes := _find_outlying_takes(table, errors_mm)) is not None:
        groups.append(takes)
    found = []
    for group in groups:
        own_mm, rest_mm = (float(errors_mm[mask].mean()) for mask in (group.mask, ~group.mask))
        contained_mm = (own_mm - rest_mm) * float(group.mask.mean())
        if group.may_hold(contained_mm, excess_mm):
            texts = [*filter(None, differences.get(group.label, ()))]
            found.append((abs(excess_mm - contained_mm), Finding(
                "holds", "inputs", ", ".join(["these samples hold the excess", *texts[:2]]),
                f"their error is {own_mm:.1f} mm, that of the others {rest_mm:.1f} mm",
                "Compare their images, joints, boxes and cameras with those of the others",
                contained_mm, group.place,
            )))  # fmt: skip
    return min(found, key=itemgetter(0))[1] if found else None


def _find_outlying_takes(table: SampleTable, errors_mm: Array) -> Group | None:
    """Returns the one or two takes that a clear gap in their errors separates from all others.

    A fault of all samples may have a large effect on more takes, those with fast motion.
    """
    groups = table.select_groups("take")
    means_mm = [float(errors_mm[group.mask].mean()) for group in groups]
    order = np.argsort(means_mm)[::-1][:3].tolist()
    ratios = [means_mm[one] / means_mm[other] for one, other in pairwise(order)]
    if max(ratios, default=0.0) < 1.5:
        return None
    outlying = [groups[n] for n in sorted(order[: ratios.index(max(ratios)) + 1])]
    masks = zip(*((group.mask, group.sequences) for group in outlying), strict=True)
    label = ", ".join(group.label for group in outlying)
    return Group("take", label, *(np.any(each, axis=0) for each in masks))


def locate_difference(table: SampleTable, deltas_mm: Array) -> Finding:
    """Find the smallest group with 90 % of the differences (N,) from a baseline."""
    group = table.find_smallest_group(deltas_mm)
    changed = int((np.abs(deltas_mm[group.mask]) > 0.01).sum())
    return Finding(
        "holds", "", f"the difference from the baseline is in {group.label or 'all groups'}",
        f"the number of its samples with another error is {changed:,}",
        "Compare what both runs read for these samples",
        float(deltas_mm[group.mask].sum() / len(table)), group.place,
    )  # fmt: skip


def find_hot_spots(table: SampleTable) -> list[str]:
    """Describe the subject, camera, action, take and joint with the largest errors."""
    errors_mm, joints_mm = table.errors_mm.mean(axis=1), table.errors_mm.mean(axis=0)
    by_axis = map(table.select_groups, ("subject", "camera", "action", "take"))
    largest = [
        max(each, key=lambda group: errors_mm[group.mask].mean()) for each in by_axis if each
    ]
    places = [f"{group.place}: {errors_mm[group.mask].mean():.1f} mm" for group in largest]
    return [*places, f"{JOINTS[int(joints_mm.argmax())]}: {joints_mm.max():.1f} mm"]
