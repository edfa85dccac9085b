"""The repository's texts, and what stands in them between marks."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]


def repository_files() -> Iterator[Path]:
    """Every file of the repository, without the folders that .gitignore leaves out."""
    lines = (ROOT / ".gitignore").read_text(encoding="utf-8").split()
    left_out = {".git", *(line.rstrip("/") for line in lines)}
    for folder, below, names in os.walk(ROOT):
        below[:] = sorted(
            name
            for name in below
            if name not in left_out and not any(Path(name).match(each) for each in left_out)
        )
        yield from (Path(folder, name) for name in sorted(names))


def texts() -> list[Path]:
    """Every Markdown file of the repository."""
    return [path for path in repository_files() if path.suffix == ".md"]


def marked(name: str) -> str:
    """What stands between ``<!-- name: ... -->`` and ``<!-- end of name -->``, in whichever text.

    Raises AssertionError unless it stands in one text, once.
    """
    between = re.compile(rf"(?ms)^<!-- {name}(?::[^>]*)? -->\n(.*?)^<!-- end of {name} -->")
    found = [each for path in texts() for each in between.findall(path.read_text(encoding="utf-8"))]
    assert len(found) == 1, f"the marks of {name} stand in {len(found)} places"
    return found[0]
