"""Escape untrusted text for terminals, logs and CI pipelines; suggest names; plurals."""

import re
from collections.abc import Iterable
from difflib import get_close_matches

_COMMAND_MARK = re.compile(r":(?=:)|#(?=#)")
"""CI pipelines execute ``::error::`` and ``##[error]`` at any position in a line."""


def escape_control_chars(text: str) -> str:
    """Escape line breaks, control and bidirectional characters, surrogates and CI commands.

    Returns one line. The function is idempotent.
    """
    if not text.isprintable():
        text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return _COMMAND_MARK.sub(lambda mark: f"\\x{ord(mark[0]):02x}", text)


def format_suggestion(name: str, known: Iterable[str], prefix: str = "") -> str:
    """Return `` (did you mean X?)`` with the known name most similar to ``name``, or ''.

    The ``prefix`` that all names share does not count as similarity.
    """
    near = get_close_matches(name.removeprefix(prefix), [k.removeprefix(prefix) for k in known], 1)
    return f" (did you mean {prefix}{near[0]}?)" if near else ""


def format_count(number: int, word: str) -> str:
    """A number and its noun, as in "1 image" and "2 images"."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"
