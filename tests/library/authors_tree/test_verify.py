"""``link --verify`` counts the test images and names what is missing or broken."""

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
    monkeypatch.setattr("convnextpose_check.commands.link.read_facts", lambda: FACTS)


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
        (f"images/{S9}/{S9}_000001.jpg", "removed", "{parent} lacks 1 test images, the first is"),
        ("images", "dangling", "{path} is a broken link to gone: 3 test images"),
        (f"bbox_root/{ROOTNET}", "dangling", "{path} is a broken link to gone"),
        (".", "removed", "there is no {path}"),
    ],
)
def test_verify_broken_tree_is_named(
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
    assert f"broken: {said.format(path=broken, parent=broken.parent)}" in out
    assert out.endswith("not complete\n")
    assert len(set(out.splitlines())) == len(out.splitlines())


def test_verify_lost_images_are_counted_for_their_subject(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = Handmade().write(tmp_path / "data" / "Human36M")
    shutil.rmtree(tree / "images" / S11)

    assert verify(tmp_path) == 1

    out = capsys.readouterr().out
    assert "subject 9: 3 of 3 annotated" in out
    assert "subject 11: 1 of 3 annotated" in out
    assert out.count("broken: ") == 1


def test_verify_images_that_no_test_reads_may_be_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Those of other frames, and those without an annotation."""
    handmade = Handmade()
    handmade.data[9]["annotations"].pop()
    images = handmade.write(tmp_path / "data" / "Human36M") / "images"
    (images / S9 / f"{S9}_000002.jpg").unlink()
    other = "s_09_act_03_subact_01_ca_01"
    (images / other / f"{other}_000001.jpg").unlink()
    (tmp_path / "data" / "Human36M" / "bbox_root" / ROOTNET).unlink()

    assert verify(tmp_path) == 0

    out = capsys.readouterr().out
    assert "2 of 2 annotated test images are there; the whole set has 3" in out
    assert f"note: there is no {ROOTNET}" in out
