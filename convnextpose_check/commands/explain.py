"""Say what a printed result of the authors' test script rests on.

Takes a text file in which main/test.py, or a script that it descends from, has
printed its errors on Human3.6M: the total and the mean of each action. Other
text around them, colours and the prefixes of loggers do no harm; every run in
the file is told. For each:

  counts   does the total follow from the means and the official number of
           samples of each action? If not: a subset, the mean of actions instead
           of samples, the other protocol's samples, or nothing that fits
  figures  which published figures it is like or far from, and which of them
           are in circulation without being the paper's

The exit code is 0 if the counts agree in every run, 1 if they do not in one, or
nothing of the kind is in the file.

  python -m convnextpose_check explain output/log/test_logs.txt
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from shutil import get_terminal_size
from textwrap import wrap

from convnextpose_check.commands.telling import tell
from convnextpose_check.settings.arguments import add_settings, settings_of

MAX_COLUMNS, MIN_COLUMNS = 100, 60


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which text, and whose figures."""
    parser.add_argument("log", metavar="LOG", type=Path, help="text that the script has printed")
    add_settings(parser, "variants_file")


def run(options: argparse.Namespace) -> int:
    """Tell of each run what its counts and figures say."""
    from convnextpose_check.errors import ConvNeXtPoseCheckError
    from convnextpose_check.explain.judgement import judge_counts
    from convnextpose_check.explain.other_figures import figure_sentences, read_other_figures
    from convnextpose_check.explain.printed_log import read_log
    from convnextpose_check.human36m.samples import read_facts
    from convnextpose_check.variants import read_catalogue

    catalogue = read_catalogue(settings_of(options).variants_file)
    facts, others = read_facts(), read_other_figures()
    if not (runs := read_log(options.log)):
        missing = ConvNeXtPoseCheckError(
            "no-printed-error",
            f"nothing in {options.log} looks like what the authors' test script prints"
            " ('Protocol 2 error (MPJPE) >> tot: ...')",
            "Name the file that its output went to",
        )
        tell(str(missing), file=sys.stderr)
        return 1
    columns = max(MIN_COLUMNS, min(get_terminal_size((MAX_COLUMNS, 24)).columns, MAX_COLUMNS))
    agreed = True
    for number, printed in enumerate(runs):
        judgement = judge_counts(printed, facts)
        agreed &= judgement.kind == "agrees"
        metric = "PA MPJPE" if printed.aligned else "MPJPE"
        often = f", printed {printed.times} times" if printed.times > 1 else ""
        if number:
            tell("")
        tell(
            f"line {printed.line}: protocol {printed.protocol}, {metric}"
            f" {printed.total.mm:.2f} mm{often}"
        )
        _print_rows("counts", judgement.sentences, columns)
        if printed.total.is_measured:
            sentences = figure_sentences(printed.total.mm, printed.protocol, catalogue, others)
            _print_rows("figures", sentences, columns)
    return 0 if agreed else 1


def _print_rows(title: str, sentences: list[str] | tuple[str, ...], columns: int) -> None:
    for index, sentence in enumerate(sentences):
        beginning = f"  {title if index == 0 else '':<9}"
        lines = wrap(
            sentence,
            columns,
            initial_indent=beginning,
            subsequent_indent=" " * len(beginning),
            break_on_hyphens=False,
        )
        tell(*lines)
