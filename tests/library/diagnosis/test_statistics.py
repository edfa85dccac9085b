"""Statistics of boxes and images depart from their limits in faulty data only."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from convnextpose_check.diagnosis.statistics import (
    find_displacement,
    list_departures,
    measure_images,
    project_joints,
)
from convnextpose_check.diagnosis.table import SampleTable, scale_boxes
from convnextpose_check.human36m.geometry import Array
from tests.support.sample_tables import make_sample_table, mix_tables


def make_sound_table() -> SampleTable:
    """A table with joints in the middle of their boxes."""
    table = make_sample_table()
    pixels = project_joints(table, table.truth_mm + table.pelvis_mm[:, None])
    low, high = pixels.min(axis=1), pixels.max(axis=1)
    side = (high - low).max(axis=1)[:, None] / 0.7
    return replace(table, boxes_px=np.hstack([(low + high) / 2 - side / 2, side, side]))


def test_sound_boxes_have_no_departure() -> None:
    assert list_departures(make_sound_table(), []) == []


@pytest.mark.parametrize(
    ("label", "shift", "factor", "text", "grade"),
    [
        ("camera 4", 0.1, 1.0, "joints are -0.10 sides off in x", "holds"),
        ("S11", 0.0, 2.0, "joints extend over 0.35 of the box side", "holds"),
        ("", 0.0, 2.0, "joints extend over 0.35 of the box side", "possible"),
    ],
)
def test_changed_boxes_are_located_or_possible(
    label: str, shift: float, factor: float, text: str, grade: str
) -> None:
    """A group is compared with the others; for all samples there is only an unverified limit."""
    sound = make_sound_table()
    (mask,) = (group.mask for group in sound.groups if group.label == label)
    boxes_px = scale_boxes(sound.boxes_px, factor)
    boxes_px[:, 0] += shift * boxes_px[:, 2]

    (found,) = list_departures(mix_tables(sound, mask, replace(sound, boxes_px=boxes_px)), [])

    assert text in found.what
    assert found.place.startswith(label)
    assert found.grade == grade


@pytest.mark.parametrize(
    ("scale", "degrees", "moved_px", "text"),
    [
        (1.0, 0.0, 60.0, "moved by [+]60 and [-+]0 pixels$"),
        (0.9, 0.0, 0.0, "scaled by 0.90."),
        (1.0, 6.0, 0.0, "turned by [+]6.0 degrees"),
    ],
)
def test_displaced_images_are_located(
    scale: float, degrees: float, moved_px: float, text: str
) -> None:
    sound = make_sample_table()
    (mask,) = (group.mask for group in sound.groups if group.label == "S9")

    finding = find_displacement(mix_tables(sound, mask, _move(sound, scale, degrees, moved_px)))

    assert finding is not None
    assert (finding.grade, finding.place) == ("holds", "S9, 360 of 720 samples")
    assert re.search(text, finding.what)


def test_sound_positions_are_not_displaced() -> None:
    assert find_displacement(make_sample_table()) is None


def _move(table: SampleTable, scale: float, degrees: float, moved_px: float) -> SampleTable:
    """Move the predicted positions in the image, about its center."""
    boxes_px, grid = table.boxes_px[:, None], np.array(table.grid_whd[:2])
    pixels = table.cells_xyz[..., :2] / grid * boxes_px[..., 2:] + boxes_px[..., :2]
    cosine, sine = scale * np.cos(np.radians(degrees)), scale * np.sin(np.radians(degrees))
    centered = pixels - table.center_px[:, None]
    moved = centered @ np.array([[cosine, sine], [-sine, cosine]]) + (moved_px, 0)
    moved = moved + table.center_px[:, None]
    cells = (moved - boxes_px[..., :2]) / boxes_px[..., 2:] * grid
    return replace(table, cells_xyz=np.concatenate([cells, table.cells_xyz[..., 2:]], axis=2))


def test_images_depart_if_empty_blurred_or_compressed(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    sharp = np.kron(rng.integers(0, 255, (16, 16)), np.ones((16, 16))).astype(np.uint8)
    images = [sharp, cv2.GaussianBlur(sharp, (0, 0), 8), np.zeros_like(sharp), sharp]
    paths = [tmp_path / f"{n}.jpg" for n in range(4)]
    for path, image, quality in zip(paths, images, (90, 90, 90, 10), strict=True):
        cv2.imwrite(str(path), image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    pixels: Array = np.repeat(np.array(images)[:, None], 3, axis=1)

    statistics = list(measure_images(pixels, paths))
    empty, blurred, compressed = (
        ((each.values < each.low) | (each.values > each.high)).tolist() for each in statistics
    )

    assert [each.grade for each in statistics] == ["fact", "possible", "possible"]

    assert empty == [False, False, True, False]
    assert blurred == [False, True, True, False]
    assert compressed == [False, False, False, True]
