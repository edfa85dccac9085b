"""Judge the models of an untrusted repository, as in CI.

Runs pytest on tests/validation without executing any file of the current folder,
and takes the verdict from this run's results file. Only --network module:factory
and .pt2 files can run code; then the verdict is only as trustworthy as that code.

  convnextpose-check gate --h36m-root DIR --checkpoints DIR

In CI, start it with -I, so that Python itself ignores variables of the workflow
and files of the current folder:

  python -I -m convnextpose_check gate --h36m-root DIR --checkpoints DIR
"""

import argparse
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from convnextpose_check.commands.terminal import Arguments, print_lines
from convnextpose_check.errors import ConvNeXtPoseCheckError, ErrorCode
from convnextpose_check.paths import SUITE, Outputs
from convnextpose_check.results.results_file import read_results_of_run
from convnextpose_check.results.schema import Results
from convnextpose_check.settings.options import (
    CALLER_VARIABLE,
    OPTIONS,
    PREFIX,
    RUN_ID_VARIABLE,
    read_settings,
)
from convnextpose_check.text import escape_control_chars

CODE_VARIABLES = ("PYTHON", "PYTEST", "COVERAGE_", "COV_CORE_", "MPL")
"""Prefixes of variables that make Python, pytest or a library import code."""
HARMLESS_VARIABLES = (
    "PYTHONDONTWRITEBYTECODE", "PYTHONFAULTHANDLER", "PYTHONHASHSEED", "PYTHONIOENCODING",
    "PYTHONSAFEPATH", "PYTHONUNBUFFERED", "PYTHONUTF8",
)  # fmt: skip
"""Variables that do not change which files Python imports."""
_FILE = {"metavar": "FILE", "type": Path}
ARGUMENTS: Arguments = {
    "--junitxml": _FILE | {"help": "write the tests' outcomes as JUnit XML"},
    "--summary": _FILE | {"help": "append the Markdown report to this file"},
    "--github-output": _FILE | {"help": "append verdict=... and report=... to this file"},
}
SETTINGS = tuple(option.field for option in OPTIONS)


def run(options: argparse.Namespace) -> int:
    """Return 0 only if this run's results file is of the published models and passed."""
    if reason := why_imports_may_be_hostile(sys.path, os.environ):
        raise ConvNeXtPoseCheckError(
            ErrorCode.BAD_OPTION,
            f"gate was started without -I, so Python may import untrusted files: {reason}",
            "Start it again with -I",
            command="python -I -m convnextpose_check gate",
        )
    caller, run_id = Path.cwd(), secrets.token_hex(16)
    environment = build_environment(os.environ, caller, run_id)
    settings = read_settings(vars(options), environment)
    os.chdir(SUITE)  # libraries read files of the current folder, such as matplotlibrc
    command = [
        *(sys.executable, "-I", "-m", "pytest", "-c", str(SUITE / "pytest.ini")),
        *(f"--rootdir={SUITE}", f"--confcutdir={SUITE}", "-p", "no:cacheprovider"),
        *(() if settings.weights_only else ("-m", "gpu")),
        *([f"--junitxml={caller / options.junitxml}"] if options.junitxml else ()),
        *(
            option.flag if option.is_flag else f"{option.flag}={text}"
            for option in OPTIONS
            for text in getattr(options, option.field) or ()
        ),
        str(SUITE / "tests" / "validation"),
    ]
    exit_code = _run_pytest(command, environment)
    results = read_results_of_run(Outputs(settings.results_dir).results, run_id)
    problem = find_gate_problem(exit_code, results, settings.results_dir)
    if options.summary:
        from convnextpose_check.pages.html import escape_markdown, render_markdown

        # A report on disk may be of an earlier run.
        text = f"**Not passed: {escape_markdown(problem)}**\n"
        _append(caller / options.summary, render_markdown(results) if results else text)
    if options.github_output:
        report = Outputs(settings.results_dir).report if results else ""
        verdict = escape_control_chars(problem or (results.verdict if results else ""))
        _append(caller / options.github_output, f"verdict={verdict}\nreport={report}\n")
    if problem:
        print_lines(f"not passed: {problem}", file=sys.stderr)
    return exit_code if exit_code > 0 else int(bool(problem))


def why_imports_may_be_hostile(path: Sequence[str], environment: Mapping[str, str]) -> str:
    """Return the reason why Python may have imported files that the caller controls, or ''.

    ``python -m`` imports from the current folder. The installed program does not, but a variable
    such as ``PYTHONPATH`` can add folders to either.
    """
    if sys.flags.isolated:
        return ""
    for name in sorted(environment):
        if name.startswith("PYTHON") and name not in HARMLESS_VARIABLES:
            return f"{name} is set"
    if Path.cwd() in [Path(folder).resolve() for folder in path]:
        return "the current folder is on the import path"
    return ""


def build_environment(inherited: Mapping[str, str], caller: Path, run_id: str) -> dict[str, str]:
    """Return pytest's variables, without those that import code and empty ones of options."""
    return {
        name: value
        for name, value in inherited.items()
        if not name.startswith(CODE_VARIABLES) and (value or not name.startswith(PREFIX))
    } | {CALLER_VARIABLE: str(caller), RUN_ID_VARIABLE: run_id}


def find_gate_problem(exit_code: int, results: Results | None, results_dir: Path) -> str:
    """Return the reason why the gate has not passed, or ''."""
    if exit_code < 0:
        return f"pytest was ended by {signal.Signals(-exit_code).name}."
    if results is None:
        return f"this run wrote no results to {Outputs(results_dir).results}."
    if results.target != "published":
        return f"the results are of the {results.target} models, not of the published ones."
    if exit_code or not results.passed:
        return results.verdict
    return ""


def _run_pytest(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run pytest, forwarding SIGINT and SIGTERM, and return its exit code.

    It runs in a new session, so that Ctrl-C in a terminal reaches it only once.
    """
    process = subprocess.Popen(command, env=environment, cwd=SUITE, start_new_session=True)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda received, _: process.send_signal(received))
    return process.wait()


def _append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(text)
