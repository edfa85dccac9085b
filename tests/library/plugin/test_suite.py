"""The plugin opens a session, refuses what cannot be judged, and decides the exit code last."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable, Generator, Iterator
from copy import copy
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TextIO

import pytest

from convnextpose_check.interrupts import Interrupted
from convnextpose_check.pages.html import STYLE_SHEET
from convnextpose_check.plugin import configure, suite
from convnextpose_check.plugin.books import Books
from convnextpose_check.plugin.interrupts import OrderlyEnd
from convnextpose_check.plugin.session import SESSION, WAS_INTERRUPTED, Session
from convnextpose_check.results.results_file import write_results
from convnextpose_check.settings.read import read_settings
from tests.support.results import example_results
from tests.support.texts import ROOT

INTERRUPTED = pytest.ExitCode.INTERRUPTED


class Registered:
    """A plugin manager that records what is registered, and refuses what ``-p no:`` names."""

    def __init__(self, blocked: str = "") -> None:
        self.blocked = blocked
        self.plugins: dict[str, object] = {}

    def register(self, plugin: object, name: str) -> str | None:
        """Register the plugin unless it is blocked."""
        if name.endswith(f".{self.blocked}"):
            return None
        self.plugins[name] = plugin
        return name


MakeConfig = Callable[..., Any]


@pytest.fixture
def make_config(
    pytestconfig: pytest.Config, tmp_path: Path, nothing_set: pytest.MonkeyPatch
) -> Iterator[MakeConfig]:
    """A configuration of pytest for these arguments and options."""
    opened: list[TextIO] = []
    fdopen = os.fdopen

    def open_stream(*arguments: Any, **options: Any) -> TextIO:
        opened.append(fdopen(*arguments, **options))
        return opened[-1]

    nothing_set.setattr("convnextpose_check.plugin.configure.os.fdopen", open_stream)

    def made(*arguments: str, **options: object) -> Any:
        option = copy(pytestconfig.option)
        changes = {
            "results_dir": str(tmp_path / "out"), "htmlpath": None, "css": [], "dist": "no",
            "collectonly": False, "help": False, "self_contained_html": False, **options,
        }  # fmt: skip
        vars(option).update(changes)
        return SimpleNamespace(
            option=option,
            stash=pytest.Stash(),
            args=list(arguments or ("tests/validation",)),
            invocation_params=SimpleNamespace(dir=ROOT, args=tuple(arguments)),
            pluginmanager=Registered(),
        )

    yield made
    for stream in opened:
        stream.close()


def open_session(config: Any) -> Session:
    configure.open_session(config)
    session: Session = config.stash[SESSION]
    return session


def test_open_session_asks_for_the_default_report(make_config: MakeConfig, tmp_path: Path) -> None:
    config = make_config()

    session = open_session(config)

    report = tmp_path / "out" / "report.html"
    assert (session.report, config.option.htmlpath) == (report, str(report))
    assert config.option.self_contained_html
    assert config.option.css == [str(STYLE_SHEET)]
    assert session.makes_default_report
    assert session.may_judge
    assert session.settings.results_dir == tmp_path / "out"
    assert session.baseline is None
    assert set(session.trials) == {"published", "miniature"}
    assert session.trials["published"].fingerprints


def test_open_session_writes_the_report_that_was_asked_for(make_config: MakeConfig) -> None:
    config = make_config(htmlpath="mine.html")

    session = open_session(config)

    assert session.report == Path("mine.html")
    assert not config.option.self_contained_html
    assert not session.makes_default_report


@pytest.mark.parametrize("options", [{"collectonly": True}, {"help": True}])
def test_open_session_that_runs_nothing_asks_for_no_report(
    make_config: MakeConfig, options: dict[str, object]
) -> None:
    config = make_config(**options)

    session = open_session(config)

    assert (session.report, config.option.htmlpath, config.option.css) == (None, None, [])
    assert not session.makes_default_report


@pytest.mark.parametrize(
    ("arguments", "may_judge"),
    [
        (("tests/validation",), True),
        (("tests/validation/test_counts.py::test_parameter_count",), True),
        (("tests",), True),
        (("no-such-path",), True),
        (("tests/library", "tests/validation"), True),
        (("tests/library",), False),
        (("tests/library/test_wording.py", "tests/benchmarks"), False),
    ],
)
def test_open_session_knows_whether_validation_tests_may_come(
    make_config: MakeConfig, arguments: tuple[str, ...], *, may_judge: bool
) -> None:
    config = make_config(*arguments)

    session = open_session(config)

    assert session.may_judge is may_judge
    assert (session.report is not None) is may_judge


def test_open_session_worker_of_xdist_writes_no_report_and_shows_no_progress(
    make_config: MakeConfig,
) -> None:
    config = make_config(dist="load")
    config.workerinput = {}

    session = open_session(config)

    assert session.report is None
    assert session.trials["published"].files.screen.stream is None


def test_open_session_progress_is_written_to_stderr(make_config: MakeConfig) -> None:
    stream = open_session(make_config()).trials["miniature"].files.screen.stream

    assert stream is not None
    assert os.fstat(stream.fileno()).st_ino == os.fstat(2).st_ino
    assert stream.fileno() != 2
    assert stream.errors == "backslashreplace"


def test_open_session_reads_the_baseline(make_config: MakeConfig, tmp_path: Path) -> None:
    write_results(earlier := example_results(), tmp_path / "earlier.json")

    session = open_session(make_config(baseline=str(tmp_path / "earlier.json")))

    assert session.baseline is not None
    assert (session.baseline.results, session.baseline.tolerance_mm) == (earlier, 0.05)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"limit": "many"}, "--limit is 'many'", id="bad-value"),
        pytest.param({"baseline": "nowhere.json"}, r"nowhere\.json", id="no-baseline"),
        pytest.param({"variants": ["XXL"]}, "XXL", id="unknown-variant"),
        pytest.param(
            {"weights_only": ["1"], "limit": "4"}, "--weights-only measures none", id="both"
        ),
        pytest.param(
            {"require_identity": ["1"], "variants_file": "own.json"},
            "--require-identity cannot be met", id="identity-of-own",
        ),
        pytest.param({"dist": "load"}, "run them without -n and --dist", id="xdist"),
    ],
)  # fmt: skip
def test_open_session_refuses_what_cannot_be_judged(
    make_config: MakeConfig, options: dict[str, object], message: str
) -> None:
    with pytest.raises(pytest.UsageError, match=message):
        open_session(make_config(**options))


def test_open_session_other_tests_may_run_in_several_processes(make_config: MakeConfig) -> None:
    assert not open_session(make_config("tests/library", dist="load")).may_judge


@pytest.mark.parametrize(
    ("options", "lines"),
    [
        (
            {"h36m_root": "/data", "checkpoints": ["/a", "/b"]},
            ["published models: data /data, checkpoints /a, /b", "flip test on, gate 5 mm;"],
        ),
        (
            {"gate": "none", "no_flip": ["1"]},
            ["published models: data not given, checkpoints not given", "flip test off, no gate;"],
        ),
        (
            {"weights_only": ["1"]},
            ["published models: weights only, no Human3.6M is read and no error measured,"],
        ),
    ],
)
def test_header_shows_what_is_judged_and_with_which_settings(
    make_config: MakeConfig, tmp_path: Path, options: dict[str, object], lines: list[str]
) -> None:
    config = make_config(**options)
    open_session(config)

    header = configure.pytest_report_header(config)

    assert header[0].startswith(lines[0])
    assert all(line in header[2] for line in lines[1:])
    assert header[2].endswith(f"; results in {tmp_path / 'out'}")
    assert header[1].startswith(f"torch {version('torch')}, numpy {version('numpy')}, OpenCV ")
    assert all(line.startswith("read: ") for line in header[3:])
    assert len(header) == 3 + len(config.stash[SESSION].settings.lines())
    assert any("--results-dir" in line for line in header[3:])


def test_header_names_own_models(make_config: MakeConfig, tmp_path: Path) -> None:
    own = shutil.copy(read_settings({}, {}).variants_file, tmp_path / "own.json")
    config = make_config(variants_file=str(own))
    open_session(config)

    assert configure.pytest_report_header(config)[0].startswith("user's own models: data not given")


def test_configure_registers_every_part(make_config: MakeConfig) -> None:
    config, worker = make_config(), make_config()
    worker.workerinput = {}

    suite.pytest_configure(config)
    suite.pytest_configure(worker)

    parts = {name.rpartition(".")[2]: part for name, part in config.pluginmanager.plugins.items()}
    assert list(parts) == ["configure", "report", "books", "interrupts"]
    assert isinstance(parts["books"], Books)
    assert isinstance(parts["interrupts"], OrderlyEnd)
    assert all(
        name.startswith("convnextpose_check.plugin.") for name in worker.pluginmanager.plugins
    )
    assert len(worker.pluginmanager.plugins) == 3


@pytest.mark.parametrize("part", ["configure", "report", "books", "interrupts"])
def test_configure_without_a_part_is_refused(make_config: MakeConfig, part: str) -> None:
    config = make_config()
    config.pluginmanager = Registered(part)

    with pytest.raises(pytest.UsageError, match=rf"-p no:convnextpose_check\.plugin\.{part} "):
        suite.pytest_configure(config)


class Lines:
    """A terminal that keeps its lines."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, bool]]] = []

    def line(self, text: str, **markup: bool) -> None:
        """Write a line, as pytest's terminal does."""
        self.lines.append((text, markup))

    def section(self, title: str, **markup: bool) -> None:
        """Write a title."""
        self.lines.append((f"== {title}", markup))

    def write_line(self, text: str) -> None:
        """Write a line, as pytest's reporter does."""
        self.lines.append((text, {}))


class Lock:
    """The lock of the results folder."""

    is_closed = False

    def close(self) -> None:
        """Release it."""
        self.is_closed = True


@pytest.fixture
def signals() -> Iterator[None]:
    """The signal handlers of a process that nobody else prepared."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


def main_of(config: Any, code: int | BaseException | None = 0) -> Any:
    """Run the wrapper around pytest's own main function, which returns or raises this."""
    hook: Generator[None, Any, Any] = suite.pytest_cmdline_main(config)
    next(hook)
    assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL or hasattr(config, "workerinput")
    try:
        hook.throw(code) if isinstance(code, BaseException) else hook.send(code)
    except StopIteration as end:
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        return end.value
    raise AssertionError("a wrapper yields once")


@pytest.fixture
def judging(make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A configuration with a session about a target, which ends with exit code + 40."""
    config = make_config()
    session = open_session(config)
    session.target, session.lock = "published", Lock()  # type: ignore[assignment]

    def conclude(self: Session, code: int) -> int:
        self.late_problems = ("a late one",)
        return code + 40

    monkeypatch.setattr(Session, "conclude", conclude)
    config.terminal = Lines()
    config.get_terminal_writer = lambda: config.terminal
    return config


@pytest.mark.usefixtures("signals")
@pytest.mark.parametrize(
    ("ended", "code"), [(0, 40), (None, 40), (1, 41), (KeyboardInterrupt(), INTERRUPTED + 40)]
)
def test_main_takes_the_exit_code_from_the_session(judging: Any, ended: Any, code: int) -> None:
    assert main_of(judging, ended) == code

    assert judging.terminal.lines == [("not passed: a late one", {"red": True})]
    assert judging.stash[SESSION].lock.is_closed


@pytest.mark.usefixtures("signals")
def test_main_signal_while_the_last_files_are_written_waits(
    judging: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    def conclude(_self: Session, code: int) -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        done.append("written")
        return code + 40

    monkeypatch.setattr(Session, "conclude", conclude)

    assert main_of(judging) == 40

    assert done == ["written"]
    assert judging.stash[SESSION].lock.is_closed


@pytest.mark.usefixtures("signals")
def test_main_without_target_keeps_pytests_exit_code(judging: Any) -> None:
    judging.stash[SESSION].target = None
    assert main_of(judging, 5) == 5

    judging.stash = pytest.Stash()
    assert main_of(judging, 4) == 4
    assert judging.terminal.lines == []


@pytest.mark.usefixtures("signals")
def test_main_worker_of_xdist_decides_nothing(judging: Any) -> None:
    judging.workerinput = {}

    assert main_of(judging, 3) == 3
    assert not judging.stash[SESSION].lock.is_closed


def interrupt(config: Any, error: BaseException) -> tuple[OrderlyEnd, list[Any]]:
    """Interrupt the run; returns the plugin and what it writes at the end."""
    end, terminal = OrderlyEnd(config), Lines()
    end.pytest_keyboard_interrupt(SimpleNamespace(value=error))  # type: ignore[arg-type]
    end.pytest_terminal_summary(terminal)  # type: ignore[arg-type]
    return end, terminal.lines


@pytest.mark.parametrize("target", ["published", None])
def test_interrupted_run_is_not_passed_and_shows_how_to_resume(
    judging: Any, target: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["/bin/pytest"])
    session = judging.stash[SESSION]
    session.target = target
    judging.invocation_params.args = ("tests/validation", "-m", "gpu")

    _, lines = interrupt(judging, Interrupted("4 of 6 samples of T are kept", True))

    assert session.problems == ([WAS_INTERRUPTED] if target else [])
    assert lines == [
        ("== interrupted", {"red": True}),
        ("4 of 6 samples of T are kept; go on with:", {}),
        ("pytest tests/validation -m gpu --resume", {}),
    ]


def test_interrupted_run_of_which_nothing_is_kept_shows_no_command(judging: Any) -> None:
    assert interrupt(judging, Interrupted("nothing is kept", False))[1] == []
    assert interrupt(judging, KeyboardInterrupt())[1] == []
    judging.stash[SESSION].target = None
    assert interrupt(judging, KeyboardInterrupt())[1] == []


def test_interrupt_between_evaluations_names_what_is_kept(judging: Any) -> None:
    outcomes: Any = judging.stash[SESSION].trial.outcomes
    outcomes |= {"XS": object(), "S": object()}

    assert interrupt(judging, KeyboardInterrupt())[1][1] == (
        "what was measured of XS, S is kept; go on with:", {},
    )  # fmt: skip


def finish(config: Any, *signals: int) -> Any:
    """End the session, with these signals while files are written; returns pytest's session."""
    session = SimpleNamespace(exitstatus=0)
    hook = OrderlyEnd(config).pytest_sessionfinish(session)  # type: ignore[arg-type]
    next(hook)
    for number in signals:
        os.kill(os.getpid(), number)
    with pytest.raises(StopIteration):
        hook.send(None)
    return session


@pytest.mark.usefixtures("signals")
def test_signal_while_results_are_written_waits_and_fails_the_run(judging: Any) -> None:
    from convnextpose_check.interrupts import obey_signals

    stop_listening = obey_signals()

    assert finish(judging).exitstatus == 0
    assert judging.stash[SESSION].problems == []
    assert finish(judging, signal.SIGTERM).exitstatus == INTERRUPTED
    assert judging.stash[SESSION].problems == [WAS_INTERRUPTED]
    stop_listening()
    obey_signals()()  # forgets the signal


def test_signals_wait_from_before_results_are_decided(judging: Any) -> None:
    class Other:
        """A plugin that was registered later."""

        @pytest.hookimpl(wrapper=True)
        def pytest_sessionfinish(self) -> Generator[None]:
            """Do nothing."""
            yield

    books, end = Books(judging.stash[SESSION]), OrderlyEnd(judging)
    manager = pytest.PytestPluginManager()
    for plugin in (books, end, Other()):
        manager.register(plugin)

    called_last_to_first = manager.hook.pytest_sessionfinish.get_hookimpls()

    assert [impl.plugin for impl in called_last_to_first][-2:] == [books, end]
