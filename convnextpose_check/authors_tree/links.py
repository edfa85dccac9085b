"""The authors' own tree of Human3.6M, made of links to a data set in any layout.

Their code reads ``images/<sequence>/``, ``annotations/`` and ``bbox_root/`` in ``data/Human36M`` of
their repository. Subjects 9 and 11 share one ``images/`` there, so that no folder of a set that
keeps them apart can stand for it: sequences and files are linked one by one. Nothing is copied, and
nothing is written through a link.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.files.folders import file_state, is_there, walk
from convnextpose_check.files.whole import cannot_write
from convnextpose_check.human36m.layout import ROOTNET_FILE, Layout, annotation_names, find_layout

TREE = Path("data") / "Human36M"
IMAGES, ANNOTATIONS, ROOTNET = "images", "annotations", "bbox_root"

OF_THE_AUTHORS = (Path("main") / "test.py", TREE / "Human36M.py")
"""Files by which a checkout of the authors' repository is known."""


@dataclass(frozen=True)
class Link:
    """A link that is to be at ``path`` and lead to ``target``, both absolute."""

    path: Path
    target: Path


def planned_links(
    source: Path, project_root: Path, subjects: tuple[int, ...]
) -> tuple[list[Link], list[str]]:
    """The links that make up the authors' tree below ``project_root``, and what to know of them.

    RootNet's file is looked for below ``source``, then in the authors' repository, which ships it;
    only some runs read it, so that its link may be left out. Raises ``ConvNeXtPoseCheckError``:
    ``no-project``, ``one-inside-the-other``, what ``find_layout`` raises, and ``no-data`` for a
    subject without images.
    """
    if not project_root.is_dir():
        raise ConvNeXtPoseCheckError(
            "no-project",
            f"there is no folder {project_root}",
            "Give the folder of the authors' repository with --project-root",
        )
    notes = []
    if not any(is_there(project_root / file) for file in OF_THE_AUTHORS):
        notes.append(f"{project_root} does not look like a checkout of the authors' repository")
    tree = _absolute(project_root / TREE)
    _refuse_one_inside_the_other(source, tree)
    try:
        layout = find_layout(source, subjects)
    except ConvNeXtPoseCheckError as error:
        remedy = error.remedy.replace("--h36m-root", "--kaggle-input")
        raise ConvNeXtPoseCheckError(error.code, error.problem, remedy) from None
    links = [
        Link(tree / ANNOTATIONS / n, layout.annotations[n]) for n in annotation_names(subjects)
    ]
    for subject in subjects:
        if not (sequences := layout.sequences_of(subject)):
            raise ConvNeXtPoseCheckError(
                "no-data",
                f"there are no images of subject {subject} below {source}",
                "Give a folder that holds both subjects with --kaggle-input, such as /kaggle/input",
            )
        for name, folders in sorted(sequences.items()):
            of_sequence, differing = _image_links(tree / IMAGES / name, folders)
            links += of_sequence
            if differing is not None:
                notes.append(
                    f"two folders hold images of different sizes: {differing[0]} was linked, not"
                    f" {differing[1]}"
                )
    try:
        rootnet = _with_rootnet_of_the_authors(layout, project_root).rootnet_for(subjects)
        links.append(Link(tree / ROOTNET / ROOTNET_FILE, rootnet))
    except ConvNeXtPoseCheckError as error:
        notes.append(
            f"no {ROOTNET} was linked, which only runs with RootNet's boxes read: {error.problem}"
        )
    return [Link(link.path, _absolute(link.target)) for link in links], notes


def _image_links(
    path: Path, folders: Sequence[Path]
) -> tuple[list[Link], tuple[Path, Path] | None]:
    """One link to the folder that has all images of a sequence, else one for each image.

    An empty file counts as missing. Also returns the linked image and another of the same name and
    a different size, if there is one.
    """
    if len(folders) == 1:
        return [Link(path, folders[0])], None
    sizes = {
        folder: {p.name: s.size for p in _files_in(folder) if (s := file_state(p)) and s.size}
        for folder in folders
    }
    every = {name for of_folder in sizes.values() for name in of_folder}
    # The folders with most images first, so that one that has all stands for the sequence.
    by_count = sorted(folders, key=lambda folder: -len(sizes[folder]))
    source = {n: next(f for f in by_count if n in sizes[f]) for n in sorted(every)}
    differing = next(
        (
            (source[name] / name, folder / name)
            for folder in by_count
            for name, size in sizes[folder].items()
            if size != sizes[source[name]][name]
        ),
        None,
    )
    if len(sizes[by_count[0]]) == len(every):
        return [Link(path, by_count[0])], differing
    return [Link(path / name, folder / name) for name, folder in source.items()], differing


def _files_in(folder: Path) -> list[Path]:
    """The files of a folder without hidden ones; none for a folder that cannot be read."""
    try:
        return [path for path in folder.iterdir() if not path.name.startswith(".")]
    except OSError:
        return []


def make_links(links: Iterable[Link]) -> Counter[str]:
    """Make every link that is missing or leads nowhere.

    Returns how many were ``made``, ``mended`` and ``kept``. Where something else stands in the
    place of a link, nothing is changed. Raises ``ConvNeXtPoseCheckError``: ``in-the-way``,
    ``cannot-write``.
    """
    links = list(links)
    obstacles = list(dict.fromkeys(text for link in links if (text := _obstacle(link))))
    if obstacles:
        rest = f", and {len(obstacles) - 1} more are in the way" if len(obstacles) > 1 else ""
        raise ConvNeXtPoseCheckError(
            "in-the-way",
            f"nothing was linked: {obstacles[0]}{rest}",
            "Move it away, or name another folder with --project-root",
        )
    counts: Counter[str] = Counter()
    for link in links:
        try:
            counts[_make(link)] += 1
        except OSError as error:
            raise cannot_write(link.path, error) from None
    return counts


def broken_target(path: Path) -> str | None:
    """Where a link leads that leads nowhere, None for a link that is whole and for no link."""
    return os.readlink(path) if path.is_symlink() and not is_there(path) else None  # noqa: PTH115


def _obstacle(link: Link) -> str | None:
    """What stands in the way of a link, None where it is there or can be made."""
    path, folder = link.path, link.path.parent
    if _leads_to(path, link.target):
        return None
    if folder.is_symlink() and is_there(folder):
        return f"{folder} is itself a link, to {folder.readlink()}"
    if is_there(folder) and not folder.is_dir():
        return f"{folder} is no folder"
    if path.is_symlink():
        return None if broken_target(path) else f"{path} is a link to {path.readlink()}"
    return f"{path} is no link" if is_there(path) else None


def _make(link: Link) -> str:
    if _leads_to(link.path, link.target):
        return "kept"
    folder = link.path.parent
    if broken_target(folder):
        folder.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    mended = link.path.is_symlink()
    if mended:
        link.path.unlink()
    link.path.symlink_to(link.target)
    return "mended" if mended else "made"


def _leads_to(path: Path, target: Path) -> bool:
    """Whether the path is the target under another name, through whatever links."""
    try:
        return path.samefile(target)
    except OSError:
        return False


def _refuse_one_inside_the_other(source: Path, tree: Path) -> None:
    """The search for data must not come upon the links themselves."""
    real_source, real_tree = Path(os.path.realpath(source)), Path(os.path.realpath(tree))
    if real_tree.is_relative_to(real_source) or real_source.is_relative_to(real_tree):
        raise ConvNeXtPoseCheckError(
            "one-inside-the-other",
            f"of {source} and {tree} one lies inside the other",
            "Give the folder of the data set alone with --kaggle-input",
        )


def _with_rootnet_of_the_authors(layout: Layout, project_root: Path) -> Layout:
    """The layout with the RootNet files of the authors' repository where it has none itself."""
    if layout.rootnet:
        return layout
    data, found = project_root / TREE.parent, []
    for folder, folders, files in walk(data):
        if folder == data and TREE.name in folders:
            folders.remove(TREE.name)
        found += [folder / name for name in files if name == ROOTNET_FILE]
    return Layout(layout.root, layout.annotations, layout.sequences, tuple(found))


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 - Path.resolve would follow links
