"""Find Human3.6M below a user's folder, independent of the folders' names.

Files are identified by their names alone: the authors' tree, Kaggle's data sets with folders such
as ``annotations (1)`` or ``S9_ACT2_16``, and RootNet's file deep in its download are all found.
"""

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from filecmp import cmp
from pathlib import Path

from convnextpose_check.errors import ConvNeXtPoseCheckError, ErrorCode
from convnextpose_check.files.folders import (
    SEQUENCE_FOLDER,
    describe_too_deep,
    file_state,
    walk,
)
from convnextpose_check.files.json_files import is_json

PARTS = ("data", "camera", "joint_3d")

ROOTNET_FILE = "bbox_root_human36m_output.json"

OUTDATED_FILE = re.compile(r"Human36M_subject\d+\.json")
"""The authors' name until 2019, when one file had all annotations of a subject."""

PASS_ROOT = "Pass the folder of Human3.6M with --h36m-root"
GET_ANNOTATIONS = (
    "Download all annotation files of the subject from one source of June 2020 or later, such as"
    " those linked in the authors' README"
)


@dataclass(frozen=True)
class Layout:
    """Annotation files by file name, image folders by sequence, and RootNet's files."""

    root: Path
    annotations: dict[str, Path]
    sequences: dict[str, tuple[Path, ...]]
    rootnet: tuple[Path, ...]

    def annotation_path(self, subject: int, part: str) -> Path:
        """The path of an annotation file."""
        return self.annotations[annotation_name(subject, part)]

    def find_copies(self, sequence: str, file_name: str) -> list[tuple[Path, tuple[int, int]]]:
        """The non-empty files of this name in the sequence's folders, or the empty ones.

        The largest is the first: an unfinished copy or a thumbnail is smaller than the image.
        """
        paths = [folder / file_name for folder in self.sequences.get(sequence, ())]
        found = [(path, state) for path in paths if (state := file_state(path)) is not None]
        found.sort(key=lambda copy: copy[1][0], reverse=True)
        return [(path, state) for path, state in found if state[0]] or found

    def choose_rootnet_file(self, subjects: tuple[int, ...]) -> Path:
        """RootNet's file for these subjects; of several, the folder's name decides.

        Raises ``ConvNeXtPoseCheckError``: ``data-not-found``, ``ambiguous``.
        """
        wanted = ",".join(map(str, subjects))
        start = f"Subject {wanted} (trained on"
        found = [path for path in self.rootnet if start in str(path)] or self.rootnet
        if not found:
            raise ConvNeXtPoseCheckError(
                ErrorCode.DATA_NOT_FOUND,
                f"{self.root} contains no {ROOTNET_FILE}",
                "Add the file from the authors' repository, or use --bbox gt",
            )
        return _choose_copy(found)


def annotation_name(subject: int, part: str) -> str:
    """The authors' name of an annotation file."""
    return f"Human36M_subject{subject}_{part}.json"


def annotation_names(subjects: Iterable[int]) -> list[str]:
    """The authors' names of all annotation files of the subjects."""
    return [annotation_name(subject, part) for subject in subjects for part in PARTS]


def find_layout(root: Path, subjects: Iterable[int]) -> Layout:
    """Find the annotation files of the subjects and all image folders below ``root``.

    Raises ``ConvNeXtPoseCheckError``: ``data-not-found``, ``ambiguous``, ``too-many-files``.
    """
    if not root.is_dir():
        raise ConvNeXtPoseCheckError(
            ErrorCode.DATA_NOT_FOUND, f"{root} is not an existing folder", PASS_ROOT
        )
    wanted = annotation_names(subjects)
    outdated: Path | None = None
    annotations: dict[str, list[Path]] = defaultdict(list)
    sequences: dict[str, dict[str, Path]] = defaultdict(dict)  # by real path
    rootnet: list[Path] = []
    too_deep: list[Path] = []
    for folder, folders, files in walk(root, too_deep):
        for name in folders:
            if SEQUENCE_FOLDER.fullmatch(name):
                sequences[name].setdefault(os.path.realpath(folder / name), folder / name)
        for name in files:
            path = folder / name
            if name == ROOTNET_FILE:
                rootnet.append(path)
            elif name in wanted:
                annotations[name].append(path)
            elif OUTDATED_FILE.fullmatch(name):
                outdated = path
    missing = [name for name in wanted if name not in annotations]
    if not sequences:
        missing.append("image folders such as s_09_act_02_subact_01_ca_01")
    if missing:
        problem = f"Human3.6M is incomplete below {root}: missing {', '.join(missing)}"
        if outdated:
            problem += f"; {outdated} is of 2019, when each subject had a single annotation file"
        if too_deep:
            problem += f"; {describe_too_deep(too_deep)}"
        remedy = GET_ANNOTATIONS if outdated else PASS_ROOT
        raise ConvNeXtPoseCheckError(ErrorCode.DATA_NOT_FOUND, problem, remedy)
    return Layout(
        root,
        {name: _choose_copy(copies) for name, copies in annotations.items()},
        {name: tuple(found.values()) for name, found in sequences.items()},
        tuple(rootnet),
    )


def _choose_copy(copies: Sequence[Path]) -> Path:
    """Choose from files of one name: the only one that can be JSON, or any of equal ones."""
    first, *others = list(filter(is_json, copies)) or copies
    for other in others:
        if not is_same_content(first, other):
            raise ConvNeXtPoseCheckError(
                ErrorCode.AMBIGUOUS,
                f"{first} and {other} have equal names but different contents",
                "Keep only the right file",
            )
    return first


def is_same_content(one: Path, other: Path) -> bool:
    """True if two paths have the same content; False if a file cannot be read."""
    try:
        return one == other or one.samefile(other) or cmp(one, other, shallow=False)
    except OSError:
        return False
