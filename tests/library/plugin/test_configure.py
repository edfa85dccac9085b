"""A run that cannot be judged is refused, and other files stay unchanged."""

from pathlib import Path

import pytest

from convnextpose_check.paths import lock_directory
from tests.support.whole_runs import RunTests

USAGE_ERROR = pytest.ExitCode.USAGE_ERROR
VALIDATION = "tests/validation"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--gate=3mm", "--gate is '3mm': expected one of 1mm, 2mm, 5mm, none"),
        ("--results-dir=/dev/null/out", "cannot write /dev/null/out"),
        ("--baseline=none.json", "cannot read the results none.json"),
        ("-n 2 -m gpu", "of the published models. Leave out -n"),
        ("-m gpu --variants=reference", "unknown variant 'reference'. Choose from XS, S, M, L"),
        ("--weights-only -k test_mpjpe", "no test of the weights is selected"),
        ("-m gpu --weights-only --h36m-root=/data", "--h36m-root /data cannot be combined with"),
        ("--checkpoints=/data", "--checkpoints is for the published models, but this run judges"),
        ("--noconftest", "--results-dir"),
        ("-p no:convnextpose_check.plugin.suite", "--results-dir"),
        ("-p no:convnextpose_check.plugin.gate", "disables the gate"),
        ("-p no:benchmark", "disables the throughput tests"),
    ],
)
def test_run_that_cannot_be_judged_is_refused_without_traceback(
    run_tests: RunTests, arguments: str, message: str
) -> None:
    ended = run_tests(*arguments.split())

    assert ended.code == USAGE_ERROR, ended.output
    assert message in ended.text
    assert "Traceback" not in ended.output
    assert not ended.folder.exists() or list(ended.folder.rglob("*.*")) == []


def test_run_results_folder_in_use_is_refused(run_tests: RunTests, tmp_path: Path) -> None:
    with lock_directory(tmp_path / "out"):
        run = run_tests(targets=[f"{VALIDATION}/test_counts.py"])
        helped = run_tests("--help")

    assert helped.code == pytest.ExitCode.OK
    assert run.code == USAGE_ERROR
    assert "[in-use] another run is writing" in run.text
    assert [path.name for path in run.folder.rglob("*") if path.is_file()] == [".lock"]


def test_other_tests_do_not_change_the_files_of_a_run(run_tests: RunTests, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    (folder / "result").mkdir(parents=True)
    for name in ("report.html", "result/benchmark_results.json", "benchmark_results.zip"):
        (folder / name).write_text("earlier")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    ended = run_tests("-m", "", targets=["tests/library/test_progress.py"])

    assert ended.code == pytest.ExitCode.OK, ended.output
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_run_without_pytest_html_writes_page_without_table(run_tests: RunTests) -> None:
    ended = run_tests("-p", "no:html", "-k", "device", targets=[f"{VALIDATION}/test_preflight.py"])

    page = ended.files.report.read_text(encoding="utf-8")
    assert "nothing was evaluated" in page
    assert "results-table" not in page.split("</script>")[-1]


def test_run_with_html_option_writes_its_page_to_a_new_folder(
    run_tests: RunTests, tmp_path: Path
) -> None:
    page = tmp_path / "new" / "folder" / "page.html"

    ended = run_tests(f"--html={page}", "-k", "device", targets=[f"{VALIDATION}/test_preflight.py"])

    assert "nothing was evaluated" in page.read_text(encoding="utf-8")
    assert ended.files.results.is_file()
    assert not ended.files.report.exists()
