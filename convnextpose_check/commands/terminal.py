"""Terminal output and arguments of commands."""

import sys
from contextlib import AbstractContextManager
from typing import Any, TextIO

from convnextpose_check.progress import ProgressDisplay
from convnextpose_check.text import escape_control_chars

Arguments = dict[str, dict[str, Any]]
"""Maps a command's arguments to the keywords of ``ArgumentParser.add_argument``."""


def print_lines(*lines: str, file: TextIO | None = None) -> None:
    """Print and flush each line; control and unencodable characters are escaped."""
    stream = sys.stdout if file is None else file
    encoding = stream.encoding or "utf-8"
    for line in lines:
        text = escape_control_chars(line).encode(encoding, "backslashreplace").decode(encoding)
        print(text, file=stream, flush=True)


def long_phase(title: str) -> AbstractContextManager[None]:
    """Print the title and the elapsed time to stderr every few seconds until the block ends."""
    return ProgressDisplay(sys.stderr).phase(title)
