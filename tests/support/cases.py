"""Cases without pictures: people who move before real cameras, found with some error."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from convnextpose_check.diagnosis.case import Case
from convnextpose_check.evaluation.metrics import compared_poses_mm
from convnextpose_check.human36m.geometry import Array, Camera, camera_to_cells, with_thorax
from convnextpose_check.human36m.samples import Dataset
from convnextpose_check.human36m.skeleton import ACTIONS, BONES
from tests.support.texts import ROOT

GRID_WHD = (32, 32, 32)
FRAMES = 3


@cache
def made_case(takes_of_an_action: int = 2, seed: int = 0) -> Case:
    """Two subjects in every action, seen by four cameras, a few frames each.

    The network is off by about 40 mm, alike within a take.
    """
    chance = np.random.default_rng(seed)
    cameras = json.loads((ROOT / "fixtures" / "h36m_cameras.json").read_text())
    rows: list[tuple[str, str, Camera, Array]] = []
    for subject in (9, 11):
        for index, action in ACTIONS.items():
            for take in range(1, takes_of_an_action + 1):
                poses = _moving(chance)
                for number, entry in cameras[f"S{subject}"].items():
                    name = f"s_{subject:02d}_act_{index:02d}_subact_{take:02d}_ca_{int(number):02d}"
                    camera = Camera.from_annotation(entry)
                    rows += [(name, action, camera, pose) for pose in poses]
    focal, centre, rotation, translation = (
        np.array([getattr(camera, part) for _, _, camera, _ in rows], dtype=np.float64)
        for part in ("focal_px", "centre_px", "rotation", "translation_mm")
    )
    world_mm = np.array([pose for *_, pose in rows])
    joints_mm = world_mm @ rotation.transpose(0, 2, 1) + translation[:, None]
    pixels = joints_mm[..., :2] / joints_mm[..., 2:] * focal[:, None] + centre[:, None]
    middle, side = pixels.mean(axis=1), 1.3 * np.ptp(pixels, axis=1).max(axis=1)[:, None]
    case = Case(
        np.zeros_like(joints_mm),
        GRID_WHD,
        np.hstack([middle - side / 2, side, side]),
        joints_mm[:, 0, 2].copy(),
        focal,
        centre,
        rotation,
        joints_mm - joints_mm[:, :1],
        joints_mm[:, 0].copy(),
        tuple(name for name, *_ in rows),
        tuple(action for _, action, *_ in rows),
    )
    off_mm = chance.normal(0, 20, joints_mm.shape)
    off_mm += chance.normal(0, 20, (case.takes.max() + 1, *joints_mm.shape[1:]))[case.takes]
    return replace(case, cells_xyz=case.cells_of(joints_mm + off_mm))


def _moving(chance: np.random.Generator) -> list[Array]:
    """The world joints (18, 3) in mm of one person who moves, in some frames."""
    place = np.append(chance.normal(0, 500, 2), 900)
    bones = {child: chance.normal(0, 150, 3) for _, child in BONES}
    frames = []
    for _ in range(FRAMES):
        joints = {0: place.copy()}
        for parent, child in BONES:
            bones[child] = bones[child] + chance.normal(0, 40, 3)
            joints[child] = joints[parent] + bones[child]
        frames.append(with_thorax(np.array([joints[n] for n in range(17)])))
    return frames


def answers_to(dataset: Dataset, seed: int = 0, off_cells: float = 0.5) -> Array:
    """Cells (N, 18, 3) float32 that a network might answer, about so far from the truth."""
    chance = np.random.default_rng(seed)
    true = [
        camera_to_cells(s.joints_cam_mm, GRID_WHD, s.box_xywh_px, s.root_depth_mm, s.camera)
        for s in dataset.samples
    ]
    return (np.array(true) + chance.normal(0, off_cells, (len(true), 18, 3))).astype(np.float32)


def authors_entries(dataset: Dataset, cells_xyz: Array) -> list[dict[str, Any]]:
    """What the authors' test script would write of these answers."""
    return [
        {
            "image_id": sample.image_id,
            "joint_cam": compared_poses_mm(cells, sample, GRID_WHD, dataset.protocol)[0].tolist(),
            "bbox": np.asarray(sample.box_xywh_px).tolist(),
            "root_cam": sample.joints_cam_mm[0].tolist(),
        }
        for cells, sample in zip(cells_xyz, dataset.samples, strict=True)
    ]
