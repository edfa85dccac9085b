"""Weights judged alone, as the action's steps do it: a verdict that nobody takes for the whole."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from convnextpose_check.__main__ import main
from convnextpose_check.miniature.archives import snapshot_content, write_container
from convnextpose_check.miniature.weights import seeded_state
from convnextpose_check.paths import REPORT_FILE, Outputs
from convnextpose_check.results.results_file import read_results
from convnextpose_check.results.schema import Results
from convnextpose_check.variants import Architecture, read_catalogue
from tests.library.runs.conftest import Run
from tests.support.full_size import write_own_model
from tests.support.steps import ACTION, action_steps, run_steps
from tests.support.texts import ROOT

Change = Callable[[dict[str, Any]], None]

COVERED = {
    "test_preflight.py": [
        "device_runs_a_kernel", "opencv_interpolates_as_in_the_paper", "memory_is_free",
        "disk_has_room_for_the_results", "results_folder_can_be_written", "checkpoint_is_found",
    ],
    "test_checkpoints.py": [
        "archive_holds_the_variant", "epoch_is_the_expected_one", "counters_tell_one_training",
        "weights_are_finite", "batchnorm_variances_are_plausible", "key_map_round_trip",
        "snapshot_loads_with_modern_keys",
    ],
    "test_counts.py": [
        "parameter_count", "state_element_count", "multiply_adds", "heatmap_grid",
    ],
    "test_networks.py": [
        "judged_network_agrees_with_the_plain_one", "flip_test_is_symmetric",
    ],
}  # fmt: skip
"""What the verdict on weights covers; the paper gives one's own model no figure to compare with."""


CALLED_PUBLISHED = re.compile(r"\bpublished (?!in\b)\w|(?<=\w )published\b", re.I)
"""The word in a sentence, not in ids of tests and anchors."""


@pytest.fixture(scope="module")
def calling(tiny: Architecture, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of models with one of its own."""
    folder = tmp_path_factory.mktemp("runner") / "models"
    (folder / "weights").mkdir(parents=True)
    own = write_own_model(tiny, folder / "weights")
    (folder / "own.json").write_text(json.dumps(own))
    return folder


@pytest.fixture(scope="module")
def judged(calling: Path) -> tuple[subprocess.CompletedProcess[str], Results]:
    """How the action ended, and the results it left."""
    steps = action_steps({"checkpoints": "weights", "variants-file": "own.json"})
    ended = list(run_steps(*steps, calling, calling.parent / "temporary").values())
    assert [each.returncode for each in ended] == [0, 0], ended
    return ended[1], read_results(Outputs(calling / "output").results)


def test_verdict_covers_all_that_needs_no_human36m(
    judged: tuple[subprocess.CompletedProcess[str], Results],
) -> None:
    _, results = judged
    expected = [f"{file}::test_{name}" for file, names in COVERED.items() for name in names]

    assert [check.test.partition("[")[0] for check in results.checks] == expected
    assert {check.outcome for check in results.checks} == {"passed"}
    assert results.weights["T"].sha256
    assert results.weights["T"].epoch == 1
    assert (results.weights_only, results.variants, results.complete) == (True, {}, False)


def test_terminal_page_json_and_markdown_say_which_verdict_it_is(
    calling: Path, judged: tuple[subprocess.CompletedProcess[str], Results]
) -> None:
    ended, results = judged
    verdict = (
        "Weights only: T: architecture, counts and epoch match the variants file; training record"
        " and identity not verified (no tensors on record)."
    )
    outputs = Outputs(calling / "output")
    page = (calling / "output" / REPORT_FILE).read_text().partition('id="results-table"')[0]
    markdown = outputs.markdown.read_text()

    assert results.verdict == f"{verdict} MPJPE was not measured."
    assert results.own_models
    for text in (ended.stdout, page, markdown):
        assert verdict.removesuffix(".") in " ".join(text.replace("\\", "").split())
        assert "user's own weights (MPJPE not measured)" in unescape(text)
        assert not CALLED_PUBLISHED.search(text)
    for text in (ended.stdout, page, markdown, outputs.results.read_text()):
        assert "eproduced" not in text
    assert "weights only, no Human3.6M is read and no error measured" in ended.stdout
    assert results.weights["T"].sha256 in markdown
    assert (calling.parent / "temporary" / "summary.md").read_text() == markdown
    assert not outputs.picture.exists()
    assert not outputs.per_sample.exists()


def test_pages_are_drawn_again(
    calling: Path, judged: tuple[subprocess.CompletedProcess[str], Results]
) -> None:
    before = (markdown := Outputs(calling / "output").markdown).read_text()

    assert main(["report", str(calling / "output")]) == 0
    assert markdown.read_text() == before
    assert judged[1].verdict in (calling / "output" / REPORT_FILE).read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["-k", "not finite"], "test_weights_are_finite", id="left-out"),
        pytest.param(["-p", "lenient"], "expected failure", id="forgiven"),
    ],
)
def test_weights_of_which_something_was_not_judged_do_not_pass(
    run: Run,
    calling: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    said: str,
) -> None:
    (tmp_path / "lenient.py").write_text(
        "import pytest\n"
        "def pytest_collection_modifyitems(items):\n"
        "    for item in items:\n"
        "        if 'multiply_adds' in item.name:\n"
        "            item.add_marker(pytest.mark.xfail(strict=False))\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    own = json.loads((calling / "own.json").read_text())
    own["variants"][0]["multiply_adds"] += "lenient" in arguments
    (tmp_path / "own.json").write_text(json.dumps(own))

    result = run(
        "--weights-only", f"--checkpoints={calling / 'weights'}",
        f"--variants-file={tmp_path / 'own.json'}", *arguments,
    )  # fmt: skip

    assert result.returncode == pytest.ExitCode.TESTS_FAILED, result.stdout
    results = read_results(Outputs(tmp_path / "out").results)
    assert results.verdict.startswith("Weights only: not passed, ")
    assert said in results.left_out[0]


@pytest.mark.parametrize(
    ("arguments", "targets"),
    [
        pytest.param(["-m", "gpu"], "tests/validation", marks=pytest.mark.slow),
        pytest.param(["-k", "miniature"], "tests/validation", marks=pytest.mark.slow),
        ([], "tests/validation/test_mpjpe.py"),
    ],
)
def test_weights_only_without_a_test_of_them_is_refused(
    run: Run,
    arguments: list[str],
    targets: str,
) -> None:
    result = run("--weights-only", *arguments, targets=(targets,))

    assert result.returncode == pytest.ExitCode.USAGE_ERROR
    assert "no test of the weights is selected" in result.stderr


def test_run_that_was_given_human36m_as_well_is_refused(
    run: Run,
) -> None:
    """As a whole gate would be that somebody has made cheaper."""
    result = run("-m", "gpu", "--weights-only", "--h36m-root", "/data")

    assert result.returncode == pytest.ExitCode.USAGE_ERROR
    assert "--h36m-root is about an error: --weights-only measures none" in result.stderr


def write_archives(folder: Path, names: str, change: Change) -> Path:
    """Write seeded weights of published variants in the authors' container."""
    folder.mkdir()
    for name in names.split(","):
        variant = read_catalogue()[name]
        content = snapshot_content(variant, seeded_state(variant.architecture, seed=5))
        change(content)
        write_container(content, "archive", folder / variant.checkpoint.file_name)
    return folder


def unchanged(_content: dict[str, Any]) -> None:
    """Leave the imitated training record consistent."""


def reset_optimizer(content: dict[str, Any]) -> None:
    """Count other optimizer steps than the BatchNorm layers."""
    for each in content["optimizer"]["state"].values():
        each["step"] *= 0.5


@pytest.mark.parametrize(
    ("names", "change", "options", "code", "identity", "verdict", "outcomes"),
    [
        pytest.param(
            "S", unchanged, [], pytest.ExitCode.OK, "not verified",
            "Weights only: S: architecture and counts match; epoch, training record and identity"
            " not verified (no published tensors on record). MPJPE was not measured.",
            ("not verified", "passed", "not verified"), id="random",
        ),
        pytest.param(
            "S", reset_optimizer, [], pytest.ExitCode.OK, "contradicted",
            "Weights only: S: architecture and counts match; identity contradicted. Warning: the"
            " training record of S contradicts a single training: ",
            ("not verified", "warning", "not verified"), id="contradicted",
        ),
        pytest.param(
            "L", reset_optimizer, [], pytest.ExitCode.TESTS_FAILED, "contradicted",
            "Weights only: not passed, 1 check failed or left out. MPJPE was not measured.",
            ("passed", "failed", "not verified"), id="recipe-on-record",
        ),
        pytest.param(
            "S", unchanged, ["--require-identity"], pytest.ExitCode.TESTS_FAILED, "not verified",
            "Weights only: not passed, 1 check failed or left out. MPJPE was not measured.",
            ("not verified", "passed", "failed"), id="required",
        ),
    ],
)  # fmt: skip
def test_random_weights_under_a_published_name_are_never_verified(
    run: Run,
    tmp_path: Path,
    names: str,
    change: Change,
    options: list[str],
    code: int,
    identity: str,
    verdict: str,
    outcomes: tuple[str, ...],
) -> None:
    folder = write_archives(tmp_path / "archives", names, change)

    result = run(
        "--weights-only", "-k", "published", "-v", "--variants", names, "--checkpoints", folder,
        *options,
    )  # fmt: skip

    results = read_results(Outputs(tmp_path / "out").results)
    assert result.returncode == code, result.stdout
    assert results.verdict.startswith(verdict)
    assert results.weights[names].identity == identity
    of = {check.test.split("::test_")[1].split("[")[0]: check.outcome for check in results.checks}
    asked = ("epoch_is_the_expected_one", "counters_tell_one_training")
    assert tuple(of[name] for name in (*asked, "tensors_are_the_published_ones")) == outcomes
    lines = result.stdout.splitlines()
    for name, outcome in zip((*asked, "tensors_are_the_published_ones"), outcomes, strict=True):
        shown = next(line for line in lines if name in line)
        assert outcome.upper() in shown  # no green word for what was not verified
    page = (tmp_path / "out" / REPORT_FILE).read_text()
    assert (">Not verified<" in unescape(page)) == ("not verified" in outcomes)


def test_identity_of_own_models_cannot_be_required(run: Run, calling: Path) -> None:
    result = run("--weights-only", "--require-identity", f"--variants-file={calling / 'own.json'}")

    assert result.returncode == pytest.ExitCode.USAGE_ERROR
    assert "--require-identity cannot be met" in result.stderr


def test_action_is_the_one_that_the_readme_shows() -> None:
    shown = re.findall(r"^#   (.*)$", ACTION.read_text(encoding="utf-8"), re.M)

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert all(line in readme for line in shown)
