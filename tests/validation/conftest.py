"""Ask every validation test about each subject, variant and tolerance that it takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from convnextpose_check.evaluation.verdict import TOLERANCES_MM
from convnextpose_check.plugin.session import SESSION, Session
from convnextpose_check.trial.trial import SubjectName
from tests.validation.recording import Obtained

NEED_HUMAN36M = {"human36m", "evaluation"}
"""Fixtures, also of fixtures, without which a test can be asked of weights alone."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    taken = [n for n in ("trial", "variant", "tolerance_mm") if n in metafunc.fixturenames]
    session = metafunc.config.stash[SESSION]
    only = {marker.args[0] for marker in metafunc.definition.iter_markers("only")}
    session.gate.files.add(metafunc.definition.path.name)
    needs_human36m = not NEED_HUMAN36M.isdisjoint(metafunc.fixturenames)
    cases = []
    for name in session.subject_names():
        weights_only = name == "published" and session.settings.weights_only
        if (not only or name in only) and not (weights_only and needs_human36m):
            marks = [pytest.mark.gpu] if name == "published" and not weights_only else []
            for values, claim in _claims(metafunc, session, name):
                case = "-".join([name, *claim])
                cases.append(pytest.param(name, *values, id=case, marks=marks))
                if name == "published":
                    session.gate.published.add(f"{metafunc.definition.nodeid}[{case}]")
    if not cases:
        # A test that applies to nothing is taken out again, for a skipped one is not passed.
        cases = [pytest.param(*[None] * len(taken), marks=pytest.mark.inapplicable)]
    metafunc.parametrize(taken, cases, indirect=["trial"])


def pytest_collection_finish(session: pytest.Session) -> None:
    """Note of which variants evaluations are asked for: they share one pass."""
    wanted = session.config.stash[SESSION].wanted
    for item in session.items:
        if item.path.is_relative_to(Path(__file__).parent) and "evaluation" in getattr(
            item, "fixturenames", ()
        ):
            values: dict[str, Any] = item.callspec.params  # type: ignore[attr-defined]
            wanted[values["trial"]][values["variant"].name] = None


def _claims(
    metafunc: pytest.Metafunc, session: Session, subject: SubjectName
) -> list[tuple[list[object], list[str]]]:
    """Values and name of each claim that the test makes about the subject."""
    if "variant" not in metafunc.fixturenames:
        return [([], [])]
    takes_known = metafunc.definition.get_closest_marker("known_tensors") is not None
    fingerprints = session.trials[subject].fingerprints
    known = {name for name, each in fingerprints.items() if each.tensors is not None}
    figures = [marker.args[0] for marker in metafunc.definition.iter_markers("figure")]
    claims: list[tuple[list[object], list[str]]] = [
        ([variant], [variant.name])
        for variant in session.variants(subject)
        if all(getattr(variant.paper, figure) is not None for figure in figures)
        and (variant.name in known or not takes_known)
    ]
    if "tolerance_mm" not in metafunc.fixturenames:
        return claims
    return [
        ([*values, mm], [*claim, f"within-{mm}mm"])
        for values, claim in claims
        for mm in TOLERANCES_MM
    ]


@pytest.fixture
def obtained(request: pytest.FixtureRequest) -> Obtained:
    """Show what a check obtained in the report's table and in JUnit's file."""
    # Not record_property, which warns of JUnit's newer form: its readers take the properties.
    properties = request.node.user_properties

    def record(value: object, expected: object = None, unit: str = "") -> None:
        for name, each in (("obtained", value), ("expected", expected), ("unit", unit or None)):
            if each is not None:
                properties.append((name, each if isinstance(each, (int, float)) else str(each)))

    return record
