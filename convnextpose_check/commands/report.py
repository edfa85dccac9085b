"""Write the report and archives of a finished run again.

Writes report.html, BENCHMARK_REPORT.md and benchmark_comparison.png from
benchmark_results.json and per_sample.csv, and packs benchmark_results.zip and
benchmark_logs.zip. No model is run.
"""

import argparse
from pathlib import Path

from msgspec.structs import replace

from convnextpose_check.commands.terminal import Arguments, long_phase, print_lines
from convnextpose_check.paths import Outputs
from convnextpose_check.results.decision import format_run_verdict
from convnextpose_check.results.results_file import read_results
from convnextpose_check.run.report import pack_archives
from convnextpose_check.settings.options import read_settings

ARGUMENTS: Arguments = {
    "folder": {
        "metavar": "RESULTS_DIR",
        "nargs": "?",
        "type": Path,
        "help": "results folder of the run [default: output]",
    },
}


def run(options: argparse.Namespace) -> int:
    """Print the paths of the report and the archives."""
    from convnextpose_check.pages import write_pages

    outputs = Outputs(options.folder or read_settings(vars(options)).results_dir)
    with long_phase(f"writing the report of {outputs.results_dir}"):
        results, page = read_results(outputs.results), None
        if results.finished:  # the file may have been edited
            results = replace(results, verdict=format_run_verdict(results))
        if outputs.report.is_file():
            page = outputs.report.read_text(encoding="utf-8", errors="replace")
        write_pages(results, outputs, outputs.report, page)
        pack_archives(outputs, results)
    print_lines(*map(str, (outputs.report, *outputs.archives)))
    return 0
