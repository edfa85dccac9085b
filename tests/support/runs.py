"""Runs on small files, and evaluations with known errors."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convnextpose_check.checkpoints.fingerprints import Fingerprint
from convnextpose_check.evaluation.measurements import Evaluation
from convnextpose_check.human36m.samples import DatasetFacts
from convnextpose_check.paths import Outputs
from convnextpose_check.results.decision import add_decision
from convnextpose_check.results.schema import Results
from convnextpose_check.run.report import build_results, write_report
from convnextpose_check.run.run import Run, TargetName
from convnextpose_check.settings.options import read_settings
from convnextpose_check.variants import Catalogue


def make_run(
    options: Mapping[str, str],
    catalogue: Catalogue,
    facts: DatasetFacts,
    dataset_root: Path | None,
    *checkpoint_paths: Path,
    name: TargetName = "synthetic",
    fingerprints: Mapping[str, Fingerprint] | None = None,
    evaluated: tuple[str, ...] | None = None,
) -> Run:
    """A run with these options, and defaults for all others.

    ``evaluated`` names the variants to evaluate, by default all selected ones.
    """
    settings = read_settings({field: [text] for field, text in options.items()}, {})
    settings = replace(settings, h36m_root=dataset_root, checkpoints=checkpoint_paths)
    run = Run(name, settings, catalogue, facts, fingerprints or {})
    return replace(run, evaluated=tuple(run.variants) if evaluated is None else evaluated)


def write_results(run: Run) -> Results:
    """Write the run's results and report to its results folder, and return the results.

    Charts stay blank, which saves most of the time.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("matplotlib.figure.Figure.draw", lambda *_: None)
        report = Outputs(run.settings.results_dir).report
        return write_report(run, add_decision(build_results(run, {}), (), ""), report, None, {})


def make_evaluation(error_mm: float = 0.0, count: int = 4, **changes: Any) -> Evaluation:
    """A complete evaluation in which every joint of every sample has this error."""
    fields: dict[str, Any] = {
        "protocol": 2,
        "errors_mm": np.full((count, 17), error_mm),
        "cells_xyz": np.zeros((count, 18, 3), np.float32),
        "image_ids": tuple(range(1, count + 1)),
        "file_names": tuple(f"{letter}.jpg" for letter in "abcd"[:count]),
        "actions": ("Posing",) * count,
        "unreadable": (),
        "complete": True,
        "images_sha256": "",
        "batch_size": 4,
    }
    return Evaluation(**(fields | changes))
