"""Search a finished run for the cause of an error that differs from its reference.

RESULTS is the results folder of a run of this suite, or the output of the authors' main/test.py,
bbox_root_pose_human36m_output.json, with its variant as --variants. Prints for each variant the
parts of the difference, the step with the fault (link), the findings with the best explanation
first, the causes that were ruled out, and the groups with the largest errors. For a results folder
it writes result/diagnosis.json and diagnosis.html there.

The ground truth is read from --h36m-root, by default from the run's data set. With --checkpoints,
24 samples are predicted again; the checkpoint must be the run's. With --baseline, the results
file in the folder of an earlier run, errors are compared sample by sample. The exit code is 0 if
every error is within 1 mm of its reference, 1 if not, and 2 if the run cannot be read.

  python -m convnextpose_check diagnose output --h36m-root DIR --checkpoints DIR
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from convnextpose_check.commands.terminal import Arguments, long_phase, print_lines
from convnextpose_check.diagnosis.finding import format_lines, write_diagnoses
from convnextpose_check.diagnosis.reading import FinishedRun, read_authors_output, read_evaluation
from convnextpose_check.diagnosis.replay import Replay
from convnextpose_check.diagnosis.search import MIN_EXCESS_MM, Search
from convnextpose_check.errors import ConvNeXtPoseCheckError, ErrorCode
from convnextpose_check.human36m.geometry import Array
from convnextpose_check.paths import Outputs, cache_file_path
from convnextpose_check.results.results_file import read_results
from convnextpose_check.run.run import Run, open_published_run
from convnextpose_check.settings.options import Settings, read_settings
from convnextpose_check.synthetic.reference import synthetic_catalogue

ARGUMENTS: Arguments = {
    "results": {"metavar": "RESULTS", "type": Path, "help": "results folder or authors' output"},
}
SETTINGS = (
    "h36m_root", "checkpoints", "variants", "variants_file", "protocol", "bbox", "no_flip",
    "device", "baseline",
)  # fmt: skip


def run(options: argparse.Namespace) -> int:
    """Print the diagnosis of each variant."""
    settings, path = read_settings(vars(options)), options.results
    diagnoses, print_step = [], partial(print_lines, file=sys.stderr)
    for finished, run in read_finished_runs(path, settings):
        deltas_mm = _read_differences_mm(settings, finished, run)
        search = Search(finished, partial(open_replay, finished, run), deltas_mm, print_step)
        diagnoses.append(search.diagnose())
        print_lines(*format_lines(diagnoses[-1]))
    if path.is_dir():
        print_lines(*(f"wrote {written}" for written in write_diagnoses(diagnoses, path)))
    within = (d.reference_mm is not None and abs(d.excess_mm) < MIN_EXCESS_MM for d in diagnoses)
    return 0 if all(within) else 1


def read_finished_runs(path: Path, settings: Settings) -> Iterator[tuple[FinishedRun, Run]]:
    """Read the chosen variants of a results folder, or the one variant of the authors' output."""
    if path.is_file():
        yield _read_authors_run(path, settings)
        return
    results = read_results(Outputs(path).results)
    settings = replace(
        settings, h36m_root=settings.h36m_root or Path(results.dataset.root),
        protocol=results.protocol, bbox=results.bbox, no_flip=not results.flip,
    )  # fmt: skip
    run = open_published_run(settings)
    if results.target == "synthetic":
        run = replace(run, catalogue=synthetic_catalogue())
    for variant, record in results.variants.items():
        if settings.variants is None or variant in settings.variants:
            grid_whd = run.catalogue[variant].architecture.grid_whd
            file = path / cache_file_path(results.target, variant)
            saved = read_evaluation(file, run.dataset, grid_whd)
            yield FinishedRun(
                variant, record.error_mm, record.reference_mm, saved, run.dataset,
                results.expected_samples - len(saved.samples), results, record,
            ), run  # fmt: skip


def _read_authors_run(path: Path, settings: Settings) -> tuple[FinishedRun, Run]:
    run = open_published_run(settings)
    if len(settings.variants or ()) != 1:
        raise ConvNeXtPoseCheckError(
            ErrorCode.BAD_OPTION,
            f"{path} does not contain the variant's name: expected one name in --variants",
            "Add it, such as --variants XS",
        )
    with long_phase(f"reading {path}"):
        saved = read_authors_output(path, run.dataset)
    (variant,) = run.variants
    reported = run.reported_error(variant)
    return FinishedRun(
        variant, float(saved.errors_mm.mean()), None if reported is None else reported.value, saved,
        run.dataset, run.dataset.facts.samples - len(saved.samples),
    ), run  # fmt: skip


def _read_differences_mm(settings: Settings, finished: FinishedRun, run: Run) -> Array | None:
    """Return the run's errors (N,) minus the baseline's; 0 for samples missing there."""
    if settings.baseline is None or finished.results is None:
        return None
    folder = settings.baseline.parent.parent  # of result/benchmark_results.json
    path = folder / cache_file_path(finished.results.target, finished.variant)
    before = read_evaluation(path, run.dataset, finished.saved.table.grid_whd)
    before_mm, after_mm = (
        dict(zip([s.image_id for s in each.samples], each.errors_mm.mean(axis=1), strict=True))
        for each in (before, finished.saved)
    )
    return np.array([mm - before_mm.get(image_id, mm) for image_id, mm in after_mm.items()])


def open_replay(finished: FinishedRun, run: Run) -> Replay | None:
    """Prepare to predict samples again with the run's checkpoint; None without checkpoints.

    Raises ``ConvNeXtPoseCheckError`` if the checkpoint is not the run's.
    """
    if not run.settings.checkpoints:
        return None
    models, record = run.models[finished.variant], finished.record
    name, sha256 = models.checkpoint.path.name, models.checkpoint.sha256
    if record is not None and record.sha256 != sha256:
        raise ConvNeXtPoseCheckError(
            ErrorCode.BAD_OPTION,
            f"{name} has sha256 {sha256[:12]}: expected {record.sha256[:12]} of {record.file}",
            "Pass the run's checkpoint, or omit --checkpoints",
        )
    return Replay(finished, models)
