"""How differences and verdicts are shown: one rule for terminal, report, Markdown and picture."""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec

from convnextpose_check.evaluation.verdict import TOLERANCES_MM, verdict_word, why_not_judged
from convnextpose_check.results.schema import (
    FileRecord,
    Results,
    VariantResult,
    with_variants,
)
from convnextpose_check.variants import REFERENCE

RECORDED_WITHIN_MM = 0.02
"""How closely the recorded errors of the synthetic data set must be met."""

Severity = Literal["good", "fair", "bad", "none"]

_DECIMALS = 3
_FINEST = 9
_NOTHING = 1e-6
"""Differences below this are nothing, in whatever unit."""


class Badge(NamedTuple):
    """A verdict as it is shown: a color, an icon with the same meaning, and text."""

    severity: Severity
    icon: str
    text: str


ICONS: dict[Severity, str] = {
    "good": "\N{CHECK MARK}",
    "fair": "\N{WARNING SIGN}",
    "bad": "\N{BALLOT X}",
    "none": "\N{WHITE CIRCLE}",
}

_OF_VERDICT: dict[str, tuple[Severity, str]] = {
    "excellent": ("good", ICONS["good"]),
    "very good": ("good", ICONS["good"]),
    "acceptable": ("fair", "\N{ALMOST EQUAL TO}"),
    "review": ("bad", ICONS["bad"]),
}

_OF_IDENTITY: dict[str, Severity] = {
    "verified": "good",
    "not verified": "none",
    "contradicted": "fair",
}


def difference(value: float | None) -> str:
    """Format a difference with its sign and three decimals, more where three would mislead.

    That is where three would show nothing, or put the difference on the other side of a tolerance.
    """
    if value is None:
        return "-"
    for decimals in range(_DECIMALS, _FINEST + 1):
        rounded = round(value, decimals) + 0.0  # no negative zero
        is_nothing = rounded == 0 and abs(value) >= _NOTHING
        if not is_nothing and all(
            (abs(rounded) < mm) == (abs(value) < mm) for mm in (RECORDED_WITHIN_MM, *TOLERANCES_MM)
        ):
            return f"{rounded:+.{decimals}f}"
    return f"{round(value, _DECIMALS) + 0.0:+.{_DECIMALS}f}"


def badge(record: VariantResult) -> Badge:
    """The verdict on a variant; a recorded value is met or not, and earns no word."""
    if record.verdict is None or record.reference is None:
        return Badge("none", ICONS["none"], record.verdict_text)
    if record.reference.kind == "recorded":
        if record.is_within_tolerance:
            return Badge("good", ICONS["good"], "as recorded")
        return Badge("bad", ICONS["bad"], "not as recorded")
    return Badge(*_OF_VERDICT[record.verdict], record.verdict)


def identity_badge(record: FileRecord) -> Badge:
    """The identity of a file: green only where every tensor on record matches."""
    severity = _OF_IDENTITY[record.identity]
    return Badge(severity, ICONS[severity], record.identity)


def featured(results: Results) -> dict[str, VariantResult]:
    """The variants that are shown in detail: of the synthetic ones the trained one."""
    variants = results.variants
    if results.subject == "miniature" and REFERENCE in variants:
        return {REFERENCE: variants[REFERENCE]}
    return variants


def derived(results: Results) -> Results:
    """The results with every verdict derived from the numbers, whatever the file states.

    What was not judged stays so: its reason does not follow from the numbers.
    """
    variants = {name: _derived(results, record) for name, record in results.variants.items()}
    return with_variants(results, variants)


def _derived(results: Results, record: VariantResult) -> VariantResult:
    reference_mm = record.reference_mm
    difference_mm = None if reference_mm is None else record.error_mm - reference_mm
    complete = record.complete and record.samples == results.expected_samples
    subset_of = None if complete else record.samples
    not_judged = record.not_judged or why_not_judged(subset_of, difference_mm is not None)
    verdict = None
    if not_judged is None and difference_mm is not None:
        verdict = verdict_word(difference_mm)
    return msgspec.structs.replace(
        record,
        difference_mm=difference_mm,
        complete=complete,
        verdict=verdict,
        not_judged=not_judged,
    )
