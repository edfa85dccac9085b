"""Names of files and keys are escaped in messages and the output of commands."""

from __future__ import annotations

import pytest

from convnextpose_check.errors import CheckFailedError, ErrorCode
from convnextpose_check.text import escape_control_chars

ESCAPED = {
    "plain": ("Señor's ConvNeXtPose_L (1).tar: 5 µm", "Señor's ConvNeXtPose_L (1).tar: 5 µm"),
    "line_breaks": ("a\nb\r\x0b\u2028\u0085", "a\\nb\\r\\x0b\\u2028\\x85"),
    "terminal_codes": ("\x1b[2J\x7f\x9b0m", "\\x1b[2J\\x7f\\x9b0m"),
    "directions": ("\u202erat\u2069\u200f\ufeff", "\\u202erat\\u2069\\u200f\\ufeff"),
    "no_utf_8": ("a\udcff", "a\\udcff"),
    "command": ("::error::x", "\\x3a:error\\x3a:x"),
    "command_behind_a_blank": ("a ::error::x", "a \\x3a:error\\x3a:x"),
    "older_command": ("a##[error]x", "a\\x23#[error]x"),
    "many_colons": (":::: ##", "\\x3a\\x3a\\x3a: \\x23#"),
    "one_colon": ("C:/a #1", "C:/a #1"),
}


@pytest.mark.parametrize(("text", "expected"), ESCAPED.values(), ids=ESCAPED)
def test_escape_control_chars_twice_changes_nothing(text: str, expected: str) -> None:
    assert escape_control_chars(text) == expected
    assert escape_control_chars(expected) == expected


def test_check_failed_error_escapes_texts_and_keeps_numbers() -> None:
    error = CheckFailedError(
        ErrorCode.WRONG_COUNT, "in \x1b[2J\n::error::", "Fix \u202e", "a\nb", "c\td"
    )

    for text in (str(error), error.problem, error.remedy, error.obtained, error.expected):
        assert isinstance(text, str)
        assert text.isprintable()
        assert "::" not in text
    numbers = CheckFailedError(ErrorCode.WRONG_COUNT, "problem", "remedy", 1.5, (1, 2))
    assert (numbers.obtained, numbers.expected) == (1.5, (1, 2))
    assert str(error) == "[wrong-count] in \\x1b[2J\\n\\x3a:error\\x3a:. Fix \\u202e."
