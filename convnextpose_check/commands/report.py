"""Draw and pack the pages of a finished run again.

Writes report.html, BENCHMARK_REPORT.md and benchmark_comparison.png from
benchmark_results.json and per_sample.csv, and packs them into benchmark_results.zip
and benchmark_logs.zip. No model is run.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from convnextpose_check.commands.terminal import long_phase, print_lines
from convnextpose_check.pages import redraw
from convnextpose_check.results.export import export
from convnextpose_check.settings.options import settings_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the folder of the run."""
    about = "folder of the run [default: output]"
    parser.add_argument("folder", metavar="RESULTS_DIR", nargs="?", type=Path, help=about)


def run(options: argparse.Namespace) -> int:
    """Print the path of each file that was written."""
    results_dir = options.folder or settings_of(options).results_dir
    with long_phase(f"drawing the pages of {results_dir}"):
        written = [*redraw(results_dir), *export(results_dir)]
    print_lines(*map(str, written))
    return 0
