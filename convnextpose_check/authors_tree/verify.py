"""Whether the authors' tree of Human3.6M holds all that their test reads, link by link."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from convnextpose_check.authors_tree.links import ANNOTATIONS, IMAGES, ROOTNET, TREE, broken_target
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.files.folders import is_file, is_there
from convnextpose_check.human36m.annotations import SubjectFiles
from convnextpose_check.human36m.layout import ROOTNET_FILE, Layout, annotation_names
from convnextpose_check.human36m.samples import DatasetFacts


@dataclass(frozen=True)
class SubjectCount:
    """Test images of one subject: there, annotated, and in the whole of Human3.6M."""

    subject: int
    present: int
    annotated: int
    published: int


@dataclass(frozen=True)
class Verified:
    """What the tree holds.

    ``counts`` leaves out subjects whose annotations cannot be read, ``problems`` names all that is
    broken or missing, ``has_rootnet`` tells of the file that only some runs read.
    """

    counts: tuple[SubjectCount, ...]
    problems: tuple[str, ...]
    has_rootnet: bool


def verify_tree(project_root: Path, facts: DatasetFacts) -> Verified:
    """Read the annotations below ``project_root`` and look for every test image that they name."""
    tree = project_root / TREE
    counts: list[SubjectCount] = []
    problems: list[str] = []
    for subject in facts.protocols[2].subjects:
        files = {name: tree / ANNOTATIONS / name for name in annotation_names([subject])}
        if missing := [why for file in files.values() if (why := _why_missing(file, tree))]:
            problems += missing
            continue
        try:
            images = _test_images(Layout(tree, files, {}, ()), subject, facts.frame_stride)
        except ConvNeXtPoseCheckError as error:
            problems.append(error.problem)
            continue
        lost = [image for image in images if not is_file(image)]
        problems += _told(lost, tree)
        counts.append(
            SubjectCount(subject, len(images) - len(lost), len(images), _published(facts, subject))
        )
    rootnet = tree / ROOTNET / ROOTNET_FILE
    if broken_target(rootnet.parent) or broken_target(rootnet):
        problems.append(str(_why_missing(rootnet, tree)))
    return Verified(tuple(counts), tuple(dict.fromkeys(problems)), is_file(rootnet))


def _test_images(layout: Layout, subject: int, stride: int) -> list[Path]:
    """Where the authors' code looks for each annotated test image."""
    frames = SubjectFiles(layout, subject, stride).test_frames()
    return [
        layout.root / IMAGES / image.file_name
        for image, annotation in frames
        if annotation is not None
    ]


def _told(lost: list[Path], tree: Path) -> list[str]:
    """A sentence on each folder that lost images, or on what keeps the folder from being there."""
    by_cause: dict[str | Path, list[Path]] = defaultdict(list)
    for image in lost:
        by_cause[_why_missing(image.parent, tree) or image.parent].append(image)
    return [
        f"{cause} lacks {len(images):,} test images, the first is {images[0].name}"
        if isinstance(cause, Path)
        else f"{cause}: {len(images):,} test images"
        for cause, images in by_cause.items()
    ]


def _why_missing(path: Path, tree: Path) -> str | None:
    """The first thing on the way from the tree to the path that is not there, or leads nowhere."""
    on_the_way = [p for p in (*reversed(path.parents), path) if p.is_relative_to(tree)]
    for place in on_the_way:
        if target := broken_target(place):
            return f"{place} is a broken link to {target}"
        if not is_there(place):
            return f"there is no {place}"
    return None


def _published(facts: DatasetFacts, subject: int) -> int:
    """Samples of a subject: protocol 1 tests one of the two of protocol 2."""
    both, one = facts.protocols[2], facts.protocols[1]
    return one.samples if subject in one.subjects else both.samples - one.samples
