"""Takes whose annotations contradict themselves are found, and no others are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convnextpose_check.human36m.contradictions import Contradiction, Kind, contradictions
from convnextpose_check.human36m.samples import Dataset, Sample
from convnextpose_check.human36m.seen import title_of
from tests.library.human36m.test_fits import Files, files  # noqa: F401 - a fixture
from tests.support.annotated import TAKE_FRAMES, annotated

TAKE, TITLE = "s_09_act_10_subact_02", "S9 SittingDown 2"

Change = Callable[[Sample], Sample]


@pytest.fixture(scope="module")
def sound(fixtures: Path) -> Dataset:
    return annotated(fixtures)


@pytest.fixture(scope="module")
def by_rootnet(fixtures: Path) -> Dataset:
    return annotated(fixtures, rootnet=True)


def changed(dataset: Dataset, change: Change, start: str = TAKE) -> Dataset:
    """The data set with all samples whose names begin so changed."""
    samples = (change(s) if s.path.name.startswith(start) else s for s in dataset.samples)
    return replace(dataset, samples=tuple(samples))


def only(dataset: Dataset) -> Contradiction:
    (found,) = contradictions(dataset)
    return found


def with_joints_mm(sample: Sample, moved_mm: Any, joint: Any = slice(None)) -> Sample:
    joints_mm = sample.joints_cam_mm.copy()
    joints_mm[joint] += np.array(moved_mm, dtype=joints_mm.dtype)
    return replace(sample, joints_cam_mm=joints_mm)


def displaced(sample: Sample) -> Sample:
    """The body stands 200 mm along the world's x; its box stays where the picture has it."""
    return with_joints_mm(sample, sample.camera.rotation @ [200.0, 0.0, 0.0])


def with_box(sample: Sample, right_px: float = 0.0, grown: float = 1.0) -> Sample:
    x, y, w, h = sample.box_xywh_px
    away = (1 - grown) / 2
    box = np.array([x + right_px + away * w, y + away * h, grown * w, grown * h])
    return replace(sample, box_xywh_px=box)


@pytest.mark.parametrize("rootnet", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_sound_annotations_contradict_nothing(fixtures: Path, seed: int, rootnet: bool) -> None:
    assert contradictions(annotated(fixtures, seed, rootnet)) == ()


@pytest.mark.parametrize("protocol", [1, 2])
@pytest.mark.parametrize("boxes", ["gt", "rootnet"])
def test_miniature_contradicts_nothing(
    files: Files,  # noqa: F811 - the fixture
    protocol: Any,
    boxes: Any,
) -> None:
    dataset = files.load(protocol, boxes)

    assert any(sample.moved_mm is not None for sample in dataset.samples)
    assert contradictions(dataset) == ()


@pytest.mark.parametrize("which", ["sound", "by_rootnet"])
def test_displaced_body_is_seen_beside_its_boxes_by_all_cameras(
    request: pytest.FixtureRequest, which: str
) -> None:
    found = only(changed(request.getfixturevalue(which), displaced))

    assert found.kind == "places"
    assert found.takes == {TITLE: 4 * TAKE_FRAMES}
    millimetres = int(found.told.split(" mm")[0].split()[-1])
    assert millimetres == pytest.approx(200, abs=40)
    assert f"{TITLE} (20 samples, frames 0 to 256)" in found.told


def test_one_camera_that_differs_from_the_others_is_named(sound: Dataset) -> None:
    found = only(changed(sound, lambda s: with_box(s, right_px=40), f"{TAKE}_ca_03"))

    assert found.kind == "cameras"
    assert found.takes == {TITLE: TAKE_FRAMES}


def test_single_frame_that_differs_from_its_view_is_named(by_rootnet: Dataset) -> None:
    found = only(
        changed(by_rootnet, lambda s: with_box(s, right_px=95, grown=2.0), f"{TAKE}_ca_03_000065")
    )

    assert (found.kind, found.takes) == ("cameras", {TITLE: 1})
    assert found.told.endswith("than the other cameras: S9 SittingDown 2 (1 sample, frame 64)")


ONE_JOINT = 5
"""The left knee."""

CASES: dict[str, tuple[Kind, Change, str, int]] = {
    "boxes": ("boxes", lambda s: with_box(s, grown=0.4), TAKE, 20),
    "bones": ("bones", lambda s: with_joints_mm(s, [0, 150, 0], ONE_JOINT), f"{TAKE}_ca_02", 5),
    "jumps": ("jumps", lambda s: replace(s, moved_mm=400.0), f"{TAKE}_ca_01_000065", 1),
    "root depths of a take": (
        "root depths",
        lambda s: replace(s, root_depth_mm=s.root_depth_mm + 600),
        TAKE,
        20,
    ),
    "root depth of a frame": (
        "root depths",
        lambda s: replace(s, root_depth_mm=s.root_depth_mm - 1500),
        f"{TAKE}_ca_01_000001",
        1,
    ),
}


@pytest.mark.parametrize(("kind", "change", "start", "samples"), CASES.values(), ids=CASES)
def test_what_is_wrong_is_told_with_its_take(
    by_rootnet: Dataset, kind: Kind, change: Change, start: str, samples: int
) -> None:
    found = only(changed(by_rootnet, change, start))

    assert (found.kind, found.takes) == (kind, {TITLE: samples})
    assert TITLE in found.told


def test_bone_is_told_with_both_its_lengths(sound: Dataset) -> None:
    found = only(changed(sound, lambda s: with_joints_mm(s, [0, 150, 0], ONE_JOINT), TAKE))

    assert "L_Hip to L_Knee" in found.told or "L_Knee to L_Ankle" in found.told
    assert " mm, elsewhere 4" in found.told


def test_error_without_them_is_the_others(sound: Dataset) -> None:
    found = only(changed(sound, displaced))
    image_ids = [sample.image_id for sample in sound.samples[::-1]]
    is_in = np.array([s.path.name.startswith(TAKE) for s in sound.samples[::-1]])
    errors_mm = np.where(is_in, 300.0, 50.0)[:, None] * np.ones(17)

    assert (found.mask(image_ids) == is_in).all()
    assert found.error_without_mm(errors_mm, image_ids) == 50.0
    assert found.error_without_mm(errors_mm[is_in], np.array(image_ids)[is_in].tolist()) is None


def test_take_is_called_by_its_action() -> None:
    assert title_of("s_11_act_16_subact_02_ca_04") == "S11 WalkTogether 2"


@pytest.mark.parametrize("near", [1, 5])
def test_joints_of_another_time_leap(
    files: Files,  # noqa: F811 - the fixture
    near: int,
) -> None:
    """One tested frame has the joints of another; the frames beside it tell, one or five away."""

    def mixed_up(joints: Any) -> Any:
        frames = joints["3"]["2"]
        if near == 5:
            frames = joints["3"]["2"] = {k: v for k, v in frames.items() if int(k) % 64 in (0, 59)}
        frames["64"] = [[x + 900.0, y, z] for x, y, z in frames["64"]]
        return joints

    files.change(9, "joint_3d", mixed_up)
    dataset = files.load()

    found = {each.kind: each for each in contradictions(dataset)}
    assert found["jumps"].takes == {"S9 Discussion 2": 1}
    assert "frame 64" in found["jumps"].told


def test_near_frame_of_a_wrong_form_is_passed_over(
    files: Files,  # noqa: F811 - the fixture
) -> None:
    def garbled(joints: Any) -> Any:
        joints["3"]["2"]["65"] = [[1.0, 2.0, 3.0]]
        joints["3"]["2"]["63"][0] = [None, None, None]
        return joints

    files.change(9, "joint_3d", garbled)
    assert contradictions(files.load()) == ()
