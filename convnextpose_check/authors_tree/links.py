"""Arrange Human3.6M for the authors' code, with links to a data set in any supported layout.

Their code reads ``images/<sequence>/``, ``annotations/`` and ``bbox_root/`` in ``data/Human36M`` of
their repository. Subjects 9 and 11 share one ``images/`` there, so sequences and files are linked
one by one. Nothing is copied, and nothing is written through a link.
"""

from collections.abc import Mapping
from os.path import abspath
from pathlib import Path

from convnextpose_check.errors import ConvNeXtPoseCheckError, ErrorCode
from convnextpose_check.files.folders import path_exists
from convnextpose_check.files.regular_files import cannot_write
from convnextpose_check.human36m.layout import ROOTNET_FILE, Layout, annotation_names, find_layout

TREE = Path("data") / "Human36M"


def plan_links(source: Path, project_root: Path, subjects: tuple[int, ...]) -> dict[Path, Path]:
    """The target of each link by its path; RootNet's file is optional.

    Raises ``ConvNeXtPoseCheckError``: ``file-not-found`` without ``project_root``, ``bad-option``
    if one folder contains the other, and the errors of ``find_layout``.
    """
    if not project_root.is_dir():
        raise ConvNeXtPoseCheckError(
            ErrorCode.FILE_NOT_FOUND,
            f"the folder {project_root} does not exist",
            "Pass the folder of the authors' repository with --project-root",
        )
    source, tree = Path(abspath(source)), project_root.resolve() / TREE  # noqa: PTH100 - keeps links
    layout = _find_source(source, tree, subjects)
    names = annotation_names(subjects)
    links = {tree / "annotations" / name: layout.annotations[name] for name in names}
    starts = tuple(f"s_{subject:02d}_" for subject in subjects)
    for name in sorted(layout.sequences):
        if name.startswith(starts):
            links |= _plan_image_links(tree / "images" / name, layout)
    if layout.rootnet:
        links[tree / "bbox_root" / ROOTNET_FILE] = layout.choose_rootnet_file(subjects)
    return links


def _find_source(source: Path, tree: Path, subjects: tuple[int, ...]) -> Layout:
    """Find the data set; raises ``bad-option`` if it contains the links."""
    real_source, real_tree = source.resolve(), tree.resolve()
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

    A path that already leads to the target is kept, whether by a symbolic or a hard link. Raises
    ``ConvNeXtPoseCheckError`` (``cannot-write``) if anything else is at the path of a link.
    """
    made = 0
    for path, target in links.items():
        if path_exists(path) and path.samefile(target):
            continue
        if path.parent.resolve() != path.parent:
            raise ConvNeXtPoseCheckError(
                ErrorCode.CANNOT_WRITE,
                f"{path.parent} is a link, through which nothing is written",
                "Remove it, or pass another folder with --project-root",
            )
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path_exists(path):
                path.unlink(missing_ok=True)  # a broken link
            path.symlink_to(target)
        except OSError as error:
            raise cannot_write(path, error, "--project-root") from None
        made += 1
    return made
