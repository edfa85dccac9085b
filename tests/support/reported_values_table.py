"""Markdown tables of reported values, generated from the variants file."""

from collections.abc import Callable

from convnextpose_check.checks.network import GMACS_SLACK, MILLIONS_SLACK, check_reported_value
from convnextpose_check.variants import Catalogue, ReportedValue, Variant


def _format_value(reported: ReportedValue | None, digits: int) -> str:
    return "-" if reported is None else f"{reported.value:.{digits}f}"


ROWS: dict[str, Callable[[Variant], str]] = {
    "": lambda v: f"**{v.name}**",
    "backbone": lambda v: v.architecture.backbone,
    "head channels": lambda v: str(v.architecture.head_channels),
    "head layers that upsample (of 3)": lambda v: str(v.architecture.head_upsamplings),
    "heatmap (x, y, depth)": lambda v: " x ".join(map(str, v.architecture.grid_whd)),
    "parameters": lambda v: f"{v.parameters:,}",
    "parameters, paper": lambda v: f"{_format_value(v.paper.parameters_millions, 2)} M",
    "elements of the state dict": lambda v: f"{v.state_elements:,}",
    "elements of the state dict, Kaggle guide": lambda v: f"{_format_value(v.guide, 2)} M",
    "multiply-adds of the convolutions": lambda v: f"{v.multiply_adds:,}",
    "multiply-adds, paper": lambda v: f"{_format_value(v.paper.gmacs, 2)} G",
    "MPJPE, protocol 2 (mm)": lambda v: _format_value(v.paper.mpjpe_mm, 2),
    "PA-MPJPE, protocol 1 (mm)": lambda v: _format_value(v.paper.pa_mpjpe_mm, 1),
    "epoch": lambda v: str(v.checkpoint.epoch or "-"),
    "head keys": lambda v: v.checkpoint.head_keys,
}
"""Title and cell of each row."""


def reported_values_table(catalogue: Catalogue) -> str:
    lines = [
        f"| {' | '.join([title, *map(cell, catalogue.variants)])} |" for title, cell in ROWS.items()
    ]
    lines.insert(1, "|---" * (len(catalogue.variants) + 1) + "|")
    return "\n".join(lines) + "\n"


def answers_table(catalogue: Catalogue) -> str:
    """A row for each variant: a mark at the counts that agree with the paper's, and its MPJPE."""
    lines = ["| variant | parameters | multiply-adds | MPJPE |", "|---|--:|--:|--:|"]
    for variant in catalogue.variants:
        parameters, gmacs = variant.paper.parameters_millions, variant.paper.gmacs
        millions, billions = variant.parameters / 1e6, variant.multiply_adds / 1e9
        check_reported_value("M parameters", millions, parameters, MILLIONS_SLACK, variant.name)
        check_reported_value("GMACs", billions, gmacs, GMACS_SLACK, variant.name)
        counts = f"{_format_value(parameters, 2)} M ✓ | {_format_value(gmacs, 2)} G ✓"
        error = f"{_format_value(variant.paper.mpjpe_mm, 2)} mm: [run it](#run-it-on-kaggle)"
        lines.append(f"| {variant.name} | {counts} | {error} |")
    return "\n".join(lines) + "\n"
