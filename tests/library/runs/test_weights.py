"""Weights-only verdicts name unverified properties."""

from pathlib import Path

import pytest
from safetensors.torch import save_file

from convnextpose_check.plugin.required import CHECKPOINTS
from convnextpose_check.results.schema import CheckRecord, Results
from convnextpose_check.synthetic.archives import snapshot_content, write_container
from convnextpose_check.synthetic.weights import seeded_state
from convnextpose_check.variants import Architecture
from tests.support.archives import tiny_catalogue
from tests.support.whole_runs import CompletedRun, RunTests, require_only

OK, FAILED = 0, 1
Patch = pytest.MonkeyPatch
COMPARED = (
    "epoch_is_the_expected_one",
    "training_record_is_consistent",
    "tensors_are_the_published_ones",
)


def index_by_name(results: Results) -> dict[str, CheckRecord]:
    return {check.test.split("::test_")[1].split("[")[0]: check for check in results.checks}


@pytest.fixture
def judge(run_tests: RunTests, tiny: Architecture, tmp_path: Path, monkeypatch: Patch) -> RunTests:
    """Run the checkpoint tests on seeded weights of a tiny variant that counts as published."""
    catalogue = tiny_catalogue(tiny)

    def judge_here(name: str, *arguments: str, is_bare: bool = False) -> CompletedRun:
        variant = catalogue[name]
        content = snapshot_content(variant, seeded_state(variant.architecture, seed=5))
        for each in content["optimizer"]["state"].values():
            each["step"] *= 0.5  # the BatchNorm layers count other steps
        path = tmp_path / variant.checkpoint.file_name
        if is_bare:
            save_file(content["network"], path, {"variant": name, "epoch": "83"})
        else:
            write_container(content, "archive", path)
        return run_tests(
            "--weights-only", f"--variants={name}", f"--checkpoints={tmp_path}", *arguments,
            targets=[f"tests/validation/{CHECKPOINTS}"],
        )  # fmt: skip

    monkeypatch.setattr("convnextpose_check.run.run.read_catalogue", lambda _: catalogue)
    require_only(monkeypatch, CHECKPOINTS)
    return judge_here


@pytest.mark.parametrize(
    ("name", "arguments", "code", "verdict", "outcomes"),
    [
        (
            "S", [], OK, "S: architecture matches. Identity contradicted. Warning: the training",
            ["not verified", "warning", "not verified"],
        ),
        (  # the training of L is on record
            "L", ["--require-identity"], FAILED, "not passed.",
            ["passed", "failed", "failed"],
        ),
    ],
)  # fmt: skip
def test_weights_only_run_random_weights_are_never_verified(
    judge: RunTests, name: str, arguments: list[str], code: int, verdict: str, outcomes: list[str]
) -> None:
    ended = judge(name, "-v", *arguments)

    results = ended.results
    assert ended.code == code, ended.output
    assert results.verdict.startswith(f"Weights only: {verdict}")
    assert results.weights[name].identity == "contradicted"
    obtained = index_by_name(results)
    assert [obtained[each].outcome for each in COMPARED] == outcomes
    for each, outcome in zip(COMPARED, outcomes, strict=True):
        line = next(line for line in ended.output.splitlines() if each in line)
        assert outcome.upper() in line  # the word PASSED only for what was verified
    if arguments:
        assert obtained[COMPARED[2]].message.startswith("[not-verified] the identity of ")


def test_weights_only_run_names_what_safetensors_do_not_record(judge: RunTests) -> None:
    """Epoch and training of L are on record, but cannot be compared."""
    ended = judge("L", is_bare=True)

    results = ended.results
    assert ended.code == OK, ended.output
    for text in (
        "Weights only: L: architecture matches. Identity not verified (no published tensors on",
        " not checked: L: epoch, optimizer steps. MPJPE was not measured.",
    ):
        assert text in results.verdict
    epoch, training, _ = (index_by_name(results)[name] for name in COMPARED)
    assert (epoch.outcome, epoch.obtained) == ("not verified", "not recorded")
    assert epoch.message == "not applicable: the file does not record its epoch"
    assert training.outcome == "not verified"
    assert "number of epochs unknown" in training.message
    record = results.weights["L"]
    assert (record.epoch, record.key_prefix) == (None, "module.")
    assert "unverified metadata: variant 'L', epoch '83'" in record.training_record
    assert "| not recorded |" in ended.files.markdown.read_text()


def test_weights_only_run_without_checkpoint_stops_at_once(
    run_tests: RunTests, tmp_path: Path
) -> None:
    ended = run_tests("--weights-only", f"--checkpoints={tmp_path}")

    results = ended.results
    assert ended.code == FAILED, ended.output
    assert [c.test.split("[")[0] for c in results.failed_checks] == [
        "test_preflight.py::test_checkpoint_is_found"
    ] * 4
    assert len([c for c in results.failed_checks if not c.duplicate_of]) == 1
    assert results.left_out == ("the run was stopped: no checkpoint was found",)
