"""Human3.6M is found in every known arrangement of folders, and never written to."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from convnextpose_check.checks.dataset import check_dataset_is_complete
from convnextpose_check.errors import CheckFailedError, ConvNeXtPoseCheckError
from convnextpose_check.files import folders
from convnextpose_check.files.folders import MAX_DEPTH, walk
from convnextpose_check.human36m.layout import find_layout
from convnextpose_check.human36m.samples import load_dataset
from tests.support.datasets import FACTS, ROOTNET, Handmade, listing, rearranged

BOTH = "Subject 9,11 (trained on subject 1,5,6,7,8)"
ONLY_11 = "Subject 11 (trained on subject 1,5,6,7,8,9)"
SEQUENCE = "s_09_act_02_subact_01_ca_01"
DATA_FILE = "annotations/Human36M_subject9_data.json"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The authors' tree."""
    return Handmade().write(tmp_path / "Human36M")


def add_rootnet(root: Path, folder: str) -> Path:
    path = root / "Bounding box + Root joint coordinate-20230315T110000Z-001" / folder / ROOTNET
    path.parent.mkdir(parents=True)
    path.write_text("[]")
    return path


def copy_sequence(tree: Path, parent: str) -> Path:
    """A second folder of one sequence, with the same images, below ``parent``."""
    return Path(shutil.copytree(tree / "images" / SEQUENCE, tree / parent / SEQUENCE))


def test_find_layout_authors_tree_is_found_and_not_written_to(tree: Path) -> None:
    before = listing(tree)

    layout = load_dataset(tree, FACTS, boxes="rootnet").layout

    assert (
        layout.annotation(11, "joint_3d") == tree / "annotations/Human36M_subject11_joint_3d.json"
    )
    assert set(layout.sequences) == {path.name for path in (tree / "images").iterdir()}
    assert layout.rootnet_for((9, 11)) == tree / "bbox_root" / ROOTNET
    assert listing(tree) == before


@pytest.mark.parametrize(
    ("annotations", "images"),
    [
        ("annotations (1)/annotations", {9: "S9_ACT2_16", 11: "S11_ACT2_16"}),
        ("annotations", {9: "S9_ACT2_i6", 11: "S11_ACT2"}),
        ("annotation", {9: "S9", 11: "S11"}),
        ("human36m/annotations", {9: "human36m/S9_ACT2_16", 11: "human36m/S11_ACT2_16"}),
        ("a/annotations", {9: "b/S9_ACT2_16/S9_ACT2_16", 11: "b/S11"}),
        (".", {9: ".", 11: "."}),
    ],
)
def test_load_dataset_other_folder_names_have_same_samples(
    tree: Path, tmp_path: Path, annotations: str, images: dict[int, str]
) -> None:
    dataset = load_dataset(rearranged(tree, tmp_path / "other", annotations, images), FACTS)

    assert dataset.is_complete()
    assert dataset.digest == load_dataset(tree, FACTS).digest
    assert all(sample.path.is_relative_to(tmp_path / "other") for sample in dataset.samples)


def link_folders(tree: Path) -> None:
    for name in ("annotations", "images"):
        (tree / name).rename(tree.parent / name)
    (tree / "deep/annotations").mkdir(parents=True)
    for file in (tree.parent / "annotations").iterdir():
        (tree / "deep/annotations" / file.name).symlink_to(file)
    (tree / "pictures").symlink_to(tree.parent / "images")


def link_sequences(tree: Path) -> None:
    (tree / "images").rename(tree.parent / "images")
    (tree / "images").mkdir()
    for sequence in (tree.parent / "images").iterdir():
        (tree / "images" / sequence.name).symlink_to(sequence)


def link_in_loop(tree: Path) -> None:
    (tree / "images/again").symlink_to(tree)
    (tree / "self").symlink_to("self")
    assert len(list(walk(tree))) == 4


@pytest.mark.parametrize("link", [link_folders, link_sequences, link_in_loop])
def test_load_dataset_links_are_followed_once(tree: Path, link: Callable[[Path], None]) -> None:
    link(tree)

    assert load_dataset(tree, FACTS).is_complete()


@pytest.mark.parametrize(("subjects", "folder"), [((9, 11), BOTH), ((11,), ONLY_11)])
def test_rootnet_for_protocol_chooses_file_by_folder(
    tree: Path, subjects: tuple[int, ...], folder: str
) -> None:
    files = {name: add_rootnet(tree, name) for name in (BOTH, ONLY_11)}

    layout = find_layout(tree, subjects)

    assert len(layout.rootnet) == 3
    assert layout.rootnet_for(subjects) == files[folder]


@pytest.mark.parametrize("folders", [("elsewhere",), (BOTH, f"again/{BOTH}")])
def test_rootnet_for_ambiguous_files_are_refused(tree: Path, folders: tuple[str, ...]) -> None:
    added = [add_rootnet(tree, folder) for folder in folders]

    with pytest.raises(ConvNeXtPoseCheckError, match="2 files") as caught:
        load_dataset(tree, FACTS, boxes="rootnet")

    assert caught.value.code == "several-rootnet"
    assert all(str(path) in caught.value.problem for path in added)


def test_rootnet_for_missing_file_is_needed_for_its_boxes_only(tree: Path) -> None:
    shutil.rmtree(tree / "bbox_root")

    assert load_dataset(tree, FACTS, boxes="gt").is_complete()
    with pytest.raises(ConvNeXtPoseCheckError, match="--bbox gt") as caught:
        load_dataset(tree, FACTS, boxes="rootnet")
    assert caught.value.code == "no-rootnet"


def loop(tree: Path) -> None:
    shutil.rmtree(tree)
    tree.symlink_to(tree.name)


def empty(tree: Path) -> None:
    shutil.rmtree(tree)
    tree.mkdir()


MISSING: list[tuple[Callable[[Path], object], str]] = [
    (shutil.rmtree, "there is no folder {}. "),
    (loop, "there is no folder {}. "),
    (empty, "the folder holds nothing."),
    (
        lambda tree: shutil.rmtree(tree / "images"),
        "{}: missing image folders such as s_09_act_02_subact_01_ca_01;",
    ),
    (
        lambda tree: (tree / DATA_FILE).unlink(),
        "{}: missing Human36M_subject9_data.json; the folder holds annotations, bbox_root, images."
        " Give the folder that holds Human3.6M with --h36m-root",
    ),
]


@pytest.mark.parametrize(("change", "fragment"), MISSING)
def test_find_layout_missing_part_is_named(
    tree: Path, change: Callable[[Path], object], fragment: str
) -> None:
    change(tree)

    with pytest.raises(ConvNeXtPoseCheckError) as caught:
        find_layout(tree, (9, 11))

    assert caught.value.code == "no-data"
    assert fragment.format(tree) in str(caught.value)


@pytest.mark.parametrize("method", ["is_dir", "iterdir"])
def test_find_layout_unreadable_folder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    def refuse(_path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, method, refuse)

    with pytest.raises(ConvNeXtPoseCheckError, match="Permission denied") as caught:
        find_layout(tmp_path, (11,))
    assert caught.value.code == "no-data"


def test_load_dataset_untested_subject_may_be_missing(tree: Path) -> None:
    for file in (tree / "annotations").glob("Human36M_subject9_*"):
        file.unlink()

    assert load_dataset(tree, FACTS, protocol=1).is_complete()


def test_find_layout_second_annotation_file_may_be_equal(tree: Path) -> None:
    (tree / "older").mkdir()
    shutil.copy(tree / DATA_FILE, tree / "older")

    assert find_layout(tree, (9, 11)).annotation(9, "data") == tree / DATA_FILE


@pytest.mark.parametrize("other", ["same size and time", "dangling link", "loop"])
def test_find_layout_second_annotation_file_other_content_is_refused(
    tree: Path, other: str
) -> None:
    known, second = tree / DATA_FILE, tree / "older" / Path(DATA_FILE).name
    second.parent.mkdir()
    if other == "same size and time":
        second.write_bytes(known.read_bytes().replace(b"100", b"199"))
        for file in (known, second):
            os.utime(file, (1e9, 1e9))
    else:
        second.symlink_to(second if other == "loop" else "gone")

    with pytest.raises(ConvNeXtPoseCheckError, match=f"{second}.*--h36m-root") as caught:
        find_layout(tree, (9, 11))
    assert caught.value.code == "several-annotations"


@pytest.mark.parametrize("parent", ["a first", "z last"])
@pytest.mark.parametrize("lost", ["all", "one", "content"])
def test_load_dataset_second_folder_of_sequence_hides_no_image(
    tree: Path, parent: str, lost: str
) -> None:
    expected = load_dataset(tree, FACTS)
    for image in sorted(copy_sequence(tree, parent).iterdir())[: 1 if lost == "one" else None]:
        image.unlink()
        if lost == "content":
            image.touch()

    dataset = load_dataset(tree, FACTS)

    assert check_dataset_is_complete(dataset) == 6
    assert dataset.digest == expected.digest
    assert all(sample.path.stat().st_size for sample in dataset.samples)


def test_load_dataset_images_in_two_folders_are_all_found(tree: Path) -> None:
    first, *others = sorted(copy_sequence(tree, "a first").iterdir())
    (tree / "images" / SEQUENCE / first.name).unlink()
    for image in others:
        image.unlink()

    dataset = load_dataset(tree, FACTS)

    assert check_dataset_is_complete(dataset) == 6
    found = {sample.path.parent for sample in dataset.samples if sample.sequence == SEQUENCE}
    assert found == {first.parent, tree / "images" / SEQUENCE}


@pytest.mark.parametrize("change", [lambda c: c[:-1] + bytes([c[-1] ^ 1]), lambda c: c + b"\0"])
def test_check_dataset_is_complete_conflicting_images_fail_check_only(
    tree: Path, change: Callable[[bytes], bytes]
) -> None:
    image = min(copy_sequence(tree, "z last").iterdir())
    image.write_bytes(change(image.read_bytes()))

    dataset = load_dataset(tree, FACTS)

    used = tree / "images" / SEQUENCE / image.name
    assert dataset.conflicts == ((used, image),)
    assert dataset.is_complete()
    with pytest.raises(CheckFailedError, match=f"{used} was used, {image} has other") as caught:
        check_dataset_is_complete(dataset)
    assert caught.value.code == "several-images"


def test_load_dataset_conflicts_are_among_samples_only(tree: Path) -> None:
    _, no_sample, last = sorted(copy_sequence(tree, "z last").iterdir())
    no_sample.write_bytes(b"other")
    assert not load_dataset(tree, FACTS).conflicts

    last.write_bytes(b"other")
    assert load_dataset(tree, FACTS).conflicts
    assert not load_dataset(tree, FACTS, limit=1).conflicts


@pytest.mark.parametrize("folder", ["__MACOSX", "images/@eaDir", ".hidden", "images/.thumbnails"])
def test_find_layout_system_folders_are_left_out(tree: Path, folder: str) -> None:
    litter = copy_sequence(tree, folder)
    for image in litter.iterdir():
        image.write_bytes(b"thumbnail")
    (litter.parent / Path(DATA_FILE).name).write_text("{}")
    (litter.parent / ROOTNET).write_text("[]")
    (tree / "annotations" / f"._{Path(DATA_FILE).name}").write_bytes(b"\0\5\x16\7")

    layout = find_layout(tree, (9, 11))

    assert layout.sequences[SEQUENCE] == (tree / "images" / SEQUENCE,)
    assert layout.annotation(9, "data") == tree / DATA_FILE
    assert layout.rootnet == (tree / "bbox_root" / ROOTNET,)
    assert not [name for _, _, files in walk(tree) for name in files if name.startswith("._")]


def test_walk_sequence_and_deep_folders_are_not_entered(tree: Path) -> None:
    (tree / "/".join("abcdefghijkl")).mkdir(parents=True)

    depths, files = zip(
        *((len(f.relative_to(tree).parts), n) for f, _, n in walk(tree)), strict=True
    )

    assert max(depths) == MAX_DEPTH
    assert not any(name.endswith(".jpg") for names in files for name in names)


def test_walk_too_many_folders_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "MAX_FOLDERS", 9)
    for number in range(9):
        (tmp_path / str(number)).mkdir()

    with pytest.raises(
        ConvNeXtPoseCheckError, match=f"more than 9 folders below {tmp_path}"
    ) as err:
        list(walk(tmp_path))
    assert err.value.code == "too-many-files"
    assert "Name the folder inside it" in err.value.remedy
