"""Runs on files that a test has written, and evaluations of one network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from convnextpose_check.checkpoints.fingerprints import Fingerprint
from convnextpose_check.evaluation.measurements import Evaluation, ModelEntry
from convnextpose_check.evaluation.one_pass import Conditions, evaluate
from convnextpose_check.human36m.samples import Dataset, DatasetFacts
from convnextpose_check.network import Network
from convnextpose_check.paths import Outputs
from convnextpose_check.results.decision import add_decision
from convnextpose_check.results.schema import Results
from convnextpose_check.run.report import build_results, write_report
from convnextpose_check.run.run import Run, TargetName
from convnextpose_check.settings.options import read_settings
from convnextpose_check.variants import Catalogue


def run_of(
    given: Mapping[str, str],
    catalogue: Catalogue,
    facts: DatasetFacts,
    dataset_root: Path | None,
    *checkpoint_places: Path,
    name: TargetName = "synthetic",
    fingerprints: Mapping[str, Fingerprint] | None = None,
    evaluated: tuple[str, ...] | None = None,
) -> Run:
    """A run under these settings and the defaults of all others, on the CPU.

    ``evaluated`` names the variants to evaluate, all chosen ones by default.
    """
    settings = read_settings({field: [text] for field, text in given.items()}, {})
    settings = replace(settings, h36m_root=dataset_root, checkpoints=checkpoint_places)
    run = Run(name, settings, catalogue, facts, fingerprints or {})
    return replace(run, evaluated=tuple(run.variants) if evaluated is None else evaluated)


def written_results(run: Run) -> Results:
    """The run's results, written below its results folder as a session writes them.

    Charts are left blank, which saves most of the time.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("matplotlib.figure.Figure.draw", lambda *_: None)
        report = Outputs(run.settings.results_dir).report
        return write_report(run, add_decision(build_results(run), (), ""), report, None)


def evaluation_of(
    network: Network,
    dataset: Dataset,
    device: torch.device,
    *,
    flip: bool,
    batch_size: int,
    workers: int,
) -> Evaluation:
    """One network over the whole data set in float32; raises what makes it fail."""
    conditions = Conditions((device,), flip, batch_size, workers)
    outcome = evaluate({"": ModelEntry(network)}, dataset, conditions)[""]
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def made_evaluation(error_mm: float = 0.0, count: int = 4, **changes: Any) -> Evaluation:
    """A complete evaluation in which every joint of all samples has this error."""
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
        "seconds": 1.0,
        "batch_size": 4,
    }
    return Evaluation(**(fields | changes))
