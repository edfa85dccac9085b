"""What the authors' script leaves is read as it was written, and judged by their own arithmetic."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convnextpose_check.diagnosis.authors_output import read_authors_output
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.evaluation.metrics import compared_poses_mm
from convnextpose_check.human36m.geometry import Array
from convnextpose_check.human36m.samples import Dataset, load_dataset
from tests.support.cases import GRID_WHD, answers_to, authors_entries
from tests.support.datasets import FACTS, Handmade


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return load_dataset(Handmade().write(tmp_path / "h36m"), FACTS)


@pytest.fixture
def cells_xyz(dataset: Dataset) -> Array:
    return answers_to(dataset)


def written(entries: Any, folder: Path) -> Path:
    path = folder / "bbox_root_pose_human36m_output.json"
    path.write_text(json.dumps(entries))
    return path


def test_errors_are_the_authors_to_the_last_digit(
    dataset: Dataset, cells_xyz: Array, tmp_path: Path
) -> None:
    path = written(authors_entries(dataset, cells_xyz), tmp_path)

    output = read_authors_output(path, dataset)

    for errors_mm, cells, sample in zip(output.errors_mm, cells_xyz, dataset.samples, strict=True):
        predicted_mm, truth_mm = compared_poses_mm(cells, sample, GRID_WHD, 2)
        expected_mm = np.sqrt(((predicted_mm - truth_mm) ** 2).sum(axis=1))
        assert np.abs(errors_mm - expected_mm).max() < 1e-6
    assert (output.others, output.missing) == (0, 0)


def test_case_has_the_errors_of_the_file(
    dataset: Dataset, cells_xyz: Array, tmp_path: Path
) -> None:
    path = written(authors_entries(dataset, cells_xyz), tmp_path)

    output = read_authors_output(path, dataset)

    assert output.case(2).errors_mm == pytest.approx(output.errors_mm, abs=0.005)


def test_images_of_others_and_missing_ones_are_counted(
    dataset: Dataset, cells_xyz: Array, tmp_path: Path
) -> None:
    entries = authors_entries(dataset, cells_xyz)
    entries[0]["image_id"] = 1

    output = read_authors_output(written(entries, tmp_path), dataset)

    assert (output.others, output.missing) == (1, 1)
    assert output.samples == list(dataset.samples[1:])


def spoilt(key: str, value: object) -> dict[str, object]:
    entry = {"image_id": 100, "joint_cam": [[0.0] * 3] * 17, "bbox": [1, 1, 2, 2]}
    return {**entry, "root_cam": [0, 0, 4000], key: value}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({"image_id": 1}, "is not what the authors' test script leaves"),
        ([spoilt("joint_cam", [[0.0] * 3] * 18)], "has 18 joints of image 100, not 17"),
        ([spoilt("joint_cam", [[0.0] * 2] * 17)], "is not what the authors' test script leaves"),
        ([spoilt("bbox", [1, 1, 0, 2])], "a box or depth of image 100 that is not positive"),
        ([spoilt("image_id", 1)], "is a test sample of this data set"),
        ([spoilt("root_cam", [0, 0, float("nan")])], "is not what the authors' test script leaves"),
        ([spoilt("bbox", [1, 1, 1e308, 10**400])], "is not what the authors' test script leaves"),
    ],
)
def test_another_form_is_refused_in_a_sentence(
    dataset: Dataset, tmp_path: Path, content: object, problem: str
) -> None:
    with pytest.raises(ConvNeXtPoseCheckError, match=problem) as raised:
        read_authors_output(written(content, tmp_path), dataset)

    assert raised.value.code == "bad-results"


def test_a_file_that_is_not_there_is_told(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ConvNeXtPoseCheckError, match="cannot read"):
        read_authors_output(tmp_path / "nowhere.json", dataset)
