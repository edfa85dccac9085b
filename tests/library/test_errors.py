"""Each code that an error carries stands once in the table, with its meaning, and in the page."""

from __future__ import annotations

import re

import pytest

from convnextpose_check.errors import MEANINGS
from tests.support.codes_in_source import codes_in
from tests.support.errors_page import PAGE, errors_page

SNIPPET = """
class TroubleError(Exception):
    def __init__(self, code: Code, problem: str, other: str = "none") -> None:
        self.code = code

class Row(NamedTuple):
    title: str
    code: Code

def told(what: str, code: Code = "by-default") -> None: ...

class File:
    def error(self, code: Code) -> TroubleError: ...

SEVERAL: tuple[Code, ...] = ("among-others",)
ROWS = (Row("a title", "in-a-row"), Row(title="a title", code="by-name"))

def use(file: File, size: int, code: Code) -> None:
    other: str = "no-code"
    code: Code = "one-way" if size else "the-other"
    raise TroubleError("raised", "a-problem", "a-remedy") from None
    raise TroubleError(code, "another")
    told("a network", "given")
    raise file.error("drive-quota" if size == 2 else "of-a-method")
"""


def test_codes_are_found_wherever_one_is_expected() -> None:
    assert codes_in([SNIPPET]) == {
        "by-default", "in-a-row", "by-name", "one-way", "the-other", "raised", "given",
        "drive-quota", "of-a-method",
    }  # fmt: skip


def test_table_has_every_code_that_is_used_and_no_other(pytestconfig: pytest.Config) -> None:
    files = (pytestconfig.rootpath / "convnextpose_check").rglob("*.py")
    used = codes_in([path.read_text(encoding="utf-8") for path in files])

    assert sorted(MEANINGS) == sorted(used)


def test_table_is_in_alphabetical_order_and_each_meaning_half_a_sentence() -> None:
    assert sorted(MEANINGS) == list(MEANINGS)
    assert [code for code in MEANINGS if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", code)] == []
    assert [told for told in MEANINGS.values() if not 10 < len(told) < 80 or told[-1] in ".,"] == []
    assert len(MEANINGS) == len(set(MEANINGS.values()))


def test_page_is_made_from_the_table() -> None:
    """When a code changes: ``python -m tests.support.errors_page``."""
    assert errors_page() == PAGE.read_text(encoding="utf-8")


def test_no_page_names_a_code_that_is_none(pytestconfig: pytest.Config) -> None:
    pages = [p for p in pytestconfig.rootpath.rglob("*.md") if "node_modules" not in p.parts]
    named = {
        (path.name, code)
        for path in pages
        for code in re.findall(r"`\[([a-z0-9-]+)\]`", path.read_text(encoding="utf-8"))
    }

    assert ("ERRORS.md", "wrong-variant") in named
    assert [page for page in named if page[1] not in MEANINGS] == []
