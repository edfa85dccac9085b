"""Sample tables and the authors' output are read with exact errors."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from convnextpose_check.diagnosis.reading import SavedSamples, list_facts, read_authors_output
from convnextpose_check.diagnosis.table import SampleTable
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.evaluation.metrics import compared_poses_mm, sample_errors_mm
from convnextpose_check.human36m.geometry import Array
from convnextpose_check.human36m.samples import Dataset, load_dataset, read_facts
from convnextpose_check.synthetic.build import SyntheticData
from convnextpose_check.variants import Protocol
from tests.support.datasets import FACTS, HandmadeDataset
from tests.support.sample_tables import (
    GRID_WHD,
    make_authors_output,
    make_predictions,
    make_sample_table,
)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return load_dataset(HandmadeDataset().write(tmp_path / "h36m"), FACTS)


@pytest.fixture
def cells_xyz(dataset: Dataset) -> Array:
    return make_predictions(dataset)


def write_entries(entries: Any, folder: Path) -> Path:
    path = folder / "bbox_root_pose_human36m_output.json"
    path.write_text(json.dumps(entries))
    return path


@pytest.mark.parametrize("protocol", [1, 2])
def test_sample_table_errors_equal_evaluation(synthetic: SyntheticData, protocol: Protocol) -> None:
    """Under protocol 1 the two align by different formulas, also mirrored predictions."""
    samples = load_dataset(synthetic.dataset, read_facts(), limit=40).samples
    cells_xyz = np.random.default_rng(0).uniform(0, 64, (len(samples), 18, 3)).astype(np.float32)

    table = SampleTable.from_samples(samples, cells_xyz, (64, 64, 64), protocol)

    expected_mm = sample_errors_mm(cells_xyz, samples, (64, 64, 64), protocol)
    np.testing.assert_allclose(table.errors_mm, expected_mm, atol=0.01)


def test_read_authors_output_is_exact(dataset: Dataset, cells_xyz: Array, tmp_path: Path) -> None:
    path = write_entries(make_authors_output(dataset, cells_xyz), tmp_path)

    saved = read_authors_output(path, dataset)

    for errors_mm, cells, sample in zip(saved.errors_mm, cells_xyz, dataset.samples, strict=True):
        predicted_mm, truth_mm = compared_poses_mm(cells, sample, GRID_WHD, 2)
        expected_mm = np.sqrt(((predicted_mm - truth_mm) ** 2).sum(axis=1))
        assert np.abs(errors_mm - expected_mm).max() < 1e-6
    assert saved.table.errors_mm == pytest.approx(saved.errors_mm, abs=0.005)


def test_read_output_drops_other_images(dataset: Dataset, cells_xyz: Array, tmp_path: Path) -> None:
    entries = make_authors_output(dataset, cells_xyz)
    entries[0]["image_id"] = 1

    saved = read_authors_output(write_entries(entries, tmp_path), dataset)

    assert saved.samples == list(dataset.samples[1:])


def make_invalid_entry(key: str, value: object) -> dict[str, object]:
    entry = {"image_id": 100, "joint_cam": [[0.0] * 3] * 17, "bbox": [1, 1, 2, 2]}
    return {**entry, "root_cam": [0, 0, 4000], key: value}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "it cannot be read"),
        ({"image_id": 1}, "the output of the authors' test script .* cannot be used"),
        (
            [make_invalid_entry("joint_cam", [[0.0] * 3] * 18)],
            r"length <= 17 - at `\$\[0\].joint_cam`",
        ),
        ([make_invalid_entry("bbox", [1, 1, 0, 2])], r"`float` > 0.0 - at `\$\[0\].bbox\[2\]`"),
        ([make_invalid_entry("image_id", 1)], "is a sample of this data set"),
        (
            [make_invalid_entry("root_cam", [0, 0, float("nan")])],
            r"got null, NaN or infinity - at `\$\[0\].root_cam",
        ),
        ([make_invalid_entry("bbox", [1, 1, 1e308, 10**400])], "cannot be used"),
    ],
)
def test_read_authors_output_invalid_raises_bad_results(
    dataset: Dataset, tmp_path: Path, content: object, problem: str
) -> None:
    path = write_entries(content, tmp_path)
    if content is None:
        path.unlink()

    with pytest.raises(ConvNeXtPoseCheckError, match=problem) as raised:
        read_authors_output(path, dataset)

    assert raised.value.code == "bad-results"


@pytest.mark.parametrize(
    ("label", "place"), [("S9 Phoning", "S9 Phoning, 24 of 720 samples"), ("", "")]
)
def test_copies_are_located_unless_they_are_scattered(label: str, place: str) -> None:
    table = make_sample_table()
    (mask,) = (group.mask for group in table.groups if group.label == label)
    samples: Any = [SimpleNamespace(path=Path(f"{n}.jpg")) for n in range(len(table))]
    first, *others = np.flatnonzero(mask)[:: 1 if label else 3].tolist()
    copies = tuple((f"{n}.jpg", f"{first}.jpg") for n in others)
    saved = SavedSamples(table, table.errors_mm, samples, copies)
    run: Any = SimpleNamespace(
        results=None,
        record=None,
        saved=saved,
        dataset=SimpleNamespace(box_consistency=()),
        missing=0,
    )

    (fact,) = list_facts(run)

    assert fact.what == "images are copies of other images"
    assert fact.evidence.startswith(f"{len(others)} pairs are equal, such as ")
    assert fact.place == place
