"""Whole runs as users start them: without inputs, in another locale, and with published names."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from convnextpose_check.__main__ import main
from convnextpose_check.results.results_file import SCHEMA_FILE, write_results
from tests.support.results import example_results
from tests.support.texts import ROOT
from tests.support.whole_runs import Ended, RunTests, own_model, run_arguments, write_reference

ASCII_ONLY = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.fixture(scope="module")
def passed(
    written_inputs: Path, own_error_mm: float, tmp_path_factory: pytest.TempPathFactory
) -> Ended:
    """A run that passes in a locale whose encoding lacks most characters, also its folder's."""
    folder = tmp_path_factory.mktemp("run")
    figure: dict[str, object] = {"value": own_error_mm + 1.5, "source": "a first run"}
    variants_file = write_reference(written_inputs, folder / "own.json", figure)
    ended = Ended(0, "", folder / "résultats")
    write_results(example_results(), ended.files.results)  # of an earlier run
    ended.files.log("S").parent.mkdir()
    ended.files.log("S").write_text("of an earlier run")
    arguments = [
        "-p",
        "tests.support.small_facts_plugin",
        *own_model(written_inputs, variants_file),
    ]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CONVNEXTPOSE_")}
    result = subprocess.run(
        [sys.executable, "-m", "pytest", *run_arguments(ended.folder, arguments)],
        cwd=ROOT,
        env=environment | ASCII_ONLY,
        capture_output=True,
        encoding="ascii",
        errors="replace",
        check=False,
    )
    assert result.returncode == pytest.ExitCode.OK, result.stdout + result.stderr
    return Ended(result.returncode, result.stdout + result.stderr, ended.folder)


def test_passed_run_shows_its_verdict_and_values(passed: Ended) -> None:
    record = passed.results.variants["T"]
    lines = passed.output.splitlines()
    collected = next(n for n, line in enumerate(lines) if line.startswith("collected "))

    assert passed.results.passed
    assert passed.results.verdict == "Reproduced: T is within 5 mm of its figure."
    assert (record.verdict, record.samples, record.complete) == ("very good", 6, True)
    assert "1 xfailed" in passed.text
    assert f"images/s: T {record.images_per_second:.1f}" in passed.text
    for text in (
        passed.text,
        passed.files.report.read_text(encoding="utf-8"),
        passed.files.markdown.read_text(encoding="utf-8"),
    ):
        assert f"{record.mpjpe_mm:.3f}" in text
        assert f"{record.parameters:,}" in text
        assert passed.results.verdict.removesuffix(".") in " ".join(text.replace("\\", "").split())
    assert len(lines) - collected < 25
    assert "UnicodeEncodeError" not in passed.output
    assert "Traceback" not in passed.output


def test_passed_run_writes_whole_files_of_its_own(passed: Ended) -> None:
    import jsonschema

    files, folder = passed.files, passed.folder
    record = passed.results.variants["T"]

    jsonschema.validate(
        json.loads(files.results.read_text(encoding="utf-8")),
        json.loads(SCHEMA_FILE.read_text(encoding="utf-8")),
    )
    assert str(folder) in files.results.read_text(encoding="utf-8")
    assert files.results.with_name("benchmark_results.published.json").is_file()
    assert len(files.per_sample.read_text(encoding="utf-8").splitlines()) == 1 + 6
    assert f"{record.mpjpe_mm:.4f} mm" in files.log("T").read_text(encoding="utf-8")
    assert (folder / "model_dump" / "snapshot_1.pth").is_file()
    packed = [sorted(zipfile.ZipFile(path).namelist()) for path in files.archives]
    assert packed == [
        [
            "report.html", "result/BENCHMARK_REPORT.md", "result/benchmark_comparison.png",
            "result/benchmark_results.json", "result/per_sample.csv",
        ],
        ["log/test_T.log"],
    ]  # fmt: skip


def test_run_without_inputs_fails_and_describes_each_reason_once(run_tests: RunTests) -> None:
    ended = run_tests("-m", "gpu", "--device", "cuda:99")

    assert ended.code == pytest.ExitCode.TESTS_FAILED
    assert "106 failed, 3 passed" in ended.text
    assert len(ended.output.splitlines()) <= 45
    for word in ("skipped", "Traceback", "test_throughput["):
        assert word not in ended.output
    before, _, end = ended.output.partition("what to mend")
    markdown = ended.files.markdown.read_text(encoding="utf-8")
    page = ended.files.report.read_text(encoding="utf-8")
    remedies = {
        "device-not-found": "--device cpu",
        "data-not-found": "--h36m-root",
        "checkpoint-not-found": "--checkpoints",
    }  # fmt: skip
    for code, remedy in remedies.items():
        assert end.count(f"[{code}]") == 1
        assert f"[{code}]" not in before
        assert remedy in " ".join(end.split())
        assert remedy.replace("-", r"\-") in markdown
        assert remedy in page
    assert "Nothing was evaluated" in before
    assert markdown.index("What to mend") < markdown.index("checkpoint\\-not\\-found")
    assert page.index("What to mend") < page.index('id="results-table"')


@pytest.mark.slow
def test_running_what_failed_before_is_not_the_gate(judge: RunTests, tmp_path: Path) -> None:
    """``--lf`` leaves out tests that passed, without a word."""
    cache = ["-p", "cacheprovider", "-o", f"cache_dir={tmp_path / 'cache'}"]
    assert judge(*cache, off_mm=600).code == pytest.ExitCode.TESTS_FAILED

    again = judge(*cache, "--lf")

    assert "3 passed" in again.text
    assert again.code == pytest.ExitCode.TESTS_FAILED
    assert "something was left out" in again.text


@pytest.mark.parametrize(
    ("given", "code", "message"),
    [
        ([], 2, "Draw and pack the pages of a finished run"),
        (["reprot"], 2, "there is no command 'reprot': did you mean report?"),
        (["zzz"], 2, "doctor, download"),
        (["--help"], 0, "Exit codes: 0 success"),
    ],
)
def test_commands_are_listed(
    given: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        obtained = main(given)
    except SystemExit as ended:
        obtained = int(str(ended.code))

    assert code == obtained
    assert message in "".join(capsys.readouterr())
