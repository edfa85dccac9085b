"""Which test images become samples or are excluded, and what samples contain."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from convnextpose_check.checks.dataset import check_dataset_is_complete, check_rootnet_file
from convnextpose_check.errors import CheckFailedError, ConvNeXtPoseCheckError
from convnextpose_check.human36m.samples import (
    BoxSource,
    Dataset,
    MisalignedTakes,
    load_dataset,
    read_facts,
)
from convnextpose_check.variants import Protocol
from tests.support.datasets import (
    FACTS,
    ROOTNET,
    TEST_IDS,
    HandmadeDataset,
    camera_entry,
    image_entry,
)

Change = Callable[[HandmadeDataset], object]
Load = Callable[..., Dataset]


@pytest.fixture
def handmade() -> HandmadeDataset:
    return HandmadeDataset()


@pytest.fixture
def load(handmade: HandmadeDataset, tmp_path: Path) -> Load:
    """Write the data set and load it."""
    return lambda facts=FACTS, **options: load_dataset(
        handmade.write(tmp_path / "set"), facts, **options
    )


def image_ids(dataset: Dataset) -> list[int]:
    return [sample.image_id for sample in dataset.samples]


@pytest.mark.parametrize(("protocol", "samples"), [(1, 3683), (2, 8695)])
def test_read_facts_published_counts_add_up(protocol: Protocol, samples: int) -> None:
    facts = read_facts()
    protocol_facts = facts.protocols[protocol]

    assert facts.frame_stride == 64
    assert protocol_facts.samples == sum(protocol_facts.per_action.values()) == samples
    assert len(protocol_facts.per_action) == 15


def test_misaligned_takes_are_counted_and_left_out_of_error() -> None:
    names = [f"s_{n}_subact_01_ca_01_000001.jpg" for n in ("09_act_02", "11_act_02", "09_act_03")]
    errors_mm = np.array([[9.0, 9.0], [1.0, 2.0], [3.0, 4.0]])
    known = {"S9 Directions 1": "s_09_act_02_subact_01_", "S9 Greeting 2": "s_09_act_05_subact_02_"}
    misaligned = MisalignedTakes("a paper", known)

    assert misaligned.count_images(names) == {"S9 Directions 1": 1}
    assert misaligned.error_without_mm(errors_mm, names) == 2.5
    assert misaligned.error_without_mm(errors_mm[:1], names[:1]) is None
    assert misaligned.error_without_mm(errors_mm[1:], names[1:]) is None


def test_load_dataset_takes_64th_frames_in_order(handmade: HandmadeDataset, load: Load) -> None:
    handmade.data[9]["annotations"].reverse()
    handmade.data[11]["images"].reverse()
    handmade.data[9]["annotations"].remove(handmade.annotation(101))  # not a test frame
    handmade.image(201)["subject"] = 8

    dataset = load()

    assert image_ids(dataset) == [103, 102, 100, 200, 203]
    assert not dataset.excluded


def test_load_dataset_backslashes_in_names_are_slashes(load: Load) -> None:
    dataset = load()
    for file in (dataset.layout.root / "annotations").glob("*_data.json"):
        file.write_text(file.read_text().replace("/", "\\\\"))

    assert load_dataset(dataset.layout.root, FACTS).digest == dataset.digest


def test_load_dataset_sample_has_annotated_values(handmade: HandmadeDataset, load: Load) -> None:
    handmade.frame(100)[0] = [10.0, 20.0, 30.0]
    handmade.frame(100)[11], handmade.frame(100)[14] = [0.0, 0.0, 0.0], [20.0, 40.0, 60.0]
    handmade.image(102).update(width=97, height=79)
    handmade.annotation(100)["bbox"] = [10, 10, 15, 15]
    handmade.annotation(102)["bbox"] = [10, 10, 15, 15.0]
    numbers = dict(zip(TEST_IDS[11], (3, 2, 4), strict=True))
    for image_id, number in numbers.items():
        handmade.cameras[11][str(number)] = camera_entry() | {"t": [number, 0.0, 4000.0]}
        handmade.image(image_id)["cam_idx"] = number
        handmade.frame(image_id)[0] = [0.0, 0.0, 0.0]

    sample, second, _, *others = load().samples

    np.testing.assert_array_equal(sample.joints_cam_mm[0], [110.0, -80.0, 4020.0])
    np.testing.assert_array_equal(sample.joints_cam_mm[17], [110.0, -80.0, 4020.0])
    assert sample.joints_cam_mm.shape == (18, 3)
    assert sample.joints_cam_mm.dtype == np.float32
    assert sample.root_depth_mm == np.float32(4020)
    assert (sample.action, sample.size_px, second.size_px) == ("Directions", (100, 80), (97, 79))
    assert sample.path.read_bytes()[:2] == b"\xff\xd8"
    # side 14 * 1.25 = 17.5, corner 17 - 17 / 2 = 8.5, or 17 - 17.5 / 2 = 8.25
    assert sample.box_xywh_px.tolist() == [8, 8, 17, 17]
    assert second.box_xywh_px.tolist() == [8.25, 8.25, 17.5, 17.5]
    assert {s.image_id: s.camera.translation_mm[0] for s in others} == numbers
    assert {s.image_id: s.joints_cam_mm[0, 0] for s in others} == numbers


def test_load_dataset_rootnet_box_is_unchanged(load: Load) -> None:
    for sample in load(boxes="rootnet").samples:
        assert sample.box_xywh_px.tolist() == [25.25, 15.5, 50.5, 50.5]
        assert sample.root_depth_mm == 4010.5


def change_image(**fields: object) -> Change:
    return lambda m: m.image(102).update(fields)


def change_joint(*xyz: float | None) -> Change:
    return lambda m: m.frame(102).__setitem__(5, xyz)


def change_box(*xywh: float) -> Change:
    return lambda m: m.annotation(102).update(bbox=xywh)


def change_rootnet(**fields: object) -> Change:
    return lambda m: m.rootnet[1].update(fields)


SEQUENCE = "s_09_act_02_subact_01_ca_01"


def remove_annotation(handmade: HandmadeDataset) -> None:
    handmade.data[9]["annotations"].remove(handmade.annotation(102))


def add_image(handmade: HandmadeDataset, action: int, subaction: int, frame: int) -> None:
    """Add a test image of subject 9 with the joints of image 103."""
    handmade.data[9]["images"].append(image_entry(150, 9, action, subaction, frame))
    handmade.data[9]["annotations"].append({"id": 1, "image_id": 150, "bbox": [30, 20, 40, 40]})
    sequence = handmade.joints[9][str(action)].setdefault(str(subaction), {})
    sequence[str(frame)] = handmade.frame(103)


EXCLUSION_CASES: list[tuple[BoxSource, str, Change]] = [
    ("gt", "it has no annotation", remove_annotation),
    ("gt", "its file name contradicts its action", change_image(action_idx=3)),
    ("gt", "file name contradicts its action", change_image(file_name=f"{SEQUENCE}/other.jpg")),
    ("gt", "camera 3 is missing", change_image(cam_idx=3)),
    ("gt", "joints are missing", lambda m: m.joints[9]["2"]["1"].pop("64")),
    ("gt", "joints are missing", change_image(subaction_idx=2)),
    ("gt", "joints are missing", change_image(frame_idx=-64)),
    ("gt", "not within a kilometer", change_joint(1, float("nan"), 2)),
    ("gt", "not within a kilometer", change_joint(1, 1e39, 2)),
    ("gt", "not within a kilometer", change_joint(2e6, 0, 0)),
    ("gt", "behind the camera", change_joint(0, -4001, 0)),
    ("gt", "its box has no area", change_box(1, 1, 5, 0)),
    ("gt", "its box has no area", change_box(20, 20, 1, 1)),
    ("gt", "its box has no area", change_image(width=-100)),
    ("rootnet", "RootNet has no box", lambda m: m.rootnet.pop(1)),
    *(
        ("rootnet", "RootNet has no box with a positive", change_rootnet(bbox=[1, 1, *sides]))
        for sides in ((0, 0), (0, 9), (9, 0))
    ),
    ("rootnet", "RootNet has no box with a positive", change_rootnet(root_cam=[1, 1, -5])),
]


@pytest.mark.parametrize(("boxes", "reason", "change"), EXCLUSION_CASES)
def test_load_dataset_unusable_image_is_excluded(
    handmade: HandmadeDataset, load: Load, boxes: BoxSource, reason: str, change: Change
) -> None:
    change(handmade)

    dataset = load(boxes=boxes)

    assert image_ids(dataset) == [100, 103, *TEST_IDS[11]]
    (exclusion,) = dataset.excluded
    assert (exclusion.image_id, exclusion.file_name) == (102, handmade.image(102)["file_name"])
    assert reason in exclusion.reason
    with pytest.raises(CheckFailedError) as caught:
        check_dataset_is_complete(dataset)
    assert caught.value.problem == (
        f"5 samples of protocol 2 below {dataset.layout.root}: expected 6 (Directions 2 of 3);"
        f" 1 excluded because {exclusion.reason} (1, the first {exclusion.file_name})"
    )


def test_load_dataset_no_usable_image_raises(handmade: HandmadeDataset, load: Load) -> None:
    handmade.cameras[11] = {}

    with pytest.raises(
        ConvNeXtPoseCheckError, match=r"data-not-found.*3 were excluded.*camera 1 is missing: s_11"
    ):
        load(protocol=1)


def test_check_dataset_is_complete_expected_number_does_not_suffice(
    handmade: HandmadeDataset, load: Load
) -> None:
    add_image(handmade, 3, 1, 128)
    remove_annotation(handmade)
    dataset = load()

    assert len(dataset.samples) == FACTS.protocols[2].samples
    with pytest.raises(CheckFailedError, match="Discussion 2 of 1"):
        check_dataset_is_complete(dataset)


def test_check_dataset_is_complete_surplus_names_sequence(
    handmade: HandmadeDataset, load: Load
) -> None:
    add_image(handmade, 2, 2, 64)
    absent = "s_09_act_02_subact_02_ca_01"
    facts = replace(FACTS, protocols={2: replace(FACTS.protocols[2], absent=(absent,))})

    dataset = load(facts)

    assert dataset.count_surplus() == 1
    root = dataset.layout.root
    assert load_dataset(root, facts, limit=6).count_surplus() == 0
    problem = f"surplus.*1 sample more than .*: 7 .* 4 of 3.*; the official .* not have {absent}"
    with pytest.raises(CheckFailedError, match=problem):
        check_dataset_is_complete(dataset)
    for image in (root / "images" / absent).iterdir():
        image.unlink()
    assert check_dataset_is_complete(load_dataset(root, facts)) == 6


def test_check_dataset_is_complete_thinned_frames_are_named(
    handmade: HandmadeDataset, load: Load
) -> None:
    for image_id, frame in ((102, 320), (203, 640)):
        joints, image = handmade.frame(image_id), handmade.image(image_id)
        subactions = handmade.joints[image["subject"]][str(image["action_idx"])]
        subactions[str(image["subaction_idx"])][str(frame)] = joints
        image["frame_idx"] = frame
    handmade.data[9]["annotations"].remove(handmade.annotation(103))

    with pytest.raises(CheckFailedError, match=r"incomplete.*only one test frame in 5 of each"):
        check_dataset_is_complete(load())


@pytest.mark.parametrize(("limit", "indices"), [(1, [0]), (3, [0, 2, 5]), (7, range(6))])
def test_load_dataset_limit_keeps_evenly_spread_samples(
    load: Load, limit: int, indices: list[int]
) -> None:
    whole = load()

    dataset = load_dataset(whole.layout.root, FACTS, limit=limit)

    assert image_ids(dataset) == [image_ids(whole)[index] for index in indices]
    assert dataset.limited == (not dataset.is_complete()) == (limit < 6)
    limited = Dataset(**vars(dataset) | {"limited": True})
    with pytest.raises(CheckFailedError, match=r"expected 6( \(D.*\))?\. .* without --limit"):
        check_dataset_is_complete(limited)


DIGEST_CHANGES: list[tuple[BoxSource, Change]] = [
    ("gt", lambda m: m.frame(203)[16].__setitem__(2, m.frame(203)[16][2] + 0.001)),
    ("gt", lambda m: m.annotation(102)["bbox"].__setitem__(0, 30.75)),
    ("gt", lambda m: m.cameras[11]["1"]["R"][2].__setitem__(0, 0.0001)),
    ("gt", lambda m: m.cameras[11]["1"]["t"].__setitem__(0, 100.01)),
    ("gt", lambda m: m.cameras[9]["1"]["f"].__setitem__(1, 220.001)),
    ("gt", lambda m: m.cameras[9]["1"]["c"].__setitem__(0, 50.501)),
    ("gt", lambda m: m.data[9]["annotations"].reverse()),
    ("gt", lambda m: m.image(100).update(width=70)),
    ("rootnet", lambda m: m.rootnet[0]["bbox"].__setitem__(2, 50.51)),
    ("rootnet", lambda m: m.rootnet[0]["root_cam"].__setitem__(2, 4010.51)),
]


@pytest.mark.parametrize(("boxes", "change"), DIGEST_CHANGES)
def test_digest_changes_with_every_number(
    handmade: HandmadeDataset, tmp_path: Path, boxes: BoxSource, change: Change
) -> None:
    before = load_dataset(handmade.write(tmp_path / "before"), FACTS, boxes=boxes)
    change(handmade)
    after = load_dataset(handmade.write(tmp_path / "after"), FACTS, boxes=boxes)

    assert before.digest != after.digest
    assert len(before.samples) == len(after.samples)


@pytest.mark.parametrize(
    ("protocol", "first_id", "own", "expected", "is_right"),
    [
        (2, 100, "X", "3 images of subject 9 and 3 images of subject 11: X", True),
        (1, 200, "X", "3 images of subject 11: X", True),
        (1, 100, None, "3 images of subject 11 and 3 other images", True),
        (1, 100, "X", "3 images of subject 11 and 3 other images", False),
        (2, 200, "X", "0 images of subject 9 and 3 images of subject 11", False),
    ],
)
def test_check_rootnet_file_is_the_one_for_the_protocol(
    handmade: HandmadeDataset, load: Load, protocol: Protocol, first_id: int, own: str | None,
    expected: str, is_right: bool,
) -> None:  # fmt: skip
    """RootNet's file starts at ``first_id``; ``own`` is the protocol's file."""
    handmade.rootnet = [entry for entry in handmade.rootnet if entry["image_id"] >= first_id]
    facts = replace(FACTS, protocols={protocol: replace(FACTS.protocols[protocol], rootnet=own)})
    dataset = load(facts, protocol=protocol, boxes="rootnet")

    if is_right:
        assert check_rootnet_file(dataset) == f"RootNet's {ROOTNET} for {expected}"
        return
    problem = f"wrong-rootnet.*for protocol {protocol}, 'X': .* {expected}"
    with pytest.raises(CheckFailedError, match=problem):
        check_rootnet_file(dataset)


def test_check_rootnet_file_names_ground_truth(load: Load) -> None:
    assert check_rootnet_file(load()) == "the ground truth's boxes"
