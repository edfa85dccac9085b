"""Sample tables without images: random moving poses, projected with the real cameras."""

import json
from dataclasses import fields, replace
from functools import cache
from typing import Any

import numpy as np

from convnextpose_check.diagnosis.table import SampleTable
from convnextpose_check.evaluation.metrics import compared_poses_mm
from convnextpose_check.human36m.geometry import Array, Camera, append_thorax, camera_to_cells
from convnextpose_check.human36m.samples import Dataset
from convnextpose_check.human36m.skeleton import ACTIONS, BONES
from tests.support.texts import ROOT

GRID_WHD = (32, 32, 32)
FRAMES = 3


@cache
def make_sample_table(seed: int = 0) -> SampleTable:
    """A table of 2 subjects, 15 actions, 2 takes, 4 cameras and 3 frames.

    Prediction errors are about 50 mm, in part common to all samples of a take.
    """
    rng = np.random.default_rng(seed)
    cameras = json.loads((ROOT / "fixtures" / "h36m_cameras.json").read_text())
    rows: list[tuple[str, Camera, Array]] = []
    for subject in (9, 11):
        for index in ACTIONS:
            for take in (1, 2):
                poses = _make_world_poses(rng)
                for number, entry in cameras[f"S{subject}"].items():
                    name = f"s_{subject:02d}_act_{index:02d}_subact_{take:02d}_ca_{int(number):02d}"
                    camera = Camera.from_annotation(entry)
                    rows += [(name, camera, pose) for pose in poses]
    focal, center, rotation, translation = (
        np.array([getattr(row[1], part) for row in rows], dtype=np.float64)
        for part in ("focal_px", "center_px", "rotation", "translation_mm")
    )
    world_mm = np.array([row[2] for row in rows])
    joints_mm = world_mm @ rotation.transpose(0, 2, 1) + translation[:, None]
    pixels = joints_mm[..., :2] / joints_mm[..., 2:] * focal[:, None] + center[:, None]
    middle, side = pixels.mean(axis=1), 1.3 * np.ptp(pixels, axis=1).max(axis=1)[:, None]
    table = SampleTable(
        np.zeros_like(joints_mm),
        np.hstack([middle - side / 2, side, side]),
        joints_mm[:, 0, 2].copy(),
        focal,
        center,
        joints_mm - joints_mm[:, :1],
        joints_mm[:, 0].copy(),
        np.array([row[0] for row in rows]),
        GRID_WHD,
    )
    error_mm = rng.normal(0, 20, joints_mm.shape)
    takes = np.unique([name[:-6] for name in table.sequences], return_inverse=True)[1]
    error_mm += rng.normal(0, 15, (takes.max() + 1, *joints_mm.shape[1:]))[takes]
    return replace(table, cells_xyz=camera_to_cells(joints_mm + error_mm, *table.conversion))


def mix_tables(table: SampleTable, mask: Array, other: SampleTable) -> SampleTable:
    """The table with the samples in ``mask`` (N,) replaced by those of ``other``."""
    arrays: dict[str, Any] = {}
    for field in fields(table):
        value = getattr(table, field.name)
        if isinstance(value, np.ndarray):
            shape = (-1, *[1] * (value.ndim - 1))
            arrays[field.name] = np.where(mask.reshape(shape), getattr(other, field.name), value)
    return replace(table, **arrays)


def _make_world_poses(rng: np.random.Generator) -> list[Array]:
    """World joints (18, 3) in mm of one moving person, one array per frame."""
    root_mm = np.append(rng.normal(0, 500, 2), 900)
    bones = {child: rng.normal(0, 150, 3) for _, child in BONES}
    frames = []
    for _ in range(FRAMES):
        joints = {0: root_mm.copy()}
        for parent, child in BONES:
            bones[child] = bones[child] + rng.normal(0, 40, 3)
            joints[child] = joints[parent] + bones[child]
        frames.append(append_thorax(np.array([joints[n] for n in range(17)])))
    return frames


def make_predictions(dataset: Dataset, seed: int = 0, off_cells: float = 0.5) -> Array:
    """Predicted cells (N, 18, 3) float32: the truth plus normal noise of ``off_cells``."""
    rng = np.random.default_rng(seed)
    true = [
        camera_to_cells(s.joints_cam_mm, GRID_WHD, s.box_xywh_px, s.root_depth_mm, s.camera)
        for s in dataset.samples
    ]
    return (np.array(true) + rng.normal(0, off_cells, (len(true), 18, 3))).astype(np.float32)


def make_authors_output(dataset: Dataset, cells_xyz: Array) -> list[dict[str, Any]]:
    """Entries as the authors' test script writes them for these predictions."""
    return [
        {
            "image_id": sample.image_id,
            "joint_cam": compared_poses_mm(cells, sample, GRID_WHD, dataset.protocol)[0].tolist(),
            "bbox": np.asarray(sample.box_xywh_px).tolist(),
            "root_cam": sample.joints_cam_mm[0].tolist(),
        }
        for cells, sample in zip(cells_xyz, dataset.samples, strict=True)
    ]
