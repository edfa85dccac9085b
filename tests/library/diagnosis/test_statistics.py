"""Statistics of boxes, bones and images depart from their limits in faulty data only."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from convnextpose_check.diagnosis.statistics import (
    COARSE_AXES,
    find_displacement,
    measure_geometry,
    measure_images,
)
from convnextpose_check.diagnosis.table import SampleTable
from convnextpose_check.human36m.geometry import Array
from tests.support.sample_tables import make_sample_table, mix_tables


def make_sound_table() -> SampleTable:
    """A table in which a subject's bones are constant, and joints lie in the middle of boxes."""
    table = make_sample_table()
    pose_mm = table.truth_mm[0]
    truth_mm = np.repeat((pose_mm - pose_mm[0])[None], len(table), axis=0)
    table = replace(table, truth_mm=truth_mm)
    camera = table.conversion[3]
    joints_mm = truth_mm[:, :17] + table.pelvis_mm[:, None]
    pixels = joints_mm[..., :2] / joints_mm[..., 2:] * camera.focal_px + camera.center_px
    low, high = pixels.min(axis=1), pixels.max(axis=1)
    side = (high - low).max(axis=1)[:, None] / 0.7
    boxes_px = np.hstack([(low + high) / 2 - side / 2, side, side])
    return replace(table, boxes_px=boxes_px)


def list_findings(table: SampleTable) -> list[str]:
    found = (each.find_departure(table, COARSE_AXES) for each in measure_geometry(table))
    return [f"{finding.what} ({finding.place})" for finding in found if finding is not None]


def test_sound_geometry_has_no_departure() -> None:
    assert list_findings(make_sound_table()) == []


@pytest.mark.parametrize(
    ("label", "shift", "factor", "text"),
    [
        ("camera 4", 0.1, 1.0, r"joints are -0.10 sides off in x \(camera 4, 180"),
        ("S11", 0.0, 2.0, r"joints extend over 0.35 of the box side \(S11, 360"),
    ],
)
def test_changed_boxes_are_found(label: str, shift: float, factor: float, text: str) -> None:
    sound = make_sound_table()
    (mask,) = (group.mask for group in sound.groups if group.label == label)
    x, y, w, h = sound.boxes_px.T
    boxes_px = np.stack([x + shift * w - (factor - 1) * w / 2, y - (factor - 1) * h / 2,
                         factor * w, factor * h], axis=1)  # fmt: skip
    (found,) = list_findings(mix_tables(sound, mask, replace(sound, boxes_px=boxes_px)))

    assert re.search(text, found)


def test_changed_bones_are_found() -> None:
    sound = make_sound_table()
    noise_mm = np.random.default_rng(0).normal(0, 20, sound.truth_mm.shape)

    found = list_findings(replace(sound, truth_mm=sound.truth_mm + noise_mm))

    assert any("bones change their length" in each for each in found)


def test_joint_at_its_neighbor_has_constant_bones() -> None:
    sound = make_sound_table()
    truth_mm = sound.truth_mm.copy()
    truth_mm[:, 13] = truth_mm[:, 12]

    assert not any("bones" in each for each in list_findings(replace(sound, truth_mm=truth_mm)))


@pytest.mark.parametrize(
    ("scale", "degrees", "moved_px", "text"),
    [
        (1.0, 0.0, 60.0, "moved by [+]60 and [-+]0 pixels$"),
        (0.9, 0.0, 0.0, "scaled by 0.90.$"),
        (1.0, 6.0, 0.0, "turned by [+]6.0 degrees$"),
    ],
)
def test_displaced_images_are_found(
    scale: float, degrees: float, moved_px: float, text: str
) -> None:
    sound = make_sample_table()
    (mask,) = (group.mask for group in sound.groups if group.label == "S9")

    finding = find_displacement(mix_tables(sound, mask, _move(sound, scale, degrees, moved_px)))

    assert finding is not None
    assert finding.place == "S9, 360 of 720 samples"
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

    empty, blurred, compressed = (
        ((each.values < each.low) | (each.values > each.high)).tolist()
        for each in measure_images(pixels, paths)
    )

    assert empty == [False, False, True, False]
    assert blurred == [False, True, True, False]
    assert compressed == [False, False, False, True]
