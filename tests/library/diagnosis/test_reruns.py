"""What was shown to a network otherwise is found by showing it again."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from convnextpose_check.diagnosis import reruns
from convnextpose_check.diagnosis.case import Case
from convnextpose_check.diagnosis.cause import Obtained
from convnextpose_check.diagnosis.conditions import CONDITIONS, Condition
from convnextpose_check.diagnosis.ranking import causes_of
from convnextpose_check.diagnosis.reruns import Way, rerun
from convnextpose_check.human36m.samples import Sample, load_dataset, read_facts
from convnextpose_check.miniature.build import Miniature
from convnextpose_check.miniature.weights import seeded_state
from convnextpose_check.network.layout import build_network
from convnextpose_check.variants import Architecture

OTHERS = [c for c in CONDITIONS if c.name not in ("own-network", "half-precision")]
"""Of a network as it should be, which computes alike either way."""

FEW = 8
"""Enough for a tiny network."""


@pytest.fixture(scope="module")
def samples(miniature: Miniature) -> tuple[Sample, ...]:
    return load_dataset(miniature.dataset, read_facts(), limit=FEW).samples


@pytest.fixture(autouse=True)
def _few_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reruns, "TRIED", 2)
    monkeypatch.setattr(reruns, "SAMPLES", FEW)


@pytest.fixture(scope="module")
def way(samples: tuple[Sample, ...], tiny: Architecture) -> Way:
    state, cpu = seeded_state(tiny, seed=3), torch.device("cpu")
    judged = build_network(tiny, state, cpu)
    return Way(samples, 2, judged, state, tiny, cpu, flip=True)


@pytest.fixture(scope="module")
def plain(way: Way) -> Case:
    """What the network says of all samples, shown as the paper has it."""
    found = way.gone(FEW, ()).plain
    assert found is not None
    return found


def by_name(name: str) -> Condition:
    return next(condition for condition in CONDITIONS if condition.name == name)


def obtained(case: Case, reference_mm: float) -> Obtained:
    return Obtained(case.error_mm, case.errors_mm, reference_mm)


def test_every_condition_gives_positions_of_its_own(way: Way) -> None:
    """So that those of a run tell which it was."""
    others = way.gone(2, OTHERS).others
    assert [other.condition for other in others] == OTHERS

    for number, one in enumerate(others):
        for two in others[:number]:
            assert one.case.distance_mm(two.case) > 0


def test_what_the_run_did_is_named_from_its_positions(way: Way, plain: Case) -> None:
    blue_first = by_name("blue-first")
    (other,) = way.gone(FEW, [blue_first]).others
    reference_mm = plain.error_mm

    again = rerun(way, other.case, reference_mm)
    causes = causes_of(other.case, obtained(other.case, reference_mm), again, 1e-6)

    assert causes[0].name == "blue-first"
    assert "shown again so give the run's positions to 0.000 mm" in causes[0].evidence


def test_two_things_that_the_run_did_are_both_named(way: Way, plain: Case) -> None:
    both = by_name("blue-first").with_other(by_name("flip-left-out"))
    assert both is not None
    (other,) = way.gone(FEW, [both]).others
    reference_mm = plain.error_mm

    again = rerun(way, other.case, reference_mm)
    causes = causes_of(other.case, obtained(other.case, reference_mm), again, 1e-6)

    assert {cause.name for cause in causes[:2]} == {"blue-first", "flip-left-out"}
    assert sum(cause.moved_mm for cause in causes[:2]) == pytest.approx(
        other.case.error_mm - reference_mm
    )


def test_conditions_about_the_same_thing_are_not_tried_together() -> None:
    less, more = (c for c in CONDITIONS if c.name == "upsamplings")
    assert less.with_other(more) is None
    assert less.with_other(less) is None


def test_a_network_of_ones_own_that_computes_otherwise_is_named(way: Way, plain: Case) -> None:
    class Shifted:
        architecture = way.architecture

        def __call__(self, crops: torch.Tensor) -> torch.Tensor:
            cells_xyz: torch.Tensor = way.judged(crops) * 1.3
            return cells_xyz

    own = replace(way, judged=Shifted())
    (other,) = own.gone(FEW, [by_name("own-network")]).others

    again = rerun(own, other.case, plain.error_mm)
    causes = causes_of(other.case, obtained(other.case, plain.error_mm), again, 1e-6)

    assert causes[0].name == "own-network"


def test_what_the_network_expects_is_named_from_the_error(way: Way) -> None:
    """The run shows pictures as the paper has it, and the truth is what is said of blue first."""
    (other,) = way.gone(FEW, [by_name("blue-first")]).others
    truth_mm = replace(other.case, rooted=False).predicted_mm
    samples = [
        replace(sample, joints_cam_mm=joints_mm)
        for sample, joints_mm in zip(way.samples, truth_mm, strict=True)
    ]
    asked = replace(way, samples=samples)
    case = asked.gone(FEW, ()).plain
    assert case is not None

    causes = causes_of(case, obtained(case, 0.0), rerun(asked, case, 0.0), 1e-6)

    assert causes[0].name == "blue-first"
    assert causes[0].what == "the network expects it otherwise: pixels are blue first"


def test_nothing_is_shown_again_where_no_image_can_be_read(way: Way, plain: Case) -> None:
    gone = tuple(replace(s, path=s.path.with_name("gone.jpg")) for s in way.samples)

    again = rerun(replace(way, samples=gone), plain, 0.0)

    assert (len(again.numbers), again.plain, again.others) == (0, None, ())
    assert [cause.name for cause in causes_of(plain, obtained(plain, 0.0), again)] != ["weights"]
