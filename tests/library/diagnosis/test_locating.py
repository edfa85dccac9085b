"""Faults of the data are located and described; a table without faults has none."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from convnextpose_check.diagnosis.alternatives import CONVERSIONS
from convnextpose_check.diagnosis.locating import (
    locate_alternative,
    locate_difference,
    locate_excess,
)
from tests.support.sample_tables import make_sample_table, mix_tables

RNG = np.random.default_rng


@pytest.mark.parametrize(
    ("name", "value", "group", "what", "place"),
    [
        ("joints are exchanged", 0, "Smoking", "left and right joints are exchanged", "Smoking"),
        ("poses are mirrored", 0, "S9", "poses are mirrored left to right", "S9"),
        ("ground truth is multiplied", 1.1, "S11", "multiplied by 0.9", "S11"),
        ("turned", 8, "camera 2", "turned by -[78].* degrees in the image", "camera 2"),
        ("depths are", 1.5, "", "depths are multiplied by 0.6", ""),
    ],
)
def test_alternative_is_located(name: str, value: float, group: str, what: str, place: str) -> None:
    sound = make_sample_table()
    (mask,) = (each.mask for each in sound.groups if each.label == group)
    alternative = next(each for each in CONVERSIONS if name in each.what)
    table = mix_tables(sound, mask, alternative.change(sound, value))

    finding = locate_alternative(table, table.error_mm - sound.error_mm, RNG(0))

    assert finding is not None
    assert re.search(what, finding.what)
    assert finding.place.startswith(place)
    assert finding.grade == "explains"


@pytest.mark.parametrize(("seed", "shift_mm"), [(1, 2.0), (2, 5.0)])
def test_locate_table_without_faults_has_no_finding(seed: int, shift_mm: float) -> None:
    table = make_sample_table(seed)

    assert locate_alternative(table, shift_mm, RNG(0)) is None
    assert locate_excess(table, shift_mm, RNG(0)) is None


@pytest.mark.parametrize("label", ["camera 3", "Walking", "S11 Photo 2"])
def test_locate_excess_finds_group_of_unknown_fault(label: str) -> None:
    sound = make_sample_table()
    (mask,) = (group.mask for group in sound.groups if group.label == label)
    noise = RNG(0).normal(0, 2, sound.cells_xyz.shape)
    table = mix_tables(sound, mask, replace(sound, cells_xyz=sound.cells_xyz + noise))

    finding = locate_excess(table, table.error_mm - sound.error_mm, RNG(0))

    assert finding is not None
    assert finding.place.startswith(label)
    assert finding.grade == "holds"


def test_locate_difference_returns_smallest_group() -> None:
    table = make_sample_table()
    (mask,) = (group.mask for group in table.groups if group.label == "S9 Eating")

    finding = locate_difference(table, np.where(mask, 30.0, 0.0))

    assert finding.place == "S9 Eating, 24 of 720 samples"
    assert finding.explained_mm == pytest.approx(1.0)


def test_locate_alternative_names_equal_explanations() -> None:
    """Box, root depth and focal length scale a person alike."""
    sound = make_sample_table()
    table = replace(sound, root_depths_mm=sound.root_depths_mm * 1.3)

    finding = locate_alternative(table, table.error_mm - sound.error_mm, RNG(0))

    assert finding is not None
    named = finding.what.removeprefix("the data fit if ").split(" or ")
    assert any(each.startswith("root depths are multiplied by 0.7") for each in named)
    assert any(each.startswith("box sides are multiplied by 0.7") for each in named)
