"""The README's table of options, generated from their declaration."""

import re

from convnextpose_check.settings.options import OPTIONS, Option


def options_table() -> str:
    rows = "".join(f"| {_format_option(o)} | {_format_code(o.description)} |\n" for o in OPTIONS)
    return f"| option | what it does |\n|---|---|\n{rows}"


def _format_option(option: Option) -> str:
    return f"`{option.flag} {option.kind[0]}".strip().replace("|", r"\|") + "`"


def _format_code(text: str) -> str:
    """The text with backticks around options, files and functions."""
    return re.sub(
        r"(?<![\w/])(--[a-z0-9-]+|[\w{}./]+\.(?:json|onnx|pt2)|package\.[\w.:]+)", r"`\1`", text
    )
