"""Links, files, commands and options that the README pages name exist."""

from __future__ import annotations

import argparse
import io
import re
import shlex
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from fnmatch import fnmatch
from functools import cache
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import pytest

from convnextpose_check.__main__ import COMMANDS
from convnextpose_check.settings.options import OPTIONS, PREFIX
from convnextpose_check.variants import Catalogue
from tests.support.figures_table import answers_table, figures_table
from tests.support.texts import ROOT, marked, repository_files, texts

if TYPE_CHECKING:
    from markdown_it.token import Token

README = ROOT / "README.md"

LEFT_BY_A_RUN = ("output", "result", "log", "model_dump", "checkpoints")
"""Folders below --results-dir: what is named in them is no file of the repository."""

ELSEWHERE = {
    "output/tests": "left by a run",
    "main/test.py": "the authors' test script",
    "adapter.py": "the user's, made from the text",
    "setup_kaggle_dataset.py": "the Kaggle guide's script",
    "benchmark_results.json": "left by a run",
    "benchmark_results.published.json": "left by a run",
    "benchmark_comparison.png": "left by a run",
    "BENCHMARK_REPORT.md": "left by a run",
    "per_sample.csv": "left by a run",
    "bbox_root_pose_human36m_output.json": "left by the authors' test script",
    "exports/{variant}.onnx": "the user's",
    ".github/workflows/gate.yml": "in the user's repository as well",
}
"""Files that a text names and that are not, or not only, in the repository."""

FLAGS_OF_OTHERS = {
    "--max-children": "mutmut",
    "--no-save": "npm",
}
"""Options that are neither a run's nor those of the command that they stand beside."""

REMOVED_FLAGS = {
    "--baseline-tolerance", "--batch-size", "--kaggle-user", "--precision", "--stop-early",
    "--workers",
}  # fmt: skip
"""Options of earlier versions, which only CHANGELOG.md names."""

SUFFIXES = {".py", ".md", ".json", ".ipynb", ".toml", ".ini", ".yml", ".txt", ".png", ".csv"}


def each_text() -> pytest.MarkDecorator:
    ids = [str(path.relative_to(ROOT)) for path in texts()]
    return pytest.mark.parametrize("text", texts(), ids=ids)


@cache
def tokens(text: Path) -> tuple[Token, ...]:
    """What the text is made of, inline parts included."""
    from markdown_it import MarkdownIt

    parsed = MarkdownIt("commonmark").enable("table").parse(text.read_text(encoding="utf-8"))
    return tuple(token for block in parsed for token in (block, *(block.children or ())))


def links(text: Path) -> Iterator[str]:
    """Where links, pictures and their HTML lead, within the repository."""
    for token in tokens(text):
        targets = [str(token.attrs.get(name)) for name in ("href", "src") if token.attrs.get(name)]
        if token.type in ("html_block", "html_inline"):
            targets = re.findall(r'(?:href|src|srcset)="([^"]+)"', token.content)
        yield from (target for target in targets if not re.match(r"[a-z]+:", target))


def anchors(text: Path) -> set[str]:
    """The headings as GitHub names them in links."""
    found = set()
    parts = tokens(text)
    for opening, inline in pairwise(parts):
        if opening.type == "heading_open":
            kept = re.sub(r"[^\w\s-]", "", inline.content.lower())
            found.add(kept.replace(" ", "-"))
    return found


def code(text: Path) -> list[str]:
    """What stands in backticks within sentences."""
    return [token.content for token in tokens(text) if token.type == "code_inline"]


def commands(text: Path) -> Iterator[list[str]]:
    """The words of every command of Python that the text gives."""
    lines = [*code(text)]
    for token in tokens(text):
        if token.type == "fence" and token.info == "bash":
            lines += token.content.replace("\\\n", " ").splitlines()
    for line in lines:
        for command in line.split("&&"):
            if re.match(r"\s*(?:\w+=\S+ )*python (?:-I )?-m ", command):
                words = shlex.split(command, comments=True)
                yield words[words.index("-m") + 1 :]
            elif command.startswith("convnextpose-check "):
                yield ["convnextpose_check", *shlex.split(command)[1:]]


@cache
def flags_of_a_run() -> frozenset[str]:
    """All options of pytest in this suite."""
    shown = io.StringIO()
    with redirect_stdout(shown):
        pytest.main(["--help", "--capture=no", "-p", "no:cacheprovider"])
    return frozenset(re.findall(r"(?<![\w-])--[a-z][\w-]*", shown.getvalue()))


@each_text()
def test_links_lead_somewhere(text: Path) -> None:
    for target in links(text):
        name, _, anchor = target.partition("#")
        path = (text.parent / name).resolve() if name else text

        assert path.exists(), f"{target} is not there"
        if anchor:
            assert anchor in anchors(path), f"{target} is no heading there"


@each_text()
def test_named_files_are_there(text: Path) -> None:
    files = [f"/{path.relative_to(ROOT).as_posix()}" for path in repository_files()]
    folders = {f"/{parent}" for name in files for parent in PurePosixPath(name[1:]).parents}
    there = [*files, *folders]
    beside = {path.name for folder in (ROOT, text.parent) for path in folder.iterdir()}
    for name in code(text):
        first, slash, _ = name.partition("/")
        suffix = PurePosixPath(name).suffix
        names_a_file = suffix in SUFFIXES or (slash and first in beside)
        left_by_a_run = first in LEFT_BY_A_RUN and suffix != ".py"
        if names_a_file and not left_by_a_run and " " not in name and name not in ELSEWHERE:
            wanted = f"*/{name.strip('/')}"
            assert any(fnmatch(each, wanted) for each in there), f"{name} is not there"


@each_text()
def test_named_commands_are_there(text: Path) -> None:
    for program, *arguments in commands(text):
        package, _, module = program.partition(".")
        if package == "convnextpose_check" and not module:
            if arguments and not arguments[0].isupper():
                parser = argparse.ArgumentParser(arguments[0])
                COMMANDS[arguments[0]].add_arguments(parser)
                parser.parse_args(arguments[1:])  # exits where the command does not take them
        elif package in ("convnextpose_check", "fixtures", "tests"):
            source = (ROOT / program.replace(".", "/")).with_suffix(".py")
            assert 'if __name__ == "__main__":' in source.read_text(encoding="utf-8")
        elif program == "pytest":
            for word in arguments:
                if word.startswith("--"):
                    assert word.partition("=")[0] in flags_of_a_run()
                elif "/" in word and word not in ELSEWHERE:
                    assert (ROOT / word).exists(), f"{word} is not there"


@each_text()
def test_named_options_and_variables_are_there(text: Path) -> None:
    content = text.read_text(encoding="utf-8")
    known = {flag for option in OPTIONS for flag in (option.flag, option.variable)}
    ignored = FLAGS_OF_OTHERS.keys() | (REMOVED_FLAGS if text.name == "CHANGELOG.md" else set())
    for variable in re.findall(rf"{PREFIX}[A-Z0-9_]+", content):
        assert variable in known
    for span in code(text):
        for flag in re.findall(r"(?<![\w-])--[a-z][\w-]*", span):
            if "convnextpose_check" not in span and flag not in ignored:
                assert flag in flags_of_a_run() | known_to_commands(), f"{flag} is no option"


@cache
def known_to_commands() -> frozenset[str]:
    """The options of all commands."""
    parser = argparse.ArgumentParser(conflict_handler="resolve")
    for command in COMMANDS.values():
        command.add_arguments(parser)
    return frozenset(re.findall(r"--[a-z][\w-]*", parser.format_help()))


def test_readme_installs_as_ci_does() -> None:
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    asked = [words for words in commands(README) if words[0] in ("pip", "pytest")]

    assert ["pip", "install", "-e", ".[dev]"] in asked
    assert 'python -m pip install --quiet --editable ".[dev]"' in ci
    of_ci = [shlex.split(line)[2:] for line in ci.splitlines() if "-m pytest" in line]
    assert len(of_ci) == 2
    for words in of_ci:
        assert words in asked, "the README and .ci/run call pytest in two ways"


def test_readmes_wheels_are_what_the_suite_needs() -> None:
    """Kaggle has the rest."""
    listed = re.search(r"^dependencies = \[(.*?)^\]", read("pyproject.toml"), re.M | re.S)
    assert listed is not None
    needed = set(re.findall(r'^\s*"([\w-]+)', listed[1], re.M))
    (asked,) = (words for words in commands(README) if words[:2] == ["pip", "download"])

    assert set(asked[4:]) <= needed


@pytest.mark.parametrize("file", ["workflows/gate.yml", "actions/weights/action.yml"])
def test_readme_shows_the_usage_of_the_file(file: str) -> None:
    usage = re.findall(r"^#   (.*)$", read(f".github/{file}"), re.M)

    assert usage
    assert "\n".join(usage) in README.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("marks", "table"), [("figures", figures_table), ("answers", answers_table)]
)
def test_tables_show_the_values_of_the_variants_file(
    marks: str, table: Callable[[Catalogue], str], catalogue: Catalogue
) -> None:
    """When the values change, put the expected table between the marks."""
    assert marked(marks) == table(catalogue)


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_no_workflow_resumes() -> None:
    """A result of CI rests on what its own run has measured."""
    folder = ROOT / ".github"
    files = [path for path in folder.rglob("*") if path.suffix in {".yml", ".yaml"}]
    assert {path.name for path in files} >= {"ci.yml", "gate.yml", "action.yml"}
    for path in [*files, *(ROOT / ".ci").iterdir()]:
        text = path.read_text(encoding="utf-8")
        assert "--resume" not in text, path
        assert f"{PREFIX}RESUME" not in text, path
