"""The list of required tests is what the sources define."""

from __future__ import annotations

import ast

from msgspec.structs import replace

from convnextpose_check.checkpoints.fingerprints import Fingerprint, read_fingerprints
from convnextpose_check.plugin.required import VALIDATION_TESTS, required_tests
from convnextpose_check.variants import Catalogue
from tests.support.texts import ROOT

VALIDATION = ROOT / "tests" / "validation"


def required(catalogue: Catalogue, *, weights_only: bool = False) -> tuple[str, ...]:
    """What a run of these published variants must finish."""
    known: dict[str, Fingerprint] = read_fingerprints(ROOT / "fixtures", catalogue)
    return required_tests("published", catalogue.variants, known, weights_only=weights_only)


def test_list_names_every_test_of_the_sources_once() -> None:
    defined = sorted(
        f"{path.name}::{node.name}"
        for path in VALIDATION.glob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    )

    assert sorted(test.name for test in VALIDATION_TESTS) == defined


def test_required_tests_cover_each_variant_and_tolerance(catalogue: Catalogue) -> None:
    tests = required(catalogue)

    errors = [
        test for test in tests if "::test_mpjpe_is_within_tolerance_of_reported_value[" in test
    ]
    assert [test.partition("[")[2] for test in errors] == [
        f"published-{name}-{mm}mm]" for name in ("XS", "S", "M", "L") for mm in (1, 2, 5)
    ]
    assert len(tests) == len(set(tests)) == 109


def test_required_tests_weights_only_need_no_human36m(catalogue: Catalogue) -> None:
    tests = required(catalogue, weights_only=True)

    assert len(tests) == 77
    assert not any("test_mpjpe" in test or "throughput" in test for test in tests)


def test_tests_of_errors_and_speed_need_human36m() -> None:
    tests = [test for test in VALIDATION_TESTS if test.needs_human36m]

    assert {test.file for test in tests} == {
        "test_preflight.py", "test_mpjpe.py", "test_throughput.py",
    }  # fmt: skip
    assert all(
        test in tests
        for test in VALIDATION_TESTS
        if test.file in ("test_mpjpe.py", "test_throughput.py")
    )


def test_required_tests_unpublished_figures_are_not_compared(catalogue: Catalogue) -> None:
    xs = catalogue["XS"]
    paper, checkpoint = replace(xs.paper, gmacs=None), replace(xs.checkpoint, drive_id=None)
    own = replace(xs, paper=paper, checkpoint=checkpoint, guide=None)

    tests = "\n".join(required(Catalogue("own", (own,))))

    assert "test_reported_parameters[published-XS]" in tests
    assert "test_reported_gmacs" not in tests
    assert "test_reported_state_elements" not in tests
    assert "test_tensors_are_the_published_ones" not in tests
