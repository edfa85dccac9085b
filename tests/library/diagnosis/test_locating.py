"""Faults of the data are located and described; a table without faults has none."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from convnextpose_check.diagnosis.alternatives import CONVERSIONS, locate_alternative
from convnextpose_check.diagnosis.locating import (
    Statistic,
    find_differences,
    locate_difference,
    locate_excess,
    measure_boxes,
    measure_images,
    measure_poses,
)
from convnextpose_check.diagnosis.table import SampleTable, scale_boxes
from convnextpose_check.human36m.geometry import Array
from tests.support.sample_tables import make_sample_table, mix_tables

RNG = np.random.default_rng


(_turn_truth,) = (each.change for each in CONVERSIONS if "turned" in each.what)


def turn_predictions(table: SampleTable) -> SampleTable:
    return _turn_truth(table, -6.0)


def describe_differences(table: SampleTable) -> dict[str, list[str]]:
    rotations = np.broadcast_to(np.eye(3), (len(table), 3, 3))
    return find_differences(table, [*measure_poses(table, rotations), *measure_boxes(table)])


def select_group(table: SampleTable, label: str) -> Array:
    (mask,) = (group.mask for group in table.groups if group.label == label)
    return mask


@pytest.mark.parametrize(
    ("name", "value", "group", "what", "place"),
    [
        ("joints are exchanged", 0, "Smoking", "left and right joints are exchanged", "Smoking"),
        ("poses are mirrored", 0, "S9", "poses are mirrored left to right", "S9"),
        ("ground truth is multiplied", 1.1, "S11", "multiplied by 0.9", "S11"),
        ("turned", 8, "camera 2", "turned by -[78].* degrees in the image", "camera 2"),
        ("depths are", 1.5, "", "depths are multiplied by 0.6", ""),
    ],
)
def test_alternative_is_located(name: str, value: float, group: str, what: str, place: str) -> None:
    sound = make_sample_table()
    (mask,) = (each.mask for each in sound.groups if each.label == group)
    alternative = next(each for each in CONVERSIONS if name in each.what)
    table = mix_tables(sound, mask, alternative.change(sound, value))

    finding = locate_alternative(table, CONVERSIONS, table.groups, table.error_mm - sound.error_mm)

    assert finding is not None
    assert re.search(what, finding.what)
    assert finding.place.startswith(place)
    assert finding.grade == "explains"


@pytest.mark.parametrize(("seed", "shift_mm"), [(1, 2.0), (2, 5.0)])
def test_locate_table_without_faults_has_no_finding(seed: int, shift_mm: float) -> None:
    table = make_sample_table(seed)

    assert locate_alternative(table, CONVERSIONS, table.groups, shift_mm) is None
    assert locate_excess(table, {}, shift_mm) is None


def test_locate_alternative_with_equal_explanations_is_not_a_cause() -> None:
    """Box, root depth and focal length scale a person alike."""
    sound = make_sample_table()
    table = replace(sound, root_depths_mm=sound.root_depths_mm * 1.3)

    finding = locate_alternative(table, CONVERSIONS, table.groups, table.error_mm - sound.error_mm)

    assert finding is not None
    assert finding.grade == "holds"
    named = finding.what.removeprefix("the data fit if ").split(" or ")
    assert any(each.startswith("root depths are multiplied by 0.7") for each in named)
    assert any(each.startswith("box sides are multiplied by 0.7") for each in named)


@pytest.mark.parametrize(
    ("label", "change", "text"),
    [
        (
            "S9",
            lambda t: replace(t, center_px=t.center_px + np.array([60, 0])),
            "images are moved: predicted joints are [+-]0.2. sides off in x",
        ),
        (
            "camera 2",
            lambda t: replace(t, truth_mm=0.9 * t.truth_mm),
            "predictions are 1.1. times as large across",
        ),
        ("S9", turn_predictions, "turned by [+]5.9 degrees about the z axis of the camera"),
        ("", turn_predictions, "turned by [+]6.0 degrees about the z axis of the camera"),
        (
            "camera 4",
            lambda t: replace(t, boxes_px=t.boxes_px + t.boxes_px[:, 2:3] * (0.2, 0, 0, 0)),
            "boxes are moved: joints are -0.[12]. sides off in x",
        ),
        (
            "S11",
            lambda t: replace(t, boxes_px=scale_boxes(t.boxes_px, 2.0)),
            "joints extend over 0.[45]. times as much of the box",
        ),
    ],
)
def test_differences_of_a_group_are_described(
    label: str, change: Callable[[SampleTable], SampleTable], text: str
) -> None:
    """Of all samples, predictions are compared with their annotations."""
    sound = make_sample_table()

    differences = describe_differences(mix_tables(sound, select_group(sound, label), change(sound)))

    assert any(re.search(text, each) for each in differences[label])


def test_images_are_measured(tmp_path: Path) -> None:
    rng = RNG(0)
    sharp = np.kron(rng.integers(0, 255, (16, 16, 3)), np.ones((16, 16, 1))).astype(np.uint8)
    gray = cv2.cvtColor(cv2.cvtColor(sharp, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    images = [sharp, sharp // 3, cv2.GaussianBlur(sharp, (0, 0), 8), gray, sharp]
    samples: list[Any] = []
    for n, (image, quality) in enumerate(zip(images, (90, 90, 90, 90, 10), strict=True)):
        path = tmp_path / f"{n}.jpg"
        cv2.imwrite(str(path), image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        box_px = np.array([0, 0, 256, 256])
        samples.append(SimpleNamespace(path=path, size_px=(256, 256), box_xywh_px=box_px))

    by_text = {
        each.what.partition(" of images")[0]: each.values for each in measure_images(samples)
    }

    differing = {
        what: np.flatnonzero(np.abs(values - values[0]) > 0.4).tolist()
        for what, values in by_text.items()
    }
    assert differing.pop("contrast") == [1, 2]
    assert differing == {
        "brightness": [1], "saturation": [2, 3], "sharpness": [2],
        "JPEG quantization": [4], "ratio of red to blue": [],
    }  # fmt: skip


@pytest.mark.parametrize("label", ["camera 3", "Walking", "S11 Photo 2"])
def test_locate_excess_finds_group_of_unknown_fault(label: str) -> None:
    sound = make_sample_table()
    noise = RNG(0).normal(0, 2, sound.cells_xyz.shape)
    noisy = replace(sound, cells_xyz=sound.cells_xyz + noise)
    table = mix_tables(sound, select_group(sound, label), noisy)
    errors = Statistic("errors are larger", np.log(table.errors_mm.mean(axis=1)), 0.1, is_log=True)

    finding = locate_excess(
        table, find_differences(table, [errors]), table.error_mm - sound.error_mm
    )

    assert finding is not None
    assert finding.place.startswith(label)
    assert finding.grade == "holds"


def test_locate_excess_takes_without_gap_are_not_located() -> None:
    """A fault of all samples that grows from take to take."""
    sound = make_sample_table()
    noise = RNG(0).normal(0, 1, sound.cells_xyz.shape)
    takes = [group.mask for group in sound.groups if group.axis == "take"]
    growth = sum(1.2**n / 1e4 * mask for n, mask in enumerate(takes))
    table = replace(sound, cells_xyz=sound.cells_xyz + noise * np.array(growth)[:, None, None])

    assert locate_excess(table, {}, table.error_mm - sound.error_mm) is None


def test_locate_difference_returns_smallest_group() -> None:
    table = make_sample_table()
    mask = select_group(table, "S9 Eating")

    finding = locate_difference(table, np.where(mask, 30.0, 0.0))

    assert finding.place == "S9 Eating, 24 of 720 samples"
    assert finding.explained_mm == pytest.approx(1.0)
