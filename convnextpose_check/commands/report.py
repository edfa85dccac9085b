"""Draw the pages of a finished run again.

Makes report.html, BENCHMARK_REPORT.md and benchmark_comparison.png from benchmark_results.json and
per_sample.csv. No model is run.
"""

from __future__ import annotations

import argparse

from convnextpose_check.commands.telling import tell
from convnextpose_check.settings.arguments import add_place, settings_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which run."""
    add_place(parser, "results_dir", "RESULTS_DIR")


def run(options: argparse.Namespace) -> int:
    """Print the path of each page."""
    from convnextpose_check.pages import redraw

    for path in redraw(settings_of(options).results_dir):
        tell(str(path))
    return 0
