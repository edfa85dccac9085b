"""Renders a person in a room.

The renderer uses elementary float64 operations only: no drawing library, matrix product or
transcendental function, because their results differ between versions and processors, and the
images must be the same everywhere.
"""

from itertools import product
from typing import Any

import numpy as np

from convnextpose_check.human36m.geometry import Array, Camera, camera_to_image
from convnextpose_check.human36m.skeleton import ROOT
from convnextpose_check.synthetic.body import Appearance, Solid, body_solids, stool_solids
from convnextpose_check.synthetic.room import Rays, blur

LIGHT_WORLD = (0.30, 0.25, 0.92)
"""Direction to the lamp, of about unit length."""
AMBIENT, DIFFUSE, HEADLIGHT = 0.42, 0.46, 0.22
SHADOW_JOINTS = (0, 2, 3, 5, 6, 8, 13, 16)
SHADOW_STRENGTH = 0.42
SHADOW_REACH_MM = 420.0


def draw_person(
    room: Array,
    joints_cam_mm: Array,
    camera: Camera,
    appearance: Appearance,
    seat_height_mm: float = 0.0,
) -> Array:
    """Draw the person with these joints (17, 3) into a copy of a ``room_image``.

    Returns uint8 (H, W, 3), BGR. A seat height above 0 adds a stool below the pelvis.
    """
    image = room.copy()
    joints_cam_mm = np.asarray(joints_cam_mm, dtype=float)
    _draw_shadow(image, joints_cam_mm, camera)
    solids = body_solids(joints_cam_mm, appearance)
    if seat_height_mm:
        solids += stool_solids(joints_cam_mm[ROOT], camera, seat_height_mm)
    bounds = [_solid_bounds_px(solid, camera, image) for solid in solids]
    left, top = min(b[0] for b in bounds), min(b[1] for b in bounds)
    right, bottom = max(b[2] for b in bounds), max(b[3] for b in bounds)
    rays = Rays(camera, np.arange(left, right, dtype=float), np.arange(top, bottom, dtype=float))
    light = rays.to_camera(LIGHT_WORLD)
    colors = image[top:bottom, left:right].astype(float)
    depth_mm = np.full(colors.shape[:2], np.inf)
    for solid, (x1, y1, x2, y2) in zip(solids, bounds, strict=True):
        if x1 < x2 and y1 < y2:
            window = (slice(y1 - top, y2 - top), slice(x1 - left, x2 - left))
            _draw_solid(colors[window], depth_mm[window], solid, rays, window, light)
    image[top:bottom, left:right] = (blur(colors, 4.0) + 0.5).astype(np.uint8)
    return image


def _solid_bounds_px(solid: Solid, camera: Camera, image: Array) -> tuple[int, int, int, int]:
    """Pixel bounds x1, y1, x2, y2 of the solid, ends excluded, clipped to the image."""
    ends_mm = np.stack([solid.start_mm, solid.end_mm])
    # No stretch enlarges a ball by more than 1.15; 1.1 and 3 px leave a margin for the blur.
    radius_mm = 1.15 * max(solid.start_radius_mm, solid.end_radius_mm)
    nearest_mm = np.maximum(ends_mm[:, 2] - radius_mm, 100.0)
    margin_px = radius_mm / nearest_mm * float(camera.focal_px.max()) * 1.1 + 3.0
    centers_px = camera_to_image(ends_mm, camera)
    return _clip_bounds_px(centers_px - margin_px[:, None], centers_px + margin_px[:, None], image)


def _clip_bounds_px(low_px: Array, high_px: Array, image: Array) -> tuple[int, int, int, int]:
    """Pixel bounds x1, y1, x2, y2 of the points, ends excluded, clipped to the image."""
    size = np.array((image.shape[1], image.shape[0]))
    x1, y1 = np.minimum(np.maximum(np.floor(low_px.min(axis=0)), 0), size).astype(int).tolist()
    x2, y2 = np.minimum(np.maximum(np.ceil(high_px.max(axis=0)), 0), size).astype(int).tolist()
    return x1, y1, x2, y2


def _transform(matrix: Array | None, vector: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
    """Matrix times vector; components may be arrays, None is the identity."""
    if matrix is None:
        return vector
    x, y, z = vector
    rows = (row[0] * x + row[1] * y + row[2] * z for row in matrix)
    return next(rows), next(rows), next(rows)


def _dot(a: Any, b: Any) -> Any:
    """Dot product; components may be arrays."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _draw_solid(
    colors: Array,
    depth_mm: Array,
    solid: Solid,
    rays: Rays,
    window: tuple[slice, slice],
    light: Array,
) -> None:
    """Draw a solid with a depth test; changes colors and depth in place."""
    ray = (rays.x[:, window[1]], rays.y[window[0]], 1.0)
    hit_mm, share = _intersect_solid(solid, _transform(solid.stretch, ray))
    nearer = hit_mm < depth_mm
    if not nearer.any():
        return
    rows, columns = np.nonzero(nearer)
    hit_mm, share = hit_mm[nearer], share[nearer]
    points = (hit_mm * ray[0][0, columns], hit_mm * ray[1][rows, 0], hit_mm)
    axis = solid.end_mm - solid.start_mm
    radial = tuple(points[i] - solid.start_mm[i] - share * axis[i] for i in range(3))
    # The stretch is symmetric, so it also maps the capsule's normals back.
    normal = _transform(solid.stretch, _transform(solid.stretch, (radial[0], radial[1], radial[2])))
    length = np.sqrt(_dot(normal, normal))
    facing = np.maximum(-_dot(normal, points) / np.sqrt(_dot(points, points)) / length, 0.0)
    lit = np.maximum(_dot(normal, light) / length, 0.0)
    shade = AMBIENT + DIFFUSE * lit + HEADLIGHT * facing
    depth_mm[nearer] = hit_mm
    colors[nearer] = np.minimum(shade[:, None] * np.array(solid.color), 254.0)


def _intersect_solid(solid: Solid, ray: tuple[Any, Any, Any]) -> tuple[Array, Array]:
    """Depth of each ray's first intersection (inf: none), and its position s on the axis.

    A point at ray depth t is on the ball at position s, from 0 (start) to 1 (end), if
    ``|t ray - start - s axis|^2 = (radius + s growth)^2``. For a fixed t this is
    ``a s^2 + 2 b s + c = 0``. The surface of the capsule is where its two solutions coincide,
    ``a c = b^2``, which is quadratic in t. If that s is outside [0, 1], the ray hits the ball at
    one end first.
    """
    start = _transform(solid.stretch, tuple(solid.start_mm))
    axis = _transform(solid.stretch, tuple(solid.end_mm - solid.start_mm))
    radius, growth = solid.start_radius_mm, solid.end_radius_mm - solid.start_radius_mm
    ray_ray, ray_start = _dot(ray, ray), _dot(ray, start)
    first_c = _dot(start, start) - radius * radius
    first = _intersect_ball(ray_ray, ray_start, first_c)
    a = _dot(axis, axis) - growth * growth
    if a <= 0:  # one ball contains the other
        return first, np.zeros(first.shape)
    ray_axis, start_axis = _dot(ray, axis), _dot(start, axis) - radius * growth
    end = tuple(start[i] + axis[i] for i in range(3))
    last_c = _dot(end, end) - solid.end_radius_mm * solid.end_radius_mm
    last = _intersect_ball(ray_ray, ray_start + ray_axis, last_c)
    hit = np.minimum(first, last)
    share = np.where(last < first, 1.0, 0.0)
    quadratic = a * ray_ray - ray_axis * ray_axis
    half_linear = a * ray_start - start_axis * ray_axis
    discriminant = half_linear * half_linear - quadratic * (a * first_c - start_axis * start_axis)
    divisor = np.where(quadratic > 0, quadratic, 1.0)
    between = (half_linear - np.sqrt(np.maximum(discriminant, 0.0))) / divisor
    on_axis = (between * ray_axis - start_axis) / a
    valid = (quadratic > 0) & (discriminant >= 0) & (on_axis > 0) & (on_axis < 1) & (between < hit)
    return np.where(valid, between, hit), np.where(valid, on_axis, share)


def _intersect_ball(ray_ray: Array, ray_center: Array, constant: float) -> Array:
    """Depth of each ray's first intersection with a ball; inf if there is none."""
    discriminant = ray_center * ray_center - ray_ray * constant
    hit = (ray_center - np.sqrt(np.maximum(discriminant, 0.0))) / ray_ray
    return np.where(discriminant >= 0, hit, np.inf)


def _draw_shadow(image: Array, joints_cam_mm: Array, camera: Camera) -> None:
    """Darken the floor below the person, in place; joints near it cast a sharper shadow."""
    probe = Rays(camera, np.zeros(1), np.zeros(1))
    offset = joints_cam_mm - camera.translation_mm.astype(float)
    world = [_dot(tuple(probe.rotation[:, i]), tuple(offset.T)) for i in range(3)]
    spots = [(world[0][j], world[1][j], max(world[2][j], 60.0)) for j in SHADOW_JOINTS]
    reach_mm = (-SHADOW_REACH_MM, SHADOW_REACH_MM)
    corners_cam = np.stack(
        [
            probe.to_camera((x + dx, y + dy, 0.0)) + camera.translation_mm
            for (x, y, _), dx, dy in product(spots, reach_mm, reach_mm)
        ]
    )
    corners_px = camera_to_image(corners_cam, camera)
    left, top, right, bottom = _clip_bounds_px(corners_px, corners_px, image)
    rays = Rays(camera, np.arange(left, right, dtype=float), np.arange(top, bottom, dtype=float))
    depth, x_mm, y_mm = rays.intersect_floor()
    light = np.ones(depth.shape)
    for x, y, z in spots:
        softness_mm = 90.0 + 0.16 * z
        squared_distance = ((x_mm - x) ** 2 + (y_mm - y) ** 2) / (softness_mm * softness_mm)
        fade = np.maximum(1.0 - squared_distance / (SHADOW_REACH_MM / softness_mm) ** 2, 0.0)
        weight = SHADOW_STRENGTH * 150.0 / (150.0 + 0.35 * z)
        light *= 1.0 - weight * fade / (1.0 + squared_distance)
    light = np.where(np.isfinite(depth), light, 1.0)
    part = image[top:bottom, left:right]
    part[:] = (part * light[..., None] + 0.5).astype(np.uint8)
