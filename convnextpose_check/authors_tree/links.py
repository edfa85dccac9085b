"""Arrange Human3.6M for the authors' code, with links to a data set in any supported layout.

Their code reads ``images/<sequence>/``, ``annotations/`` and ``bbox_root/`` in ``data/Human36M`` of
their repository. Subjects 9 and 11 share one ``images/`` there, so sequences and files are linked
one by one. Nothing is copied, and nothing is written through a link.
"""

from collections.abc import Mapping
from os.path import abspath, realpath
from pathlib import Path

from convnextpose_check.errors import ConvNeXtPoseCheckError, ErrorCode
from convnextpose_check.files.folders import path_exists
from convnextpose_check.files.regular_files import cannot_write
from convnextpose_check.human36m.layout import ROOTNET_FILE, Layout, annotation_names, find_layout
from convnextpose_check.text import format_count

TREE = Path("data") / "Human36M"
IMAGES, ANNOTATIONS, ROOTNET = "images", "annotations", "bbox_root"


def plan_links(
    source: Path, project_root: Path, subjects: tuple[int, ...]
) -> tuple[dict[Path, Path], list[str]]:
    """The target of each link by its path, and notes.

    Notes count images with smaller copies, whose bytes are not compared, and explain why RootNet's
    file is not linked. Raises ``ConvNeXtPoseCheckError``: ``file-not-found`` without
    ``project_root``, ``bad-option`` if one folder contains the other, ``data-not-found`` for a
    subject without images, and the errors of ``find_layout``.
    """
    if not project_root.is_dir():
        raise ConvNeXtPoseCheckError(
            ErrorCode.FILE_NOT_FOUND,
            f"the folder {project_root} does not exist",
            "Pass the folder of the authors' repository with --project-root",
        )
    source, tree = Path(abspath(source)), Path(abspath(project_root / TREE))  # noqa: PTH100
    layout = _find_source(source, tree, subjects)
    names = annotation_names(subjects)
    links = {tree / ANNOTATIONS / name: layout.annotations[name] for name in names}
    for subject in subjects:
        start = f"s_{subject:02d}_"
        if not (sequences := [name for name in layout.sequences if name.startswith(start)]):
            raise ConvNeXtPoseCheckError(
                ErrorCode.DATA_NOT_FOUND,
                f"{source} contains no image folder of subject {subject}",
                "Pass a folder with both subjects, such as /kaggle/input, with --kaggle-input",
            )
        for name in sorted(sequences):
            links |= _plan_image_links(tree / IMAGES / name, layout)
    copied = [
        target
        for path, target in links.items()
        if len({size for _, (size, _) in layout.find_copies(path.parent.name, path.name)}) > 1
    ]
    notes = []
    if copied:
        count = format_count(len(copied), "image")
        notes.append(f"smaller copies of {count}, the first is {copied[0]}")
    rootnet_link = tree / ROOTNET / ROOTNET_FILE
    try:
        links[rootnet_link] = layout.choose_rootnet_file(subjects)
    except ConvNeXtPoseCheckError as error:
        if not path_exists(rootnet_link):
            note = f"{ROOTNET}, needed only for RootNet's boxes, was not linked: {error.problem}"
            notes.append(note)
    return links, notes


def _find_source(source: Path, tree: Path, subjects: tuple[int, ...]) -> Layout:
    """Find the data set; raises ``bad-option`` if it contains the links."""
    real_source, real_tree = Path(realpath(source)), Path(realpath(tree))
    if real_tree.is_relative_to(real_source) or real_source.is_relative_to(real_tree):
        raise ConvNeXtPoseCheckError(
            ErrorCode.BAD_OPTION,
            f"one of {source} and {tree} is inside the other",
            "Pass the folder of the data set alone with --kaggle-input",
        )
    try:
        return find_layout(source, subjects)
    except ConvNeXtPoseCheckError as error:
        remedy = error.remedy.replace("--h36m-root", "--kaggle-input")
        raise ConvNeXtPoseCheckError(error.code, error.problem, remedy) from None


def _plan_image_links(path: Path, layout: Layout) -> dict[Path, Path]:
    """Plan a link to the sequence's only folder, or to the largest copy of each image."""
    folders = layout.sequences[path.name]
    if len(folders) == 1:
        return {path: folders[0]}
    names = sorted({image.name for folder in folders for image in folder.glob("[!.]*.jpg")})
    return {
        path / name: found[0][0] for name in names if (found := layout.find_copies(path.name, name))
    }


def make_links(links: Mapping[Path, Path]) -> int:
    """Create the links that are missing or broken; returns their number.

    A path that already leads to the target is kept, whether by a symbolic or a hard link. If
    anything else is at the path of a link, nothing is changed. Raises ``ConvNeXtPoseCheckError``
    (``cannot-write``).
    """
    new = {
        path: target
        for path, target in links.items()
        if not (path_exists(path) and path.samefile(target))
    }
    if obstacles := sorted({text for path in new if (text := _describe_obstacle(path))}):
        more = f"; other obstacles: {len(obstacles) - 1}" if len(obstacles) > 1 else ""
        raise ConvNeXtPoseCheckError(
            ErrorCode.CANNOT_WRITE,
            f"nothing was linked: {obstacles[0]}{more}",
            "Move it away, or pass another folder with --project-root",
        )
    for path, target in new.items():
        try:
            if not path_exists(path.parent):
                path.parent.unlink(missing_ok=True)  # a broken link
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            path.symlink_to(target)
        except OSError as error:
            raise cannot_write(path, error, "--project-root") from None
    return len(new)


def _describe_obstacle(path: Path) -> str | None:
    """Describe what prevents a link at ``path``; None if it can be created."""
    folder = path.parent
    if path_exists(folder) and folder.is_symlink():
        return f"{folder} is itself a link, to {folder.readlink()}"
    if path_exists(folder) and not folder.is_dir():
        return f"{folder} is not a folder"
    if not path_exists(path):
        return None
    kind = f"a link to {path.readlink()}" if path.is_symlink() else "not a link"
    return f"{path} is {kind}"
