"""A tree of Human3.6M as the authors' code reads it is told apart from one that is broken."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from convnextpose_check.__main__ import main
from tests.support.datasets import FACTS, ROOTNET, Handmade

CAMERA = "annotations/Human36M_subject9_camera.json"
S9, S11 = "s_09_act_02_subact_01_ca_01", "s_11_act_16_subact_02_ca_01"


@pytest.fixture(autouse=True)
def _facts_of_the_small_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convnextpose_check.human36m.samples.read_facts", lambda: FACTS)


def verify(project: Path) -> int:
    return main(["link", "--project-root", str(project), "--verify"])


@pytest.mark.parametrize(
    ("path", "how", "said"),
    [
        (CAMERA, "removed", "there is no {path}"),
        (CAMERA, "dangling", "{path} is a broken link to gone"),
        (CAMERA, "cut", "the annotation file {path} cannot be used"),
        ("annotations", "removed", "there is no {path}"),
        (f"images/{S9}", "removed", "there is no {path}: 2 test images"),
        (f"images/{S9}", "dangling", "{path} is a broken link to gone: 2 test images"),
        (f"images/{S9}/{S9}_000001.jpg", "removed", "lacks 1 test images, the first is "),
        ("images", "dangling", "{path} is a broken link to gone: 3 test images"),
        (f"bbox_root/{ROOTNET}", "dangling", "{path} is a broken link to gone"),
        (".", "removed", "there is no {path}"),
    ],
)
def test_broken_tree_is_named_precisely(
    tmp_path: Path, path: str, how: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A tree of real files is verified like one of links."""
    tree = Handmade().write(tmp_path / "data" / "Human36M")
    assert verify(tmp_path) == 0
    capsys.readouterr()
    broken = tree / path
    if how == "cut":
        broken.write_text(broken.read_text()[:-5])
    else:
        shutil.rmtree(broken) if broken.is_dir() else broken.unlink()
    if how == "dangling":
        broken.symlink_to("gone")

    assert verify(tmp_path) == 1

    out = capsys.readouterr().out
    assert f"broken: {said.format(path=broken)}" in out or said in out
    assert out.endswith("not complete\n")
    assert "complete: " not in out


def test_lost_images_are_counted_for_their_subject_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = Handmade().write(tmp_path / "data" / "Human36M")
    shutil.rmtree(tree / "images" / S11)

    assert verify(tmp_path) == 1

    out = capsys.readouterr().out
    assert "subject 9: 3 of 3 annotated" in out
    assert "subject 11: 1 of 3 annotated" in out
    assert out.count("broken: ") == 1


def test_images_that_no_test_reads_may_be_missing(tmp_path: Path) -> None:
    """Nor does the authors' code ask for an image without an annotation."""
    handmade = Handmade()
    handmade.data[9]["annotations"].pop()
    tree = handmade.write(tmp_path / "data" / "Human36M")
    (tree / "images" / S9 / f"{S9}_000002.jpg").unlink()
    (
        tree / "images" / "s_09_act_03_subact_01_ca_01" / "s_09_act_03_subact_01_ca_01_000001.jpg"
    ).unlink()

    assert verify(tmp_path) == 0


def test_fewer_annotated_images_than_published_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    handmade = Handmade()
    handmade.data[9]["annotations"].pop()
    handmade.write(tmp_path / "data" / "Human36M")

    assert verify(tmp_path) == 0

    assert "2 of 2 annotated test images are there; the whole set has 3" in capsys.readouterr().out


def test_verify_takes_the_root_as_the_guides_script_did(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Handmade().write(tmp_path / "data" / "Human36M")

    assert main(["link", "--verify", str(tmp_path)]) == 0
    assert main(["link", "--verify", str(tmp_path), "--project-root", "elsewhere"]) == 2
    assert "[bad-option] --project-root is elsewhere" in capsys.readouterr().err
