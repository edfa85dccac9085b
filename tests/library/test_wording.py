"""Names of files and keys are escaped in messages and the output of commands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from convnextpose_check.__main__ import main
from convnextpose_check.errors import CheckFailedError, ErrorCode
from convnextpose_check.variants import Architecture
from convnextpose_check.wording import printable
from tests.support.full_size import write_own_model

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
def test_printable_escapes_once(text: str, expected: str) -> None:
    assert printable(text) == expected
    assert printable(expected) == expected


def test_error_escapes_its_texts_and_keeps_numbers() -> None:
    error = CheckFailedError(
        ErrorCode.WRONG_COUNT, "in \x1b[2J\n::error::", "Mend \u202e", "a\nb", "c\td"
    )

    for text in (str(error), error.problem, error.remedy, error.obtained, error.expected):
        assert isinstance(text, str)
        assert text.isprintable()
        assert "::" not in text
    numbers = CheckFailedError(ErrorCode.WRONG_COUNT, "problem", "remedy", 1.5, (1, 2))
    assert (numbers.obtained, numbers.expected) == (1.5, (1, 2))
    assert str(error) == "[wrong-count] in \\x1b[2J\\n\\x3a:error\\x3a:. Mend \\u202e."


NAMES = ("\udcff", "::error::T", "a\n::error::T", "\x1b[2J", "\u202eT", "##[error]T")


def test_extract_reads_files_of_any_name_and_escapes_it(
    tiny: Architecture, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    variants = folder / "own.json"
    variants.write_text(json.dumps(write_own_model(tiny, folder, "T", epoch=3)))
    content = (folder / "own_T.pth").read_bytes()
    for name in NAMES:
        (folder / f"{name}.pth").write_bytes(content)
    page = tmp_path / "\udcfe\n::error::page.tar"
    page.write_text("<html>")

    code = main(["extract", str(folder), str(page), "--results-dir", str(tmp_path / "out"),
                 "--variants-file", str(variants)])  # fmt: skip

    captured = capsys.readouterr()
    assert code == 1
    assert "\n7 extracted, 1 not\n" in captured.out
    assert captured.err.startswith(f"[html-page] {tmp_path}/\\udcfe\\n\\x3a:error\\x3a:page.tar")
    for line in (captured.out + captured.err).split("\n"):
        assert line.isprintable()
        assert "::" not in line
        assert "##" not in line
