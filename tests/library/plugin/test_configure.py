"""A run shows what it judges, refuses what cannot be judged, and touches no other files."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from importlib.metadata import version
from pathlib import Path

import pytest

from convnextpose_check.paths import hold_folder
from convnextpose_check.plugin.required import VALIDATION_TESTS
from tests.support.whole_runs import RunTests, own_model

USAGE_ERROR = pytest.ExitCode.USAGE_ERROR
VALIDATION = "tests/validation"
PARTS = ("books", "report", "configure", "interrupts")


@pytest.mark.parametrize(
    ("arguments", "targets", "message"),
    [
        (["--variants=XS,Q"], [VALIDATION], "no variant is named 'Q'. Choose from"),
        (["--gate=3mm"], [VALIDATION], "--gate is '3mm': expected one of 1mm, 2mm, 5mm, none"),
        (["--variants-file=none.json"], [VALIDATION], "cannot read the variants file none.json"),
        (["--results-dir=/dev/null/out"], [VALIDATION], "cannot write /dev/null/out"),
        (["--baseline=none.json"], [VALIDATION], "cannot read the results none.json"),
        (["--limit=-1"], [VALIDATION], "--limit is '-1': expected a whole number"),
        (["-n", "2", "-m", "gpu"], [VALIDATION], "are judged by one process: leave out -n"),
        (["-n", "2", "-m", "gpu"], ["."], "are judged by one process: leave out -n"),
        (
            ["--dist=load", "--tx=popen", "--weights-only"],
            ["tests/library", f"{VALIDATION}/test_counts.py"],
            "are judged by one process: leave out -n and --dist",
        ),
        (["-m", "", "-k", "parameter_count"], [VALIDATION], "a run judges one of them"),
        (
            ["-m", "gpu", "--variants=reference"], [VALIDATION],
            "no variant is named 'reference'. Choose from XS, S, M, L",
        ),
        (
            ["--weights-only"], [f"{VALIDATION}/test_mpjpe.py"],
            "no test of the weights is selected",
        ),
        (
            ["-m", "gpu", "--weights-only", "--h36m-root=/data"], [VALIDATION],
            "--h36m-root is about an error: --weights-only measures none",
        ),
        (["--noconftest"], [VALIDATION], "--results-dir"),
        *(
            (
                ["-p", f"no:convnextpose_check.plugin.{part}"], [VALIDATION],
                f"-p no:convnextpose_check.plugin.{part} disables a part of the gate",
            )
            for part in PARTS
        ),
    ],
)  # fmt: skip
def test_run_that_cannot_judge_is_refused_in_a_sentence(
    run_tests: RunTests, arguments: list[str], targets: list[str], message: str
) -> None:
    ended = run_tests(*arguments, targets=targets)

    assert ended.code == USAGE_ERROR, ended.output
    assert message in ended.text
    assert "Traceback" not in ended.output
    assert not ended.folder.exists() or list(ended.folder.rglob("*.*")) == []


def test_identity_of_own_models_cannot_be_required(
    run_tests: RunTests, written_inputs: Path
) -> None:
    own = f"--variants-file={written_inputs / 'own.json'}"

    ended = run_tests("--weights-only", "--require-identity", own)

    assert ended.code == USAGE_ERROR
    assert "--require-identity cannot be met" in ended.text


def test_folder_of_another_run_is_refused(judge: RunTests, tmp_path: Path) -> None:
    with hold_folder(tmp_path / "out"):
        run = judge()

    assert run.code == USAGE_ERROR
    assert "[in-use] another run is writing" in run.text
    assert [path.name for path in run.folder.rglob("*") if path.is_file()] == [".lock"]


def test_other_tests_leave_the_files_of_a_run_alone(run_tests: RunTests, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    (folder / "result").mkdir(parents=True)
    for name in ("report.html", "result/benchmark_results.json", "benchmark_results.zip"):
        (folder / name).write_text('<section data-judged="published">', encoding="utf-8")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    ended = run_tests("-m", "", targets=["tests/library/test_progress.py"])

    assert ended.code == pytest.ExitCode.OK, ended.output
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert "html report" not in ended.output


def test_sound_run_shows_its_settings_and_each_value_under_its_name(
    judge: RunTests, written_inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file by JUnit and the table of pytest-html have what the checks obtained."""
    monkeypatch.setenv("CONVNEXTPOSE_RUN_ID", "of-the-caller")
    report, junit = tmp_path / "mine.html", tmp_path / "junit.xml"

    run = judge(f"--html={report}", f"--junitxml={junit}", "--bbox=gt")

    assert run.code == pytest.ExitCode.OK, run.output
    for line in (
        f"user's own models: data {written_inputs / 'h36m'}, checkpoints",
        f"torch {version('torch')}, numpy {version('numpy')}, OpenCV ",
        f"flip test on, gate 5 mm; results in {run.folder}",
        "read: --bbox gt",
        "ConvNeXtPose: user's own models",
    ):
        assert line in run.text
    assert run.results.run_id == "of-the-caller"
    files = dict.fromkeys(check.test.partition("::")[0] for check in run.results.checks)
    assert list(files) == list(dict.fromkeys(test.file for test in VALIDATION_TESTS))
    checks = {check.test.partition("[")[0]: check for check in run.results.checks}
    count = checks["test_counts.py::test_parameter_count"]
    assert (count.obtained, count.expected, count.difference) == (2730, 2730, 0)
    assert {check.outcome for check in run.results.checks} == {"passed"}
    cases = {case.get("name"): case for case in ET.parse(junit).iter("testcase")}
    properties = {
        each.get("name"): each.get("value")
        for each in cases["test_parameter_count[published-T]"].iter("property")
    }
    assert properties == {
        "obtained": "2730", "expected": "2730", "variant": "T", "difference": "0",
    }  # fmt: skip
    page = report.read_text(encoding="utf-8")
    assert page.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert run.results.verdict in page
    assert 'data-judged="own"' in page or 'data-judged="published"' in page
    assert not (run.folder / "report.html").exists()


def test_interrupted_run_is_resumed_by_the_command_that_it_prints(
    judge: RunTests, written_inputs: Path
) -> None:
    class Interrupts:
        def pytest_runtest_call(self, item: pytest.Item) -> None:
            if item.name.startswith("test_flip_test"):
                raise KeyboardInterrupt

    stopped = judge(plugin=Interrupts())
    resumed = judge("--resume")

    assert stopped.code == pytest.ExitCode.INTERRUPTED
    assert "what was measured of T is kept; go on with:" in stopped.text
    (command,) = [line for line in stopped.output.splitlines() if line.endswith("--resume")]
    assert all(argument in command for argument in own_model(written_inputs)[:3])
    assert resumed.code == pytest.ExitCode.OK, resumed.output
    assert resumed.results.variants["T"].resumed_samples == 6
