"""Conversions between coordinates, compared with numbers calculated by hand."""

from __future__ import annotations

import numpy as np
import pytest

from convnextpose_check.human36m.geometry import (
    Camera,
    camera_to_cells,
    cells_to_camera,
    cells_to_crop,
    image_to_crop,
    square_box,
)
from tests.support.datasets import camera_entry


@pytest.fixture
def camera() -> Camera:
    return Camera.from_annotation(camera_entry())


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        # sides 40 and 20, center (30, 30), side 40 * 1.25 = 50
        ((10.0, 20.0, 41.0, 21.0), (5.0, 5.0, 50.0, 50.0)),
        ((20.0, 10.0, 21.0, 41.0), (5.0, 5.0, 50.0, 50.0)),
        # may leave the image
        ((0.0, 0.0, 11.0, 11.0), (-1.25, -1.25, 12.5, 12.5)),
        # the corner moves to (0, 0) but the size stays: right 20, bottom 10
        ((-7.0, -3.0, 21.0, 11.0), (-2.5, -7.5, 25.0, 25.0)),
        # right = min(99, 80 + 39) = 99, bottom = min(79, 60 + 29) = 79
        ((80.0, 60.0, 40.0, 30.0), (89.5 - 11.875, 69.5 - 11.875, 23.75, 23.75)),
        # one pixel has no side
        ((50.0, 30.0, 1.0, 1.0), (50.0, 30.0, 0.0, 0.0)),
        # integers stay integers, truncated towards zero:
        # sides 10 and 6, center (7, 6): 12.5 to 12, then 7 - 6.0 and 6 - 6.0
        ((2, 3, 11, 7), (1, 0, 12, 12)),
        # sides 9 and 9, center (4.5, 4.5): 11.25 to 11, and -1.0 stays
        ((0, 0, 10, 10), (-1, -1, 11, 11)),
        # sides 13 and 13, center (6.5, 6.5): 16.25 to 16, -1.5 to -1
        ((0, 0, 14, 14), (-1, -1, 16, 16)),
        # one fraction makes all of them fractions
        ((0, 0, 14, 14.0), (-1.625, -1.625, 16.25, 16.25)),
        # without area in the image
        ((10.0, 10.0, 0.0, 5.0), None),
        ((10.0, 10.0, 5.0, 0.0), None),
        ((10.0, 10.0, -5.0, 5.0), None),
        ((100.0, 10.0, 5.0, 5.0), None),
        ((10.0, 80.0, 5.0, 5.0), None),
    ],
)
def test_square_box_clips_and_grows(
    box: tuple[float, ...], expected: tuple[float, ...] | None
) -> None:
    squared = square_box(np.array(box), 100, 80)

    assert (None if squared is None else tuple(squared.tolist())) == expected
    assert squared is None or squared.dtype == np.array(expected).dtype


def test_cells_to_camera_is_not_shifted_by_half_a_cell(camera: Camera) -> None:
    """32 columns of 40 px, 16 rows of 88 px, 64 bins of 2000 mm from -1000 mm."""
    cells = np.array([[0, 0, 0], [16, 8, 32], [31, 31, 48]], dtype=np.float32)
    box = np.array([30.5, 20.25, 40.0, 88.0])

    obtained = cells_to_camera(cells, (32, 16, 64), box, np.float32(4000), camera)

    expected = [
        ((30.5 - 50.5) / 200 * 3000, (20.25 - 40.25) / 220 * 3000, 3000),
        ((50.5 - 50.5) / 200 * 4000, (64.25 - 40.25) / 220 * 4000, 4000),
        ((69.25 - 50.5) / 200 * 4500, (190.75 - 40.25) / 220 * 4500, 4500),
    ]
    np.testing.assert_allclose(obtained, expected, atol=1e-2)
    assert cells[0, 2] == 0, "the argument must not change"
    # RootNet's depth is float64
    depth_mm = np.float64(4000.3)
    assert obtained.dtype == np.float32
    assert cells_to_camera(cells, (32, 16, 64), box, depth_mm, camera).dtype == np.float32


def test_camera_to_cells_inverts_cells_to_camera(camera: Camera) -> None:
    cells_xyz = np.array([[3.25, 17.5, 12.0], [30.0, 1.5, 27.75]], dtype=np.float32)
    conversion = ((32, 64, 16), np.array([30.0, -12.5, 180.0, 140.0]), np.float64(4321.0), camera)

    joints_cam_mm = cells_to_camera(cells_xyz, *conversion)

    np.testing.assert_allclose(camera_to_cells(joints_cam_mm, *conversion), cells_xyz, atol=1e-4)


def test_cells_to_crop_and_image_to_crop_are_pixels_of_256() -> None:
    cells_xyz = np.array([[16.0, 5.0, 60.0], [0.0, 20.0, 1.0]])
    np.testing.assert_array_equal(cells_to_crop(cells_xyz, (32, 20, 64)), [[128, 64], [0, 256]])

    pixels_px, box_xywh_px = np.array([[30.0, 20.0], [50.0, 70.0]]), np.array([30.0, 20, 40, 200])
    np.testing.assert_array_equal(image_to_crop(pixels_px, box_xywh_px), [[0, 0], [128, 64]])
