"""``data`` files are read in chunks, with the same result in less memory."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.human36m import annotations as reader
from convnextpose_check.human36m.annotations import Listing, read_listing
from tests.support.datasets import image_entry

COUNT = 60
NAME = "Human36M_subject9_data.json"
Patch = pytest.MonkeyPatch
Content = dict[str, list[dict[str, Any]]]


def make_content() -> Content:
    images = [image_entry(100 + n, 9, 2, 1, n) for n in range(COUNT)]
    boxes = [{"id": n, "image_id": 100 + n, "bbox": [n, 1.5, 2, 3]} for n in range(COUNT)]
    return {"images": images, "annotations": boxes}


def read_selected(file: Path) -> Listing:
    return read_listing(file, lambda image: image.frame_idx % 8 == 0)


def add_fields(content: Content, entries: slice, **fields: object) -> str:
    for entry in content["images"][entries]:
        entry.update(fields)
    return json.dumps(content)


EVERY = slice(None)
DEEP = [{"a": 1}, {"b": [{"c": 2}, {"d": "]"}]}]
LAYOUTS: dict[str, Callable[[Content], str]] = {
    "published": json.dumps,
    "indented": lambda content: json.dumps(content, indent=4),
    "far apart": lambda content: json.dumps(content, separators=("," + " " * 500, ":")),
    "other order": lambda content: json.dumps(dict(reversed(content.items()))),
    "more keys": lambda content: json.dumps({"info": {"y": 1}, **content, "more": [{"id": 1}]}),
    "deep entries": lambda content: add_fields(content, EVERY, more=DEEP),
    "late key": lambda content: add_fields(content, slice(-2, -1), annotations=[]),
    "text like cuts": lambda content: add_fields(
        content, EVERY, note='}, {"id": 5}], "annotations": [{', more="}]}"
    ),
    "repeated key": lambda content: add_fields(content, slice(0, None, 7), annotations=[1]),
}


@pytest.mark.parametrize("piece_bytes", [2**30, 700, 4000])
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_read_listing_any_layout_is_equal(
    layout: Callable[[Content], str], piece_bytes: int, tmp_path: Path, monkeypatch: Patch
) -> None:
    """A piece has all entries, one entry, or some entries."""
    monkeypatch.setattr(reader, "PIECE_BYTES", piece_bytes)
    file = tmp_path / NAME
    file.write_text(layout(make_content()), encoding="utf-8")

    found = read_selected(file)

    selected = range(0, COUNT, 8)
    assert [image.id for image in found.images] == [100 + n for n in selected]
    assert [entry.image_id for entry in found.annotations] == [100 + n for n in selected]
    assert [list(entry.bbox) for entry in found.annotations] == [[n, 1.5, 2, 3] for n in selected]


def test_read_listing_random_damage_is_equal(tmp_path: Path, monkeypatch: Patch) -> None:
    file = tmp_path / NAME

    def read_with_pattern(start: re.Pattern[bytes]) -> str:
        monkeypatch.setattr(reader, "_START", start)
        try:
            return str(read_selected(file))
        except ConvNeXtPoseCheckError as error:
            return str(error)

    monkeypatch.setattr(reader, "PIECE_BYTES", 500)
    whole, rng, refused = json.dumps(make_content()).encode(), Random(1), 0
    in_pieces, never = reader._START, re.compile(rb"(?!)")
    for _ in range(100):
        start = rng.randrange(len(whole))
        end = start + rng.choice((0, 1, 2, 40, 4000))
        noise = bytes(rng.choices(b'{}[],:" 0a', k=rng.randrange(4)))
        file.write_bytes(whole[:start] + noise + whole[end:])

        obtained = read_with_pattern(in_pieces)

        assert obtained == read_with_pattern(never)
        refused += obtained.startswith("[bad-annotations]")
    assert 25 < refused < 100
