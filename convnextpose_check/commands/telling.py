"""The one way in which commands speak."""

from __future__ import annotations

import sys
from typing import TextIO

from convnextpose_check.wording import printable


def tell(*lines: str, file: TextIO | None = None) -> None:
    """Print each line at once, as the terminal can take it."""
    stream = sys.stdout if file is None else file
    encoding = stream.encoding or "utf-8"
    for line in lines:
        text = printable(line).encode(encoding, "backslashreplace").decode(encoding)
        print(text, file=stream, flush=True)
