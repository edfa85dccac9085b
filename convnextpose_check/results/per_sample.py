"""The per-sample file: errors of all joints, one line per sample and variant."""

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from convnextpose_check.errors import ConvNeXtPoseCheckError, ErrorCode
from convnextpose_check.evaluation.measurements import Evaluation
from convnextpose_check.files.regular_files import write_atomically
from convnextpose_check.human36m.geometry import Array
from convnextpose_check.human36m.samples import Dataset
from convnextpose_check.human36m.skeleton import ANNOTATED_JOINTS, JOINTS
from convnextpose_check.results.bootstrap import take_name

JOINT_COLUMNS = tuple(f"{joint}_mm" for joint in JOINTS[:ANNOTATED_JOINTS])


def write_per_sample(evaluations: Mapping[str, Evaluation], dataset: Dataset, path: Path) -> None:
    """Write one line per sample and variant, errors in mm to four decimals.

    A take is (subject, action, subaction), filmed by up to four cameras.
    """
    columns = ("variant", "image_id", "file_name", "subject", "action", "take", "camera")
    samples = {sample.path.name: sample for sample in dataset.samples}
    with (
        write_atomically(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.writer(file)
        writer.writerow([*columns, "mean_mm", *JOINT_COLUMNS])
        for variant, evaluation in evaluations.items():
            rows = zip(evaluation.file_names, evaluation.errors_mm, strict=True)
            for file_name, errors_mm in rows:
                sample = samples[file_name]
                camera = sample.sequence.rsplit("_", 1)[1]
                numbers = (f"{error_mm:.4f}" for error_mm in (errors_mm.mean(), *errors_mm))
                labels = (sample.image_id, file_name, sample.subject, sample.action)
                writer.writerow([variant, *labels, take_name(file_name), camera, *numbers])


def read_errors_mm(path: Path) -> dict[str, Array]:
    """The sample errors (N,) in mm, averaged over the joints, by variant.

    Raises ``ConvNeXtPoseCheckError`` (``bad-results``).
    """
    rows_mm: dict[str, list[list[float]]] = {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file, strict=True):
                errors_mm = [float(row[column]) for column in JOINT_COLUMNS]
                rows_mm.setdefault(row["variant"], []).append(errors_mm)
        if not all(np.isfinite(each).all() for each in rows_mm.values()):
            raise ValueError("an error is not finite")
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise ConvNeXtPoseCheckError(
            ErrorCode.BAD_RESULTS,
            f"{path} is not a readable per-sample file: {error!r}",
            "Pass the results folder of a finished run",
        ) from None
    return {name: np.mean(errors_mm, axis=1) for name, errors_mm in rows_mm.items()}
