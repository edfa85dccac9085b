"""A stranger's text as it may reach a terminal, a log or a pipeline."""

from __future__ import annotations

import re

_COMMAND_MARK = re.compile(r":(?=:)|#(?=#)")
"""Pipelines obey lines with ``::error::`` or ``##[error]``, wherever in a line they stand."""


def printable(text: str) -> str:
    """The text on one line, with escapes for what is not shown or would be obeyed.

    Those are control characters, line breaks, direction marks, bytes of a file name that are not
    UTF-8, and the marks of a pipeline's commands. Escaping twice changes nothing more.
    """
    if not text.isprintable():
        text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return _COMMAND_MARK.sub(lambda mark: f"\\x{ord(mark[0]):02x}", text)


def replace_surrogates(text: str) -> str:
    """The text as UTF-8 can hold it, with bytes of file names decoded from UTF-8 or escaped.

    Python keeps such bytes as surrogates where a name is not in the encoding of the locale.
    """
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
