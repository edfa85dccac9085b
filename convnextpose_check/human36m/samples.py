"""Load Human3.6M's test samples: image, camera, box and ground truth."""

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from convnextpose_check.errors import ConvNeXtPoseCheckError, ErrorCode
from convnextpose_check.files.json_files import read_json
from convnextpose_check.human36m.annotations import (
    Annotation,
    Image,
    RootNetEntry,
    SubjectFiles,
    parse_sequence,
    read_rootnet,
    select_evenly,
)
from convnextpose_check.human36m.consistency import compare_joints_with_boxes
from convnextpose_check.human36m.geometry import (
    Array,
    Camera,
    append_thorax,
    square_box,
    world_to_camera,
)
from convnextpose_check.human36m.layout import Layout, find_layout, is_same_content
from convnextpose_check.human36m.skeleton import ACTIONS, ROOT
from convnextpose_check.variants import Protocol

BoxSource = Literal["gt", "rootnet"]


class ProtocolFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The test subjects of a protocol and the number of its samples.

    ``rootnet`` names RootNet's file for the protocol, if the protocols have different ones;
    ``absent`` are the sequences without samples.
    """

    subjects: tuple[int, ...]
    samples: int
    per_action: dict[str, int]
    rootnet: str | None = None
    absent: tuple[str, ...] = ()


class MisalignedTakes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Takes with misaligned ground truth, and the source of this fact.

    ``takes`` maps the title of a take to the common start of its image file names.
    """

    source: str
    takes: dict[str, str]

    def count_images(self, file_names: Sequence[str]) -> dict[str, int]:
        """Count the images of each take, by its title; takes without images are omitted."""
        return {
            title: count
            for title, start in self.takes.items()
            if (count := sum(name.startswith(start) for name in file_names))
        }

    def error_without_mm(self, errors_mm: Array, file_names: Sequence[str]) -> float | None:
        """Mean of errors (N, J) without these takes; None if all or no samples remain."""
        starts = tuple(self.takes.values())
        is_other = np.array([not name.startswith(starts) for name in file_names], dtype=bool)
        if is_other.all() or not is_other.any():
            return None
        return float(errors_mm[is_other].mean())


class DatasetFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Expected content; every ``frame_stride``-th frame is a test sample.

    The ``misaligned`` takes are evaluated like all others.
    """

    about: str
    frame_stride: int
    protocols: dict[Protocol, ProtocolFacts]
    misaligned: MisalignedTakes | None = None


@dataclass(frozen=True)
class Sample:
    """A test image with all data for its evaluation.

    ``size_px`` is the annotated width and height of the image, ``box_xywh_px`` the square crop,
    ``sides_px`` (2,) the annotated width and height of the box, None for RootNet's square boxes,
    ``root_depth_mm`` the absolute depth given to the predicted root, ``joints_cam_mm`` the ground
    truth (18, 3) in camera coordinates. ``state`` is the file's size and modification time, cached
    because network mounts are slow.
    """

    image_id: int
    path: Path
    size_px: tuple[int, int]
    subject: int
    action: str
    camera: Camera
    box_xywh_px: Array
    root_depth_mm: np.floating[Any]
    joints_cam_mm: Array
    state: tuple[int, int] | None = None
    sides_px: Array | None = None

    @property
    def sequence(self) -> str:
        """Subject, action, subaction and camera, such as ``s_09_act_02_subact_01_ca_01``."""
        return self.path.name.rsplit("_", 1)[0]


@dataclass(frozen=True)
class Exclusion:
    """A test image that cannot be evaluated, with the reason."""

    image_id: int
    file_name: str
    reason: str


@dataclass(frozen=True)
class Dataset:
    """The samples of one protocol, in the order of the annotation files.

    ``digest`` is a sha256 over all numbers used from the annotations. ``limited`` is true if
    ``limit`` left out samples. ``box_consistency`` has, for each subject with enough frames, the
    result of ``compare_joints_with_boxes``. ``rootnet`` describes RootNet's file, empty for
    ground-truth boxes; the expected file has the protocol's images and no others. ``conflicts`` are
    pairs of paths, for samples with different images in two folders: the one used and the other.
    ``frame_step`` is 5 if all samples are of every fifth test frame, 1 in a complete data set.
    """

    layout: Layout
    protocol: Protocol
    boxes: BoxSource
    facts: ProtocolFacts
    samples: tuple[Sample, ...]
    excluded: tuple[Exclusion, ...]
    digest: str
    limited: bool
    box_consistency: tuple[float | ConvNeXtPoseCheckError, ...] = ()
    rootnet: str = ""
    has_expected_rootnet: bool = True
    conflicts: tuple[tuple[Path, Path], ...] = ()
    frame_step: int = 1

    def per_action(self) -> dict[str, int]:
        """Number of samples by action, in Human3.6M's order."""
        counts = Counter(sample.action for sample in self.samples)
        return {action: counts[action] for action in ACTIONS.values()}

    def is_complete(self) -> bool:
        """True if every action has the expected number of samples, without ``limit``."""
        return not self.limited and self.per_action() == self.facts.per_action

    def count_surplus(self) -> int:
        """Number of samples that the protocol does not have; 0 if any of its own is missing."""
        counts, expected = self.per_action(), self.facts.per_action
        is_short = self.limited or any(counts[action] < expected[action] for action in expected)
        return 0 if is_short else len(self.samples) - self.facts.samples


def read_facts() -> DatasetFacts:
    """Read the expected content of Human3.6M."""
    return read_json(Path(__file__).with_name("facts.json"), DatasetFacts)


def load_dataset(
    root: Path,
    facts: DatasetFacts,
    protocol: Protocol = 2,
    boxes: BoxSource = "gt",
    limit: int | None = None,
) -> Dataset:
    """Find and read the test samples of a protocol below ``root``, which is only read.

    A file name in annotations cannot refer to a file outside ``root``, but links are followed.
    ``limit`` selects that many samples at equal distances. A test image that cannot be evaluated is
    excluded with its reason. Raises ``ConvNeXtPoseCheckError``: ``data-not-found``, ``ambiguous``,
    ``bad-annotations``, and if no image can be evaluated, the error of ``box_consistency``.
    """
    protocol_facts = facts.protocols[protocol]
    subjects = protocol_facts.subjects
    layout = find_layout(root, subjects)
    rootnet_path = layout.choose_rootnet_file(subjects) if boxes == "rootnet" else None
    rootnet = read_rootnet(rootnet_path) if rootnet_path else {}
    samples: list[Sample] = []
    excluded: list[Exclusion] = []
    box_consistency: list[float | ConvNeXtPoseCheckError] = []
    image_counts: dict[int, int] = {}
    step = 0
    for subject in subjects:
        files = SubjectFiles(layout, subject, facts.frame_stride)
        image_counts[subject] = sum(image.id in rootnet for image, _ in files.test_frames)
        if (share := compare_joints_with_boxes(files)) is not None:
            box_consistency.append(share)
        for image, annotation in files.test_frames:
            try:
                samples.append(_make_sample(layout, files, image, annotation, boxes, rootnet))
                step = math.gcd(step, image.frame_idx)
            except _UnusableError as reason:
                excluded.append(Exclusion(image.id, image.file_name, str(reason)))
    if not samples:
        for share in box_consistency:
            if isinstance(share, ConvNeXtPoseCheckError):
                raise share
        first = [f", the first because {each.reason}: {each.file_name}" for each in excluded[:1]]
        raise ConvNeXtPoseCheckError(
            ErrorCode.DATA_NOT_FOUND,
            f"no test image below {root} can be evaluated: {len(excluded)} were excluded"
            + "".join(first),
            "Check that images and annotations are of the same data set",
        )
    rootnet_title, others = "", len(rootnet) - sum(image_counts.values())
    if rootnet_path:
        parts = [f"{count:,} images of subject {number}" for number, count in image_counts.items()]
        parts += [f"{others:,} other images"] if others else []
        rootnet_title = f"RootNet's {rootnet_path.name} for {' and '.join(parts)}"
    count = len(samples)
    samples = select_evenly(samples, count if limit is None else limit)
    return Dataset(
        layout=layout,
        protocol=protocol,
        boxes=boxes,
        facts=protocol_facts,
        samples=tuple(samples),
        excluded=tuple(excluded),
        digest=_compute_digest(samples),
        limited=len(samples) < count,
        box_consistency=tuple(box_consistency),
        rootnet=rootnet_title,
        has_expected_rootnet=not others and all(image_counts.values()),
        conflicts=_find_conflicts(layout, samples),
        frame_step=step // facts.frame_stride,
    )


def _find_conflicts(layout: Layout, samples: Iterable[Sample]) -> tuple[tuple[Path, Path], ...]:
    """The image used and another one, for each sample with different images."""
    conflicts = {
        sample.path: path
        for sample in samples
        if len(layout.sequences[sample.sequence]) > 1
        for path, _ in layout.find_copies(sample.sequence, sample.path.name)
        if not is_same_content(sample.path, path)
    }
    return tuple(conflicts.items())


class _UnusableError(Exception):
    """A test image cannot be evaluated; the message is the reason."""


def _make_sample(
    layout: Layout,
    files: SubjectFiles,
    image: Image,
    annotation: Annotation | None,
    boxes: BoxSource,
    rootnet: dict[int, RootNetEntry],
) -> Sample:
    if annotation is None:
        raise _UnusableError("it has no annotation")
    if (sequence := parse_sequence(image)) is None:
        raise _UnusableError("its file name contradicts its action")
    copies = layout.find_copies(sequence, image.file_name.split("/")[1])
    if not copies:
        raise _UnusableError("its file was not found")
    path, state = copies[0]
    if (camera := files.cameras.get(image.cam_idx)) is None:
        raise _UnusableError(f"camera {image.cam_idx} is missing")
    joints_world_mm = files.joints_world_mm(image)
    if joints_world_mm is None:
        raise _UnusableError("its joints are missing")
    with np.errstate(over="ignore", invalid="ignore"):  # NaN and infinity are excluded below
        joints_cam_mm = world_to_camera(append_thorax(joints_world_mm), camera)
    if not (np.abs(joints_cam_mm) < 1e6).all() or joints_cam_mm[:, 2].min() <= 0:
        raise _UnusableError("a joint is behind the camera, or not within a kilometer of it")
    sides_px = None
    if boxes == "gt":
        sides_px = np.array(annotation.bbox[2:])
        box_xywh_px = square_box(np.array(annotation.bbox), image.width, image.height)
        root_depth_mm = joints_cam_mm[ROOT, 2]
        if box_xywh_px is None or not box_xywh_px[2] > 0:  # a box of one pixel has no side
            raise _UnusableError("its box has no area inside the image")
    else:
        estimate = rootnet.get(image.id)
        if estimate is None or not (min(estimate.bbox[2:]) > 0 and estimate.root_cam[2] > 0):
            raise _UnusableError("RootNet has no box with a positive size and depth for it")
        box_xywh_px, root_depth_mm = np.array(estimate.bbox), np.float64(estimate.root_cam[2])
    return Sample(
        image.id, path, (image.width, image.height), files.subject, ACTIONS[image.action_idx],
        camera, box_xywh_px, root_depth_mm, joints_cam_mm, state, sides_px,
    )  # fmt: skip


def _compute_digest(samples: list[Sample]) -> str:
    """A sha256 over all numbers that determine the errors, in sample order."""
    digest = hashlib.sha256()
    for sample in samples:
        digest.update(f"{sample.image_id} {sample.path.name} {sample.action}\n".encode())
        camera = sample.camera
        for array in (
            camera.rotation, camera.translation_mm, camera.focal_px, camera.center_px,
            sample.box_xywh_px, sample.root_depth_mm, sample.joints_cam_mm,
        ):  # fmt: skip
            digest.update(np.ascontiguousarray(array, dtype=np.float64).tobytes())
    return digest.hexdigest()
