"""The repository's Markdown files, and their sections between comments."""

import os
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parents[2]


def repository_files() -> Iterator[Path]:
    """Every file of the repository that .gitignore does not exclude."""
    left_out = [".git/", *(ROOT / ".gitignore").read_text(encoding="utf-8").split()]
    for folder, below, names in os.walk(ROOT):
        patterns = {each.strip("/") for each in left_out if each[0] != "/" or folder == str(ROOT)}
        below[:] = [name for name in sorted(below) if not any(fnmatch(name, p) for p in patterns)]
        yield from (Path(folder, name) for name in sorted(names))


def markdown_files() -> list[Path]:
    return [path for path in repository_files() if path.suffix == ".md"]


def read_marked_section(name: str) -> str:
    """The text between ``<!-- name: ... -->`` and ``<!-- end of name -->``.

    Raises AssertionError unless exactly one file contains it, once.
    """
    between = _marked_section(name)
    found = [
        section["content"]
        for path in markdown_files()
        for section in between.finditer(path.read_text(encoding="utf-8"))
    ]
    assert len(found) == 1, f"the marks of {name} are in {len(found)} places"
    return found[0]


def replace_marked_section(text: str, name: str, content: str) -> str:
    """Returns the text with other content between the marks of ``read_marked_section``."""
    found = _marked_section(name).search(text)
    assert found, f"the marks of {name} are missing"
    start, end = found.span("content")
    return f"{text[:start]}{content}{text[end:]}"


def _marked_section(name: str) -> re.Pattern[str]:
    begin, end = rf"<!-- {name}(?::[^>]*)? -->\n", f"<!-- end of {name} -->"
    return re.compile(rf"(?ms)^{begin}(?P<content>.*?)^{end}")
