"""Format values and verdicts for terminal, HTML and Markdown report, and chart."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import wrap
from typing import Literal, NamedTuple

from convnextpose_check.evaluation.verdict import RECORDED_TOLERANCE_MM, TOLERANCES_MM
from convnextpose_check.results.decision import decide, is_passed
from convnextpose_check.results.schema import FileRecord, Results, VariantResult

TERMINAL_COLUMNS = 80

Severity = Literal["good", "fair", "bad", "none"]

ICONS: dict[Severity, str] = {
    "good": "\N{CHECK MARK}",
    "fair": "\N{WARNING SIGN}",
    "bad": "\N{BALLOT X}",
    "none": "\N{WHITE CIRCLE}",
}

_VERDICT_SEVERITIES: dict[str, Severity] = {
    "excellent": "good",
    "very good": "good",
    "acceptable": "fair",
    "review": "bad",
}

_IDENTITY_SEVERITIES: dict[str, Severity] = {
    "verified": "good",
    "not verified": "none",
    "contradicted": "fair",
}


class Badge(NamedTuple):
    """A verdict and the severity that decides its color and icon."""

    severity: Severity
    text: str


def variant_badge(record: VariantResult) -> Badge:
    """The verdict on a variant; for a recorded value only whether it is met."""
    if record.verdict is None or record.reference is None:
        return Badge("none", record.verdict_text)
    if record.reference.kind == "recorded":
        is_met = record.is_within_tolerance
        return Badge("good", "as recorded") if is_met else Badge("bad", "not as recorded")
    return Badge(_VERDICT_SEVERITIES[record.verdict], record.verdict)


def identity_badge(record: FileRecord) -> Badge:
    """The identity of a file, green only if every recorded tensor matches."""
    return Badge(_IDENTITY_SEVERITIES[record.identity], record.identity)


def run_badge(results: Results) -> Badge:
    """The run's verdict, green only if reproduced, red if the run did not pass."""
    decision = decide(results)[0]
    severity: Severity = "none"
    if not is_passed(results) or decision == "off":
        severity = "bad"
    elif decision == "reproduced":
        severity = "good"
    elif decision == "weights hold" and results.warnings:
        severity = "fair"
    return Badge(severity, results.verdict)


def format_number(value: float | None, decimals: int = 3) -> str:
    """A number without negative zero; a dash for None."""
    return "-" if value is None else f"{round(value, decimals) + 0.0:.{decimals}f}"


def format_difference(value: float | None) -> str:
    """A difference with its sign and three decimals; more if three would mislead.

    They mislead if they show zero, or round the difference to the other side of a tolerance.
    """
    if value is None:
        return "-"
    for decimals in range(3, 10):
        rounded = round(value, decimals) + 0.0  # no negative zero
        bounds = (1e-6, RECORDED_TOLERANCE_MM, *TOLERANCES_MM)
        if all((abs(rounded) < bound) == (abs(value) < bound) for bound in bounds):
            break
    return f"{rounded:+.{decimals}f}"


def format_value(value: str | float | None) -> str:
    """A value of the results: separated thousands, three decimals for floats."""
    if isinstance(value, float):
        return format_number(value)
    return f"{value:,}" if isinstance(value, int) else value or ""


def format_interval(record: VariantResult, decimals: int = 1) -> str:
    """The bootstrap interval, relative to the reference if there is one."""
    if record.interval_mm is None:
        return "-"
    shift_mm = record.reference_mm or 0.0
    sign = "+" if record.reference_mm is not None else ""
    return " to ".join(f"{end - shift_mm:{sign}.{decimals}f}" for end in record.interval_mm)


def format_comparison(name: str, record: VariantResult) -> str:
    """What ``--network`` costs in mm, as one line; empty if it was not compared."""
    if (compared := record.comparison) is None:
        return ""
    interval = ""
    if compared.interval_mm is not None:
        ends = " to ".join(map(format_difference, compared.interval_mm))
        interval = f" (95 % interval {ends})"
    return (
        f"{name}: checkpoint {compared.error_mm:.3f} mm, --network {record.error_mm:.3f} mm,"
        f" difference {format_difference(compared.difference_mm)} mm{interval}; coordinates differ"
        f" by {compared.mean_cells:.4f} cells on average, {compared.max_cells:.4f} at most"
    )


def format_terminal_table(results: Results) -> list[str]:
    """The table of variants, at most 80 columns wide; empty if nothing was evaluated."""
    if results.weights:
        return _format_weights_table(results.weights)
    if not results.variants:
        return []
    width = max(map(len, results.variants))
    lines = [
        f"{'':{width}} {'params':>9} {'GMACs':>5} {results.metric:>8} {'expected':>8}"
        f" {'diff.':>8} {'95 % interval':>14}  verdict"
    ]
    for name, record in results.variants.items():
        lines.append(
            f"{name:{width}} {record.parameters:>9,} {record.gmacs:>5.2f} {record.error_mm:>8.3f}"
            f" {format_number(record.reference_mm):>8} {format_difference(record.difference_mm):>8}"
            f" {format_interval(record):>14}  {variant_badge(record).text}"
        )
    costs = (format_comparison(name, record) for name, record in results.variants.items())
    speeds = (f"{name} {r.images_per_second:.1f}" for name, r in results.variants.items())
    return [
        *lines,
        *(line for cost in costs for line in wrap(cost, TERMINAL_COLUMNS, break_on_hyphens=False)),
        *wrap(f"images/s: {', '.join(speeds)}", TERMINAL_COLUMNS, break_on_hyphens=False),
    ]


def _format_weights_table(weights: Mapping[str, FileRecord]) -> list[str]:
    width = max(map(len, weights))
    heading = f"{'':{width}} {'params':>9} {'GMACs':>5} {'epoch':>5}  {'identity':12}"
    return [f"{heading}  {'sha256':12}  file"] + [
        f"{name:{width}} {record.parameters:>9,} {record.gmacs:>5.2f}"
        f" {'-' if record.epoch is None else record.epoch:>5} "
        f" {record.identity:12}  {record.sha256[:12]}  {record.file}"
        for name, record in weights.items()
    ]
