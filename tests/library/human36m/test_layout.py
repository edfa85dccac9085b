"""Human3.6M is found in every known folder layout and never modified."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from convnextpose_check.checks.dataset import check_dataset_is_complete
from convnextpose_check.errors import CheckFailedError, ConvNeXtPoseCheckError
from convnextpose_check.files import folders
from convnextpose_check.files.folders import MAX_DEPTH, walk
from convnextpose_check.human36m.layout import find_layout
from convnextpose_check.human36m.samples import load_dataset
from tests.support.datasets import FACTS, ROOTNET, HandmadeDataset, list_files, rearrange_dataset

BOTH = "Subject 9,11 (trained on subject 1,5,6,7,8)"
ONLY_11 = "Subject 11 (trained on subject 1,5,6,7,8,9)"
SEQUENCE = "s_09_act_02_subact_01_ca_01"
Change = Callable[[Path], Any]
DATA_FILE = "annotations/Human36M_subject9_data.json"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The data set in the authors' layout."""
    return HandmadeDataset().write(tmp_path / "Human36M")


def add_rootnet(root: Path, folder: str) -> Path:
    path = root / "Bounding box + Root joint coordinate-20230315T110000Z-001" / folder / ROOTNET
    path.parent.mkdir(parents=True)
    path.write_text("[]")
    return path


def copy_sequence(tree: Path, parent: str) -> Path:
    """Copy the folder of one sequence to ``parent``."""
    return Path(shutil.copytree(tree / "images" / SEQUENCE, tree / parent / SEQUENCE))


def make_rearrangement(annotations: str, images_9: str, images_11: str) -> Change:
    return lambda tree: rearrange_dataset(
        tree, tree.parent / "other", annotations, {9: images_9, 11: images_11}
    )


def link_sequences(tree: Path) -> None:
    (tree / "images").rename(tree.parent / "images")
    (tree / "images").mkdir()
    for sequence in (tree.parent / "images").iterdir():
        (tree / "images" / sequence.name).symlink_to(sequence)


def link_in_loop(tree: Path) -> None:
    (tree / "images/again").symlink_to(tree)
    (tree / "self").symlink_to("self")
    assert len(list(walk(tree))) == 4


def add_equal_annotations(tree: Path) -> None:
    (tree / "older").mkdir()
    shutil.copy(tree / DATA_FILE, tree / "older")
    shutil.copy(tree / "bbox_root" / ROOTNET, tree / "older")


def add_folders_without_usable_images(tree: Path) -> None:
    for image in copy_sequence(tree, "a first").iterdir():
        image.unlink()
    for image in copy_sequence(tree, "a second").iterdir():
        image.write_bytes(b"")


def split_sequence(tree: Path) -> None:
    """Each of two folders lacks an image of the other."""
    first, second, _ = sorted(copy_sequence(tree, "a first").iterdir())
    (tree / "images" / SEQUENCE / first.name).unlink()
    second.unlink()


SOUND: list[Change] = [
    make_rearrangement("annotations (1)/annotations", "S9_ACT2_16", "S11_ACT2_16"),
    make_rearrangement("annotation", "a/S9_ACT2_i6/S9_ACT2_i6", "S11"),
    make_rearrangement(".", ".", "."),
    link_sequences,
    link_in_loop,
    add_equal_annotations,
    add_folders_without_usable_images,
    split_sequence,
]


@pytest.mark.parametrize("change", SOUND)
def test_load_dataset_any_valid_layout_has_same_samples(tree: Path, change: Change) -> None:
    """The folder is only read."""
    digest = load_dataset(tree, FACTS).digest
    root = change(tree) or tree
    files = list_files(root)

    dataset = load_dataset(root, FACTS)

    assert check_dataset_is_complete(dataset) == 6
    assert list_files(root) == files
    assert dataset.digest == digest
    assert not dataset.layout.rootnet or dataset.layout.choose_rootnet_file((9, 11))
    assert all(sample.path.is_relative_to(root) for sample in dataset.samples)
    assert all(sample.path.stat().st_size for sample in dataset.samples)


@pytest.mark.parametrize(("subjects", "folder"), [((9, 11), BOTH), ((11,), ONLY_11)])
def test_rootnet_is_chosen_by_folder(tree: Path, subjects: tuple[int, ...], folder: str) -> None:
    files = {name: add_rootnet(tree, name) for name in (BOTH, ONLY_11)}

    layout = find_layout(tree, subjects)

    assert len(layout.rootnet) == 3
    assert layout.choose_rootnet_file(subjects) == files[folder]
    for file in (tree / "annotations").glob("Human36M_subject9_*"):
        file.unlink()
    assert load_dataset(tree, FACTS, protocol=1).is_complete()  # without the other subject


def empty_folder(tree: Path) -> None:
    shutil.rmtree(tree)
    tree.mkdir()


def add_other_annotations(tree: Path) -> None:
    """Add annotations of the same size and modification time."""
    add_equal_annotations(tree)
    second = tree / "older" / Path(DATA_FILE).name
    second.write_bytes(second.read_bytes().replace(b"100", b"199"))
    for file in (tree / DATA_FILE, second):
        os.utime(file, (1e9, 1e9))


def add_two_rootnet_files(tree: Path) -> None:
    add_rootnet(tree, BOTH)
    add_rootnet(tree, f"again/{BOTH}").write_text("[1]")


def leave_annotations_of_2019(tree: Path) -> None:
    (tree / "Human36M_subject9.json").touch()
    (tree / DATA_FILE).unlink()


def move_too_deep(tree: Path) -> None:
    deep = tree.joinpath("deep", *"1234567890", "1", "2")
    deep.mkdir(parents=True)
    (tree / DATA_FILE).rename(deep / Path(DATA_FILE).name)


ADVICE = " Pass the folder of Human3.6M with --h36m-root"
OLDER = f"{{}}/older/{Path(DATA_FILE).name} have equal names but different contents"
REFUSED: list[tuple[str, str, Change]] = [
    ("data-not-found", "{} is not an existing folder", shutil.rmtree),
    ("data-not-found", "_ca_01." + ADVICE, empty_folder),
    ("data-not-found", "{}: missing image folders such as s_09_act_02_subact_01_ca_01.",
     lambda tree: shutil.rmtree(tree / "images")),
    ("data-not-found", "{}: missing Human36M_subject9_data.json.",
     lambda tree: (tree / DATA_FILE).unlink()),
    ("data-not-found", "Human36M_subject9.json is of 2019, when", leave_annotations_of_2019),
    ("data-not-found", "; 1 folder too deep to search, such as {}/deep/1/2/", move_too_deep),
    ("ambiguous", OLDER, add_other_annotations),
    ("ambiguous", "have equal names", lambda tree: add_rootnet(tree, "elsewhere")),
    ("ambiguous", "have equal names", add_two_rootnet_files),
    ("data-not-found", "use --bbox gt", lambda tree: shutil.rmtree(tree / "bbox_root")),
]  # fmt: skip


@pytest.mark.parametrize(("code", "fragment", "change"), REFUSED)
def test_load_dataset_bad_part_raises(tree: Path, code: str, fragment: str, change: Change) -> None:
    change(tree)

    with pytest.raises(ConvNeXtPoseCheckError) as caught:
        load_dataset(tree, FACTS, boxes="rootnet")

    assert caught.value.code == code
    assert fragment.format(tree) in str(caught.value)


def test_check_dataset_is_complete_conflicting_images_fail_check_only(tree: Path) -> None:
    """The other image has the same size; only images of samples are compared."""
    first, no_sample, _ = sorted(copy_sequence(tree, "z last").iterdir())
    no_sample.write_bytes(b"other")
    assert not load_dataset(tree, FACTS).conflicts
    first.write_bytes(first.read_bytes()[:-1] + b"\0")

    dataset = load_dataset(tree, FACTS)

    used = tree / "images" / SEQUENCE / first.name
    assert dataset.conflicts == ((used, first),)
    assert dataset.is_complete()
    with pytest.raises(CheckFailedError, match=f"{used} was used, {first} has other") as caught:
        check_dataset_is_complete(dataset)
    assert caught.value.code == "ambiguous"


@pytest.mark.parametrize("content", [b"", b"version https://git-lfs.github.com/spec/v1\n"])
def test_load_dataset_unfinished_copies_are_not_used(tree: Path, content: bytes) -> None:
    """They are first by alphabet; shorter images are reported as well."""
    digest = load_dataset(tree, FACTS).digest
    first, _, last = sorted(copy_sequence(tree, "a first").iterdir())
    first.write_bytes(first.read_bytes()[:-10])
    last.write_bytes(content)
    for path in (tree / "a first" / Path(DATA_FILE).name, tree / "z" / Path(DATA_FILE).name):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)

    dataset = load_dataset(tree, FACTS)

    assert dataset.digest == digest
    assert dataset.layout.annotation_path(9, "data") == tree / DATA_FILE
    whole = tree / "images" / SEQUENCE
    pairs = [(whole / copy.name, copy) for copy in (first, last) if copy.stat().st_size]
    assert list(dataset.conflicts) == pairs


@pytest.mark.parametrize("folder", [
    "__MACOSX", "images/@eaDir", ".hidden", "images/.thumbnails", "#recycle", "$RECYCLE.BIN/x",
])  # fmt: skip
def test_find_layout_system_folders_are_left_out(tree: Path, folder: str) -> None:
    copied = copy_sequence(tree, folder)
    for image in copied.iterdir():
        image.write_bytes(b"thumbnail")
    (copied.parent / Path(DATA_FILE).name).write_text("{}")
    (copied.parent / ROOTNET).write_text("[]")
    system_files = {f"._{Path(DATA_FILE).name}", "Thumbs.db", ".DS_Store", "desktop.ini"}
    for name in system_files:
        (tree / "annotations" / name).write_bytes(b"\0\5\x16\7")

    layout = find_layout(tree, (9, 11))

    assert layout.sequences[SEQUENCE] == (tree / "images" / SEQUENCE,)
    assert layout.annotation_path(9, "data") == tree / DATA_FILE
    assert layout.rootnet == (tree / "bbox_root" / ROOTNET,)
    assert not system_files & {name for _, _, files in walk(tree) for name in files}


def test_walk_skips_sequences_and_deep_folders(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tree / "/".join("abcdefghijkl")).mkdir(parents=True)
    found = [(len(f.relative_to(tree).parts), files) for f, _, files in walk(tree)]
    assert max(depth for depth, _ in found) == MAX_DEPTH
    assert not any(name.endswith(".jpg") for _, files in found for name in files)

    monkeypatch.setattr(folders, "MAX_FOLDERS", 9)
    problem = f"{tree} contains more than 9 folders"
    with pytest.raises(ConvNeXtPoseCheckError, match=problem) as caught:
        list(walk(tree))
    assert caught.value.code == "too-many-files"
    assert "Pass a folder inside it" in caught.value.remedy
