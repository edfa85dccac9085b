"""The reported values are read strictly and agree with the paper and the guide."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.variants import PUBLISHED_FILE, Catalogue, read_catalogue

Change = Callable[[dict[str, Any]], Any]


@pytest.mark.parametrize(
    ("name", "paper", "guide"),
    [("XS", 3.53, 3.53), ("S", 7.44, 7.45), ("M", 7.59, 7.60), ("L", 8.38, 8.39)],
)
def test_reported_counts_agree(catalogue: Catalogue, name: str, paper: float, guide: float) -> None:
    variant = catalogue[name]
    reported = (variant.paper.parameters_millions, variant.guide)
    assert [value and value.value for value in reported] == [paper, guide]
    assert [value and value.source[:5] for value in reported] == ["paper", "Kaggl"]
    assert round(variant.parameters / 1e6, 2) == paper
    assert round(variant.state_elements / 1e6, 2) == guide


def _find_values_without_source(value: Any, path: str, sources: dict[str, str]) -> Iterator[str]:
    """Yield the paths of values without a source beside them or in ``sources``."""
    if value is None or sources.get(path) or (isinstance(value, dict) and value.get("source")):
        return
    if not isinstance(value, dict):
        yield path
        return
    for key, each in value.items():
        yield from _find_values_without_source(each, f"{path}.{key}".lstrip("."), sources)


def test_variants_file_every_value_has_a_source() -> None:
    content = json.loads(PUBLISHED_FILE.read_text())
    for variant in content["variants"]:
        assert list(_find_values_without_source(variant, "", content["sources"])) == ["name"]


def test_read_catalogue_only_verified_values_decide(catalogue: Catalogue) -> None:
    known = {v.name: v.checkpoint.epoch for v in catalogue.variants}

    assert {name: each and (each.values, each.is_verified) for name, each in known.items()} == {
        "XS": ((68,), True),
        "S": ((67, 68), False),
        "M": ((70,), False),
        "L": ((83,), True),
    }
    of_protocol_1 = [catalogue[name].paper.error_mm(1) for name in ("M", "L")]
    assert all(value and value.information_only for value in of_protocol_1)


def test_catalogue_unknown_name_lists_known_names(catalogue: Catalogue) -> None:
    with pytest.raises(ConvNeXtPoseCheckError, match=r"'XL'.*XS, S, M, L"):
        catalogue["XL"]


CHANGES: dict[str, Change] = {
    "parameters": lambda c: c["variants"][0].pop("parameters"),
    "size": lambda c: c["variants"][1].update(size=1),
    r"\$\.variants": lambda c: c["variants"][0].update(parameters="many"),
    "head_upsamplings": lambda c: c["variants"][0]["architecture"].update(head_upsamplings=4),
    r"checkpoint\.file_name": lambda c: c["variants"][0]["checkpoint"].update(file_name="../a"),
    r"checkpoint\.folder": lambda c: c["variants"][0]["checkpoint"].update(folder="a/b"),
    r"checkpoint\.drive_id": lambda c: c["variants"][0]["checkpoint"].update(drive_id="a&b"),
    r"variants\[0\]\.name": lambda c: c["variants"][0].update(name="../XS"),
    r"guide": lambda c: c["variants"][0].update(guide=3.53),
    r"checkpoint\.epoch": lambda c: c["variants"][0]["checkpoint"].update(epoch=68),
    "each once": lambda c: c["variants"].append(c["variants"][0]),
    "at least one": lambda c: c.update(variants=[]),
}


@pytest.mark.parametrize(("named", "change"), CHANGES.items())
def test_read_catalogue_invalid_field_raises(tmp_path: Path, named: str, change: Change) -> None:
    content = json.loads(PUBLISHED_FILE.read_text())
    change(content)
    path = tmp_path / "own.json"
    path.write_text(json.dumps(content))

    problem = rf"^\[bad-variants-file\] .*{named}"
    with pytest.raises(ConvNeXtPoseCheckError, match=problem) as caught:
        read_catalogue(path)
    assert str(path) in str(caught.value)


def test_read_catalogue_byte_order_mark_is_skipped(tmp_path: Path, catalogue: Catalogue) -> None:
    path = tmp_path / "own.json"
    path.write_text(PUBLISHED_FILE.read_text(), encoding="utf-8-sig")

    assert read_catalogue(path) == catalogue


@pytest.mark.parametrize("content", [None, b"", b"{", b"\xff\xfe", b"[]"])
def test_read_catalogue_missing_or_bad_file_raises(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "own.json"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(ConvNeXtPoseCheckError, match=r"^\[bad-variants-file\] .*own\.json"):
        read_catalogue(path)
