"""Format values and verdicts for terminal, HTML and Markdown report, and chart."""

from textwrap import wrap
from typing import Literal, NamedTuple

from convnextpose_check.evaluation.verdict import format_difference
from convnextpose_check.results.decision import decide, is_passed
from convnextpose_check.results.schema import FileRecord, Results, VariantResult

TERMINAL_COLUMNS = 80

Severity = Literal["good", "fair", "bad", "none"]

ICONS: dict[Severity, str] = {
    "good": "\N{CHECK MARK}",
    "none": "\N{WHITE CIRCLE}",
    "fair": "\N{WARNING SIGN}",
    "bad": "\N{BALLOT X}",
}
"""Icons of the severities, from the best to the worst."""

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
    """The change of the error by ``--network``, as one line; empty without a comparison."""
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
    """The table of variants, its columns aligned; empty if nothing was evaluated."""
    if not results.variants:
        return []
    rows = [
        ("", "params", "GMACs", results.metric, "expected", "diff.", "95 % interval", "verdict")
    ]
    rows += [
        (
            name,
            f"{record.parameters:,}",
            f"{record.gmacs:.2f}",
            f"{record.error_mm:.3f}",
            format_number(record.reference_mm),
            format_difference(record.difference_mm),
            format_interval(record),
            variant_badge(record).text,
        )
        for name, record in results.variants.items()
    ]
    costs = (format_comparison(name, record) for name, record in results.variants.items())
    speeds = (f"{name} {speed:.1f}" for name, speed in results.images_per_second.items())
    listed = ", ".join(speeds) or "not measured"
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = zip(row, "<>>>>>><", widths, strict=True)
        lines.append(" ".join(f"{text:{side}{width}}" for text, side, width in cells).rstrip())
    return [
        *lines,
        *(line for cost in costs for line in wrap(cost, TERMINAL_COLUMNS, break_on_hyphens=False)),
        *wrap(f"images/s of one batch: {listed}", TERMINAL_COLUMNS, break_on_hyphens=False),
    ]
