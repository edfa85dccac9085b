"""A finished evaluation comes back bit by bit, and only for the very same inputs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from convnextpose_check.evaluation import Evaluation
from convnextpose_check.human36m import Exclusion
from convnextpose_check.resume import keep_evaluation, kept_evaluation


@pytest.fixture
def evaluation() -> Evaluation:
    return Evaluation(
        protocol=2,
        errors_mm=np.random.default_rng(0).random((3, 17)) * 100,
        cells_xyz=np.random.default_rng(1).random((3, 18, 3), np.float32),
        image_ids=(7, 8, 9),
        file_names=("a.jpg", "b.jpg", "c.jpg"),
        actions=("Posing", "Eating", "Posing"),
        unreadable=(Exclusion(10, "x.jpg", "it is no image"),),
        complete=False,
        images_sha256="ab",
        seconds=1.25,
        batch_size=4,
        alike=(("b.jpg", "a.jpg"),),
    )


def test_evaluation_comes_back_as_it_was(evaluation: Evaluation, tmp_path: Path) -> None:
    path = tmp_path / "result" / "XS.npz"
    keep_evaluation(evaluation, "key", path)

    kept = kept_evaluation("key", path)

    assert kept is not None
    for name, value in asdict(evaluation).items():
        assert np.array_equal(asdict(kept)[name], value), name


def test_another_key_finds_nothing(evaluation: Evaluation, tmp_path: Path) -> None:
    path = tmp_path / "XS.npz"
    keep_evaluation(evaluation, "key", path)

    assert kept_evaluation("another", path) is None


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04", b"\x93NUMPY"])
def test_file_that_is_none_is_evaluated_again(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "XS.npz"
    if content is not None:
        path.write_bytes(content)

    assert kept_evaluation("key", path) is None


def test_cut_off_file_is_evaluated_again(evaluation: Evaluation, tmp_path: Path) -> None:
    path = tmp_path / "XS.npz"
    keep_evaluation(evaluation, "key", path)
    whole = path.read_bytes()

    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        assert kept_evaluation("key", path) is None
