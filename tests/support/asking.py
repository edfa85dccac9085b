"""How the tests ask ``doctor`` and read its rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

Doctor = Callable[..., tuple[int, dict[str, str]]]
"""Takes arguments and returns the exit code and the rows, each ``state: text``, by title."""


def given(inputs: Path) -> list[object]:
    """The arguments that name all of the ``inputs``."""
    return [
        "--device", "cpu", "--h36m-root", inputs / "h36m", "--checkpoints", inputs / "models",
        "--variants-file", inputs / "own.json",
    ]  # fmt: skip


def states(rows: dict[str, str], *but: str) -> set[str]:
    """The states of all rows but these."""
    return {text.split(":")[0] for title, text in rows.items() if title not in but}


def says(row: str, text: str) -> bool:
    """Whether a row holds the text, wherever its lines were broken."""
    return "".join(text.split()) in "".join(row.split())
