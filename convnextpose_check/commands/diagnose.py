"""Search for the cause of an error that differs from its reference.

RESULTS is the results folder of a run of this suite, or the file of the authors' own main/test.py,
bbox_root_pose_human36m_output.json, with its variant as --variants. Prints for each variant:

  error    the error and its verdict, and the error of each action
  cause n  a possible cause, the likeliest first, with evidence and remedy

For a results folder, the causes are also added to its results and pages.

The ground truth is read from --h36m-root, or from the run's data set. With --checkpoints, the
network is run again on a few images, which finds causes that positions do not show. The exit code
is 0 if every error is within 1 mm of its reference, else 1.

  python -m convnextpose_check diagnose output --h36m-root DIR
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from convnextpose_check.commands.terminal import long_phase, print_lines
from convnextpose_check.diagnosis.finished_run import (
    Told,
    of_authors_output,
    of_earlier,
    with_causes,
)
from convnextpose_check.errors import ConvNeXtPoseCheckError, ErrorCode
from convnextpose_check.miniature.reference import miniature_catalogue
from convnextpose_check.pages import redraw
from convnextpose_check.paths import Outputs
from convnextpose_check.results.results_file import read_results, write_results
from convnextpose_check.run.run import published_run
from convnextpose_check.run.target import published_target
from convnextpose_check.settings.options import Settings, add_settings, settings_of

TAKEN = (
    "h36m_root", "checkpoints", "variants", "variants_file", "protocol", "bbox", "no_flip",
    "device",
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the run, its data and its models."""
    parser.add_argument("results", metavar="RESULTS", type=Path, help="folder or file of a run")
    add_settings(parser, *TAKEN)


def run(options: argparse.Namespace) -> int:
    """Print the error of each variant and its causes."""
    settings = settings_of(options)
    diagnose = _diagnose_file if options.results.is_file() else _diagnose_folder
    all_is_well = True
    for told in diagnose(options.results, settings):
        print_lines(*_lines(told))
        all_is_well &= told.is_well
    return 0 if all_is_well else 1


def _diagnose_file(path: Path, settings: Settings) -> Iterator[Told]:
    run = published_run(settings, published_target(settings))
    if len(settings.variants or ()) != 1:
        raise ConvNeXtPoseCheckError(
            ErrorCode.BAD_OPTION,
            f"{path} does not contain the variant's name",
            "Name it with --variants",
        )
    with long_phase(f"searching for causes in {path}"):
        told = of_authors_output(path, run, run.variants[0])
    yield told


def _diagnose_folder(folder: Path, settings: Settings) -> Iterator[Told]:
    outputs = Outputs(folder)
    results = read_results(outputs.results)
    settings = replace(
        settings,
        h36m_root=settings.h36m_root or Path(results.dataset.root),
        protocol=results.protocol,
        bbox=results.bbox,
        no_flip=not results.flip,
    )
    target = published_target(settings)
    if results.subject == "miniature":
        target = replace(target, catalogue=miniature_catalogue())
    run = published_run(settings, target)
    told: dict[str, Told] = {}
    for variant in results.variants:
        if settings.variants is None or variant in settings.variants:
            with long_phase(f"searching for causes of the error of {variant}"):
                told[variant] = of_earlier(outputs, results, run, variant)
            yield told[variant]
    write_results(with_causes(results, told), outputs.results)
    with long_phase("drawing the pages"):
        redraw(folder)


def _lines(told: Told) -> Iterator[str]:
    yield told.title
    actions = ", ".join(f"{action} {mm:.2f}" for action, mm in told.per_action_mm.items())
    yield f"  error    {actions}"
    yield from (f"  note     {note}" for note in told.notes)
    yield from (f"  cause {number}  {cause}" for number, cause in enumerate(told.causes, start=1))
    if not (told.causes or told.is_well or told.is_subset):
        yield "  cause    no cause that was tried explains the difference"
