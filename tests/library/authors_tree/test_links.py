"""``link`` builds the authors' tree from any layout and changes nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from convnextpose_check.__main__ import main
from convnextpose_check.human36m.samples import load_dataset
from tests.support.datasets import FACTS, ROOTNET, HandmadeDataset, list_files, rearrange_dataset

ROOTNET_FOLDER = "Bounding box-001/Human3.6M/Subject 9,11 (trained on subject 1,5,6,7,8)"
CAMERA = "annotations/Human36M_subject9_camera.json"
S9, S11 = "s_09_act_02_subact_01_ca_01", "s_11_act_16_subact_02_ca_01"
Capture = pytest.CaptureFixture[str]
Change = Callable[..., object]


@pytest.fixture(autouse=True)
def _use_facts_of_handmade_dataset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convnextpose_check.commands.link.read_facts", lambda: FACTS)


@pytest.fixture
def authors(tmp_path: Path) -> Path:
    return HandmadeDataset().write(tmp_path / "authors")


@pytest.fixture
def kaggle(authors: Path, tmp_path: Path) -> Path:
    """The data set as on Kaggle: S9, S11 and the annotations in separate data sets."""
    folders = {9: "s9/S9_ACT2_16", 11: "s11/S11_ACT2_16"}
    return rearrange_dataset(
        authors, tmp_path / "input", "h36m/annotations (1)/annotations", folders
    )


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The path of the authors' tree in an empty project folder; not yet created."""
    (tmp_path / "ConvNeXtPose").mkdir()
    return tmp_path / "ConvNeXtPose" / "data" / "Human36M"


def run_link(source: Path, tree: Path, *more: str) -> int:
    root = str(tree.parents[1])
    return main(["link", "--kaggle-input", str(source), "--project-root", root, *more])


def run_verify(tree: Path) -> int:
    return main(["link", "--project-root", str(tree.parents[1]), "--verify"])


def test_link_tree_is_complete(kaggle: Path, authors: Path, tree: Path, capsys: Capture) -> None:
    (kaggle / ROOTNET_FOLDER).mkdir(parents=True)
    shutil.copyfile(authors / "bbox_root" / ROOTNET, kaggle / ROOTNET_FOLDER / ROOTNET)
    before = list_files(kaggle)

    assert run_link(kaggle, tree, "--verify") == 0

    for path in authors.rglob("*"):
        linked = tree / path.relative_to(authors)
        assert linked.is_dir() is path.is_dir()
        assert path.is_dir() or linked.read_bytes() == path.read_bytes()
    assert {p.name for p in tree.glob("images/*")} == {p.name for p in authors.glob("images/*")}
    assert all(p.is_symlink() for p in [*tree.glob("images/*"), *tree.glob("*/*.json")])
    for boxes in ("gt", "rootnet"):
        dataset = load_dataset(tree, FACTS, boxes=boxes)
        assert dataset.is_complete()
        assert dataset.digest == load_dataset(authors, FACTS, boxes=boxes).digest
    assert list_files(kaggle) == before
    out = capsys.readouterr().out
    assert f"11 links in {tree}, 11 of them new\n" in out
    assert f"complete: 6 of 6 test images in {tree}.\n" in out
    made = list_files(tree)
    assert run_link(kaggle, tree) == 0
    assert list_files(tree) == made
    assert f"11 links in {tree}, 0 of them new\n" in capsys.readouterr().out


def test_link_relative_dirs_work(kaggle: Path, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree.parents[1])
    assert main(["link", "--kaggle-input", f"../{kaggle.name}"]) == 0
    assert main(["link"]) == 0  # only verifies
    monkeypatch.chdir(kaggle.parent)
    assert run_verify(tree) == 0
    assert (tree / "images" / S9).readlink() == kaggle / "s9/S9_ACT2_16" / S9


@pytest.mark.parametrize(("what", "new"), [(f"images/{S9}", 1), (CAMERA, 1), ("all", 10)])
def test_link_repairs_links(kaggle: Path, tree: Path, what: str, new: int, capsys: Capture) -> None:
    assert run_link(kaggle, tree) == 0
    if what == "all":
        kaggle = kaggle.rename(kaggle.with_name("moved"))
    else:
        path = tree / what
        path.unlink()
        path.symlink_to("gone")
    before = list_files(tree)
    assert run_verify(tree) == 1
    assert list_files(tree) == before
    assert "not complete: " in capsys.readouterr().out

    assert run_link(kaggle, tree, "--verify") == 0

    assert f", {new} of them new\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda tree: (tree / CAMERA).unlink(), "missing Human36M_subject9_camera.json"),
        (lambda tree: shutil.rmtree(tree / "images" / S11), ": expected 6 ("),
        (lambda tree: shutil.rmtree(tree), "{tree} is not an existing folder"),
    ],
)
def test_verify_incomplete_fails(tree: Path, change: Change, problem: str, capsys: Capture) -> None:
    """A tree of files is verified like a tree of links."""
    HandmadeDataset().write(tree)
    (tree / "bbox_root" / ROOTNET).unlink()
    assert run_verify(tree) == 0
    capsys.readouterr()
    change(tree)

    assert run_verify(tree) == 1

    out = capsys.readouterr().out
    assert out.startswith("not complete: ")
    assert problem.format(tree=tree) in out


def create(path: Path, target: Path | None = None) -> None:
    """Create a file, or a link to ``target``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if target is None:
        path.write_text("mine", encoding="utf-8")
    else:
        path.symlink_to(target)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda _, tree: create(tree / "annotations"), "cannot write {tree}/annotations"),
        (
            lambda kaggle, tree: create(tree / "annotations", kaggle),
            "{tree}/annotations is a link,",
        ),
        (lambda _, tree: create(tree.parent), "[cannot-write] cannot write {tree}"),
        (lambda _, tree: tree.parents[1].rmdir(), "[file-not-found] the folder {tree.parents[1]}"),
        (
            lambda kaggle, _: shutil.rmtree(kaggle),
            "[data-not-found] {kaggle} is not an existing folder",
        ),
        (
            lambda kaggle, _: next(kaggle.rglob("*subject11_joint_3d.json")).unlink(),
            "[data-not-found] Human3.6M is incomplete below {kaggle}",
        ),
    ],
)
def test_link_obstacle_or_missing_input_fails_and_changes_nothing(
    kaggle: Path, tree: Path, tmp_path: Path, change: Change, message: str, capsys: Capture
) -> None:
    """Through a folder that is a link, as of the guide's script, files would go to the input."""
    change(kaggle, tree)
    before = list_files(tmp_path)

    assert run_link(kaggle, tree) == 2

    assert list_files(tmp_path) == before
    error = capsys.readouterr().err
    assert message.format(tree=tree, kaggle=kaggle) in error
    assert "--h36m-root" not in error
    assert len(error.splitlines()) == 1


def test_link_project_inside_input_is_refused(kaggle: Path, tree: Path, capsys: Capture) -> None:
    """A second search would find the links created by the first."""
    other = kaggle.with_name("other")
    other.symlink_to(kaggle.parent)
    tree.mkdir(parents=True)
    kaggle.rename(tree / "sets")

    for source in (other, tree / "sets"):
        assert run_link(source, tree) == 2
        assert capsys.readouterr().err.startswith("[bad-option] ")


def test_link_images_in_two_folders_are_linked_one_by_one(kaggle: Path, tree: Path) -> None:
    """One folder lacks an image; the other has a truncated and an empty one."""
    whole, other = kaggle / "s9/S9_ACT2_16" / S9, kaggle / "a second part" / S9
    shutil.copytree(whole, other)
    first, second, last = sorted(path.name for path in whole.iterdir())
    (whole / first).unlink()
    for name, content in ((second, b"cut"), (last, b"")):
        (other / name).unlink()
        (other / name).write_bytes(content)

    assert run_link(kaggle, tree, "--verify") == 0
    assert run_link(kaggle, tree, "--verify") == 0

    linked = tree / "images" / S9
    assert not linked.is_symlink()
    assert (linked / first).readlink() == other / first
    assert (linked / second).readlink() == whole / second
    assert (linked / last).readlink() == whole / last
    assert load_dataset(tree, FACTS).is_complete()


def test_link_hard_link_to_right_file_is_kept(kaggle: Path, tree: Path, capsys: Capture) -> None:
    (tree / CAMERA).parent.mkdir(parents=True)
    (tree / CAMERA).hardlink_to(kaggle / "h36m/annotations (1)" / CAMERA)

    assert run_link(kaggle, tree, "--verify") == 0

    assert not (tree / CAMERA).is_symlink()
    assert f"10 links in {tree}, 9 of them new\n" in capsys.readouterr().out


def test_link_existing_folder_link_is_kept(kaggle: Path, tree: Path) -> None:
    create(tree / "annotations", kaggle / "h36m/annotations (1)/annotations")

    assert run_link(kaggle, tree, "--verify") == 0
    assert (tree / "annotations").is_symlink()


@pytest.mark.parametrize("target", [None, "."])
def test_link_other_file_or_link_is_not_changed(
    kaggle: Path, tree: Path, target: str | None, capsys: Capture
) -> None:
    create(tree / "images" / S11, kaggle if target else None)
    before = (tree / "images" / S11).lstat()

    assert run_link(kaggle, tree) == 2

    after = (tree / "images" / S11).lstat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert f"[cannot-write] cannot write {tree / 'images' / S11}: " in capsys.readouterr().err
