"""The checks as a grid: a row for each claim, a column for each variant."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from convnextpose_check.results.figures import Look
from convnextpose_check.results.schema import CheckRecord, Results

_TEST = re.compile(r"test_(?P<file>\w+)\.py::test_(?P<claim>\w+)\[(?P<of>.+)\]", re.DOTALL)

SIGNS: dict[str, tuple[Look, str]] = {
    "passed": ("good", "\N{CHECK MARK}"),
    "failed": ("bad", "\N{BALLOT X}"),
    "not verified": ("none", "\N{WHITE CIRCLE}"),
    "warning": ("fair", "\N{WARNING SIGN}"),
    "expected failure": ("none", "\N{WHITE CIRCLE}"),
    "skipped": ("none", "\N{WHITE CIRCLE}"),
}
"""The colour and the sign of each outcome."""


@dataclass(frozen=True)
class Cell:
    """A check in its place; ``ident`` is the id of what is told of it."""

    ident: str
    check: CheckRecord
    about: str

    @property
    def look(self) -> Look:
        """The class of its colour."""
        return SIGNS[self.check.outcome][0]

    @property
    def sign(self) -> str:
        """The sign that says the same."""
        return SIGNS[self.check.outcome][1]


@dataclass
class Claim:
    """A row: one claim, asked of the whole run or of each variant."""

    words: str
    whole: Cell | None = None
    cells: dict[str, Cell] = field(default_factory=dict)


@dataclass
class Grid:
    """The variants that were asked about, and the claims by the part of the suite that asks."""

    variants: list[str]
    parts: dict[str, list[Claim]]


def grid(results: Results) -> Grid:
    """All checks of the run in the order in which they were asked."""
    parts: dict[str, dict[str, Claim]] = {}
    asked: set[str] = set()
    for number, check in enumerate(results.checks, start=1):
        part, words, variant = _place(check, results)
        claim = parts.setdefault(part, {}).setdefault(words, Claim(words))
        ident = f"{results.subject}-check-{number}"
        if variant is None:
            claim.whole = Cell(ident, check, words)
        else:
            claim.cells[variant] = Cell(ident, check, f"{words}, {variant}")
            asked.add(variant)
    known = [name for name in results.expected_variants if name in asked]
    return Grid(known, {part: list(claims.values()) for part, claims in parts.items()})


def _place(check: CheckRecord, results: Results) -> tuple[str, str, str | None]:
    """The part, the claim and the variant that a test is about; another test is its own claim."""
    match = _TEST.fullmatch(check.test)
    if match is None:
        return "others", check.test, None
    words, of = match["claim"].replace("_", " "), match["of"]
    if (mm := check.within_mm) is not None:
        words, of = f"{words}, within {mm} mm", of.removesuffix(f"-{mm}mm").removesuffix("-within")
    part = match["file"].replace("_", " ")
    if of == results.subject:
        return part, words, None
    variant = of.removeprefix(f"{results.subject}-")
    if variant not in results.expected_variants:
        return part, f"{words} [{of}]", None
    return part, words, variant
