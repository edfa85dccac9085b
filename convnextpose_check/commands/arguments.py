"""Arguments that several commands take."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_results_dir(parser: argparse.ArgumentParser) -> None:
    """The folder that a run has written, ``options.results_dir``."""
    parser.add_argument(
        "results_dir",
        metavar="RESULTS_DIR",
        type=Path,
        nargs="?",
        default=Path("output"),
        help="the run's --results-dir [default: output]",
    )
