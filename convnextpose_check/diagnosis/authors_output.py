"""What the authors' test script leaves: ``bbox_root_pose_human36m_output.json``.

Every entry has the positions of an image's 17 joints, as they were compared, with the box and the
root that they were placed by (``evaluate`` in data/Human36M/Human36M.py of their repository).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np

from convnextpose_check.diagnosis.case import Case
from convnextpose_check.errors import ConvNeXtPoseCheckError, ErrorCode
from convnextpose_check.files.json_files import UNDECODABLE
from convnextpose_check.files.whole import open_regular
from convnextpose_check.human36m.geometry import Array, with_thorax
from convnextpose_check.human36m.samples import Dataset, Sample
from convnextpose_check.human36m.skeleton import ANNOTATED_JOINTS, ROOT

_Finite = Annotated[float, msgspec.Meta(ge=-1e6, le=1e6)]
"""Millimetres and pixels of people before a camera."""
_Point = tuple[_Finite, _Finite, _Finite]

GRID_WHD = (64, 64, 64)
"""The file does not tell the heatmap's: positions are expressed in cells of the largest."""


class _Entry(msgspec.Struct, frozen=True):
    image_id: int
    joint_cam: tuple[_Point, ...]
    bbox: tuple[_Finite, _Finite, _Finite, _Finite]
    root_cam: _Point


@dataclass(frozen=True)
class AuthorsOutput:
    """The entries whose samples a data set has, in its order.

    ``joints_mm`` is (N, 17, 3), ``boxes_px`` (N, 4) and ``roots_mm`` (N, 3). ``others`` counts the
    entries of no sample, ``missing`` the samples without an entry.
    """

    samples: Sequence[Sample]
    joints_mm: Array
    boxes_px: Array
    roots_mm: Array
    others: int
    missing: int

    @property
    def errors_mm(self) -> Array:
        """The errors (N, 17) by the authors' own steps, in float32 as theirs."""
        truth_mm = np.array([s.joints_cam_mm[:ANNOTATED_JOINTS] for s in self.samples])
        truth_mm = truth_mm - truth_mm[:, ROOT, None]
        apart_mm = self.joints_mm.astype(truth_mm.dtype) - truth_mm
        errors_mm: Array = np.sqrt((apart_mm**2).sum(axis=2)).astype(np.float64)
        return errors_mm

    def case(self, protocol: int) -> Case:
        """The positions as a case; under protocol 1 they are aligned already.

        Where the pelvis was seen is not in the file. It is put where the truth has it, at the depth
        that was used: what is off for all joints alike cannot be told.
        """
        none = np.zeros((len(self.samples), ANNOTATED_JOINTS + 1, 3))
        case = Case.at(self.samples, none, GRID_WHD, protocol)
        case = replace(
            case,
            boxes_px=self.boxes_px,
            root_depths_mm=self.roots_mm[:, 2],
            alignment="none",
            placed=False,
        )
        pelvis_mm = case.pelvis_mm * (self.roots_mm[:, 2] / case.pelvis_mm[:, 2])[:, None]
        joints_mm = with_thorax(self.joints_mm) + pelvis_mm[:, None]
        return replace(case, cells_xyz=case.cells_of(joints_mm))


def read_authors_output(path: Path, dataset: Dataset) -> AuthorsOutput:
    """Read the file for these samples.

    Raises ``ConvNeXtPoseCheckError`` (``bad-results``) for a file of another form, with a number
    that is not finite, or without any of the samples.
    """
    entries = {entry.image_id: entry for entry in _entries(path)}
    samples = [sample for sample in dataset.samples if sample.image_id in entries]
    chosen = [entries[sample.image_id] for sample in samples]
    if not chosen:
        raise _bad(f"none of the {len(entries)} images in {path} is a test sample of this data set")
    joints_mm = np.array([entry.joint_cam for entry in chosen], dtype=np.float64)
    return AuthorsOutput(
        samples,
        joints_mm,
        np.array([entry.bbox for entry in chosen]),
        np.array([entry.root_cam for entry in chosen]),
        len(entries) - len(samples),
        dataset.facts.samples - len(samples),
    )


def _entries(path: Path) -> list[_Entry]:
    try:
        entries = msgspec.json.decode(_content(path), type=list[_Entry])
    except OSError as error:
        raise _bad(f"cannot read {path}: {error.strerror}") from None
    except UNDECODABLE as error:
        raise _bad(f"{path} is not what the authors' test script leaves: {error}") from None
    for entry in entries:
        if len(entry.joint_cam) != ANNOTATED_JOINTS:
            count = len(entry.joint_cam)
            raise _bad(f"{path} has {count} joints of image {entry.image_id}, not 17")
        if not (min(entry.bbox[2:]) > 0 and entry.root_cam[2] > 0):
            raise _bad(f"{path} has a box or depth of image {entry.image_id} that is not positive")
    return entries


def _content(path: Path) -> bytes:
    with open_regular(path) as stream:
        return stream.read()


def _bad(problem: str) -> ConvNeXtPoseCheckError:
    return ConvNeXtPoseCheckError(
        ErrorCode.BAD_RESULTS, problem, "Name the bbox_root_pose_human36m_output.json of one run"
    )
