"""The table of the options for people, written from their declaration."""

from __future__ import annotations

import re

from convnextpose_check.settings.options import OPTIONS, Option

BEGIN = "<!-- options: written by tests/support/options_table.py from the declaration -->"
END = "<!-- end of options -->"


def options_table() -> str:
    """A Markdown table with a row for each option: how it is written, its default, what it does."""
    rows = (f"| {_written(o)} | {_marked(o.default)} | {_marked(o.does)} |" for o in OPTIONS)
    return "\n".join(["| option | default | what it does |", "|---|---|---|", *rows]) + "\n"


def _written(option: Option) -> str:
    return f"`{option.flag} {option.kind.metavar}".strip().replace("|", r"\|") + "`"


def _marked(text: str) -> str:
    """Names of other options, files and functions as code."""
    return re.sub(
        r"(?<![\w/])(--[a-z0-9-]+|[\w{}./]+\.(?:json|onnx)|package\.[\w.:]+)", r"`\1`", text
    )
