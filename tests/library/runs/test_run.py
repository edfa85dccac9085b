"""The suite run as a user runs it, in a process of its own."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from msgspec.structs import replace

from convnextpose_check.miniature.build import Miniature
from convnextpose_check.paths import REPORT_FILE, Outputs
from convnextpose_check.results.results_file import SCHEMA_FILE, read_results, write_results
from convnextpose_check.results.schema import CheckRecord
from convnextpose_check.variants import Architecture
from tests.library.runs.conftest import Run
from tests.support.datasets import Handmade
from tests.support.full_size import write_own_model
from tests.support.results import example_results


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--variants", "XS,Q"], "no variant is named 'Q'. Choose from XS, S, M, L, reference"),
        (["--gate", "3mm"], "--gate is '3mm': expected one of 1mm, 2mm, 5mm, none"),
        (["--variants-file", "nowhere.json"], "cannot read the variants file nowhere.json"),
        (["--results-dir", "/dev/null/out"], "cannot write /dev/null/out"),
        (["--baseline", "nowhere.json"], "cannot read the results nowhere.json"),
        (["--limit", "-1"], "--limit is '-1': expected a whole number"),
    ],
)
def test_mistake_on_the_command_line_is_one_sentence(
    run: Run, arguments: list[str], said: str
) -> None:
    result = run(*arguments)

    assert result.returncode == pytest.ExitCode.USAGE_ERROR
    assert said in result.stderr
    assert "Traceback" not in result.stdout + result.stderr


def test_without_gpu_data_and_checkpoints_all_fails_and_each_reason_is_told_once(
    run: Run, tmp_path: Path
) -> None:
    result = run("-m", "gpu", "--device", "cuda:99")

    assert result.returncode == pytest.ExitCode.TESTS_FAILED
    # 371 where each test tells it for itself; torch has more or less to say of a device.
    assert len(result.stdout.splitlines()) <= 45
    assert "102 failed, 3 passed" in result.stdout
    assert "skipped" not in result.stdout
    assert "Traceback" not in result.stdout
    assert "test_throughput[" not in result.stdout  # nothing was timed
    before, _, end = result.stdout.partition("what to mend")
    markdown = Outputs(tmp_path / "out").markdown.read_text()
    page = (tmp_path / "out" / REPORT_FILE).read_text()
    for code in ("no-device", "no-data", "no-checkpoints"):
        assert end.count(f"[{code}]") == 1
        assert f"[{code}]" not in before
    for remedy in ("--device cpu", "--h36m-root", "--checkpoints"):
        assert remedy in " ".join(end.split())
        assert remedy.replace("-", r"\-") in markdown
        assert remedy in page
    assert "Nothing was evaluated" in before
    assert markdown.index("What to mend") < markdown.index("no\\-checkpoints")
    assert page.index("What to mend") < page.index('id="results-table"')
    # On top, behind the sign of the test that tells it, and in its log.
    assert page.count("fetch them with --download") == 3


def test_nothing_run_is_not_passed(run: Run) -> None:
    assert run("-m", "gpu", "-k", "no_such_test").returncode == pytest.ExitCode.NO_TESTS_COLLECTED


PREFLIGHT = "tests/validation/test_preflight.py::test_"


@pytest.mark.parametrize(
    ("targets", "arguments"),
    [
        pytest.param(
            ("tests/validation",), ["-k", "opencv or kernel"], id="keyword", marks=pytest.mark.slow
        ),
        pytest.param(
            (f"{PREFLIGHT}device_runs_a_kernel", f"{PREFLIGHT}opencv_interpolates_as_in_the_paper"),
            [],
            id="test-ids",
        ),
    ],
)
def test_some_of_the_published_tests_are_not_the_gate(
    run: Run, targets: tuple[str, ...], arguments: list[str]
) -> None:
    """Each test that ran is green, and the run is red: the others were left out."""
    result = run("-m", "gpu", "--device", "cpu", *arguments, targets=targets)

    assert "2 passed" in result.stdout
    assert result.returncode == pytest.ExitCode.TESTS_FAILED
    assert "something was left out" in result.stdout


@pytest.mark.slow
def test_running_what_failed_before_is_not_the_gate(run: Run, tmp_path: Path) -> None:
    """``--lf`` leaves out what passed, without a word; the run is red all the same."""
    cache = f"cache_dir={tmp_path / 'cache'}"
    arguments = ["-m", "gpu", "--variants", "XS", "-k", "opencv or kernel", "-o", cache]
    more = ["-p", "cacheprovider"]
    first = run(*more, *arguments, "--device", "cuda:99")
    assert "1 failed, 1 passed" in first.stdout

    again = run(*more, *arguments, "--device", "cpu", "--lf")

    assert "1 passed" in again.stdout
    assert again.returncode == pytest.ExitCode.TESTS_FAILED
    assert "something was left out" in again.stdout


def test_subset_is_evaluated_but_never_passes(
    run: Run, miniature: Miniature, tmp_path: Path
) -> None:
    result = run(
        "-m", "gpu", "--device", "cpu", f"--h36m-root={miniature.dataset}",
        f"--checkpoints={miniature.checkpoints}", "--variants", "XS", "--limit", 8,
    )  # fmt: skip

    assert result.returncode == pytest.ExitCode.TESTS_FAILED
    assert "Not judged: subset, 8 of 8,695 samples are no reproduction." in result.stdout
    assert "8 samples of protocol 2" in result.stdout
    assert result.stdout.count("not judged: subset of 8 samples") == 2  # table, what to mend
    written = json.loads(Outputs(tmp_path / "out").results.read_text())
    assert (written["subject"], written["samples"], written["complete"]) == ("published", 8, False)
    assert written["variants"]["XS"]["mpjpe_mm"] > 0


@pytest.mark.slow
def test_swapped_archive_is_reported_as_what_it_is(
    run: Run, miniature: Miniature, tmp_path: Path
) -> None:
    swapped = tmp_path / "ConvNeXtPose_L.tar"
    swapped.symlink_to(miniature.checkpoints / "ConvNeXtPose_M.tar")

    result = run(
        "-m", "gpu", "--device", "cpu", "--checkpoints", swapped, "--variants", "L",
        "-k", "holds_the_variant or parameter_count",
    )  # fmt: skip

    assert "is used as L but holds M" in " ".join(result.stdout.split())
    assert "2 failed" in result.stdout


def test_miniature_is_judged_and_leaves_results_logs_snapshots_and_report(
    run: Run, tmp_path: Path
) -> None:
    import jsonschema

    outputs = Outputs(tmp_path / "out")
    results = outputs.results
    results.parent.mkdir(parents=True)
    results.write_text('{"subject": "published"}')

    result = run("--variants", "XS", f"--junitxml={tmp_path / 'junit.xml'}")

    assert result.returncode == pytest.ExitCode.OK, result.stdout
    lines = result.stdout.splitlines()
    collected = next(n for n, line in enumerate(lines) if line.startswith("collected "))
    assert len(lines) - collected - 1 <= 25
    junit = (tmp_path / "junit.xml").read_text()
    assert '<property name="obtained" value="3528008"' in junit
    written = json.loads(results.read_text())
    speed = written["variants"]["XS"]["images_per_second"]
    assert f"images/s: XS {speed:.1f}" in result.stdout
    assert "Name (time in" not in result.stdout  # another figure of the same
    assert f'<property name="obtained" value="{speed}"' in junit
    assert f"| {speed:.1f} |" in outputs.markdown.read_text()
    jsonschema.validate(written, json.loads(SCHEMA_FILE.read_text()))
    assert (written["subject"], written["samples"], written["complete"]) == ("miniature", 120, True)
    assert len(written["variants"]["XS"]["per_action_mm"]) == 15
    assert len(written["variants"]["XS"]["per_joint_mm"]) == 17
    mpjpe = f"{written['variants']['XS']['mpjpe_mm']:.3f}"
    report = (tmp_path / "out" / "report.html").read_text()
    log = (tmp_path / "out" / "log" / "test_XS.log").read_text()
    markdown = outputs.markdown.read_text()
    for text in (result.stdout, report, markdown):
        assert mpjpe in text
        assert "3,528,008" in text
    assert "3,534,140" in report
    assert written["finished"]
    assert len(written["checks"]) > 15
    assert {check["outcome"] for check in written["checks"]} == {"passed"}
    assert len(outputs.per_sample.read_text().splitlines()) == 1 + 120
    assert outputs.picture.is_file()
    assert all(archive.is_file() for archive in outputs.archives)
    assert (results.parent / "dataset-metadata.json").is_file()
    assert f"{written['variants']['XS']['mpjpe_mm']:.4f} mm" in log
    assert (tmp_path / "out" / "model_dump" / "snapshot_68.pth").is_file()
    assert json.loads((results.parent / "benchmark_results.published.json").read_text()) == {
        "subject": "published"
    }


@pytest.fixture
def tiny_run(tiny: Architecture, tmp_path: Path) -> list[str]:
    """Arguments to judge a tiny model of one's own on a handful of images: it cannot pass."""
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    Handmade().write(inputs / "h36m")
    (inputs / "own.json").write_text(json.dumps(write_own_model(tiny, inputs)))
    return [
        "-m", "gpu", "--device=cpu", f"--h36m-root={inputs / 'h36m'}", f"--checkpoints={inputs}",
        f"--variants-file={inputs / 'own.json'}",
    ]  # fmt: skip


def test_run_that_is_worse_than_its_baseline_says_so(
    run: Run, tiny_run: list[str], tmp_path: Path
) -> None:
    results, baseline = Outputs(tmp_path / "out").results, tmp_path / "baseline.json"
    run(*tiny_run)
    earlier = read_results(results)
    model = replace(earlier.variants["T"], parameters=1)
    checks = (*earlier.checks, CheckRecord(test="test_x.py::test_x[a]", outcome="passed"))
    write_results(replace(earlier, variants={"T": model}, checks=checks), baseline)

    worse = run(*tiny_run, f"--baseline={baseline}")

    assert worse.returncode == pytest.ExitCode.TESTS_FAILED
    said = " ".join(worse.stdout.split())
    assert "baseline: T has worse parameters than the baseline" in said
    assert "baseline: test_x.py::test_x[a] was run for the baseline and not now" in said
    assert read_results(results).baseline is not None
    assert "Against the baseline" in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.slow
def test_run_like_its_baseline_has_nothing_to_say(
    run: Run, tiny_run: list[str], tmp_path: Path
) -> None:
    results = Outputs(tmp_path / "out").results
    run(*tiny_run)

    same = run(*tiny_run, f"--baseline={results}")

    assert "baseline:" not in same.stdout
    written = read_results(results)
    assert written.baseline is not None
    assert written.baseline.problems == ()


@pytest.mark.slow
def test_baseline_of_another_subject_fails_a_green_run(run: Run, tmp_path: Path) -> None:
    baseline = tmp_path / "baseline.json"
    write_results(example_results("published"), baseline)

    result = run("--variants", "XS", f"--baseline={baseline}")

    assert result.returncode == pytest.ExitCode.TESTS_FAILED
    assert "it judged the published models, this run did not" in " ".join(result.stdout.split())
    assert "1 check failed or left out" in " ".join(result.stdout.split())
    assert re.search(r"\d+ passed", result.stdout)
    assert not re.search(r"\d+ failed", result.stdout)
