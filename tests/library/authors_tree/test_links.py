"""The authors' tree is made of links to any layout, and told apart from one that is broken."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from convnextpose_check.__main__ import main
from convnextpose_check.human36m.samples import load_dataset
from convnextpose_check.miniature.build import Miniature
from convnextpose_check.miniature.record import read_record
from tests.support.datasets import FACTS, ROOTNET, Handmade, listing, rearranged

ROOTNET_FOLDER = "Bounding box-001/Human3.6M/Subject 9,11 (trained on subject 1,5,6,7,8)"
CAMERA = "annotations/Human36M_subject9_camera.json"
S9, S11 = "s_09_act_02_subact_01_ca_01", "s_11_act_16_subact_02_ca_01"


@pytest.fixture(autouse=True)
def _facts_of_the_small_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convnextpose_check.human36m.samples.read_facts", lambda: FACTS)


@pytest.fixture
def authors_set(tmp_path: Path) -> Path:
    return Handmade().write(tmp_path / "authors")


@pytest.fixture
def kaggle(authors_set: Path, tmp_path: Path) -> Path:
    """The set as Kaggle has it, S9, S11 and the annotations in data sets of their own."""
    folders = {9: "s9/S9_ACT2_16", 11: "s11/S11_ACT2_16"}
    return rearranged(authors_set, tmp_path / "input", "h36m/annotations (1)/annotations", folders)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """An empty folder; the tree of links is to be in ``data/Human36M`` below it."""
    (tmp_path / "ConvNeXtPose").mkdir()
    return tmp_path / "ConvNeXtPose"


def link(source: Path, project: Path, *more: str) -> int:
    return main(["link", "--kaggle-input", str(source), "--project-root", str(project), *more])


def verify(project: Path) -> int:
    return main(["link", "--project-root", str(project), "--verify"])


def rootnet_of(authors_set: Path, folder: Path) -> None:
    folder.mkdir(parents=True)
    shutil.copyfile(authors_set / "bbox_root" / ROOTNET, folder / ROOTNET)


def test_linked_tree_is_the_authors_and_gives_the_same_samples(
    kaggle: Path, authors_set: Path, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rootnet_of(authors_set, kaggle / ROOTNET_FOLDER)
    before = listing(kaggle)

    assert link(kaggle, project, "--verify") == 0

    tree = project / "data" / "Human36M"
    for path in authors_set.rglob("*"):
        linked = tree / path.relative_to(authors_set)
        assert linked.is_dir() is path.is_dir()
        assert path.is_dir() or linked.read_bytes() == path.read_bytes()
    assert sorted(p.name for p in (tree / "images").iterdir()) == sorted(
        p.name for p in (authors_set / "images").iterdir()
    )
    assert all(p.is_symlink() for p in [*tree.glob("images/*"), *tree.glob("*/*.json")])
    for boxes in ("gt", "rootnet"):
        dataset = load_dataset(tree, FACTS, boxes=boxes)
        assert dataset.is_complete()
        assert dataset.digest == load_dataset(authors_set, FACTS, boxes=boxes).digest
    assert listing(kaggle) == before
    out = capsys.readouterr().out
    assert f"annotations: 6 from {kaggle / 'h36m/annotations (1)/annotations'}" in out
    assert f"images: 4 from {kaggle / 's9/S9_ACT2_16'}, {kaggle / 's11/S11_ACT2_16'}" in out
    assert "11 made" in out
    assert "subject 9: 3 of 3 annotated test images are there\n" in out
    assert "subject 11: 3 of 3 annotated test images are there\n" in out
    assert "complete: main/test.py finds all that it reads" in out


def test_miniature_is_linked_to_the_same_digest(
    miniature: Miniature, fixtures: Path, project: Path, tmp_path: Path
) -> None:
    folders = {9: "S9_ACT2_16", 11: "S11_ACT2_16"}
    kaggle = rearranged(miniature.dataset, tmp_path / "input", "annotations (1)", folders)
    facts = read_record(fixtures).dataset

    assert link(kaggle, project, "--verify") == 0

    dataset = load_dataset(project / "data" / "Human36M", facts)
    assert dataset.is_complete()
    assert dataset.digest == load_dataset(miniature.dataset, facts).digest


def test_linking_again_does_nothing(
    kaggle: Path, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert link(kaggle, project) == 0
    before = listing(project)
    capsys.readouterr()

    assert link(kaggle, project) == 0

    assert listing(project) == before
    assert "10 links in" in (out := capsys.readouterr().out)
    assert "nothing to do, all were there" in out


def test_paths_may_be_relative(
    kaggle: Path, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    assert main(["link", "--kaggle-input", f"../{kaggle.name}"]) == 0
    monkeypatch.chdir(tmp_path)
    assert verify(project) == 0
    assert (project / "data/Human36M/images" / S9).readlink() == kaggle / "s9/S9_ACT2_16" / S9


@pytest.mark.parametrize("what", ["sequence", "annotation", "folder", "all"])
def test_links_that_lead_nowhere_are_mended(
    kaggle: Path, project: Path, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = project / "data" / "Human36M"
    assert link(kaggle, project) == 0
    if what == "all":
        kaggle = kaggle.rename(kaggle.with_name("moved"))
    elif what == "folder":
        shutil.rmtree(tree / "images")
        (tree / "images").symlink_to("gone")
    else:
        path = tree / {"sequence": f"images/{S9}", "annotation": CAMERA}[what]
        path.unlink()
        path.symlink_to("gone")
    assert verify(project) == 1
    capsys.readouterr()

    assert link(kaggle, project, "--verify") == 0

    mended = {"all": "10 mended", "folder": "4 made"}.get(what, "1 mended")
    assert mended in capsys.readouterr().out


@pytest.mark.parametrize(
    "what", ["file", "folder", "link-elsewhere", "linked-folder", "file-for-folder"]
)
def test_anything_else_in_the_way_is_told_and_nothing_changed(
    kaggle: Path, project: Path, tmp_path: Path, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder that is itself a link, as the guide's script made, would lead into the input."""
    tree = project / "data" / "Human36M"
    path = tree / {"linked-folder": "images", "file-for-folder": "annotations"}.get(
        what, f"images/{S11}"
    )
    path.parent.mkdir(parents=True)
    if what in ("file", "file-for-folder"):
        path.write_text("mine")
    elif what == "folder":
        path.mkdir()
    else:
        target = kaggle / "s9/S9_ACT2_16" if what == "linked-folder" else tmp_path
        path.symlink_to(target)
    before = listing(tmp_path)

    assert link(kaggle, project) == 2

    assert listing(tmp_path) == before
    error = capsys.readouterr().err
    assert error.startswith("[in-the-way] nothing was linked: ")
    assert str(path) in error
    assert len(error.splitlines()) == 1


def test_every_obstacle_is_counted(
    kaggle: Path, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = project / "data" / "Human36M" / "images"
    for name in (S9, S11):
        (images / name).mkdir(parents=True)

    assert link(kaggle, project) == 2

    assert f"{images / S9} is no link, and 1 more are in the way" in capsys.readouterr().err


def test_folder_link_of_the_guides_script_that_leads_there_is_kept(
    kaggle: Path, project: Path
) -> None:
    tree = project / "data" / "Human36M"
    tree.mkdir(parents=True)
    (tree / "annotations").symlink_to(kaggle / "h36m/annotations (1)/annotations")

    assert link(kaggle, project, "--verify") == 0
    assert (tree / "annotations").is_symlink()


@pytest.mark.parametrize("folder", [ROOTNET_FOLDER, "any"])
def test_checkout_of_the_authors_stays_and_lends_rootnets_file(
    kaggle: Path,
    authors_set: Path,
    project: Path,
    folder: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Also the second time, when the link itself is there to be found."""
    script = project / "data" / "Human36M" / "Human36M.py"
    script.parent.mkdir(parents=True)
    script.write_text("class Human36M: ...")
    rootnet_of(authors_set, project / "data" / folder)
    before = script.stat()

    for _ in range(2):
        assert link(kaggle, project, "--verify") == 0
        assert "note" not in capsys.readouterr().out

    assert script.stat().st_mtime_ns == before.st_mtime_ns
    linked = project / "data/Human36M/bbox_root" / ROOTNET
    assert linked.readlink() == project / "data" / folder / ROOTNET


def test_folder_that_is_no_checkout_and_lacks_rootnets_file_is_noted(
    kaggle: Path, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert link(kaggle, project) == 0

    out = capsys.readouterr().out
    assert f"note: {project} does not look like a checkout of the authors' repository" in out
    assert "note: no bbox_root was linked" in out
    assert not (project / "data/Human36M/bbox_root").exists()


def test_subject_without_images_is_told_and_nothing_changed(
    kaggle: Path, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(kaggle / "s11")

    assert link(kaggle, project) == 2

    assert "[no-data] there are no images of subject 11 below" in capsys.readouterr().err
    assert listing(project) == []


@pytest.mark.parametrize("missing", ["input", "project", "annotation"])
def test_what_is_not_there_is_told(
    kaggle: Path, project: Path, missing: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if missing == "annotation":
        next(kaggle.rglob("*subject11_joint_3d.json")).unlink()
    source = kaggle / "nowhere" if missing == "input" else kaggle
    root = project / "nowhere" if missing == "project" else project

    assert link(source, root) == 2

    code = "no-project" if missing == "project" else "no-data"
    error = capsys.readouterr().err
    assert error.startswith(f"[{code}] ")
    assert ("--project-root" if missing == "project" else "--kaggle-input") in error
    assert "--h36m-root" not in error
    assert listing(project) == []


def test_project_inside_the_input_is_refused(
    kaggle: Path, tmp_path: Path, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A second search would find the links of the first."""
    (tmp_path / "other").symlink_to(tmp_path)

    assert link(tmp_path / "other", project) == 2
    assert capsys.readouterr().err.startswith("[one-inside-the-other] ")
    tree = project / "data" / "Human36M"
    tree.mkdir(parents=True)
    kaggle.rename(tree / "sets")
    assert link(tree / "sets", project) == 2
    assert capsys.readouterr().err.startswith("[one-inside-the-other] ")


def test_place_that_cannot_be_written_is_told(
    kaggle: Path, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "data").write_text("a file")

    assert link(kaggle, project) == 2

    assert capsys.readouterr().err.startswith("[cannot-write] cannot write ")


def test_verifying_changes_nothing(kaggle: Path, project: Path, tmp_path: Path) -> None:
    link(kaggle, project)
    (project / "data/Human36M" / CAMERA).unlink()
    (project / "data/Human36M" / CAMERA).symlink_to("gone")
    before = listing(tmp_path)

    assert verify(project) == 1

    assert listing(tmp_path) == before


def test_nothing_to_do_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["link"]) == 2
    assert "Give --kaggle-input DIR to link, --verify to look" in capsys.readouterr().err


def test_sequence_folder_in_litter_is_not_linked(kaggle: Path, project: Path) -> None:
    for name in ("__MACOSX", "@eaDir"):
        shutil.copytree(kaggle / "s9/S9_ACT2_16", kaggle / name, symlinks=True)

    assert link(kaggle, project, "--verify") == 0

    assert (project / "data/Human36M/images" / S9).readlink() == kaggle / "s9/S9_ACT2_16" / S9


def test_folder_with_all_images_is_linked_before_a_broken_one(kaggle: Path, project: Path) -> None:
    broken = kaggle / "a broken extraction" / S9
    shutil.copytree(kaggle / "s9/S9_ACT2_16" / S9, broken)
    min(broken.iterdir()).unlink()
    max(broken.iterdir()).write_bytes(b"")

    assert link(kaggle, project, "--verify") == 0

    assert (project / "data/Human36M/images" / S9).readlink() == kaggle / "s9/S9_ACT2_16" / S9


def test_images_of_a_sequence_in_two_folders_are_linked_one_by_one(
    kaggle: Path, project: Path, authors_set: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = kaggle / "s9/S9_ACT2_16" / S9
    other = kaggle / "a second part" / S9
    shutil.copytree(whole, other)
    min(whole.iterdir()).unlink()
    max(other.iterdir()).unlink()
    middle = sorted(other.iterdir())[1]
    middle.unlink()
    middle.write_bytes(b"shorter")

    assert link(kaggle, project, "--verify") == 0
    assert link(kaggle, project, "--verify") == 0

    linked = project / "data/Human36M/images" / S9
    assert not linked.is_symlink()
    assert sorted(p.name for p in linked.iterdir()) == sorted(
        p.name for p in (authors_set / "images" / S9).iterdir()
    )
    assert load_dataset(linked.parents[1], FACTS).is_complete()
    assert "two folders hold images of different sizes" in capsys.readouterr().out
