"""Pack the results and logs of a run for others.

Writes benchmark_results.zip, benchmark_logs.zip and, for `kaggle datasets create -p
RESULTS_DIR/result`, dataset-metadata.json unless there is one.
"""

from __future__ import annotations

import argparse

from convnextpose_check.commands.telling import tell
from convnextpose_check.settings.arguments import add_place, settings_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which run, and for whom."""
    add_place(parser, "results_dir", "RESULTS_DIR")
    parser.add_argument(
        "--kaggle-user", metavar="NAME", help="owner of the data set [default: $KAGGLE_USERNAME]"
    )


def run(options: argparse.Namespace) -> int:
    """Print the path of each file."""
    from convnextpose_check.results.export import export

    for path in export(settings_of(options).results_dir, options.kaggle_user):
        tell(str(path))
    return 0
