"""What people sit on."""

from __future__ import annotations

from convnextpose_check.human36m.geometry import Camera
from convnextpose_check.miniature.body import Array, Axes, Colour, Solid, cross, unit

WOOD: Colour = (70, 104, 140)
STEEL: Colour = (92, 90, 88)


def stool_solids(pelvis_cam_mm: Array, camera: Camera, seat_height_mm: float) -> list[Solid]:
    """A round stool on the floor below the pelvis (3,), with its seat at this height."""
    rotation = camera.rotation.astype(float)
    # A rotation's columns are the world's axes as the camera sees them.
    left, up = rotation[:, 0], rotation[:, 2]
    axes = Axes(unit(left), unit(up), unit(cross(left, up)))
    pelvis_height_mm = ((pelvis_cam_mm - camera.translation_mm.astype(float)) * up).sum()
    foot_mm = axes.at(pelvis_cam_mm, 0, -float(pelvis_height_mm), 0)
    seat_mm = axes.at(foot_mm, 0, seat_height_mm - 36, 0)
    base_mm = axes.at(foot_mm, 0, 22, 0)
    return [
        Solid(seat_mm, seat_mm, 185.0, 185.0, WOOD, axes.stretch(1.0, 0.20, 1.0)),
        Solid(seat_mm, base_mm, 30.0, 26.0, STEEL),
        Solid(base_mm, base_mm, 190.0, 190.0, STEEL, axes.stretch(1.0, 0.13, 1.0)),
    ]
