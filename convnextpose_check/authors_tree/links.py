"""The authors' own tree of Human3.6M, made of links to a data set in any layout.

Their code reads ``images/<sequence>/``, ``annotations/`` and ``bbox_root/`` in ``data/Human36M`` of
their repository. Subjects 9 and 11 share one ``images/`` there, so sequences and files are linked
one by one. Nothing is copied, and nothing is written through a link.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from convnextpose_check.errors import ConvNeXtPoseCheckError, ErrorCode
from convnextpose_check.files.folders import file_state, is_there, walk
from convnextpose_check.files.whole import cannot_write
from convnextpose_check.human36m.layout import ROOTNET_FILE, Layout, annotation_names, find_layout

TREE = Path("data") / "Human36M"
IMAGES, ANNOTATIONS, ROOTNET = "images", "annotations", "bbox_root"

AUTHORS_FILES = (Path("main") / "test.py", TREE / "Human36M.py")
"""Files by which a checkout of the authors' repository is recognized."""


@dataclass(frozen=True)
class Link:
    """A link at ``path`` to ``target``, both absolute."""

    path: Path
    target: Path


def planned_links(
    source: Path, project_root: Path, subjects: tuple[int, ...]
) -> tuple[list[Link], list[str]]:
    """The links of the authors' tree below ``project_root``, and notes for the user.

    RootNet's file is searched below ``source``, then in the authors' repository; without it, its
    link is left out. Raises ``ConvNeXtPoseCheckError``: ``file-not-found``, ``bad-option``,
    what ``find_layout`` raises, and ``data-not-found`` for a subject without images.
    """
    if not project_root.is_dir():
        raise ConvNeXtPoseCheckError(
            ErrorCode.FILE_NOT_FOUND,
            f"there is no folder {project_root}",
            "Give the folder of the authors' repository with --project-root",
        )
    notes = []
    if not any(is_there(project_root / file) for file in AUTHORS_FILES):
        notes.append(f"{project_root} does not look like a checkout of the authors' repository")
    tree = _absolute(project_root / TREE)
    layout = _find_source(source, tree, subjects)
    names = annotation_names(subjects)
    links = [Link(tree / ANNOTATIONS / name, layout.annotations[name]) for name in names]
    for subject in subjects:
        if not (sequences := layout.sequences_of(subject)):
            raise ConvNeXtPoseCheckError(
                ErrorCode.DATA_NOT_FOUND,
                f"there are no images of subject {subject} below {source}",
                "Give a folder that holds both subjects with --kaggle-input, such as /kaggle/input",
            )
        for name, folders in sorted(sequences.items()):
            of_sequence, differing = _image_links(tree / IMAGES / name, folders)
            links += of_sequence
            if differing:
                notes.append(f"of images of different sizes, {differing[0]} was linked")
    try:
        rootnet = _with_authors_rootnet(layout, project_root).rootnet_for(subjects)
        links.append(Link(tree / ROOTNET / ROOTNET_FILE, rootnet))
    except ConvNeXtPoseCheckError as error:
        notes.append(
            f"no {ROOTNET} was linked, which only a test with its boxes reads: {error.problem}"
        )
    return [Link(link.path, _absolute(link.target)) for link in links], notes


def _find_source(source: Path, tree: Path, subjects: tuple[int, ...]) -> Layout:
    """The data set; refused if the search for it would find the links themselves."""
    real_source, real_tree = Path(os.path.realpath(source)), Path(os.path.realpath(tree))
    if real_tree.is_relative_to(real_source) or real_source.is_relative_to(real_tree):
        raise ConvNeXtPoseCheckError(
            ErrorCode.BAD_OPTION,
            f"of {source} and {tree} one lies inside the other",
            "Give the folder of the data set alone with --kaggle-input",
        )
    try:
        return find_layout(source, subjects)
    except ConvNeXtPoseCheckError as error:
        remedy = error.remedy.replace("--h36m-root", "--kaggle-input")
        raise ConvNeXtPoseCheckError(error.code, error.problem, remedy) from None


def _with_authors_rootnet(layout: Layout, project_root: Path) -> Layout:
    """The layout, with the RootNet files of the authors' repository if it has none."""
    if layout.rootnet:
        return layout
    data, found = project_root / TREE.parent, []
    for folder, folders, files in walk(data):
        if folder == data and TREE.name in folders:
            folders.remove(TREE.name)
        found += [folder / name for name in files if name == ROOTNET_FILE]
    return replace(layout, rootnet=tuple(found))


def _image_links(path: Path, folders: Sequence[Path]) -> tuple[list[Link], list[Path]]:
    """A link to the folder that has the largest copy of each image, else one for each image.

    Also returns the images that have copies of different sizes.
    """
    if len(folders) == 1:
        return [Link(path, folders[0])], []
    sizes = {folder: _sizes(folder) for folder in folders}
    names = sorted({name for of_folder in sizes.values() for name in of_folder})
    largest = {n: max(folders, key=lambda folder: sizes[folder].get(n, 0)) for n in names}
    differing = [
        largest[name] / name
        for name in names
        if len({of_folder[name] for of_folder in sizes.values() if name in of_folder}) > 1
    ]
    for folder in folders:
        if all(sizes[folder].get(name) == sizes[largest[name]][name] for name in names):
            return [Link(path, folder)], differing
    return [Link(path / name, largest[name] / name) for name in names], differing


def _sizes(folder: Path) -> dict[str, int]:
    """The size of each file that is not empty or hidden; none in a folder that cannot be read."""
    try:
        paths = [path for path in folder.iterdir() if not path.name.startswith(".")]
    except OSError:
        return {}
    return {path.name: s.size for path in paths if (s := file_state(path)) and s.size}


def make_links(links: Iterable[Link]) -> Counter[str]:
    """Make every link that is missing or leads nowhere; returns how many were made and mended.

    If anything else is at the place of a link, nothing is changed. Raises
    ``ConvNeXtPoseCheckError``: ``cannot-write``, ``cannot-write``.
    """
    links = [link for link in links if not _is_same(link.path, link.target)]
    obstacles = list(dict.fromkeys(text for link in links if (text := _obstacle(link.path))))
    if obstacles:
        rest = f", and {len(obstacles) - 1} more are in the way" if len(obstacles) > 1 else ""
        raise ConvNeXtPoseCheckError(
            ErrorCode.CANNOT_WRITE,
            f"nothing was linked: {obstacles[0]}{rest}",
            "Move it away, or name another folder with --project-root",
        )
    counts: Counter[str] = Counter()
    for link in links:
        try:
            if broken_target(link.path.parent):
                link.path.parent.unlink()
            link.path.parent.mkdir(parents=True, exist_ok=True)
            counts["mended" if link.path.is_symlink() else "made"] += 1
            link.path.unlink(missing_ok=True)
            link.path.symlink_to(link.target)
        except OSError as error:
            raise cannot_write(link.path, error) from None
    return counts


def broken_target(path: Path) -> str | None:
    """The target of a link that leads nowhere, else None."""
    return os.readlink(path) if path.is_symlink() and not is_there(path) else None  # noqa: PTH115


def _obstacle(path: Path) -> str | None:
    """What is at the place of a link, None if a link can be made there."""
    folder = path.parent
    if folder.is_symlink() and is_there(folder):
        return f"{folder} is itself a link, to {folder.readlink()}"
    if is_there(folder) and not folder.is_dir():
        return f"{folder} is no folder"
    if path.is_symlink():
        return None if broken_target(path) else f"{path} is a link to {path.readlink()}"
    return f"{path} is no link" if is_there(path) else None


def _is_same(path: Path, target: Path) -> bool:
    """True if both lead to the same file or folder, through whatever links."""
    try:
        return path.samefile(target)
    except OSError:
        return False


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 - Path.resolve would follow links
