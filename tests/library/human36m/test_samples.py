"""Which test images become samples, what they carry, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convnextpose_check.checks.dataset import check_dataset_is_complete
from convnextpose_check.errors import CheckFailedError, ConvNeXtPoseCheckError
from convnextpose_check.human36m.samples import BoxSource, Dataset, load_dataset, read_facts
from convnextpose_check.miniature.build import Miniature
from convnextpose_check.miniature.record import read_record
from convnextpose_check.variants import Protocol
from tests.support.datasets import FACTS, TEST_IDS, Handmade, camera_entry, image_entry

Change = Callable[[Handmade], object]


@pytest.fixture
def made() -> Handmade:
    return Handmade()


def ids(dataset: Dataset) -> list[int]:
    return [sample.image_id for sample in dataset.samples]


@pytest.mark.parametrize("boxes", ["gt", "rootnet"])
@pytest.mark.parametrize(("protocol", "subjects"), [(1, {11}), (2, {9, 11})])
def test_miniature_is_complete_under_both_protocols(
    miniature: Miniature,
    fixtures: Path,
    protocol: Protocol,
    subjects: set[int],
    boxes: BoxSource,
) -> None:
    facts = read_record(fixtures).dataset
    dataset = load_dataset(miniature.dataset, facts, protocol, boxes)
    assert check_dataset_is_complete(dataset) == {1: 60, 2: 120}[protocol]
    assert dataset.per_action() == facts.protocols[protocol].per_action
    assert {sample.subject for sample in dataset.samples} == subjects
    assert not dataset.excluded


@pytest.mark.parametrize(("protocol", "samples"), [(1, 3683), (2, 8695)])
def test_published_facts_add_up(protocol: Protocol, samples: int) -> None:
    facts = read_facts()
    assert facts.frame_stride == 64
    assert facts.protocols[protocol].samples == samples
    assert sum(facts.protocols[protocol].per_action.values()) == samples
    assert len(facts.protocols[protocol].per_action) == 15


def test_every_64th_frame_is_taken_in_the_files_order(made: Handmade, tmp_path: Path) -> None:
    made.data[9]["annotations"].reverse()
    made.data[11]["images"].reverse()
    dataset = load_dataset(made.write(tmp_path / "set"), FACTS)
    assert ids(dataset) == [103, 102, 100, *TEST_IDS[11]]


def test_images_of_other_subjects_are_passed_over(made: Handmade, tmp_path: Path) -> None:
    made.image(103)["subject"] = 8
    dataset = load_dataset(made.write(tmp_path / "set"), FACTS)
    assert ids(dataset) == [100, 102, *TEST_IDS[11]]
    assert not dataset.excluded


def test_sample_carries_truth_in_camera_coordinates(made: Handmade, tmp_path: Path) -> None:
    made.frame(100)[0] = [10.0, 20.0, 30.0]
    made.frame(100)[11], made.frame(100)[14] = [0.0, 0.0, 0.0], [20.0, 40.0, 60.0]
    sample = load_dataset(made.write(tmp_path / "set"), FACTS).samples[0]
    np.testing.assert_array_equal(sample.joints_cam_mm[0], [110.0, -80.0, 4020.0])
    np.testing.assert_array_equal(sample.joints_cam_mm[17], [110.0, -80.0, 4020.0])
    assert sample.joints_cam_mm.shape == (18, 3)
    assert sample.joints_cam_mm.dtype == np.float32
    assert sample.root_depth_mm == np.float32(4020)
    assert sample.action == "Directions"
    assert sample.path.read_bytes()[:2] == b"\xff\xd8"


def test_each_sample_is_seen_by_the_camera_that_its_image_names(
    made: Handmade, tmp_path: Path
) -> None:
    for number in (1, 2, 3, 4):
        made.cameras[11][str(number)] = camera_entry() | {"t": [number, 0.0, 4000.0]}
    names = dict(zip(TEST_IDS[11], (3, 2, 4), strict=True))
    for image_id, number in names.items():
        made.image(image_id)["cam_idx"] = number
        made.frame(image_id)[0] = [0.0, 0.0, 0.0]

    samples = load_dataset(made.write(tmp_path / "set"), FACTS, protocol=1).samples

    assert {s.image_id: s.camera.translation_mm[0] for s in samples if s.subject == 11} == names
    assert {s.image_id: s.joints_cam_mm[0, 0] for s in samples if s.subject == 11} == names


def test_box_of_whole_numbers_stays_whole_and_any_other_does_not(
    made: Handmade, tmp_path: Path
) -> None:
    made.annotation(100)["bbox"] = [10, 10, 15, 15]
    made.annotation(102)["bbox"] = [10, 10, 15, 15.0]
    first, second, *_ = load_dataset(made.write(tmp_path / "set"), FACTS).samples
    # side 14 * 1.25 = 17.5, corner 17 - 17 / 2 = 8.5, or 17 - 17.5 / 2 = 8.25
    assert first.box_xywh_px.tolist() == [8, 8, 17, 17]
    assert second.box_xywh_px.tolist() == [8.25, 8.25, 17.5, 17.5]


def test_rootnets_box_and_depth_are_taken_as_they_are(made: Handmade, tmp_path: Path) -> None:
    dataset = load_dataset(made.write(tmp_path / "set"), FACTS, boxes="rootnet")
    assert dataset.is_complete()
    for sample in dataset.samples:
        assert sample.box_xywh_px.tolist() == [25.25, 15.5, 50.5, 50.5]
        assert sample.root_depth_mm == 4010.5


EXCLUSIONS: dict[str, tuple[BoxSource, str, Change]] = {
    "camera": ("gt", "camera 3 is missing", lambda m: m.image(102).update(cam_idx=3)),
    "frame": ("gt", "joints are missing", lambda m: m.joints[9]["2"]["1"].pop("64")),
    "subaction": ("gt", "joints are missing", lambda m: m.image(102).update(subaction_idx=2)),
    "nan-joint": ("gt", "not finite", lambda m: m.frame(102).__setitem__(5, [1, float("nan"), 2])),
    "null-joint": ("gt", "not finite", lambda m: m.frame(102).__setitem__(5, [1, None, 2])),
    "huge-joint": ("gt", "not finite", lambda m: m.frame(102).__setitem__(5, [1, 1e39, 2])),
    "behind": ("gt", "behind the camera", lambda m: m.frame(102).__setitem__(5, [0, -4001, 0])),
    "flat-box": ("gt", "no area", lambda m: m.annotation(102).update(bbox=[1, 1, 5, 0])),
    "outside-box": ("gt", "no area", lambda m: m.annotation(102).update(bbox=[200, 1, 5, 5])),
    "no-rootnet": ("rootnet", "RootNet gives no box", lambda m: m.rootnet.pop(2)),
    "rootnet-box": ("rootnet", "positive", lambda m: m.rootnet[2].update(bbox=[1, 1, 0, 0])),
    "rootnet-depth": ("rootnet", "positive", lambda m: m.rootnet[2].update(root_cam=[1, 1, -5])),
    "far": ("gt", "kilometre away", lambda m: m.frame(102).__setitem__(5, [2e6, 0, 0])),
    "far-beyond-float32": ("gt", "kilometre", lambda m: m.frame(102).__setitem__(5, [3e38] * 3)),
    "one-pixel-box": ("gt", "no area", lambda m: m.annotation(102).update(bbox=[20, 20, 1, 1])),
    "negative-width": ("gt", "no area", lambda m: m.image(102).update(width=-100)),
    "huge-subaction": ("gt", "joints are", lambda m: m.image(102).update(subaction_idx=2**63 - 1)),
    "no-frame-before-0": ("gt", "joints are", lambda m: m.image(102).update(frame_idx=-64)),
    "no-annotation": (
        "gt",
        "it has no annotation",
        lambda m: m.data[9]["annotations"].remove(m.annotation(102)),
    ),
    "no-annotation-with-rootnet": (
        "rootnet",
        "it has no annotation",
        lambda m: m.data[9]["annotations"].remove(m.annotation(102)),
    ),
    "action": ("gt", "does not fit its action", lambda m: m.image(102).update(action_idx=3)),
}


@pytest.mark.parametrize(("boxes", "reason", "change"), EXCLUSIONS.values(), ids=EXCLUSIONS)
def test_unusable_image_is_excluded_with_its_reason(
    made: Handmade, tmp_path: Path, boxes: BoxSource, reason: str, change: Change
) -> None:
    change(made)
    dataset = load_dataset(made.write(tmp_path / "set"), FACTS, boxes=boxes)
    assert ids(dataset) == [100, 103, *TEST_IDS[11]]
    (exclusion,) = dataset.excluded
    assert (exclusion.image_id, exclusion.file_name) == (102, made.image(102)["file_name"])
    assert reason in exclusion.reason
    with pytest.raises(CheckFailedError) as caught:
        check_dataset_is_complete(dataset)
    assert "5 samples of protocol 2" in str(caught.value)
    assert "expected 6 (Directions 2 of 3); 1 excluded because" in str(caught.value)
    assert reason in str(caught.value)


def test_missing_image_is_excluded_with_its_reason(made: Handmade, tmp_path: Path) -> None:
    root = made.write(tmp_path / "set")
    (root / "images" / made.image(203)["file_name"]).unlink()
    dataset = load_dataset(root, FACTS)
    assert [(e.image_id, e.reason) for e in dataset.excluded] == [(203, "there is no such image")]
    with pytest.raises(CheckFailedError, match=r"WalkTogether 1 of 2.*no such image"):
        check_dataset_is_complete(dataset)


def test_frame_without_annotation_is_no_sample_where_it_is_not_tested(
    made: Handmade, tmp_path: Path
) -> None:
    made.data[9]["annotations"].remove(made.annotation(101))
    dataset = load_dataset(made.write(tmp_path / "set"), FACTS)
    assert dataset.is_complete()
    assert not dataset.excluded


def test_size_is_the_annotated_one(made: Handmade, tmp_path: Path) -> None:
    made.image(102).update(width=97, height=79)
    dataset = load_dataset(made.write(tmp_path / "set"), FACTS)
    assert [s.size_px for s in dataset.samples] == [(100, 80), (97, 79), *[(100, 80)] * 4]


def test_set_without_any_usable_image_is_refused(made: Handmade, tmp_path: Path) -> None:
    made.cameras[11] = {}
    with pytest.raises(ConvNeXtPoseCheckError, match=r"3 were excluded.*camera 1 is") as err:
        load_dataset(made.write(tmp_path / "set"), FACTS, protocol=1)
    assert err.value.code == "no-data"


def test_equal_total_with_other_actions_is_not_complete(made: Handmade, tmp_path: Path) -> None:
    """One action is a sample short and another has one too many."""
    made.data[9]["images"].append(image_entry(150, 9, 3, 1, 128))
    made.data[9]["annotations"].append({"id": 1, "image_id": 150, "bbox": [30, 20, 40, 40]})
    made.joints[9]["3"]["1"]["128"] = made.frame(103)
    made.data[9]["annotations"].remove(made.annotation(102))
    dataset = load_dataset(made.write(tmp_path / "set"), FACTS)
    assert len(dataset.samples) == FACTS.protocols[2].samples
    with pytest.raises(CheckFailedError, match="Directions 2 of 3, Discussion 2 of 1"):
        check_dataset_is_complete(dataset)


FILE_NAMES = [
    "../../secret/s_09_act_02_subact_01_ca_01_000065.jpg",
    "/tmp/s_09_act_02_subact_01_ca_01/s_09_act_02_subact_01_ca_01_000065.jpg",
    "s_09_act_02_subact_01_ca_01/../s_09_act_02_subact_01_ca_01_000065.jpg",
    "s_09_act_02_subact_01_ca_01/s_09_act_02_subact_01_ca_01_000065.jpg\n",
    "s_09_act_02_subact_01_ca_01/s_09_act_02_subact_01_ca_02_000065.jpg",
    "s_09_act_02_subact_01_ca_01\\s_09_act_02_subact_01_ca_01_000065.jpg",
    "",
]


@pytest.mark.parametrize("name", FILE_NAMES, ids=range(len(FILE_NAMES)))
def test_image_outside_its_sequence_is_never_read(
    made: Handmade, tmp_path: Path, name: str
) -> None:
    root = made.write(tmp_path / "set")
    made.image(102)["file_name"] = name
    (root / "annotations" / "Human36M_subject9_data.json").write_text(json.dumps(made.data[9]))
    dataset = load_dataset(root, FACTS)
    (exclusion,) = dataset.excluded
    assert exclusion.image_id == 102
    assert "file name" in exclusion.reason
    assert all(sample.path.is_relative_to(root / "images") for sample in dataset.samples)


@pytest.mark.parametrize(("limit", "expected"), [(1, [0]), (2, [0, 5]), (3, [0, 2, 5]), (5, None)])
def test_limit_takes_that_many_evenly_and_is_never_complete(
    made: Handmade, tmp_path: Path, limit: int, expected: list[int] | None
) -> None:
    root = made.write(tmp_path / "set")
    whole = ids(load_dataset(root, FACTS))
    dataset = load_dataset(root, FACTS, limit=limit)
    assert len(set(ids(dataset))) == limit
    assert expected is None or ids(dataset) == [whole[index] for index in expected]
    assert dataset.limited
    assert not dataset.is_complete()
    with pytest.raises(CheckFailedError, match="Without --limit"):
        check_dataset_is_complete(dataset)


def test_limited_set_is_incomplete_even_where_its_size_is_the_expected_one(
    made: Handmade, tmp_path: Path
) -> None:
    """A set with one sample too many, cut down to the expected number."""
    made.data[9]["images"].append(image_entry(150, 9, 3, 1, 64))
    made.data[9]["annotations"].append({"id": 1, "image_id": 150, "bbox": [30, 20, 40, 40]})
    made.joints[9]["3"]["1"]["64"] = made.frame(103)
    dataset = load_dataset(made.write(tmp_path / "set"), FACTS, limit=6)
    assert len(dataset.samples) == 6
    assert not dataset.is_complete()


@pytest.mark.parametrize("limit", [6, 7])
def test_limit_that_leaves_nothing_out_is_none(made: Handmade, tmp_path: Path, limit: int) -> None:
    assert load_dataset(made.write(tmp_path / "set"), FACTS, limit=limit).is_complete()


DIGESTED: dict[str, Callable[[Any], object]] = {
    "joint": lambda m: m.frame(203)[16].__setitem__(2, m.frame(203)[16][2] + 0.001),
    "box": lambda m: m.annotation(102)["bbox"].__setitem__(0, 30.75),
    "rotation": lambda m: m.cameras[11]["1"]["R"][2].__setitem__(0, 0.0001),
    "translation": lambda m: m.cameras[11]["1"]["t"].__setitem__(0, 100.01),
    "focal": lambda m: m.cameras[9]["1"]["f"].__setitem__(1, 220.001),
    "centre": lambda m: m.cameras[9]["1"]["c"].__setitem__(0, 50.501),
    "order": lambda m: m.data[9]["annotations"].reverse(),
    "width": lambda m: m.image(100).update(width=70),
}


@pytest.mark.parametrize("change", DIGESTED.values(), ids=DIGESTED)
def test_digest_changes_with_every_number(made: Handmade, tmp_path: Path, change: Change) -> None:
    before = load_dataset(made.write(tmp_path / "before"), FACTS)
    change(made)
    after = load_dataset(made.write(tmp_path / "after"), FACTS)
    assert before.digest != after.digest
    assert len(before.samples) == len(after.samples)


@pytest.mark.parametrize("key", ["bbox", "root_cam"])
def test_digest_changes_with_rootnets_numbers(made: Handmade, tmp_path: Path, key: str) -> None:
    before = load_dataset(made.write(tmp_path / "before"), FACTS, boxes="rootnet")
    made.rootnet[0][key][2] += 0.01
    after = load_dataset(made.write(tmp_path / "after"), FACTS, boxes="rootnet")
    assert before.digest != after.digest


def test_digest_stays_where_the_folder_moves(made: Handmade, tmp_path: Path) -> None:
    root = made.write(tmp_path / "here")
    before = load_dataset(root, FACTS).digest
    assert load_dataset(root.rename(tmp_path / "there"), FACTS).digest == before
