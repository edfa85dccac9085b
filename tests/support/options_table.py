"""The table of options in the README, written from their declaration."""

from __future__ import annotations

import re

from convnextpose_check.settings.options import OPTIONS, Option

BEGIN = "<!-- options: written by tests/support/options_table.py from the declaration -->"
END = "<!-- end of options -->"


def options_table() -> str:
    rows = "".join(f"| {_written(o)} | {_with_code(o.does)} |\n" for o in OPTIONS)
    return f"| option | what it does |\n|---|---|\n{rows}"


def _written(option: Option) -> str:
    return f"`{option.flag} {option.kind[0]}".strip().replace("|", r"\|") + "`"


def _with_code(text: str) -> str:
    """The text with options, files and functions as code."""
    return re.sub(
        r"(?<![\w/])(--[a-z0-9-]+|[\w{}./]+\.(?:json|onnx)|package\.[\w.:]+)", r"`\1`", text
    )
