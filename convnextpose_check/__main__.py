"""``python -m convnextpose_check``: what can be done with files, without a run of the tests."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from convnextpose_check.errors import ConvNeXtPoseCheckError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; a user's mistake is one sentence and exit code 2."""
    options = _parser().parse_args(arguments)
    try:
        for path in options.run(options):
            print(path)  # noqa: T201 - what a command wrote is what it prints
    except ConvNeXtPoseCheckError as error:
        print(error, file=sys.stderr)  # noqa: T201 - a command speaks on the terminal
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m convnextpose_check",
        description="Work on the files of a run. To judge models, run: python -m pytest -m gpu",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    report = commands.add_parser(
        "report",
        help="draw the pages of a finished run again",
        description="Draw report.html, BENCHMARK_REPORT.md and benchmark_comparison.png again from"
        " benchmark_results.json and per_sample.csv. No model is run.",
    )
    report.set_defaults(run=_report)

    export = commands.add_parser(
        "export",
        help="pack the results and logs of a run",
        description="Write benchmark_results.zip, benchmark_logs.zip and, for 'kaggle datasets"
        " create -p RESULTS_DIR/result', dataset-metadata.json unless there is one.",
    )
    export.add_argument(
        "--kaggle-user", metavar="NAME", help="owner of the data set [default: $KAGGLE_USERNAME]"
    )
    export.set_defaults(run=_export)

    for command in (report, export):
        command.add_argument(
            "results_dir",
            type=Path,
            nargs="?",
            default=Path("output"),
            help="the run's --results-dir [default: output]",
        )
    return parser


def _report(options: argparse.Namespace) -> list[Path]:
    from convnextpose_check.pages import redraw

    return redraw(options.results_dir)


def _export(options: argparse.Namespace) -> list[Path]:
    from convnextpose_check.export import export

    return export(options.results_dir, options.kaggle_user)


if __name__ == "__main__":
    sys.exit(main())
