"""An earlier run's answers, from the file that its evaluation was kept in."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from convnextpose_check.diagnosis.case import Case
from convnextpose_check.errors import ConvNeXtPoseCheckError, ErrorCode
from convnextpose_check.files.whole import open_regular
from convnextpose_check.human36m.geometry import Array
from convnextpose_check.human36m.samples import Dataset, Sample


def read_earlier(
    path: Path, dataset: Dataset, grid_whd: tuple[int, int, int]
) -> tuple[Case, Array, list[Sample]]:
    """The case, the run's errors (N, 17) and the samples that they are of, in the run's order.

    Whatever has changed since the run, its positions stay what they were: the key of ``--resume``
    is not asked for. Raises ``ConvNeXtPoseCheckError`` (``bad-results``) for a file that is none,
    or has no sample of this data set.
    """
    try:
        with open_regular(path) as stream, np.load(stream, allow_pickle=False) as arrays:
            image_ids, done, cells_xyz, errors_mm = (
                arrays[name] for name in ("image_ids", "done", "cells_xyz", "errors_mm")
            )
        there = [sample.image_id for sample in dataset.samples]
        used = done & cells_xyz.any(axis=(1, 2)) & np.isin(image_ids, there)
        samples = dataset.samples_of(image_ids[used].tolist())
        if samples:
            case = Case.at(samples, cells_xyz[used], grid_whd, dataset.protocol)
            return case, errors_mm[used], samples
        problem = f"{path} has no sample of the data set below {dataset.layout.root}"
    except OSError as error:
        problem = f"cannot read {path}: {error.strerror}"
    except Exception as error:  # noqa: BLE001 - NumPy raises types of its own, not one family
        problem = f"{path} holds no evaluation: {error}"
    raise ConvNeXtPoseCheckError(
        ErrorCode.BAD_RESULTS, problem, "Name the results folder of a run on this data set"
    )
