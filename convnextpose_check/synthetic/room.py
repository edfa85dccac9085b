"""Renders the empty room: a floor and four walls, different for each seed and camera."""

import numpy as np

from convnextpose_check.human36m.geometry import Array, Camera

HALF_LENGTHS_MM = (3600.0, 6200.0)
"""World x and y of the walls, positive and negative."""
TILE_MM = 900.0
"""Cell size of the random texture."""


class Rays:
    """The viewing ray (x, y, 1) of each pixel, in camera coordinates."""

    def __init__(self, camera: Camera, columns_px: Array, rows_px: Array) -> None:
        """Create the rays through these pixel columns (W,) and rows (H,)."""
        focal, center = camera.focal_px.astype(float), camera.center_px.astype(float)
        self.x: Array = ((columns_px - center[0]) / focal[0])[None, :]
        self.y: Array = ((rows_px - center[1]) / focal[1])[:, None]
        self.rotation: Array = camera.rotation.astype(float)
        # The camera's world position -R^T t, without a matrix product: see drawing.py.
        self.position_mm: Array = -(
            self.rotation * camera.translation_mm.astype(float)[:, None]
        ).sum(axis=0)

    def to_camera(self, direction_world: tuple[float, float, float]) -> Array:
        """Rotate a direction from world to camera coordinates (3,)."""
        turned: Array = (self.rotation * np.array(direction_world)).sum(axis=1)
        return turned

    def along_world_axis(self, axis: int) -> Array:
        """The component (H, W) of each ray along a world axis."""
        column = self.rotation[:, axis]
        along: Array = self.x * column[0] + self.y * column[1] + column[2]
        return along

    def intersect_floor(self) -> tuple[Array, Array, Array]:
        """Depth, world x and world y of the floor, each (H, W); inf above the horizon."""
        down = -self.along_world_axis(2)
        depth = np.full(down.shape, np.inf)
        np.divide(self.position_mm[2], down, out=depth, where=down > 1e-6)
        reach = np.where(np.isfinite(depth), depth, 0.0)
        x_mm = self.position_mm[0] + reach * self.along_world_axis(0)
        return depth, x_mm, self.position_mm[1] + reach * self.along_world_axis(1)


def room_image(camera: Camera, width_px: int, height_px: int, seed: int) -> Array:
    """Render the empty room, (H, W, 3) uint8, BGR."""
    # Rendered at every second pixel and interpolated linearly, because the room is smooth.
    columns_px = np.arange(0, width_px + 2, 2, dtype=float)
    rows_px = np.arange(0, height_px + 2, 2, dtype=float)
    coarse = blur(_room_colors(Rays(camera, columns_px, rows_px), seed), 1.0)
    fine = np.empty((height_px, width_px, 3), dtype=np.uint8)
    wide = np.empty((len(rows_px), width_px, 3))
    wide[:, 0::2] = coarse[:, : (width_px + 1) // 2]
    wide[:, 1::2] = 0.5 * (coarse[:, :-1] + coarse[:, 1:])[:, : width_px // 2]
    fine[0::2] = (wide[: (height_px + 1) // 2] + 0.5).astype(np.uint8)
    fine[1::2] = (0.5 * (wide[:-1] + wide[1:]) + 0.5)[: height_px // 2].astype(np.uint8)
    return fine


def blur(colors: Array, center_weight: float) -> Array:
    """Blur an image (H, W, 3) with a 3 x 3 kernel; border pixels stay unchanged."""
    total = 2.0 + center_weight
    soft = colors.copy()
    soft[1:-1] = (colors[:-2] + center_weight * colors[1:-1] + colors[2:]) / total
    both = soft.copy()
    both[:, 1:-1] = (soft[:, :-2] + center_weight * soft[:, 1:-1] + soft[:, 2:]) / total
    return both


def _room_colors(rays: Rays, seed: int) -> Array:
    """Colors (H, W, 3) of the walls and the floor, 0 to 255."""
    rng = np.random.Generator(np.random.PCG64(seed))
    floor_color = np.array((92.0, 112.0, 132.0)) + 30 * (rng.random(3) - 0.5)
    wall_color = np.array((150.0, 152.0, 152.0)) + 36 * (rng.random(3) - 0.5)
    lattice = rng.random((24, 24))
    depth, floor_x, floor_y = rays.intersect_floor()
    wall_depth, on_long_wall = _intersect_walls(rays)
    on_floor = depth < wall_depth
    wall_x = rays.position_mm[0] + wall_depth * rays.along_world_axis(0)
    wall_y = rays.position_mm[1] + wall_depth * rays.along_world_axis(1)
    wall_z = rays.position_mm[2] + wall_depth * rays.along_world_axis(2)
    across = np.where(on_floor, floor_x, np.where(on_long_wall, wall_y, wall_x))
    other = np.where(on_floor, floor_y, wall_z)
    grain = _texture(lattice, across / TILE_MM + 40.0, other / TILE_MM + 40.0)
    # The floor darkens toward the walls, a wall toward the floor; adjacent walls differ.
    far = np.minimum((floor_x * floor_x + floor_y * floor_y) / 6.0e7, 1.0)
    high = np.minimum(np.maximum(wall_z, 0.0) / 3000.0, 1.0)
    floor_light = (1.06 - 0.34 * far) * (0.88 + 0.24 * grain)
    wall_light = (0.74 + 0.26 * high) * np.where(on_long_wall, 0.90, 1.0) * (0.92 + 0.16 * grain)
    wall_light = np.where(wall_z < 110.0, 0.55, wall_light)
    colors = np.where(
        on_floor[..., None],
        floor_color * floor_light[..., None],
        wall_color * wall_light[..., None],
    )
    return np.minimum(np.maximum(colors, 0.0), 254.0)


def _intersect_walls(rays: Rays) -> tuple[Array, Array]:
    """Depth (H, W) of the nearest wall, and whether it is a long wall."""
    depths = []
    for axis in (0, 1):
        along = rays.along_world_axis(axis)
        wall_mm = np.where(along >= 0, HALF_LENGTHS_MM[axis], -HALF_LENGTHS_MM[axis])
        safe = np.where(np.abs(along) < 1e-9, 1e-9, along)
        depths.append((wall_mm - rays.position_mm[axis]) / safe)
    return np.minimum(depths[0], depths[1]), depths[0] < depths[1]


def _texture(lattice: Array, u: Array, v: Array) -> Array:
    """Value noise in [0, 1]: the lattice, smoothly interpolated and repeated."""
    size = lattice.shape[0]
    u_cell, v_cell = np.floor(u), np.floor(v)
    u_part, v_part = u - u_cell, v - v_cell
    u_part, v_part = (part * part * (3.0 - 2.0 * part) for part in (u_part, v_part))
    left, top = u_cell.astype(np.int64) % size, v_cell.astype(np.int64) % size
    right, bottom = (left + 1) % size, (top + 1) % size
    upper = lattice[top, left] * (1.0 - u_part) + lattice[top, right] * u_part
    lower = lattice[bottom, left] * (1.0 - u_part) + lattice[bottom, right] * u_part
    mixed: Array = upper * (1.0 - v_part) + lower * v_part
    return mixed
