"""Damaged annotation files: one clear error, or each test image a sample or an exclusion."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.evaluation.metrics import joint_errors_mm
from convnextpose_check.human36m.crops import read_crop
from convnextpose_check.human36m.samples import Dataset, load_dataset
from tests.support.datasets import FACTS, FRAMES, ROOTNET, Handmade, image_entry, picture

SHORT, LONG = 15, 300
"""Mutations of each of the seven kinds in a run by default, and in a slow one."""
SLOWEST_S = 2.0
GRID = (32, 32, 64)

NASTY: tuple[Any, ...] = (
    None, True, "", "x", "NaN", "-1", "../../etc/passwd", "/etc/passwd", "\x00", "\ud800", "٣",
    [], {}, [[]], {"1": {}}, 0, -1, 1, 63, 64, -64, 2**31, 2**63 - 1, -(2**63), 2**63, 2**64,
    10**30, 10**400, 0.5, -0.0, 1e-300, 1e30, 1e38, 1e39, 1e300, -1e300, float("nan"),
    float("inf"), float("-inf"), [0] * 17, [[0, 0, 0]] * 17, [1e38] * 4, [-1, -1, -1, -1],
)  # fmt: skip


def places(content: Any) -> list[tuple[Any, Any]]:
    """Every container in the file with one of its keys or indices."""
    if isinstance(content, dict):
        here: list[tuple[Any, Any]] = [(content, key) for key in content]
    elif isinstance(content, list):
        here = [(content, index) for index in range(len(content))]
    else:
        return []
    return here + [place for container, key in here for place in places(container[key])]


def somewhere(content: Any, chance: Random) -> tuple[Any, Any]:
    """A place, found by going down: the few keys near the root are as likely as the many deep."""
    container, depth = content, chance.randrange(1, 6)
    while True:
        keys = list(container) if isinstance(container, dict) else range(len(container))
        key = chance.choice(list(keys))
        depth -= 1
        if not depth or not isinstance(container[key], dict | list) or not container[key]:
            return container, key
        container = container[key]


def cut_off(content: bytes, chance: Random) -> bytes:
    return content[: chance.randrange(len(content))]


def flip_byte(content: bytes, chance: Random) -> bytes:
    index = chance.randrange(len(content))
    flipped = content[index] ^ chance.randrange(1, 256)
    return content[:index] + bytes([flipped]) + content[index + 1 :]


def another_digit(content: bytes, chance: Random) -> bytes:
    """A byte becomes one that JSON's numbers and lists are made of, so most files stay JSON."""
    index = chance.choice([i for i, byte in enumerate(content) if byte in b"0123456789"])
    return content[:index] + bytes([chance.choice(b"0123456789-.eE ,")]) + content[index + 1 :]


def replace_value(content: bytes, chance: Random) -> bytes:
    decoded = json.loads(content)
    container, key = somewhere(decoded, chance)
    container[key] = chance.choice(NASTY)
    return json.dumps(decoded).encode()


def delete_key(content: bytes, chance: Random) -> bytes:
    decoded = json.loads(content)
    container, key = somewhere(decoded, chance)
    del container[key]
    return json.dumps(decoded).encode()


def duplicate(content: bytes, chance: Random) -> bytes:
    decoded = json.loads(content)
    container, key = somewhere(decoded, chance)
    if isinstance(container, list):
        container.insert(chance.randrange(len(container) + 1), container[key])
    else:
        container[chance.choice(["1", "2", "01", " 1", "0", *container])] = container[key]
    return json.dumps(decoded).encode()


def swap(content: bytes, chance: Random) -> bytes:
    decoded = json.loads(content)
    (one, key), (other, other_key) = somewhere(decoded, chance), chance.choice(places(decoded))
    if chance.random() < 0.7:  # of the same name, such as two boxes or two frame indices
        alike = [place for place in places(decoded) if place[1] == key]
        other, other_key = chance.choice(alike)
    first, second = json.dumps(one[key]), json.dumps(other[other_key])
    one[key], other[other_key] = json.loads(second), json.loads(first)
    return json.dumps(decoded).encode()


MUTATIONS: dict[str, Callable[[bytes, Random], bytes]] = {
    function.__name__: function
    for function in (
        cut_off, flip_byte, another_digit, replace_value, delete_key, duplicate, swap,
    )
}  # fmt: skip


class Damaged:
    """A written set of which one file at a time is damaged."""

    def __init__(self, root: Path) -> None:
        self.root = Handmade().write(root)
        self.rootnet = root / "bbox_root" / ROOTNET
        self.files = [*sorted((root / "annotations").iterdir()), self.rootnet]
        self.outcomes: Counter[str] = Counter()

    def attempt(self, mutate: Callable[[bytes, Random], bytes], chance: Random) -> None:
        """Damage a file, load the set and account for it; the file is then whole again."""
        file = chance.choice(self.files)
        whole = file.read_bytes()
        file.write_bytes(mutate(whole, chance))
        started = time.perf_counter()
        try:
            boxes: Any = "rootnet" if file == self.rootnet else chance.choice(["gt", "rootnet"])
            dataset = load_dataset(self.root, FACTS, boxes=boxes)
            self.account(dataset)
        except ConvNeXtPoseCheckError as error:
            if str(self.root) not in error.problem:
                raise
            self.outcomes[error.code] += 1
        else:
            outcome = "excluded" if dataset.excluded else "other samples"
            self.outcomes["complete" if dataset.is_complete() else outcome] += 1
        finally:
            file.write_bytes(whole)
        assert time.perf_counter() - started < SLOWEST_S

    def account(self, dataset: Dataset) -> None:
        """Every test image that the files list is a sample or an exclusion, and none is twice."""
        listed = [image_id for subject in FRAMES for image_id in self.listed(subject)]
        samples = [sample.image_id for sample in dataset.samples]
        excluded = [exclusion.image_id for exclusion in dataset.excluded]
        assert sorted(samples + excluded) == sorted(listed)
        assert all(exclusion.reason for exclusion in dataset.excluded)
        middle = np.array([GRID] * 18, dtype=np.float32) / 2
        for sample in dataset.samples:
            crop = read_crop(sample)
            assert (crop.pixels_rgb is None) == (sample.size_px != (100, 80))
            for protocol in FACTS.protocols:
                assert np.isfinite(joint_errors_mm(middle, sample, GRID, protocol)).all()

    def listed(self, subject: int) -> Iterator[int]:
        """Ids of the subject's test images, from the file as Python's own reader sees it."""
        file = self.root / "annotations" / f"Human36M_subject{subject}_data.json"
        text = file.read_bytes().decode(errors="replace")  # fields that nobody reads may be garbled
        for image in json.loads(text.replace("NaN", "null"))["images"]:
            if image["subject"] == subject and image["frame_idx"] % FACTS.frame_stride == 0:
                yield image["id"]


@pytest.fixture
def damaged(tmp_path: Path) -> Damaged:
    return Damaged(tmp_path / "set")


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_damage_is_an_error_or_accounted_for(damaged: Damaged, mutation: str) -> None:
    for seed in range(SHORT):
        damaged.attempt(MUTATIONS[mutation], Random(f"{mutation} {seed}"))


@pytest.mark.slow
@pytest.mark.parametrize("mutation", MUTATIONS)
def test_much_damage_is_an_error_or_accounted_for(damaged: Damaged, mutation: str) -> None:
    for seed in range(SHORT, SHORT + LONG):
        damaged.attempt(MUTATIONS[mutation], Random(f"{mutation} {seed}"))
    expected = {"cut_off": {"bad-annotations"}}.get(mutation, {"bad-annotations", "complete"})
    assert expected <= damaged.outcomes.keys(), damaged.outcomes


WATCHED = """
import sys
from pathlib import Path
from convnextpose_check.human36m.crops import read_crops
from convnextpose_check.human36m.samples import load_dataset
from tests.support.datasets import FACTS

def read(root):
    dataset = load_dataset(Path(root), FACTS)
    crops = list(read_crops(dataset.samples, 2))
    return len([crop for crop in crops if crop.problem is None]), len(dataset.excluded)

read(sys.argv[1])  # imports what is imported late
opened = []
sys.addaudithook(lambda event, values: opened.append(values[0]) if event == "open" else None)
counts = read(sys.argv[2])
opened = [path for path in opened if not str(path).endswith((".py", ".pyc"))]  # even later
print(*counts)
print(*opened, sep="\\n")
"""

SEQUENCE = "s_09_act_02_subact_01_ca_01"
OUTSIDE_NAMES = [
    "../../outside/{}/{}_000129.jpg",
    "../images/../../outside/{}/{}_000129.jpg",
    "{}/../../../outside/{}/{}_000129.jpg",
    "{}/../{}/{}_000129.jpg",
    "./{}/{}_000129.jpg",
    "//{}/{}_000129.jpg",
    "{}//{}_000129.jpg",
    "{}\\{}_000129.jpg",
    "{}/{}_000129.jpg\x00.jpg",
    "{}/{}_000129.jpg\n",
    "{}/s_09_act_02_subact_01_ca_02_000129.jpg",
    "{}/../../annotations/Human36M_subject9_data.json",
    "file:///etc/passwd",
    "/etc/passwd",
    "/dev/zero",
    "~/{}_000129.jpg",
    "",
]


def test_nothing_outside_the_root_is_opened(tmp_path: Path) -> None:
    import cv2

    harmless = Handmade().write(tmp_path / "harmless")
    made = Handmade()
    root = made.write(tmp_path / "set")
    outside = tmp_path / "outside" / SEQUENCE / f"{SEQUENCE}_000129.jpg"
    outside.parent.mkdir(parents=True)
    cv2.imwrite(str(outside), picture(1))
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

    run = subprocess.run(
        [sys.executable, "-c", WATCHED, str(harmless), str(root)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    counts, *opened = run.stdout.splitlines()
    assert counts == f"6 {len(names)}"
    assert len(opened) == 6 + 6, "six annotation files and six images"
    assert all(Path(path).is_relative_to(root) for path in opened)
    assert str(root / "images" / made.image(100)["file_name"]) in opened
