"""Say why a run's millimetres are off, without running it again.

RESULTS is the results folder of a run of this suite, or the file that the
authors' own main/test.py leaves, bbox_root_pose_human36m_output.json, whose
variant --variants names. For each variant it prints:

  error     the error of the whole and of each action, and the verdict
  cause     what explains the difference from the reference, the likeliest
            first, each with its evidence and what to do

For a results folder the causes are also added to its results and pages.

The positions are held against the true joints below --h36m-root, or where the
run found them. With --checkpoints a few images are shown to the network again,
which finds what cannot be told from positions: other pixels, another network.

The exit code is 0 if every error is within the tolerance of 1 mm, else 1.

  python -m convnextpose_check diagnose output --h36m-root DIR
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from shutil import get_terminal_size
from textwrap import wrap
from typing import TYPE_CHECKING

from convnextpose_check.commands.telling import tell
from convnextpose_check.settings.arguments import add_settings, settings_of

if TYPE_CHECKING:
    from convnextpose_check.diagnosis.finished_run import Told
    from convnextpose_check.settings.read import Settings

MAX_COLUMNS, MIN_COLUMNS = 100, 60

TAKEN = (
    "h36m_root", "checkpoints", "variants", "variants_file", "protocol", "bbox", "no_flip",
    "device",
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which run, and where its data and models are."""
    parser.add_argument("results", metavar="RESULTS", type=Path, help="folder or file of a run")
    add_settings(parser, *TAKEN)


def run(options: argparse.Namespace) -> int:
    """Tell of each variant its error and the causes."""
    settings = settings_of(options)
    told = _of_file if options.results.is_file() else _of_folder
    columns = max(MIN_COLUMNS, min(get_terminal_size((MAX_COLUMNS, 24)).columns, MAX_COLUMNS))
    all_is_well = True
    for number, each in enumerate(told(options.results, settings)):
        if number:
            tell("")
        for line in _lines(each, columns):
            tell(line)
        all_is_well &= each.is_well
    return 0 if all_is_well else 1


def _of_file(path: Path, settings: Settings) -> Iterator[Told]:
    from convnextpose_check.diagnosis.finished_run import of_authors_output
    from convnextpose_check.errors import ConvNeXtPoseCheckError
    from convnextpose_check.run.run import published_run
    from convnextpose_check.run.target import published_target

    run = published_run(settings, published_target(settings))
    if len(settings.variants or ()) != 1:
        raise ConvNeXtPoseCheckError(
            "bad-option", f"{path} does not tell which variant it is of", "Name it with --variants"
        )
    yield of_authors_output(path, run, run.variants[0])


def _of_folder(folder: Path, settings: Settings) -> Iterator[Told]:
    from convnextpose_check.diagnosis.finished_run import of_earlier, with_causes
    from convnextpose_check.miniature.reference import miniature_catalogue
    from convnextpose_check.pages import redraw
    from convnextpose_check.paths import Outputs
    from convnextpose_check.results.results_file import read_results, write_results
    from convnextpose_check.run.run import published_run
    from convnextpose_check.run.target import published_target

    outputs = Outputs(folder)
    results = read_results(outputs.results)
    as_then = replace(
        settings,
        h36m_root=settings.h36m_root or Path(results.dataset.root),
        protocol=results.protocol,
        bbox=results.bbox,
        no_flip=not results.flip,
    )
    target = published_target(as_then)
    if results.subject == "miniature":
        target = replace(target, catalogue=miniature_catalogue())
    run = published_run(as_then, target)
    told: dict[str, Told] = {}
    for variant in results.variants:
        if settings.variants is None or variant in settings.variants:
            told[variant] = of_earlier(outputs, results, run, variant)
            yield told[variant]
    write_results(with_causes(results, told), outputs.results)
    redraw(folder)


def _lines(told: Told, columns: int) -> Iterator[str]:
    yield told.title
    actions = [f"{action} {mm:.2f}" for action, mm in told.per_action_mm.items()]
    rows = [("error", ", ".join(actions))]
    rows += [("note", note) for note in told.notes]
    rows += [(f"cause {n}", str(cause)) for n, cause in enumerate(told.causes, start=1)]
    if not (told.causes or told.is_well or told.is_subset):
        rows.append(("cause", "none of what was tried explains the difference."))
    for title, text in rows:
        yield from wrap(
            text, columns, initial_indent=f"  {title:<9}", subsequent_indent=" " * 11,
            break_on_hyphens=False,
        )  # fmt: skip
