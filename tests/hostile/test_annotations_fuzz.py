"""Damaged annotation files are refused, or each test image becomes a sample or an exclusion."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.evaluation.metrics import joint_errors_mm
from convnextpose_check.human36m.crops import read_crop, read_crops
from convnextpose_check.human36m.samples import Dataset, load_dataset
from tests.support.datasets import FACTS, FRAMES, ROOTNET, HandmadeDataset, image_entry, make_image

SLOWEST_S = 2.0
GRID = (32, 32, 64)

NASTY: tuple[Any, ...] = (
    None, True, "", "x", "NaN", "../../etc/passwd", "\x00", "\ud800", "٣", [], {}, [[]], {"1": {}},
    0, -1, 1, 63, 64, -64, 2**31, 2**63 - 1, -(2**63), 2**63, 10**400, 0.5, -0.0, 1e-300, 1e38,
    1e39, -1e300, float("nan"), float("inf"), [0] * 17, [[0, 0, 0]] * 17, [1e38] * 4, [-1] * 4,
)  # fmt: skip


def choose_entry(content: Any, rng: Random) -> tuple[Any, Any]:
    """A random container and key, at a random depth: most keys are deep."""
    container, depth = content, rng.randrange(1, 6)
    while True:
        keys = list(container) if isinstance(container, dict) else range(len(container))
        key = rng.choice(list(keys))
        depth -= 1
        if not depth or not isinstance(container[key], dict | list) or not container[key]:
            return container, key
        container = container[key]


def replace_value(decoded: Any, rng: Random) -> None:
    container, key = choose_entry(decoded, rng)
    container[key] = rng.choice(NASTY)


def delete_key(decoded: Any, rng: Random) -> None:
    container, key = choose_entry(decoded, rng)
    del container[key]


def duplicate_value(decoded: Any, rng: Random) -> None:
    container, key = choose_entry(decoded, rng)
    if isinstance(container, list):
        container.insert(rng.randrange(len(container) + 1), container[key])
    else:
        container[rng.choice(["1", "2", "01", " 1", "0", *container])] = container[key]


JSON_MUTATIONS = {each.__name__: each for each in (replace_value, delete_key, duplicate_value)}


def mutate(content: bytes, mutation: str, rng: Random) -> bytes:
    if mutation == "cut_off":
        return content[: rng.randrange(len(content))]
    if mutation == "change_digit":
        # The new character occurs in JSON's numbers and lists, so most files stay JSON.
        index = rng.choice([i for i, byte in enumerate(content) if byte in b"0123456789"])
        return content[:index] + bytes([rng.choice(b"0123456789-.eE ,")]) + content[index + 1 :]
    decoded = json.loads(content)
    JSON_MUTATIONS[mutation](decoded, rng)
    return json.dumps(decoded).encode()


def load_mutated(root: Path, mutation: str, rng: Random) -> str:
    """Damage a file, load the set, restore the file; returns the error code or completeness."""
    rootnet = root / "bbox_root" / ROOTNET
    file = rng.choice([*sorted((root / "annotations").iterdir()), rootnet])
    whole = file.read_bytes()
    file.write_bytes(mutate(whole, mutation, rng))
    started = time.perf_counter()
    try:
        boxes: Any = "rootnet" if file == rootnet else rng.choice(["gt", "rootnet"])
        dataset = load_dataset(root, FACTS, boxes=boxes)
        assert_each_image_is_listed_once(root, dataset)
    except ConvNeXtPoseCheckError as error:
        if str(root) not in error.problem:
            raise
        return error.code
    finally:
        file.write_bytes(whole)
        assert time.perf_counter() - started < SLOWEST_S
    return "complete" if dataset.is_complete() else "incomplete"


def assert_each_image_is_listed_once(root: Path, dataset: Dataset) -> None:
    """Every test image of the files is either a sample or an exclusion, once."""
    listed = [image_id for subject in FRAMES for image_id in list_image_ids(root, subject)]
    samples = [sample.image_id for sample in dataset.samples]
    excluded = [exclusion.image_id for exclusion in dataset.excluded]
    assert sorted(samples + excluded) == sorted(listed)
    assert all(exclusion.reason for exclusion in dataset.excluded)
    middle = np.array([GRID] * 18, dtype=np.float32) / 2
    for sample in dataset.samples:
        assert (read_crop(sample).pixels_rgb is None) == (sample.size_px != (100, 80))
        for protocol in FACTS.protocols:
            assert np.isfinite(joint_errors_mm(middle, sample, GRID, protocol)).all()


def list_image_ids(root: Path, subject: int) -> list[int]:
    """Ids of the subject's test images, read by Python's json; other fields may be damaged."""
    file = root / "annotations" / f"Human36M_subject{subject}_data.json"
    text = file.read_bytes().decode(errors="replace").replace("NaN", "null")
    return [
        image["id"]
        for image in json.loads(text)["images"]
        if image["subject"] == subject and image["frame_idx"] % FACTS.frame_stride == 0
    ]


@pytest.mark.parametrize("count", [10, pytest.param(300, marks=pytest.mark.slow)])
@pytest.mark.parametrize("mutation", ["cut_off", "change_digit", *JSON_MUTATIONS])
def test_damaged_file_is_refused_or_complete(tmp_path: Path, mutation: str, count: int) -> None:
    root = HandmadeDataset().write(tmp_path / "set")

    outcomes = {load_mutated(root, mutation, Random(f"{mutation} {n}")) for n in range(count)}

    assert "bad-annotations" in outcomes
    assert count == 10 or ("complete" in outcomes) == (mutation != "cut_off")


SEQUENCE = "s_09_act_02_subact_01_ca_01"
OUTSIDE_NAMES = [
    "../../outside/{}/{}_000129.jpg",
    "../images/../../outside/{}/{}_000129.jpg",
    "{}/../../../outside/{}/{}_000129.jpg",
    "{}/../{}/{}_000129.jpg",
    "//{}/{}_000129.jpg",
    "{}\\{}_000129.jpg",
    "{}/{}_000129.jpg\x00.jpg",
    "{}/{}_000129.jpg\n",
    "{}/../../annotations/Human36M_subject9_data.json",
    "file:///etc/passwd",
    "/etc/passwd",
    "",
]


def test_load_dataset_opens_nothing_outside_root(tmp_path: Path) -> None:
    import cv2

    made = HandmadeDataset()
    root = made.write(tmp_path / "set")
    outside = tmp_path / "outside" / SEQUENCE / f"{SEQUENCE}_000129.jpg"
    outside.parent.mkdir(parents=True)
    cv2.imwrite(str(outside), make_image(1))
    names = [name.replace("{}", SEQUENCE) for name in OUTSIDE_NAMES] + [str(outside)]
    for image_id, name in enumerate(names, start=500):
        frame = 64 * image_id
        image = image_entry(image_id, 9, 2, 1, frame) | {"file_name": name}
        made.joints[9]["2"]["1"][str(frame)] = made.frame(100)
        box = [10, 10, 50, 50]
        made.data[9]["images"].append(image)
        made.data[9]["annotations"].append({"id": image_id, "image_id": image_id, "bbox": box})
    for part, content in (("data", made.data[9]), ("joint_3d", made.joints[9])):
        file = root / "annotations" / f"Human36M_subject9_{part}.json"
        file.write_text(json.dumps(content))
    opened: list[str] = []
    sys.addaudithook(  # until the process ends
        lambda event, values: opened.append(str(values[0])) if event == "open" else None
    )
    dataset = load_dataset(root, FACTS)

    assert [crop.problem for crop in read_crops(dataset.samples, 2)] == [None] * 6
    assert len(dataset.excluded) == len(names)
    assert str(root / "images" / made.image(100)["file_name"]) in opened
    assert not [path for path in opened if ".." in path or path in (str(outside), "/etc/passwd")]
