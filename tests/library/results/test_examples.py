"""Best, median and worst samples, and the file of errors per sample."""

from __future__ import annotations

import base64
import csv
from pathlib import Path

import numpy as np
import pytest

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.evaluation.measurements import Evaluation
from convnextpose_check.evaluation.metrics import sample_errors_mm
from convnextpose_check.human36m.crops import read_crop
from convnextpose_check.human36m.samples import Dataset, load_dataset
from convnextpose_check.results.examples import find_examples
from convnextpose_check.results.per_sample import (
    JOINT_COLUMNS,
    read_errors_mm,
    write_per_sample,
)
from convnextpose_check.synthetic.build import SyntheticData
from convnextpose_check.synthetic.record import read_record
from tests.support.runs import make_evaluation

GRID_WHD = (32, 32, 32)


@pytest.fixture(scope="module")
def dataset(synthetic: SyntheticData, fixtures: Path) -> Dataset:
    return load_dataset(synthetic.dataset, read_record(fixtures).dataset, 2, "gt", 9)


@pytest.fixture(scope="module")
def evaluation(dataset: Dataset) -> Evaluation:
    """Random predictions; the fourth sample is the best, the second the worst."""
    rng = np.random.default_rng(0)
    cells_xyz = rng.random((len(dataset.samples), 18, 3), np.float32) * 8 + 12
    cells_xyz[1] *= 3
    errors_mm = sample_errors_mm(cells_xyz, dataset.samples, GRID_WHD, 2)
    errors_mm[3] /= 10
    return make_evaluation(
        errors_mm=errors_mm,
        cells_xyz=cells_xyz,
        image_ids=tuple(sample.image_id for sample in dataset.samples),
        file_names=tuple(sample.path.name for sample in dataset.samples),
        actions=tuple(sample.action for sample in dataset.samples),
    )


def test_find_examples_returns_best_median_worst(evaluation: Evaluation, dataset: Dataset) -> None:
    best, median, worst, *more = find_examples(evaluation, dataset, GRID_WHD, with_crops=False)

    means_mm = evaluation.errors_mm.mean(axis=1)
    assert [e.rank for e in (best, median, worst)] == ["best", "median", "worst"]
    assert [e.error_mm for e in (worst, *more)] == sorted(means_mm, reverse=True)[:3]
    assert {e.rank for e in more} == {"worst"}
    assert best.file_name == dataset.samples[3].path.name
    assert worst.file_name == dataset.samples[1].path.name
    assert median.error_mm == np.median(means_mm)
    assert best.crop_jpeg is None
    offsets_mm = np.array(worst.predicted_mm) - np.array(worst.truth_mm)
    assert np.linalg.norm(offsets_mm, axis=1).mean() == pytest.approx(worst.error_mm, abs=0.02)
    assert worst.truth_mm[0] == (0.0, 0.0, 0.0)


def test_find_examples_crop_is_network_input(evaluation: Evaluation, dataset: Dataset) -> None:
    import cv2

    example, *others = find_examples(evaluation, dataset, GRID_WHD, with_crops=True)

    assert all(other.crop_jpeg for other in others)
    assert example.crop_jpeg is not None
    content = np.frombuffer(base64.b64decode(example.crop_jpeg), np.uint8)
    example_bgr = cv2.imdecode(content, cv2.IMREAD_COLOR)
    input_rgb = read_crop(dataset.samples[3]).pixels_rgb
    assert input_rgb is not None
    assert example_bgr is not None
    difference = example_bgr[:, :, ::-1].astype(int) - input_rgb.transpose(1, 2, 0)
    assert np.abs(difference).mean() < 4


def test_write_per_sample_columns(evaluation: Evaluation, dataset: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "per_sample.csv"

    write_per_sample({"XS": evaluation, "S": evaluation}, dataset, path)

    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * len(dataset.samples)
    sample, row = dataset.samples[1], rows[1]
    assert (row["variant"], row["image_id"]) == ("XS", str(sample.image_id))
    assert (row["subject"], row["action"]) == (str(sample.subject), sample.action)
    assert f"_ca_{row['camera']}_" in row["file_name"]
    assert row["file_name"].startswith(f"{row['take']}_ca_")
    assert float(row["R_Wrist_mm"]) == pytest.approx(evaluation.errors_mm[1, 16], abs=1e-4)
    assert read_errors_mm(path)["S"] == pytest.approx(evaluation.errors_mm.mean(axis=1), abs=1e-4)
    path.write_text("")
    assert read_errors_mm(path) == {}


COLUMNS = ",".join(("variant", "action", *JOINT_COLUMNS))
OTHERS = "1.0," * (len(JOINT_COLUMNS) - 1)


@pytest.mark.parametrize(
    "content",
    [
        None,
        "variant,action\nXS,Posing\n",
        f"{COLUMNS}\nXS,Posing,{OTHERS}far\n",
        f"{COLUMNS}\nXS,Posing,{OTHERS}nan\n",
        "a\n\x00",
    ],
)
def test_read_errors_mm_invalid_raises_bad_results(content: str | None, tmp_path: Path) -> None:
    path = tmp_path / "per_sample.csv"
    if content is not None:
        path.write_text(content)

    with pytest.raises(ConvNeXtPoseCheckError, match="bad-results"):
        read_errors_mm(path)
