"""The list of required tests agrees with the test sources."""

import ast

from msgspec.structs import replace

from convnextpose_check.checkpoints.fingerprints import read_fingerprints
from convnextpose_check.human36m.samples import read_facts
from convnextpose_check.pages.html import CHECK_TITLES
from convnextpose_check.plugin.required import VALIDATION_TESTS, list_required_tests
from convnextpose_check.run.run import Run
from convnextpose_check.settings.options import read_settings
from convnextpose_check.variants import Catalogue
from tests.support.texts import ROOT

VALIDATION = ROOT / "tests" / "validation"


def list_tests(
    catalogue: Catalogue, *, weights_only: bool = False, is_own: bool = False
) -> tuple[str, ...]:
    known = {} if is_own else read_fingerprints(ROOT / "fixtures", catalogue.names)
    given = {"weights_only": ["1"]} if weights_only else {}
    return list_required_tests(
        Run("published", read_settings(given, {}), catalogue, read_facts(), known)
    )


def test_validation_tests_lists_every_test_of_the_sources_once() -> None:
    defined = sorted(
        f"{path.name}::{node.name}"
        for path in VALIDATION.glob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    )

    assert sorted(f"{test.file}::{test.function}" for test in VALIDATION_TESTS) == defined


def test_list_required_tests_cover_each_variant_and_tolerance(catalogue: Catalogue) -> None:
    tests = list_tests(catalogue)

    mpjpe = [test for test in tests if "::test_mpjpe_is_within_tolerance" in test]
    assert [test.partition("[")[2] for test in mpjpe] == [
        f"published-{name}-{mm}mm]" for name in ("XS", "S", "M", "L") for mm in (1, 2, 5)
    ]
    assert len(tests) == len(set(tests)) == 109


def test_list_required_tests_weights_only_need_no_human36m(catalogue: Catalogue) -> None:
    tests = list_tests(catalogue, weights_only=True)

    assert len(tests) == 77
    excluded = ("test_mpjpe", "throughput", "human36m", "joints_lie", "rootnet")
    assert not any(name in test for test in tests for name in excluded)


def test_list_required_tests_unpublished_values_are_not_compared(catalogue: Catalogue) -> None:
    xs = catalogue["XS"]
    own = replace(xs, paper=replace(xs.paper, gmacs=None), guide=None)

    tests = "\n".join(list_tests(Catalogue("own", (own,)), is_own=True))

    assert "test_reported_parameters[published-XS]" in tests
    assert "test_reported_gmacs" not in tests
    assert "test_reported_state_elements" not in tests
    assert "test_tensors_are_the_published_ones" not in tests


def test_every_validation_test_has_a_title_in_the_report() -> None:
    titled = [function for titles in CHECK_TITLES.values() for function in titles]

    assert sorted(titled) == sorted({test.function for test in VALIDATION_TESTS})
