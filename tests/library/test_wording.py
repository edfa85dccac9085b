"""Whatever a file or a key is called, a message stays one line that nothing obeys."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

import pytest

from convnextpose_check.__main__ import main
from convnextpose_check.checkpoints.load import load_checkpoint
from convnextpose_check.checkpoints.lock import LOCK_NAME, hold_to_hash
from convnextpose_check.errors import CheckFailedError, ConvNeXtPoseCheckError
from convnextpose_check.paths import Outputs
from convnextpose_check.trial.log import variant_log
from convnextpose_check.variants import Architecture, Catalogue
from convnextpose_check.wording import as_utf8, printable
from tests.support.archives import content_of, saved
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
def test_what_is_not_shown_or_would_be_obeyed_is_escaped_once(text: str, expected: str) -> None:
    assert printable(text) == expected
    assert printable(expected) == expected


def test_error_escapes_whatever_it_quotes() -> None:
    error = CheckFailedError("count", "in \x1b[2J\n::error::", "Mend \u202e", "a\nb", "c\td")

    for text in (str(error), error.problem, error.remedy, error.obtained, error.expected):
        assert isinstance(text, str)
        assert text.isprintable()
        assert "::" not in text
    assert str(error) == "[count] in \\x1b[2J\\n\\x3a:error\\x3a:. Mend \\u202e."


def test_numbers_that_were_obtained_stay_numbers() -> None:
    error = CheckFailedError("count", "problem", "remedy", 1.5, (1, 2))
    assert (error.obtained, error.expected) == (1.5, (1, 2))


def test_log_holds_one_line_for_each_record(tmp_path: Path) -> None:
    path = Outputs(tmp_path).log("XS")
    with variant_log(path, "XS") as log:
        log.log(logging.WARNING, "excluded %s: %s", "a\n::error::b\x1b[2J", "it is missing")

    [line] = path.read_text().splitlines()
    assert line.endswith("WARNING excluded a\\n\\x3a:error\\x3a:b\\x1b[2J: it is missing")


NAMES = ("\udcff", "::error::T", "a\n::error::T", "\x1b[2J", "\u202eT", "##[error]T")


@pytest.fixture
def own(tiny: Architecture, tmp_path: Path) -> Path:
    """A folder with a tiny model under every odd name, and a page under an odd one too."""
    folder = tmp_path / "own"
    folder.mkdir()
    figures = write_own_model(tiny, folder, "T", epoch=3)
    (folder / "own.json").write_text(json.dumps(figures))
    content = (folder / "own_T.pth").read_bytes()
    for name in NAMES:
        (folder / f"{name}.pth").write_bytes(content)
    (folder / "\udcfe page.tar").write_text("<html>")
    return folder


def test_extract_goes_through_files_of_any_name(
    own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    variants, results = str(own / "own.json"), str(own.parent / "out")

    code = main(["extract", str(own), "--results-dir", results, "--variants-file", variants])

    captured = capsys.readouterr()
    assert code == 0
    assert "\n7 extracted\n" in captured.out
    assert captured.err == ""
    for line in captured.out.split("\n"):
        assert line.isprintable()
        assert "::" not in line
        assert "##" not in line


def test_extract_tells_of_a_bad_file_of_any_name(
    own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = own / "\udcfe\n::error::page.tar"
    page.write_text("<html>")

    code = main(["extract", str(page), str(own / "own_T.pth"),
                 "--results-dir", str(own.parent / "out"),
                 "--variants-file", str(own / "own.json")])  # fmt: skip

    captured = capsys.readouterr()
    assert code == 1
    [line] = captured.err.splitlines()
    assert line.startswith(f"[html-page] {own}/\\udcfe\\n\\x3a:error\\x3a:page.tar")
    assert "\n1 extracted, 1 not\n" in captured.out


@pytest.mark.parametrize("name", ["a\udcff.tar", "a\n.tar", "é.tar"])
def test_hash_of_a_file_of_any_name_is_remembered(
    name: str, archives: dict[str, bytes], shared: Catalogue, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(archives["XS"])

    def hold(file: Path) -> Path | None:
        return hold_to_hash(load_checkpoint(file), "XS", shared, tmp_path / "out")

    assert hold(path) == hold(path) == tmp_path / LOCK_NAME
    assert list(json.loads((tmp_path / LOCK_NAME).read_text())["files"]) == [as_utf8(name)]
    other = tmp_path / "other.tar"  # beside the first, not in its place
    other.write_bytes(saved(content_of(shared["XS"].architecture, epoch=5)))
    assert hold(other) == tmp_path / LOCK_NAME
    path.write_bytes(archives["S"])
    with pytest.raises(CheckFailedError, match="changed-file"):
        hold(path)


@pytest.mark.parametrize("kind", ["pipe", "sparse"])
def test_lock_that_is_no_lock_is_told(
    kind: str, archives: dict[str, bytes], shared: Catalogue, tmp_path: Path
) -> None:
    path = tmp_path / "ConvNeXtPose_XS.tar"
    path.write_bytes(archives["XS"])
    if kind == "pipe":
        os.mkfifo(tmp_path / LOCK_NAME)
    else:
        (tmp_path / LOCK_NAME).touch()
        os.truncate(tmp_path / LOCK_NAME, 200 << 30)

    with pytest.raises(ConvNeXtPoseCheckError) as caught:
        hold_to_hash(load_checkpoint(path), "XS", shared, tmp_path / "out")

    assert caught.value.code == "bad-lock"
    assert str(tmp_path / LOCK_NAME) in caught.value.problem
