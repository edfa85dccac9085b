"""Whether the authors' tree of Human3.6M contains all that their test script reads."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from convnextpose_check.authors_tree.links import ANNOTATIONS, IMAGES, ROOTNET, TREE, broken_target
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.files.folders import is_file, is_there
from convnextpose_check.human36m.annotations import SubjectFiles
from convnextpose_check.human36m.layout import ROOTNET_FILE, Layout, annotation_names
from convnextpose_check.human36m.samples import DatasetFacts


def verify_subject(
    project_root: Path, facts: DatasetFacts, subject: int
) -> tuple[list[str], list[str]]:
    """A line with the number of test images, if the annotations can be read; and problems."""
    tree = project_root / TREE
    files = {name: tree / ANNOTATIONS / name for name in annotation_names([subject])}
    if problems := [text for file in files.values() if (text := _why_missing(file, tree))]:
        return [], problems
    try:
        frames = SubjectFiles(Layout(tree, files, {}, ()), subject, facts.frame_stride)
        images = [
            tree / IMAGES / image.file_name
            for image, annotation in frames.test_frames()
            if annotation is not None
        ]
    except ConvNeXtPoseCheckError as error:
        return [], [error.problem]
    lost = [image for image in images if not is_file(image)]
    both, one = facts.protocols[2], facts.protocols[1]
    published = one.samples if subject in one.subjects else both.samples - one.samples
    line = (
        f"subject {subject}: {len(images) - len(lost):,} of {len(images):,} annotated test images"
    )
    whole = "" if len(images) == published else f"; the whole set has {published:,}"
    return [f"{line} are there{whole}"], list(_describe(lost, tree))


def verify_rootnet(project_root: Path) -> tuple[bool, list[str]]:
    """True if there is a file with RootNet's boxes; and problems."""
    tree = project_root / TREE
    file = tree / ROOTNET / ROOTNET_FILE
    is_broken = broken_target(file.parent) or broken_target(file)
    return is_file(file), [str(_why_missing(file, tree))] if is_broken else []


def _describe(lost: list[Path], tree: Path) -> Iterator[str]:
    """A sentence on each folder with missing images, or on the reason why the folder is missing."""
    by_folder: dict[Path, list[Path]] = defaultdict(list)
    for image in lost:
        by_folder[image.parent].append(image)
    by_cause: dict[str, int] = defaultdict(int)
    for folder, images in by_folder.items():
        if cause := _why_missing(folder, tree):
            by_cause[cause] += len(images)
        else:
            yield f"{folder} lacks {len(images):,} test images, the first is {images[0].name}"
    yield from (f"{cause}: {count:,} test images" for cause, count in by_cause.items())


def _why_missing(path: Path, tree: Path) -> str | None:
    """The first part of the path below the tree that does not exist or leads nowhere."""
    for part in (*reversed(path.parents), path):
        if part.is_relative_to(tree):
            if target := broken_target(part):
                return f"{part} is a broken link to {target}"
            if not is_there(part):
                return f"there is no {part}"
    return None
