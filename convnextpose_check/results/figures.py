"""How figures are written and judged: one rule for terminal, report, Markdown and picture."""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec

from convnextpose_check.evaluation.verdict import (
    REVIEW,
    TOLERANCES_MM,
    verdict_word,
    why_not_judged,
)
from convnextpose_check.results.schema import (
    FileRecord,
    Results,
    VariantResult,
    with_variants,
)
from convnextpose_check.variants import REFERENCE

RECORDED_WITHIN_MM = 0.02
"""The miniature's errors are held to what was recorded of them this closely."""

Look = Literal["good", "fair", "bad", "none"]

_DECIMALS = 3
_FINEST = 9
_NOTHING = 1e-6
"""Differences below this are nothing, in whatever unit."""
_LOOKS: dict[str, tuple[Look, str]] = {
    "excellent": ("good", "\N{CHECK MARK}"),
    "very good": ("good", "\N{CHECK MARK}"),
    "acceptable": ("fair", "\N{ALMOST EQUAL TO}"),
    REVIEW: ("bad", "\N{BALLOT X}"),
}


_QUOTED = {"published": "convnextpose", "miniature": "miniature"}
"""The first part of a line to quote; models of the user's have another."""


class Chip(NamedTuple):
    """A verdict as it is shown: a colour, a sign that says the same, and words."""

    look: Look
    sign: str
    text: str


def difference(value: float | None) -> str:
    """A difference as it reads everywhere: its sign and three decimals, more where they mislead.

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


def chip(results: Results, record: VariantResult) -> Chip:
    """The verdict on a variant; one of the miniature is held to its record, not to the paper."""
    if not record.is_judged or record.difference_mm is None:
        return Chip("none", "\N{WHITE CIRCLE}", record.verdict)
    if results.subject == "miniature":
        if is_as_recorded(record):
            return Chip("good", "\N{CHECK MARK}", f"as recorded (±{RECORDED_WITHIN_MM:g} mm)")
        return Chip("bad", "\N{BALLOT X}", f"not as recorded (±{RECORDED_WITHIN_MM:g} mm)")
    return Chip(*_LOOKS.get(record.verdict, ("none", "\N{WHITE CIRCLE}")), record.verdict)


def identity_chip(record: FileRecord) -> Chip:
    """The identity of a file: green only where every tensor on record matches."""
    if record.identity == "verified":
        return Chip("good", "\N{CHECK MARK}", record.identity)
    if record.identity == "contradicted":
        return Chip("fair", "\N{WARNING SIGN}", record.identity)
    return Chip("none", "\N{WHITE CIRCLE}", record.identity)


def is_as_recorded(record: VariantResult) -> bool:
    """Whether a model of the miniature has the error that was recorded of it."""
    return record.difference_mm is not None and abs(record.difference_mm) < RECORDED_WITHIN_MM


def asked_mm(results: Results) -> tuple[float, ...]:
    """The tolerances that the run asked about, the tightest first."""
    if results.subject == "miniature":
        return (RECORDED_WITHIN_MM,)
    found = {check.within_mm for check in results.checks}
    return tuple(mm for mm in TOLERANCES_MM if mm in found) or tuple(TOLERANCES_MM)


def starred(results: Results) -> dict[str, VariantResult]:
    """The variants that are shown in full: of the miniature the one that was trained."""
    variants = results.variants
    if results.subject == "miniature" and REFERENCE in variants:
        return {REFERENCE: variants[REFERENCE]}
    return variants


def quotable(results: Results, name: str) -> str:
    """All that a figure depends on and the figure, in one string."""
    record = results.variants[name]
    opencv = ".".join(results.environment.get("opencv", "unknown").split(".")[:2])
    settings = (
        "own model" if results.own_models else _QUOTED[results.subject],
        name,
        f"protocol {results.protocol}",
        f"{results.bbox} boxes",
        "flip" if results.flip else "no flip",
        str(record.samples),
        f"OpenCV {opencv}",
    )
    return f"{'|'.join(settings)} = {record.error_mm:.2f} mm"


def derived(results: Results) -> Results:
    """The results with every verdict drawn from the figures, whatever words stand beside them.

    What was not judged stays so: its reason is no figure.
    """
    variants = {name: _derived(results, record) for name, record in results.variants.items()}
    return with_variants(results, variants)


def _derived(results: Results, record: VariantResult) -> VariantResult:
    reference_mm = record.reference_mm
    difference_mm = None if reference_mm is None else record.error_mm - reference_mm
    complete = record.complete and record.samples == results.expected_samples
    verdict = record.verdict
    if record.is_judged:
        subset_of = None if complete else record.samples
        why = why_not_judged(subset_of, difference_mm is not None)
        if why is not None or difference_mm is None:
            verdict = f"not judged: {why}"
        else:
            verdict = verdict_word(difference_mm)
    return msgspec.structs.replace(
        record, difference_mm=difference_mm, complete=complete, verdict=verdict
    )
