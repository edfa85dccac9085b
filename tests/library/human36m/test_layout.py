"""Human3.6M is found in every arrangement that users have, and never written to."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from convnextpose_check.checks.dataset import check_dataset_is_complete
from convnextpose_check.errors import CheckFailedError, ConvNeXtPoseCheckError
from convnextpose_check.files import folders
from convnextpose_check.files.folders import MAX_DEPTH, walk
from convnextpose_check.human36m.layout import find_layout
from convnextpose_check.human36m.samples import load_dataset
from convnextpose_check.miniature.build import Miniature
from convnextpose_check.miniature.record import read_record
from tests.support.datasets import FACTS, ROOTNET, Handmade, listing, rearranged

ROOTNET_DOWNLOAD = "Bounding box + Root joint coordinate-20230315T110000Z-001"
BOTH = "Subject 9,11 (trained on subject 1,5,6,7,8)"
ONLY_11 = "Subject 11 (trained on subject 1,5,6,7,8,9)"


@pytest.fixture
def authors_tree(tmp_path: Path) -> Path:
    return Handmade().write(tmp_path / "Human36M")


def put_rootnet(root: Path, folder: str) -> Path:
    path = root / ROOTNET_DOWNLOAD / "Bounding box + Root joint coordinate" / "Human3.6M" / folder
    path.mkdir(parents=True)
    (path / ROOTNET).write_text("[]")
    return path / ROOTNET


def test_authors_tree_is_found(authors_tree: Path) -> None:
    layout = find_layout(authors_tree, (9, 11))
    assert layout.annotation(11, "joint_3d") == (
        authors_tree / "annotations" / "Human36M_subject11_joint_3d.json"
    )
    assert set(layout.sequences) == {path.name for path in (authors_tree / "images").iterdir()}
    assert layout.rootnet_for((9, 11)) == authors_tree / "bbox_root" / ROOTNET


def test_kaggles_tree_gives_the_same_samples(
    miniature: Miniature, fixtures: Path, tmp_path: Path
) -> None:
    kaggle = rearranged(
        miniature.dataset,
        tmp_path / "input" / "human36m",
        "annotations (1)/annotations",
        {9: "S9_ACT2_16", 11: "S11_ACT2_16"},
    )
    facts = read_record(fixtures).dataset
    dataset = load_dataset(kaggle, facts)
    assert dataset.is_complete()
    assert dataset.digest == load_dataset(miniature.dataset, facts).digest
    assert all(sample.path.is_relative_to(kaggle) for sample in dataset.samples)


@pytest.mark.parametrize(
    ("annotations", "images"),
    [
        ("annotations", {9: "S9_ACT2_i6", 11: "S11_ACT2_i6"}),
        ("annotations", {9: "S9_ACT2", 11: "S11_ACT2"}),
        ("annotation", {9: "S9", 11: "S11"}),
        ("human36m/annotations", {9: "human36m/S9_ACT2_16", 11: "human36m/S11_ACT2_16"}),
        ("a/annotations", {9: "b/S9_ACT2_16/S9_ACT2_16", 11: "b/S11"}),
        (".", {9: ".", 11: "."}),
    ],
)
def test_other_folder_names_give_the_same_samples(
    authors_tree: Path, tmp_path: Path, annotations: str, images: dict[int, str]
) -> None:
    variation = rearranged(authors_tree, tmp_path / "variation", annotations, images)
    dataset = load_dataset(variation, FACTS)
    assert dataset.is_complete()
    assert dataset.digest == load_dataset(authors_tree, FACTS).digest


@pytest.mark.parametrize(("subjects", "folder"), [((9, 11), BOTH), ((11,), ONLY_11)])
def test_rootnets_file_is_chosen_by_the_protocols_subjects(
    authors_tree: Path, subjects: tuple[int, ...], folder: str
) -> None:
    files = {name: put_rootnet(authors_tree, name) for name in (BOTH, ONLY_11)}
    layout = find_layout(authors_tree, subjects)
    assert len(layout.rootnet) == 3
    assert layout.rootnet_for(subjects) == files[folder]


def test_two_rootnet_files_of_unknown_subjects_are_refused(authors_tree: Path) -> None:
    second = put_rootnet(authors_tree, "elsewhere")
    with pytest.raises(ConvNeXtPoseCheckError) as caught:
        load_dataset(authors_tree, FACTS, boxes="rootnet")
    assert caught.value.code == "several-rootnet"
    assert str(second) in str(caught.value)
    assert str(authors_tree / "bbox_root" / ROOTNET) in str(caught.value)


def test_two_rootnet_files_of_the_same_subjects_are_refused(authors_tree: Path) -> None:
    put_rootnet(authors_tree, BOTH)
    put_rootnet(authors_tree / "again", BOTH)
    with pytest.raises(ConvNeXtPoseCheckError, match="2 files") as caught:
        find_layout(authors_tree, (9, 11)).rootnet_for((9, 11))
    assert caught.value.code == "several-rootnet"


def test_missing_rootnet_file_names_what_to_do(authors_tree: Path) -> None:
    shutil.rmtree(authors_tree / "bbox_root")
    assert load_dataset(authors_tree, FACTS, boxes="gt").is_complete()
    with pytest.raises(ConvNeXtPoseCheckError, match="--bbox gt") as caught:
        load_dataset(authors_tree, FACTS, boxes="rootnet")
    assert caught.value.code == "no-rootnet"
    assert ROOTNET in str(caught.value)


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConvNeXtPoseCheckError, match="--h36m-root") as caught:
        find_layout(tmp_path / "nowhere", (9,))
    assert caught.value.code == "no-data"
    assert str(tmp_path / "nowhere") in str(caught.value)


def test_missing_annotation_says_what_where_and_what_is_there(authors_tree: Path) -> None:
    (authors_tree / "annotations" / "Human36M_subject9_camera.json").unlink()
    with pytest.raises(ConvNeXtPoseCheckError) as caught:
        find_layout(authors_tree, (9, 11))
    assert caught.value.code == "no-data"
    message = caught.value.problem
    assert "missing Human36M_subject9_camera.json;" in message
    assert str(authors_tree) in message
    assert message.endswith("the folder holds annotations, bbox_root, images")


def test_subjects_that_a_protocol_does_not_test_may_be_missing(authors_tree: Path) -> None:
    for file in (authors_tree / "annotations").glob("Human36M_subject9_*"):
        file.unlink()
    assert load_dataset(authors_tree, FACTS, protocol=1).is_complete()


def test_missing_images_are_told(authors_tree: Path) -> None:
    shutil.rmtree(authors_tree / "images")
    with pytest.raises(ConvNeXtPoseCheckError, match="image folders such as s_09_act_02"):
        find_layout(authors_tree, (9, 11))


def test_empty_folder_is_told_to_be_empty(tmp_path: Path) -> None:
    with pytest.raises(ConvNeXtPoseCheckError, match="the folder holds nothing"):
        find_layout(tmp_path, (11,))


def test_root_that_cannot_be_listed_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(ConvNeXtPoseCheckError, match="Permission denied") as caught:
        find_layout(tmp_path, (11,))
    assert caught.value.code == "no-data"


def test_data_are_never_written_to(authors_tree: Path) -> None:
    before = listing(authors_tree)
    load_dataset(authors_tree, FACTS, boxes="rootnet")
    assert listing(authors_tree) == before


def test_linked_folders_and_files_are_followed(authors_tree: Path, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    (linked / "deep" / "annotations").mkdir(parents=True)
    for file in (authors_tree / "annotations").iterdir():
        (linked / "deep" / "annotations" / file.name).symlink_to(file)
    (linked / "pictures").symlink_to(authors_tree / "images")
    (tmp_path / "root").symlink_to(linked)
    assert load_dataset(tmp_path / "root", FACTS).is_complete()


def test_linked_sequences_are_found(authors_tree: Path, tmp_path: Path) -> None:
    (authors_tree / "images").rename(tmp_path / "kept")
    (authors_tree / "images").mkdir()
    for sequence in (tmp_path / "kept").iterdir():
        (authors_tree / "images" / sequence.name).symlink_to(sequence)
    assert load_dataset(authors_tree, FACTS).is_complete()


def test_loop_of_links_ends(authors_tree: Path) -> None:
    (authors_tree / "images" / "again").symlink_to(authors_tree)
    (authors_tree / "self").symlink_to("self")
    visited = [folder for folder, _, _ in walk(authors_tree)]
    assert len(visited) == 4
    assert load_dataset(authors_tree, FACTS).is_complete()


def test_sequence_folders_are_not_entered(authors_tree: Path) -> None:
    for _, _, files in walk(authors_tree):
        assert not any(name.endswith(".jpg") for name in files)


def test_folders_are_searched_to_a_bounded_depth(tmp_path: Path) -> None:
    (tmp_path / "/".join("abcdefghijkl")).mkdir(parents=True)
    depths = [len(folder.relative_to(tmp_path).parts) for folder, _, _ in walk(tmp_path)]
    assert max(depths) == MAX_DEPTH


def test_more_folders_than_a_data_set_has_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "MAX_FOLDERS", 9)
    for number in range(9):
        (tmp_path / str(number)).mkdir()

    with pytest.raises(ConvNeXtPoseCheckError) as caught:
        list(walk(tmp_path))

    assert caught.value.code == "too-many-files"
    assert caught.value.problem == f"there are more than 9 folders below {tmp_path}"
    assert "Name the folder inside it" in caught.value.remedy


def test_hidden_folders_are_passed_over(authors_tree: Path) -> None:
    (authors_tree / "annotations").rename(authors_tree / ".Trash")
    with pytest.raises(ConvNeXtPoseCheckError, match="Human36M_subject9_data"):
        find_layout(authors_tree, (9, 11))


def test_two_annotation_files_of_one_name_must_not_differ(authors_tree: Path) -> None:
    """The same file twice is harmless; of two different ones nobody knows which is meant."""
    name = "Human36M_subject9_data.json"
    content = (authors_tree / "annotations" / name).read_bytes()
    other = authors_tree / "older" / name
    other.parent.mkdir()
    other.write_bytes(content)
    assert find_layout(authors_tree, (9, 11)).annotation(9, "data").name == name

    other.write_bytes(content[:-1])

    with pytest.raises(ConvNeXtPoseCheckError, match=f"{other}.*--h36m-root") as caught:
        find_layout(authors_tree, (9, 11))
    assert caught.value.code == "several-annotations"


@pytest.mark.parametrize("other", ["same-size-and-time", "dangling", "loop"])
def test_unlike_files_of_one_name_are_told_by_their_contents(
    authors_tree: Path, other: str
) -> None:
    name = "Human36M_subject9_data.json"
    known = authors_tree / "annotations" / name
    second = authors_tree / "older" / name
    second.parent.mkdir()
    if other == "same-size-and-time":
        second.write_bytes(known.read_bytes().replace(b"100", b"199"))
        for file in (known, second):
            os.utime(file, (1e9, 1e9))
    else:
        second.symlink_to("gone" if other == "dangling" else second)
    with pytest.raises(ConvNeXtPoseCheckError) as caught:
        find_layout(authors_tree, (9, 11))
    assert caught.value.code == "several-annotations"


def test_root_that_cannot_be_looked_into_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_path: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_dir", refuse)
    with pytest.raises(ConvNeXtPoseCheckError, match="Permission denied") as caught:
        find_layout(tmp_path, (11,))
    assert caught.value.code == "no-data"


def test_root_that_links_to_itself_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(ConvNeXtPoseCheckError, match="there is no folder"):
        find_layout(tmp_path / "loop", (11,))


SEQUENCE = "s_09_act_02_subact_01_ca_01"


def copied_sequence(authors_tree: Path, parent: str) -> Path:
    """A second folder of one sequence, with the same two test images, below ``parent``."""
    source = authors_tree / "images" / SEQUENCE
    return Path(shutil.copytree(source, authors_tree / parent / SEQUENCE))


@pytest.mark.parametrize("parent", ["a first", "z last"])
@pytest.mark.parametrize("lost", ["all", "one", "content"])
def test_second_folder_of_a_sequence_hides_no_image(
    authors_tree: Path, parent: str, lost: str
) -> None:
    expected = load_dataset(authors_tree, FACTS)
    images = sorted(copied_sequence(authors_tree, parent).iterdir())
    for image in images[: 1 if lost == "one" else None]:
        image.unlink()
        if lost == "content":
            image.touch()

    dataset = load_dataset(authors_tree, FACTS)

    assert check_dataset_is_complete(dataset) == 6
    assert dataset.digest == expected.digest
    assert all(sample.path.stat().st_size for sample in dataset.samples)


def test_images_spread_over_two_folders_are_all_found(authors_tree: Path) -> None:
    first, *_ = sorted(copied_sequence(authors_tree, "a first").iterdir())
    (authors_tree / "images" / SEQUENCE / first.name).unlink()
    for image in sorted(first.parent.iterdir())[1:]:
        image.unlink()

    dataset = load_dataset(authors_tree, FACTS)

    assert check_dataset_is_complete(dataset) == 6
    assert {s.path.parent for s in dataset.samples if s.sequence == SEQUENCE} == {
        first.parent,
        authors_tree / "images" / SEQUENCE,
    }


@pytest.mark.parametrize("same_size", [True, False])
def test_folders_of_a_sequence_with_different_images_fail_the_check_only(
    authors_tree: Path, same_size: bool
) -> None:
    image = min(copied_sequence(authors_tree, "z last").iterdir())
    content = image.read_bytes()
    image.write_bytes(content[:-1] + bytes([content[-1] ^ 1]) if same_size else content + b"\0")

    dataset = load_dataset(authors_tree, FACTS)

    used = authors_tree / "images" / SEQUENCE / image.name
    assert dataset.conflicts == ((used, image),)
    assert dataset.is_complete()
    with pytest.raises(CheckFailedError) as caught:
        check_dataset_is_complete(dataset)
    assert caught.value.code == "several-images"
    assert f"{used} was used, {image} has other content" in caught.value.problem


def test_image_that_is_no_sample_may_differ(authors_tree: Path) -> None:
    """Only the images that are evaluated are compared: a data set has sixty times as many."""
    frame = copied_sequence(authors_tree, "z last") / f"{SEQUENCE}_000002.jpg"
    assert frame.is_file()
    frame.write_bytes(b"other")
    assert check_dataset_is_complete(load_dataset(authors_tree, FACTS)) == 6


def test_limited_data_set_compares_its_own_samples_only(authors_tree: Path) -> None:
    image = max(copied_sequence(authors_tree, "z last").iterdir())
    image.write_bytes(b"other")
    assert load_dataset(authors_tree, FACTS).conflicts
    assert not load_dataset(authors_tree, FACTS, limit=1).conflicts


@pytest.mark.parametrize(
    "folder",
    ["__MACOSX", "images/@eaDir", ".ipynb_checkpoints", "images/.thumbnails", "__MACOSX/images"],
)
def test_folders_of_the_system_are_passed_over(authors_tree: Path, folder: str) -> None:
    litter = copied_sequence(authors_tree, folder)
    for image in litter.iterdir():
        image.write_bytes(b"thumbnail")
    (litter.parent / "Human36M_subject9_data.json").write_text("{}")
    (litter.parent / ROOTNET).write_text("[]")

    layout = find_layout(authors_tree, (9, 11))

    assert layout.sequences[SEQUENCE] == (authors_tree / "images" / SEQUENCE,)
    assert layout.annotation(9, "data").parent == authors_tree / "annotations"
    assert layout.rootnet == (authors_tree / "bbox_root" / ROOTNET,)


def test_names_of_macos_twins_are_not_listed(authors_tree: Path) -> None:
    (authors_tree / "annotations" / "._Human36M_subject9_data.json").write_bytes(b"\0\5\x16\7")
    assert not [n for _, folders, files in walk(authors_tree) for n in files if n[:2] == "._"]


def test_missing_image_is_named_with_its_sequence(authors_tree: Path) -> None:
    for image in (authors_tree / "images" / SEQUENCE).iterdir():
        image.unlink()
    with pytest.raises(CheckFailedError, match=f"the first {SEQUENCE}/{SEQUENCE}_000001.jpg"):
        check_dataset_is_complete(load_dataset(authors_tree, FACTS))

    for image in authors_tree.glob("images/*/*.jpg"):
        image.unlink()
    with pytest.raises(ConvNeXtPoseCheckError, match=f"image: {SEQUENCE}/{SEQUENCE}_000001.jpg"):
        load_dataset(authors_tree, FACTS)
