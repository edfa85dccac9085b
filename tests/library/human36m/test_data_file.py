"""The long listing of images: read in pieces, kept in small part, and as strict as ever."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.human36m import data_file as listing
from convnextpose_check.human36m.data_file import Image, Listing, read_listing
from tests.support.datasets import image_entry
from tests.support.listed_annotations import write_listed_annotations
from tests.support.processes import with_checkout

COUNT = 60


def content() -> dict[str, list[dict[str, Any]]]:
    images = [image_entry(100 + n, 9, 2, 1, n) for n in range(COUNT)]
    boxes = [{"id": n, "image_id": 100 + n, "bbox": [n, 1.5, 2, 3]} for n in range(COUNT)]
    return {"images": images, "annotations": boxes}


def is_wanted(image: Image) -> bool:
    return image.frame_idx % 8 == 0


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "Human36M_subject9_data.json"


@pytest.fixture(params=[2**30, 700, 4000])
def pieces(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is read as a whole, entry by entry, and some entries at a time."""
    monkeypatch.setattr(listing, "PIECE_BYTES", request.param)


def assert_found(found: Listing) -> None:
    wanted = list(range(0, COUNT, 8))
    assert [image.id for image in found.images] == [100 + n for n in wanted]
    assert [entry.id for entry in found.annotations] == wanted
    assert [list(entry.bbox) for entry in found.annotations] == [[n, 1.5, 2, 3] for n in wanted]
    assert found.image_ids.tolist() == found.annotated_ids.tolist() == list(range(100, 100 + COUNT))
    assert found.annotation_ids.tolist() == list(range(COUNT))


def other_order(data: dict[str, Any]) -> str:
    return json.dumps(dict(reversed(data.items())))


def more_keys(data: dict[str, Any]) -> str:
    return json.dumps({"info": {"year": 1}, **data, "categories": [{"id": 1}]})


def deep_entries(data: dict[str, Any]) -> str:
    for entry in data["images"]:
        entry["more"] = [{"a": 1}, {"b": [{"c": 2}, {"d": "]"}]}]
    return json.dumps(data)


def late_surprise(data: dict[str, Any]) -> str:
    data["images"][-2]["annotations"] = []
    return json.dumps(data)


def texts_like_cuts(data: dict[str, Any]) -> str:
    for entry in data["images"]:
        entry["note"] = '}, {"id": 5}], "annotations": [{'
        entry["more"] = "}]}"
    return json.dumps(data)


def quoted_key(data: dict[str, Any]) -> str:
    for entry in data["images"][::7]:
        entry["annotations"] = [1]
    return json.dumps(data)


LAYOUTS: dict[str, Callable[[dict[str, Any]], str]] = {
    "published": json.dumps,
    "dense": lambda data: json.dumps(data, separators=(",", ":")),
    "indented": lambda data: json.dumps(data, indent=4),
    "far-apart": lambda data: json.dumps(data, separators=("," + " " * 500, ":")),
    "other-order": other_order,
    "more-keys": more_keys,
    "deep-entries": deep_entries,
    "late-surprise": late_surprise,
    "texts-like-cuts": texts_like_cuts,
    "quoted-key": quoted_key,
    "line-at-the-end": lambda data: json.dumps(data) + "\n",
}


@pytest.mark.usefixtures("pieces")
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_whatever_the_layout_the_same_is_found(
    layout: Callable[[dict[str, Any]], str], file: Path
) -> None:
    file.write_text(layout(content()), encoding="utf-8")

    assert_found(read_listing(file, is_wanted))


@pytest.mark.usefixtures("pieces")
@pytest.mark.parametrize("part", ["images", "annotations"])
def test_empty_list_is_empty(part: str, file: Path) -> None:
    file.write_text(json.dumps(content() | {part: []}), encoding="utf-8")

    found = read_listing(file, is_wanted)

    assert len(found.image_ids) == (0 if part == "images" else COUNT)
    assert len(found.annotation_ids) == (0 if part == "annotations" else COUNT)
    assert found.annotations == []


@pytest.mark.usefixtures("pieces")
@pytest.mark.parametrize("number", [0, 30, COUNT - 1])
def test_error_names_the_place_in_the_whole_file(number: int, file: Path) -> None:
    data = content()
    data["annotations"][number]["image_id"] = "7"
    file.write_text(json.dumps(data), encoding="utf-8")

    with pytest.raises(ConvNeXtPoseCheckError, match=rf"annotations\[{number}\]\.image_id"):
        read_listing(file, is_wanted)


def outcome(file: Path) -> tuple[object, ...]:
    try:
        found = read_listing(file, is_wanted)
    except ConvNeXtPoseCheckError as error:
        return (str(error),)
    arrays = (found.image_ids, found.annotation_ids, found.annotated_ids)
    return (found.images, found.annotations, *(array.tolist() for array in arrays))


def test_every_damage_has_the_same_outcome_in_pieces_and_as_a_whole(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = json.dumps(content()).encode()
    chance = Random(1)
    refused = 0
    for _ in range(400):
        start = chance.randrange(len(whole))
        end = start + chance.choice((0, 1, 2, 40, 4000))
        noise = bytes(chance.choices(b'{}[],:" 0a', k=chance.randrange(4)))
        file.write_bytes(whole[:start] + noise + whole[end:])
        monkeypatch.setattr(listing, "_read_pieces", PIECES)
        monkeypatch.setattr(listing, "PIECE_BYTES", 500)
        in_pieces = outcome(file)
        monkeypatch.setattr(listing, "_read_pieces", never)

        assert in_pieces == outcome(file)

        refused += len(in_pieces) == 1
    assert 100 < refused < 400


PIECES = listing._read_pieces


def never(*_: object) -> None:
    raise listing._UnlikeError


MEASURE = """
import json, sys, time
from pathlib import Path
from convnextpose_check.human36m.annotations import SubjectFiles
from convnextpose_check.human36m.layout import find_layout
from tests.support.processes import peak_bytes
root = Path(sys.argv[2])
begun = time.perf_counter()
if sys.argv[1] == "json":
    for subject in (9, 11):
        loaded = [
            json.load((root / f"annotations/Human36M_subject{subject}_{part}.json").open())
            for part in ("data", "camera", "joint_3d")
        ]
else:
    layout = find_layout(root, (9, 11))
    for subject in (9, 11):
        files = SubjectFiles(layout, subject, 64)
        frames = [files.joints_world_mm(image) for image, _ in files.test_frames()]
        assert len(frames) == 4320, len(frames)
seconds = time.perf_counter() - begun
print(peak_bytes(), seconds)
"""


@pytest.fixture
def listed(tmp_path: Path) -> Iterator[Path]:
    """Annotation files of real size, some 400 MB, for as long as the test takes."""
    write_listed_annotations(tmp_path / "set")
    yield tmp_path / "set"
    shutil.rmtree(tmp_path / "set")


@pytest.mark.slow
def test_files_of_real_size_take_a_fifth_of_the_memory_of_json_load(listed: Path) -> None:
    def peak(what: str) -> int:
        command = [sys.executable, "-c", MEASURE, what, str(listed)]
        result = subprocess.run(
            command, env=with_checkout(), capture_output=True, text=True, check=True
        )
        return int(result.stdout.split()[0])

    assert peak("ours") < peak("json") / 5
