"""A verdict on weights alone names what could not be verified."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from convnextpose_check.miniature.archives import snapshot_content, write_container
from convnextpose_check.miniature.weights import seeded_state
from convnextpose_check.plugin import required
from convnextpose_check.variants import read_catalogue
from tests.support.whole_runs import RunTests

OK, FAILED = 0, 1
FILE = required.CHECKPOINTS
ASKED = (
    "epoch_is_the_expected_one",
    "counters_tell_one_training",
    "tensors_are_the_published_ones",
)


def write_random_archive(folder: Path, name: str, *, is_contradicted: bool) -> None:
    """Write seeded weights of a published variant in the authors' container."""
    variant = read_catalogue()[name]
    content: dict[str, Any] = snapshot_content(variant, seeded_state(variant.architecture, seed=5))
    if is_contradicted:  # the optimizer counts other steps than the BatchNorm layers
        for each in content["optimizer"]["state"].values():
            each["step"] *= 0.5
    folder.mkdir()
    write_container(content, "archive", folder / variant.checkpoint.file_name)


@pytest.mark.parametrize(
    ("name", "is_contradicted", "code", "identity", "verdict", "outcomes"),
    [
        pytest.param(
            "S", True, OK, "contradicted",
            "Weights only: S: matching architecture, counts; identity contradicted. Warning: the"
            " training record of S contradicts a single training: ",
            ("not verified", "warning", "not verified"), id="contradicted",
        ),
        pytest.param(
            "L", True, FAILED, "contradicted",
            "Weights only: not passed, 1 check failed or left out. MPJPE was not measured.",
            ("passed", "failed", "not verified"), id="recipe-on-record", marks=pytest.mark.slow,
        ),
    ],
)  # fmt: skip
def test_random_weights_under_a_published_name_are_never_verified(
    run_tests: RunTests,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    is_contradicted: bool,
    code: int,
    identity: str,
    verdict: str,
    outcomes: tuple[str, ...],
) -> None:
    def required_tests(*given: Any) -> tuple[str, ...]:
        return tuple(t for t in required.required_tests(*given) if t.startswith(FILE))

    monkeypatch.setattr("convnextpose_check.plugin.suite.required_tests", required_tests)
    write_random_archive(tmp_path / "archives", name, is_contradicted=is_contradicted)

    ended = run_tests(
        "--weights-only", "-v", f"--variants={name}", f"--checkpoints={tmp_path / 'archives'}",
        targets=[f"tests/validation/{FILE}"],
    )  # fmt: skip

    results = ended.results
    assert ended.code == code, ended.output
    assert results.verdict.startswith(verdict)
    assert results.weights[name].identity == identity
    obtained = {c.test.split("::test_")[1].split("[")[0]: c.outcome for c in results.checks}
    assert tuple(obtained[each] for each in ASKED) == outcomes
    for each, outcome in zip(ASKED, outcomes, strict=True):
        line = next(line for line in ended.output.splitlines() if each in line)
        assert outcome.upper() in line  # the word PASSED only for what was verified


@pytest.mark.slow
def test_required_identity_that_is_not_verified_fails(run_tests: RunTests, tmp_path: Path) -> None:
    write_random_archive(tmp_path / "archives", "S", is_contradicted=False)

    ended = run_tests(
        "--weights-only", "--require-identity", "-k", "tensors_are_the_published_ones",
        "--variants=S", f"--checkpoints={tmp_path / 'archives'}",
    )  # fmt: skip

    assert ended.code == FAILED, ended.output
    (check,) = ended.results.checks
    assert check.outcome == "failed"
    assert check.message.startswith("[not-verified] the identity of ")
