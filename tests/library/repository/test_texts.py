"""Links, files, commands and options that the README pages name exist."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Callable, Iterator
from contextlib import suppress
from fnmatch import fnmatch
from functools import cache
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import pytest

from convnextpose_check import __version__
from convnextpose_check.__main__ import COMMANDS, add_arguments, import_command
from convnextpose_check.settings.options import OPTIONS, PREFIX
from convnextpose_check.variants import Catalogue
from tests.support.reported_values_table import answers_table, reported_values_table
from tests.support.texts import ROOT, markdown_files, read_marked_section, repository_files

if TYPE_CHECKING:
    from markdown_it.token import Token

README = ROOT / "README.md"

LEFT_BY_A_RUN = ("output", "result", "log", "model_dump", "checkpoints")
"""Folders below --results-dir; files in them are not in the repository."""

ELSEWHERE = {
    "output/tests", "main/test.py", "adapter.py", "setup_kaggle_dataset.py",
    "benchmark_results.json", "benchmark_results.1.json", "benchmark_comparison.png",
    "BENCHMARK_REPORT.md", "per_sample.csv", "bbox_root_pose_human36m_output.json",
    "exports/{variant}.onnx", "int8/{variant}.onnx", "export.py",
}  # fmt: skip
"""Files of a run, of users and of other repositories."""

OPTIONS_OF_OTHERS = {"--max-children", "--no-save", "--sets"}
"""Options of mutmut, npm and tests.faults.calibrate."""

PAGES = [path for path in markdown_files() if path.name != "CHANGELOG.md"]
"""Without the changelog, which also names removed files and options."""

SUFFIXES = {".py", ".md", ".json", ".ipynb", ".toml", ".ini", ".yml", ".txt", ".png", ".csv"}


each_page = pytest.mark.parametrize(
    "text", PAGES, ids=[str(path.relative_to(ROOT)) for path in PAGES]
)


@cache
def tokens(text: Path) -> tuple[Token, ...]:
    """The Markdown tokens of the text, including inline ones."""
    from markdown_it import MarkdownIt

    parsed = MarkdownIt("commonmark").enable("table").parse(text.read_text(encoding="utf-8"))
    return tuple(token for block in parsed for token in (block, *(block.children or ())))


def links(text: Path) -> Iterator[str]:
    """Targets of links and pictures within the repository."""
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
    """The inline code of the text, and each line of its commands."""
    found = []
    for token in tokens(text):
        if token.type == "code_inline":
            found.append(token.content)
        elif token.type == "fence" and token.info == "bash":
            found += token.content.replace("\\\n", " ").splitlines()
    return found


def commands(text: Path) -> Iterator[list[str]]:
    """The words of every Python command in the text, behind ``python -m``."""
    for command in (part for line in code(text) for part in line.split("&&")):
        if re.match(r"\s*(?:\w+=\S+ )*python (?:-I )?-m ", command):
            words = shlex.split(command, comments=True)
            yield words[words.index("-m") + 1 :]
        elif command.startswith("convnextpose-check "):
            yield ["convnextpose_check", *shlex.split(command)[1:]]


@cache
def options_of_commands() -> frozenset[str]:
    parser = argparse.ArgumentParser(conflict_handler="resolve")
    for command in map(import_command, COMMANDS):
        add_arguments(parser, command)
    return frozenset(re.findall(r"--[a-z][\w-]*", parser.format_help()))


def is_known_option(flag: str, config: pytest.Config) -> bool:
    """True if pytest in this suite, a command or another program has the option."""
    with suppress(ValueError):
        config.getoption(flag)
        return True
    return flag in options_of_commands() | OPTIONS_OF_OTHERS


@each_page
def test_page_links_have_targets(text: Path) -> None:
    for target in links(text):
        name, _, anchor = target.partition("#")
        path = (text.parent / name).resolve() if name else text

        assert path.exists(), target
        assert not anchor or anchor in anchors(path), target


@each_page
def test_page_named_files_exist(text: Path) -> None:
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
            pattern = f"*/{name.strip('/')}"
            assert any(fnmatch(each, pattern) for each in there), name


@each_page
def test_page_named_commands_exist(text: Path) -> None:
    for program, *arguments in commands(text):
        package, _, module = program.partition(".")
        if package == "convnextpose_check" and not module:
            if arguments and not arguments[0].isupper():
                parser = argparse.ArgumentParser(arguments[0])
                add_arguments(parser, import_command(arguments[0]))
                parser.parse_args(arguments[1:])  # exits if the command has no such argument
        elif package in ("convnextpose_check", "fixtures", "tests"):
            source = (ROOT / program.replace(".", "/")).with_suffix(".py")
            assert 'if __name__ == "__main__":' in source.read_text(encoding="utf-8")
        elif program == "pytest":
            paths = [word for word in arguments if "/" in word and not word.startswith("--")]
            assert all((ROOT / path).exists() for path in paths if path not in ELSEWHERE), paths


@each_page
def test_page_named_options_and_variables_exist(text: Path, pytestconfig: pytest.Config) -> None:
    variables = re.findall(rf"{PREFIX}[A-Z0-9_]+", text.read_text(encoding="utf-8"))
    assert set(variables) <= {option.variable for option in OPTIONS}
    lines = "\n".join(line for line in code(text) if "pip " not in line)
    for flag in re.findall(r"(?<![\w-])--[a-z][\w-]*", lines):
        assert is_known_option(flag, pytestconfig), flag


@pytest.mark.parametrize(
    ("marks", "table"), [("reported values", reported_values_table), ("answers", answers_table)]
)
def test_page_tables_agree_with_variants_file(
    marks: str, table: Callable[[Catalogue], str], catalogue: Catalogue
) -> None:
    """When values change, copy the expected table between the comments."""
    assert read_marked_section(marks) == table(catalogue)


def test_repository_owner_has_one_spelling() -> None:
    """A fork replaces it everywhere with one command, which CONTRIBUTING.md explains."""
    owners = {
        (owner, path)
        for path in repository_files()
        if path.suffix in SUFFIXES - {".png"} and "tests" not in path.parts
        for owner in re.findall(
            r"(?:github\.com/|uses: |suite: |default: )([\w.-]+)/convnextpose-check",
            path.read_text(encoding="utf-8"),
        )
    }

    assert len({owner for owner, _ in owners}) == 1, owners
    assert README in {path for _, path in owners}


def test_workflows_never_use_resume() -> None:
    """A result of CI is measured in the same run."""
    files = list((ROOT / ".github").rglob("*.yml"))
    assert {path.name for path in files} >= {"ci.yml", "gate.yml", "action.yml"}
    for path in [*files, ROOT / ".ci" / "run"]:
        assert not re.search(rf"--resume|{PREFIX}RESUME", path.read_text(encoding="utf-8")), path


def test_version_agrees_with_tags_and_changelog() -> None:
    """Tags of other repositories' actions are in comments."""
    tags = {
        path.name: set(re.findall(r"(?<!# )\bv(\d+\.\d+\.\d+)\b", path.read_text("utf-8")))
        for path in (README, *(ROOT / ".github").rglob("*.*"))
        if path.suffix in (".md", ".yml")
    }
    versions = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.M)

    assert tags.pop("ci.yml") == set()
    assert set(map(tuple, tags.values())) == {(__version__,)}
    assert __version__ in versions[:2]
    assert versions == sorted(versions, key=lambda v: [int(n) for n in v.split(".")], reverse=True)
