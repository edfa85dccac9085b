"""The authors' own tree of Human3.6M, made of links to a data set in any layout.

Their code reads ``images/<sequence>/``, ``annotations/`` and ``bbox_root/`` in ``data/Human36M`` of
their repository. Subjects 9 and 11 share one ``images/`` there, so sequences and files are linked
one by one. Nothing is copied, and nothing is written through a link.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from convnextpose_check.errors import ConvNeXtPoseCheckError, ErrorCode
from convnextpose_check.files.folders import file_state, is_there
from convnextpose_check.files.whole import cannot_write
from convnextpose_check.human36m.layout import ROOTNET_FILE, Layout, annotation_names, find_layout

TREE = Path("data") / "Human36M"
IMAGES, ANNOTATIONS, ROOTNET = "images", "annotations", "bbox_root"


@dataclass(frozen=True)
class Link:
    """A link at ``path`` to ``target``, both absolute."""

    path: Path
    target: Path


def planned_links(
    source: Path, project_root: Path, subjects: tuple[int, ...]
) -> tuple[list[Link], list[str]]:
    """The links of the authors' tree below ``project_root``, and notes for the user.

    Without RootNet's file below ``source``, its link is left out. Raises
    ``ConvNeXtPoseCheckError``: ``file-not-found``, ``bad-option``, what ``find_layout`` raises, and
    ``data-not-found`` for a subject without images.
    """
    if not project_root.is_dir():
        raise ConvNeXtPoseCheckError(
            ErrorCode.FILE_NOT_FOUND,
            f"there is no folder {project_root}",
            "Give the folder of the authors' repository with --project-root",
        )
    notes = []
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
            links += _image_links(tree / IMAGES / name, folders)
    rootnet_link = tree / ROOTNET / ROOTNET_FILE
    try:
        links.append(Link(rootnet_link, layout.rootnet_for(subjects)))
    except ConvNeXtPoseCheckError as error:
        if not is_there(rootnet_link):
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


def _image_links(path: Path, folders: Sequence[Path]) -> list[Link]:
    """A link to the sequence's only folder, else one to the largest copy of each image."""
    if len(folders) == 1:
        return [Link(path, folders[0])]
    names = sorted({name for folder in folders for name in _names(folder)})
    copies = {name: [folder / name for folder in folders] for name in names}
    return [Link(path / name, max(found, key=_size)) for name, found in copies.items()]


def _names(folder: Path) -> list[str]:
    """The names of the folder's files, without hidden ones; none if it cannot be read."""
    try:
        return [path.name for path in folder.iterdir() if not path.name.startswith(".")]
    except OSError:
        return []


def _size(path: Path) -> int:
    state = file_state(path)
    return state[0] if state else -1


def make_links(links: Iterable[Link]) -> int:
    """Make every link that is missing or leads nowhere; returns how many.

    If anything else is at the place of a link, nothing is changed. Raises
    ``ConvNeXtPoseCheckError`` (``cannot-write``).
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
    for link in links:
        try:
            if _is_broken(link.path.parent):
                link.path.parent.unlink()
            link.path.parent.mkdir(parents=True, exist_ok=True)
            link.path.unlink(missing_ok=True)
            link.path.symlink_to(link.target)
        except OSError as error:
            raise cannot_write(link.path, error) from None
    return len(links)


def _is_broken(path: Path) -> bool:
    """Whether a link leads nowhere."""
    return path.is_symlink() and not is_there(path)


def _obstacle(path: Path) -> str | None:
    """A description of what is at the place of a link, None if a link can be made there."""
    folder = path.parent
    if folder.is_symlink() and is_there(folder):
        return f"{folder} is itself a link, to {folder.readlink()}"
    if is_there(folder) and not folder.is_dir():
        return f"{folder} is not a folder"
    if path.is_symlink():
        return None if _is_broken(path) else f"{path} is a link to {path.readlink()}"
    return f"{path} is not a link" if is_there(path) else None


def _is_same(path: Path, target: Path) -> bool:
    """True if both lead to the same file or folder, through any links."""
    try:
        return path.samefile(target)
    except OSError:
        return False


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 - Path.resolve would follow links
