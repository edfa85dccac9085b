"""What commands print, and how they declare their arguments."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from typing import Any, TextIO

from convnextpose_check.progress import ProgressDisplay
from convnextpose_check.text import escape_control_chars

Arguments = dict[str, dict[str, Any]]
"""Names of a command's arguments, and for each the keywords of ``ArgumentParser.add_argument``."""


def print_lines(*lines: str, file: TextIO | None = None) -> None:
    """Print each line at once, with escapes for what the terminal cannot show or would obey."""
    stream = sys.stdout if file is None else file
    encoding = stream.encoding or "utf-8"
    for line in lines:
        text = escape_control_chars(line).encode(encoding, "backslashreplace").decode(encoding)
        print(text, file=stream, flush=True)


def long_phase(title: str) -> AbstractContextManager[None]:
    """Print the title and the elapsed time to stderr every few seconds until the block ends."""
    return ProgressDisplay(sys.stderr).phase(title)
