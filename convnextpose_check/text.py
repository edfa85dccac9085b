"""Escape text from files and names for terminals, logs and pipelines; suggest known names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

_COMMAND_MARK = re.compile(r":(?=:)|#(?=#)")
"""Pipelines obey lines with ``::error::`` or ``##[error]``, wherever in a line they stand."""


def escape_control_chars(text: str) -> str:
    """Escape line breaks, control and direction characters, surrogates, and pipeline commands.

    The result is one line, and escaping it again changes nothing.
    """
    if not text.isprintable():
        text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return _COMMAND_MARK.sub(lambda mark: f"\\x{ord(mark[0]):02x}", text)


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return `` (did you mean X?)`` for the known name that resembles ``name`` most, else ''."""
    near = get_close_matches(name, list(known), n=1)
    return f" (did you mean {near[0]}?)" if near else ""
