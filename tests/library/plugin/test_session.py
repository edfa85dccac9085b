"""The session's decision: exit code, results file and pages agree, whenever a problem arises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from convnextpose_check.plugin.subjects import open_trials
from msgspec.structs import replace

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.paths import Outputs
from convnextpose_check.plugin.required import VALIDATION_TESTS, required_tests
from convnextpose_check.plugin.session import SESSION, WAS_INTERRUPTED, Session, session_of
from convnextpose_check.progress import Screen
from convnextpose_check.results.baseline import Baseline
from convnextpose_check.results.results_file import read_results
from convnextpose_check.results.schema import CheckRecord, Results
from convnextpose_check.settings.options import RUN_ID_VARIABLE
from convnextpose_check.settings.read import read_settings
from tests.support.results import example_results, example_variant, example_weights
from tests.support.texts import ROOT

OK, FAILED, INTERRUPTED = 0, 1, 2
TEST = "test_counts.py::test_parameter_count[published-XS]"
NEAR = {"XS": example_variant(57.0, 56.61)}
FAR = {"XS": example_variant(67.0, 56.61)}


@dataclass
class Written:
    """Replaces what measures, draws and packs; records the calls of each function."""

    results: Results
    calls: list[tuple[str, Any]] = field(default_factory=list)
    errors: dict[str, list[str]] = field(default_factory=dict)

    def call(self, name: str, argument: Any) -> None:
        """Record a call; raise the next error that is set for it."""
        self.calls.append((name, argument))
        if self.errors.get(name):
            raise ConvNeXtPoseCheckError("cannot-write", self.errors[name].pop(0))

    def of(self, name: str) -> list[Any]:
        """What a function was called with, each time."""
        return [argument for called, argument in self.calls if called == name]


@pytest.fixture(autouse=True)
def written(monkeypatch: pytest.MonkeyPatch) -> Written:
    """A complete run of XS within 1 mm, whose pages are not drawn."""
    run = Written(example_results(variants=NEAR))

    def results_of(trial: Any) -> Results:
        run.call("results_of", trial)
        return run.results

    def recorder(name: str) -> Callable[..., None]:
        return lambda *arguments: run.call(name, arguments)

    session, pages = "convnextpose_check.plugin.session", "convnextpose_check.pages"
    monkeypatch.setattr(f"{session}.results_of", results_of)
    monkeypatch.setattr(f"{session}.write_evaluations", recorder("evaluations"))
    monkeypatch.setattr(f"{pages}.write_pages", recorder("pages"))
    monkeypatch.setattr(f"{pages}.update_report", recorder("report"))
    monkeypatch.setattr("convnextpose_check.results.export.export", recorder("export"))
    return run


OpenSession = Callable[..., Session]


@pytest.fixture
def open_session(tmp_path: Path, nothing_set: pytest.MonkeyPatch) -> OpenSession:
    """Open a session about a target, in which one check passed."""
    nothing_set.delenv(RUN_ID_VARIABLE, raising=False)

    def opened(target: Any = "published", **given: str) -> Session:
        texts = {"results_dir": str(tmp_path / "out")} | given
        settings = read_settings({name: [text] for name, text in texts.items()}, {})
        trials: Any = {name: SimpleNamespace(name=name) for name in ("published", "miniature")}
        session = Session(settings, trials)
        session.target = target
        session.gate.record(CheckRecord(TEST, "passed"))
        return session

    return opened


def file_of(session: Session) -> Results:
    return read_results(session.outputs.results)


def test_finish_sound_run_is_written_as_passed(open_session: OpenSession, written: Written) -> None:
    session = open_session()

    session.finish()

    file = file_of(session)
    assert (file.passed, file.finished, file.left_out) == (True, True, ())
    assert file.verdict == "Reproduced: XS is within 5 mm of the paper."
    assert file.checks == (CheckRecord(TEST, "passed"),)
    assert file.run_id == session.run_id
    assert len(session.run_id) == 32
    assert session.results == file
    trial, outputs = session.trials["published"], session.outputs
    assert written.calls == [
        ("evaluations", (trial, outputs)), ("results_of", trial), ("pages", (file, outputs)),
    ]  # fmt: skip
    assert session.conclude(OK) == OK
    assert session.late_problems == ()
    assert written.of("export") == [(session.settings.results_dir,)]
    assert len(written.of("pages")) == 1


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        pytest.param(lambda s: s.gate.runs.update({TEST: 2}), f"{TEST} was run 2 times", id="gate"),
        pytest.param(
            lambda s: setattr(s, "failed_elsewhere", 2),
            "2 tests outside tests/validation failed",
            id="failed-elsewhere",
        ),
        pytest.param(lambda s: s.object("of a plugin"), "of a plugin", id="earlier-problem"),
    ],
)
def test_finish_problem_is_written_and_fails_the_run(
    open_session: OpenSession,
    written: Written,
    change: Callable[[Session], object],
    problem: str,
) -> None:
    written.results = example_results(variants=FAR)
    session = open_session()
    change(session)

    session.finish()

    assert len(file_of(session).left_out) == 1
    assert file_of(session).left_out[0].startswith(problem)
    assert not file_of(session).passed
    assert session.conclude(OK) == FAILED


def test_finish_failed_check_is_the_only_reason(
    open_session: OpenSession, written: Written
) -> None:
    written.results = example_results(variants=FAR)
    session = open_session()
    session.gate.record(CheckRecord(TEST, "failed"))

    session.finish()

    assert file_of(session).left_out == ()
    assert not file_of(session).passed
    assert session.conclude(FAILED) == FAILED
    assert (file_of(session).left_out, session.late_problems) == ((), ())


def test_finish_evaluations_that_cannot_be_written_fail_the_run(
    open_session: OpenSession, written: Written
) -> None:
    written.errors["evaluations"] = ["the disk is full"]
    session = open_session()

    session.finish()

    assert file_of(session).left_out == ("[cannot-write] the disk is full",)
    assert file_of(session).variants


WEIGHTS = {"weights_only": "yes"}


def weights(**changes: Any) -> Results:
    return example_weights(checks=(), **changes)


@pytest.mark.parametrize(
    ("given", "results", "reason"),
    [
        pytest.param({}, example_results(variants=NEAR), None, id="reproduced"),
        pytest.param(
            {}, example_results(variants=FAR),
            "the published models are not reproduced: Not reproduced: XS differs", id="far",
        ),
        pytest.param(
            {"variants_file": "own.json"}, example_results(variants=FAR, own_models=True),
            "the user's own models are not reproduced: Not reproduced: XS", id="own-far",
        ),
        pytest.param(
            {}, example_results(variants={}, expected_variants=("XS",)),
            "none of the published models was evaluated", id="nothing-evaluated",
        ),
        pytest.param(
            {}, example_results(variants=NEAR, complete=False, samples=60),
            "the published models are not reproduced: Not judged: subset", id="subset",
        ),
        pytest.param(
            {"gate": "none"}, example_results(variants=FAR, gate_mm=None), None, id="no-gate",
        ),
        pytest.param(
            {"gate": "none"},
            example_results(variants=FAR, gate_mm=None, complete=False, samples=60),
            "the published models are not reproduced: Not judged: subset", id="no-gate-subset",
        ),
        pytest.param(WEIGHTS, weights(), None, id="weights"),
        pytest.param(
            WEIGHTS, weights(expected_variants=("XS", "S")),
            "not every checkpoint of the published models could be loaded", id="weights-missing",
        ),
    ],
)  # fmt: skip
def test_finish_run_without_failed_check_is_passed_or_names_the_reason(
    open_session: OpenSession,
    written: Written,
    given: dict[str, str],
    results: Results,
    reason: str | None,
) -> None:
    written.results = results
    session = open_session(**given)

    session.finish()

    file = file_of(session)
    assert file.passed is (reason is None)
    assert len(file.left_out) == (reason is not None)
    if reason is not None:
        assert file.left_out[0].startswith(reason)
    assert session.conclude(OK) == (FAILED if reason else OK)


def test_finish_part_of_synthetic_target_needs_no_evaluation(
    open_session: OpenSession, written: Written
) -> None:
    written.results = example_results("miniature", variants={})
    session = open_session("miniature")

    session.finish()

    assert written.of("results_of") == [session.trials["miniature"]]
    assert session.conclude(OK) == OK
    assert written.of("export") == []


def with_baseline(session: Session, baseline: Results, folder: Path) -> None:
    session.baseline = Baseline(folder / "benchmark_results.json", baseline, 1.0)


def test_finish_baseline_of_this_target_is_compared(
    open_session: OpenSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from convnextpose_check.results.baseline import compare

    files: list[Path] = []

    def compare_here(results: Results, baseline: Baseline, per_sample: Path) -> Any:
        files.append(per_sample)
        return compare(results, baseline)

    monkeypatch.setattr("convnextpose_check.plugin.session.compare", compare_here)
    session = open_session()
    checks = (CheckRecord(TEST, "passed"),)
    with_baseline(session, example_results(variants=NEAR, checks=checks), tmp_path)

    session.finish()

    record = file_of(session).baseline
    assert record is not None
    assert record.problems == ()
    assert file_of(session).passed
    assert files == [session.outputs.per_sample]


def test_finish_worse_than_baseline_fails_the_run(
    open_session: OpenSession, tmp_path: Path
) -> None:
    better = {"XS": example_variant(55.0, 56.61)}
    session = open_session()
    with_baseline(session, example_results(variants=better), tmp_path)

    session.finish()

    record = file_of(session).baseline
    assert record is not None
    assert file_of(session).left_out == record.problems != ()
    assert not file_of(session).passed


def test_finish_baseline_of_another_target_fails_the_run(
    open_session: OpenSession, tmp_path: Path
) -> None:
    session = open_session()
    with_baseline(session, example_results("miniature", variants=NEAR), tmp_path)

    session.finish()

    assert file_of(session).left_out == (
        "baseline: it judged the miniature models, this run did not",
    )
    assert file_of(session).baseline is None


def test_finish_without_evaluation_is_not_compared(
    open_session: OpenSession, written: Written, tmp_path: Path
) -> None:
    written.results = example_results("miniature", variants={})
    session = open_session("miniature")
    with_baseline(session, example_results("miniature", variants=NEAR), tmp_path)

    session.finish()

    assert file_of(session).baseline is None
    assert file_of(session).passed


def test_finish_results_that_cannot_be_written_fail_the_run(
    open_session: OpenSession, written: Written, tmp_path: Path
) -> None:
    (tmp_path / "out").write_text("a file where the folder should be")
    session = open_session()

    session.finish()

    assert session.results is not None
    assert not session.results.passed
    assert len(session.problems) == 1
    assert session.problems[0].startswith("[cannot-write]")
    assert session.results.left_out == tuple(session.problems)
    assert written.of("pages") == []
    assert session.conclude(OK) == FAILED


def test_finish_page_that_cannot_be_drawn_is_in_the_results(
    open_session: OpenSession, written: Written
) -> None:
    written.errors["pages"] = ["no room for the picture"]
    session = open_session()

    session.finish()

    assert file_of(session).left_out == ("[cannot-write] no room for the picture",)
    assert [results.passed for results, _ in written.of("pages")] == [True, False]
    assert session.conclude(OK) == FAILED


@pytest.mark.parametrize(
    ("code", "problem"),
    [(INTERRUPTED, WAS_INTERRUPTED), (7, "pytest ended with exit code 7")],
)
def test_conclude_exit_code_of_pytest_is_added_to_passed_results(
    open_session: OpenSession, code: int, problem: str
) -> None:
    session = open_session()
    session.finish()

    assert session.conclude(code) == code

    assert file_of(session).left_out == (problem,)
    assert not file_of(session).passed
    assert session.late_problems == (problem,)


def test_conclude_late_problem_is_in_results_report_and_exit_code(
    open_session: OpenSession, written: Written, tmp_path: Path
) -> None:
    session = open_session()
    session.report, session.has_written_report = tmp_path / "report.html", True
    session.object("an early one")
    session.finish()
    session.object("a late one")

    assert session.conclude(OK) == FAILED

    assert file_of(session).left_out == ("an early one", "a late one")
    assert session.late_problems == ("a late one",)
    assert written.of("report") == [(session.report, file_of(session), session.outputs)]
    assert written.calls[-1] == ("export", (session.settings.results_dir,))


def test_conclude_late_problem_explains_the_exit_code(open_session: OpenSession) -> None:
    session = open_session()
    session.finish()
    session.object("a late one")

    assert session.conclude(FAILED) == FAILED
    assert file_of(session).left_out == ("a late one",)


@pytest.mark.parametrize(("is_asked_for", "was_written"), [(True, False), (False, True)])
def test_conclude_report_that_was_not_written_is_not_updated(
    open_session: OpenSession,
    written: Written,
    tmp_path: Path,
    *,
    is_asked_for: bool,
    was_written: bool,
) -> None:
    session = open_session()
    session.report = tmp_path / "report.html" if is_asked_for else None
    session.has_written_report = was_written
    session.finish()

    assert session.conclude(7) == 7
    assert written.of("report") == []
    assert len(written.of("pages")) == 2


def test_conclude_report_that_cannot_be_updated_is_a_problem(
    open_session: OpenSession, written: Written, tmp_path: Path
) -> None:
    written.errors["report"] = ["no room for the report"]
    session = open_session()
    session.report, session.has_written_report = tmp_path / "report.html", True
    session.finish()
    session.object("a late one")

    assert session.conclude(OK) == FAILED
    assert session.late_problems == ("a late one", "[cannot-write] no room for the report")
    assert not file_of(session).passed


def test_conclude_archive_that_cannot_be_written_fails_the_run(
    open_session: OpenSession, written: Written
) -> None:
    written.errors["export"] = ["no room for the archive"]
    session = open_session()
    session.finish()

    assert session.conclude(OK) == FAILED
    assert file_of(session).left_out == ("[cannot-write] no room for the archive",)
    assert session.late_problems == file_of(session).left_out


def of_another_run(session: Session) -> None:
    session.run_id = "another"


def without_file(session: Session) -> None:
    session.outputs.results.unlink()


def with_broken_file(session: Session) -> None:
    session.outputs.results.write_text("{")


def with_changed_decision(session: Session) -> None:
    from convnextpose_check.results.results_file import write_results

    write_results(replace(file_of(session), passed=False), session.outputs.results)


@pytest.mark.parametrize(
    "change", [of_another_run, without_file, with_broken_file, with_changed_decision]
)
def test_conclude_exit_code_is_0_only_for_the_passed_file_of_this_run(
    open_session: OpenSession, change: Callable[[Session], None]
) -> None:
    session = open_session()
    session.finish()
    change(session)

    assert session.conclude(OK) == FAILED


@pytest.mark.parametrize(
    ("required", "problems", "code", "expected"),
    [
        ((), [], OK, OK),
        ((), [], 5, 5),
        ((TEST,), [], OK, FAILED),
        ((), ["a problem"], OK, FAILED),
        ((TEST,), [], INTERRUPTED, INTERRUPTED),
    ],
)
def test_conclude_without_results_is_never_the_gate_passed(
    open_session: OpenSession,
    written: Written,
    required: tuple[str, ...],
    problems: list[str],
    code: int,
    expected: int,
) -> None:
    session = open_session()
    session.gate.required = required
    session.problems += problems

    assert session.conclude(code) == expected
    assert written.calls == []


def test_object_names_a_problem_once(open_session: OpenSession) -> None:
    session = open_session()

    for problem in ("one", "two", "one"):
        session.object(problem)

    assert session.problems == ["one", "two"]


def real_session(tmp_path: Path, **given: str) -> Session:
    """A session with the trials that a run would open."""
    texts = {"results_dir": str(tmp_path / "out")} | given
    settings = read_settings({name: [text] for name, text in texts.items()}, {})
    return Session(settings, open_trials(settings, ROOT / "fixtures", Screen()))


def test_open_published_target_requires_every_test_of_its_variants(tmp_path: Path) -> None:
    session = real_session(tmp_path, variants="XS")
    checks = real_session(tmp_path, variants="XS", weights_only="yes")

    session.open("published", ("XS",))
    checks.open("published", ())

    assert (session.target, session.evaluated) == ("published", ("XS",))
    assert session.trial is session.trials["published"]
    assert session.outputs == Outputs(tmp_path / "out")
    for each in (session, checks):
        assert each.gate.required == required_tests(
            "published",
            each.variants("published"),
            each.trial.fingerprints,
            weights_only=each is checks,
        )
    assert "test_checkpoints.py::test_tensors_are_the_published_ones[published-XS]" in (
        session.gate.required
    )
    assert len(checks.gate.required) < len(session.gate.required)


def test_open_synthetic_target_may_be_run_in_parts(tmp_path: Path) -> None:
    session = real_session(tmp_path)

    session.open("miniature", ("reference",))

    assert (session.target, session.evaluated) == ("miniature", ("reference",))
    assert session.gate.required == ()


@pytest.mark.parametrize(
    ("given", "targets"),
    [
        ({}, ("published", "miniature")),
        ({"weights_only": "yes"}, ("published",)),
        ({"variants_file": "own.json"}, ("published",)),
    ],
)
def test_targets_are_those_that_the_settings_allow(
    open_session: OpenSession, given: dict[str, str], targets: tuple[str, ...]
) -> None:
    assert open_session(**given).targets == targets


def test_cases_are_of_the_chosen_variants_to_which_the_test_applies(tmp_path: Path) -> None:
    session = real_session(tmp_path, variants="S")
    tests = {test.function: test for test in VALIDATION_TESTS}
    tensors = tests["test_tensors_are_the_published_ones"]
    error = tests["test_dataset_is_complete"]

    assert [variant.name for variant in session.variants("published")] == ["S"]
    assert [case.case_id for case in session.cases_of(tensors, "published")] == ["published-S"]
    assert session.cases_of(tensors, "miniature") == []
    assert [case.case_id for case in session.cases_of(error, "miniature")] == ["miniature"]
    alone = real_session(tmp_path, weights_only="yes")
    assert alone.cases_of(error, "published") == []


def test_run_id_is_the_callers(open_session: OpenSession, nothing_set: pytest.MonkeyPatch) -> None:
    assert open_session().run_id != open_session().run_id
    nothing_set.setenv(RUN_ID_VARIABLE, "of-the-caller")

    assert open_session().run_id == "of-the-caller"


def test_session_of_config_without_plugin_is_refused(open_session: OpenSession) -> None:
    config = cast(pytest.Config, SimpleNamespace(stash=pytest.Stash()))
    with pytest.raises(pytest.UsageError, match="plugin of this suite is not loaded"):
        session_of(config)

    session = config.stash[SESSION] = open_session()

    assert session_of(config) is session
