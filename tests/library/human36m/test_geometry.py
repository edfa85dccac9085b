"""The conversions between coordinates, against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from convnextpose_check.human36m.geometry import (
    Camera,
    camera_to_cells,
    camera_to_image,
    cells_to_camera,
    cells_to_crop,
    image_to_camera,
    image_to_crop,
    square_box,
    with_thorax,
    world_to_camera,
)
from convnextpose_check.human36m.skeleton import FLIP_PAIRS, JOINTS, MIRRORED
from tests.support.datasets import camera_entry


@pytest.fixture
def camera() -> Camera:
    return Camera.from_annotation(camera_entry())


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        pytest.param(
            (10.0, 20.0, 41.0, 21.0),
            # sides 40 and 20, centre (30, 30), side 40 * 1.25 = 50
            (5.0, 5.0, 50.0, 50.0),
            id="wide-box-grows-in-height",
        ),
        pytest.param((20.0, 10.0, 21.0, 41.0), (5.0, 5.0, 50.0, 50.0), id="high-box-in-width"),
        pytest.param((0.0, 0.0, 11.0, 11.0), (-1.25, -1.25, 12.5, 12.5), id="may-leave-image"),
        pytest.param(
            # the corner moves to (0, 0) but the size stays: right 20, bottom 10
            (-7.0, -3.0, 21.0, 11.0),
            (-2.5, -7.5, 25.0, 25.0),
            id="left-and-top-are-clipped-without-shrinking",
        ),
        pytest.param(
            # right = min(99, 80 + 39) = 99, bottom = min(79, 60 + 29) = 79
            (80.0, 60.0, 40.0, 30.0),
            (89.5 - 11.875, 69.5 - 11.875, 23.75, 23.75),
            id="right-and-bottom-are-clipped",
        ),
        pytest.param((50.0, 30.0, 1.0, 1.0), (50.0, 30.0, 0.0, 0.0), id="one-pixel-has-no-side"),
    ],
)
def test_box_is_clipped_squared_and_grown(
    box: tuple[float, ...], expected: tuple[float, ...]
) -> None:
    squared = square_box(np.array(box), 100, 80)
    assert squared is not None
    assert squared.dtype == np.float64
    np.testing.assert_array_equal(squared, expected)


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        # sides 10 and 6, centre (7, 6): 12.5 is cut to 12, then 7 - 6.0 and 6 - 6.0
        ((2, 3, 11, 7), (1, 0, 12, 12)),
        # sides 9 and 9, centre (4.5, 4.5): 11.25 is cut to 11, and -1.0 stays
        ((0, 0, 10, 10), (-1, -1, 11, 11)),
        # sides 10 and 10, centre (5, 5): 12.5 is cut to 12
        ((0, 0, 11, 11), (-1, -1, 12, 12)),
        # sides 13 and 13, centre (6.5, 6.5): 16.25 to 16, -1.5 towards zero to -1
        ((0, 0, 14, 14), (-1, -1, 16, 16)),
    ],
)
def test_box_in_whole_numbers_is_cut_off_towards_zero(
    box: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    squared = square_box(np.array(box), 100, 80)
    assert squared is not None
    assert np.issubdtype(squared.dtype, np.integer)
    assert squared.tolist() == list(expected)


def test_box_with_one_fraction_is_not_cut_off() -> None:
    squared = square_box(np.array((0, 0, 14, 14.0)), 100, 80)
    assert squared is not None
    np.testing.assert_array_equal(squared, (-1.625, -1.625, 16.25, 16.25))


@pytest.mark.parametrize(
    "box",
    [
        pytest.param((10.0, 10.0, 0.0, 5.0), id="no-width"),
        pytest.param((10.0, 10.0, 5.0, 0.0), id="no-height"),
        pytest.param((10.0, 10.0, -5.0, 5.0), id="negative-width"),
        pytest.param((100.0, 10.0, 5.0, 5.0), id="right-of-image"),
        pytest.param((10.0, 80.0, 5.0, 5.0), id="below-image"),
    ],
)
def test_box_without_area_in_the_image_is_none(box: tuple[float, ...]) -> None:
    assert square_box(np.array(box), 100, 80) is None


def test_world_becomes_camera_by_rotation_then_translation(camera: Camera) -> None:
    joints = np.array([[10.0, 20.0, 30.0]], dtype=np.float32)
    moved = world_to_camera(joints, camera)
    np.testing.assert_array_equal(moved, [[110.0, -80.0, 4020.0]])
    assert moved.dtype == np.float32


def test_projection_divides_by_depth(camera: Camera) -> None:
    joints = np.array([[110.0, -80.0, 4000.0]], dtype=np.float32)
    pixels = camera_to_image(joints, camera)
    np.testing.assert_allclose(pixels, [[50.5 + 5.5, 40.25 - 4.4]], atol=1e-5)
    assert pixels.dtype == np.float32


def test_back_projection_undoes_projection(camera: Camera) -> None:
    chance = np.random.default_rng(1)
    world = chance.uniform(-900, 900, (18, 3)).astype(np.float32)
    joints = world_to_camera(world, camera)
    returned = image_to_camera(camera_to_image(joints, camera), joints[:, 2], camera)
    np.testing.assert_allclose(returned, joints, atol=0.02)
    back = (returned - camera.translation_mm) @ camera.rotation
    np.testing.assert_allclose(back, world, atol=0.02)


def test_cells_become_millimetres_without_half_a_cell(camera: Camera) -> None:
    """Columns of 40 px / 32, bins of 2000 mm / 64; cell 0 is the box's corner and -1000 mm."""
    cells = np.array([[0, 0, 0], [16, 8, 32], [31, 31, 48]], dtype=np.float32)
    box = np.array([30.5, 20.25, 40.0, 40.0])
    obtained = cells_to_camera(cells, (32, 32, 64), box, np.float32(4000), camera)
    assert obtained.dtype == np.float32
    expected = [
        ((30.5 - 50.5) / 200 * 3000, (20.25 - 40.25) / 220 * 3000, 3000),
        ((50.5 - 50.5) / 200 * 4000, (30.25 - 40.25) / 220 * 4000, 4000),
        ((69.25 - 50.5) / 200 * 4500, (59.0 - 40.25) / 220 * 4500, 4500),
    ]
    np.testing.assert_allclose(obtained, expected, atol=1e-2)
    assert cells[0, 2] == 0, "the cells given must stay as they are"


def test_millimetres_become_the_cells_that_they_came_from(camera: Camera) -> None:
    cells_xyz = np.array([[3.25, 17.5, 12.0], [30.0, 1.5, 27.75]], dtype=np.float32)
    placed = ((32, 64, 16), np.array([30.0, -12.5, 180.0, 140.0]), np.float64(4321.0), camera)

    there = cells_to_camera(cells_xyz, *placed)

    np.testing.assert_allclose(camera_to_cells(there, *placed), cells_xyz, atol=1e-4)


def test_cells_keep_float32_beside_rootnets_double_depth(camera: Camera) -> None:
    cells = np.ones((18, 3), dtype=np.float32)
    box = np.array([30.5, 20.25, 40.0, 40.0])
    obtained = cells_to_camera(cells, (32, 32, 64), box, np.float64(4000.3), camera)
    assert obtained.dtype == np.float32


def test_columns_rows_and_bins_have_their_own_counts(camera: Camera) -> None:
    cells = np.array([[10.0, 10.0, 10.0]], dtype=np.float32)
    box = np.array([50.5, 40.25, 40.0, 88.0])
    obtained = cells_to_camera(cells, (10, 20, 40), box, np.float32(4500), camera)
    # the right edge, half the height, a quarter of the depth
    np.testing.assert_allclose(obtained, [[40 / 200 * 4000, 44 / 220 * 4000, 4000]], atol=1e-2)


def test_cells_and_pixels_become_pixels_of_the_crop() -> None:
    """The crop is 256 pixels wide and high, whatever the box."""
    cells_xyz = np.array([[16.0, 5.0, 60.0], [0.0, 20.0, 1.0]])
    np.testing.assert_array_equal(cells_to_crop(cells_xyz, (32, 20, 64)), [[128, 64], [0, 256]])

    pixels_px = np.array([[30.0, 20.0], [50.0, 70.0]])
    box_xywh_px = np.array([30.0, 20.0, 40.0, 200.0])
    np.testing.assert_array_equal(image_to_crop(pixels_px, box_xywh_px), [[0, 0], [128, 64]])


def test_thorax_is_the_mean_of_the_shoulders() -> None:
    joints = np.arange(51, dtype=np.float32).reshape(17, 3)
    extended = with_thorax(joints)
    np.testing.assert_array_equal(extended[:17], joints)
    # left shoulder 11: 33 34 35, right shoulder 14: 42 43 44
    np.testing.assert_array_equal(extended[17], [37.5, 38.5, 39.5])
    assert extended.dtype == np.float32


def test_mirrored_order_swaps_right_and_left_by_name() -> None:
    assert len(JOINTS) == len(MIRRORED) == 18
    for joint, partner in enumerate(MIRRORED):
        name = JOINTS[joint]
        other = {"R": "L", "L": "R"}
        expected = other[name[0]] + name[1:] if name[1] == "_" else name
        assert JOINTS[partner] == expected
    assert len(FLIP_PAIRS) == 6


def test_camera_with_column_vectors_is_the_same(camera: Camera) -> None:
    columns = Camera.from_annotation(camera_entry() | {"t": [[100.0], [-50.0], [4000.0]]})
    np.testing.assert_array_equal(columns.translation_mm, camera.translation_mm)
    assert columns.translation_mm.shape == (3,)


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("R", [[1, 0], [0, 1]]),
        ("t", [1, 2]),
        ("f", [1, float("nan")]),
        ("c", [1, float("inf")]),
    ],
)
def test_camera_of_another_shape_or_without_finite_numbers_is_refused(
    part: str, value: object
) -> None:
    with pytest.raises(ValueError, match=f"{part}.* not a finite array"):
        Camera.from_annotation(camera_entry() | {part: value})
