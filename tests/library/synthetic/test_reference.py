from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from msgspec.structs import replace

from convnextpose_check.checkpoints.load import load_checkpoint
from convnextpose_check.human36m.samples import load_dataset
from convnextpose_check.human36m.skeleton import ROOT
from convnextpose_check.network.layout import normalize_keys
from convnextpose_check.synthetic.build import CAMERAS_FILE, SyntheticData
from convnextpose_check.synthetic.dataset import SUBJECTS, sequences
from convnextpose_check.synthetic.record import read_record
from convnextpose_check.synthetic.reference import (
    REFERENCE_EPOCH,
    REFERENCE_FILE,
    REFERENCE_ITERATIONS,
    reference_file,
    reference_state,
    reference_variant,
    synthetic_catalogue,
    trained_state,
)
from convnextpose_check.variants import REFERENCE, Catalogue
from fixtures.reference import draw, train
from fixtures.reference.split import FIRST_ROOM, WIDE_SAMPLES, training_sample, training_view

ARCHIVE_BYTES = 8_000_000


def test_write_reference_equals_recorded_archive(fixtures: Path, tmp_path: Path) -> None:
    """Small enough to ship: its convolutions are in half precision."""
    train.write_reference(trained_state(fixtures), tmp_path)

    files = (tmp_path / REFERENCE_FILE, reference_file(fixtures))
    written, recorded = (torch.load(path, weights_only=True)["network"] for path in files)
    assert files[1].stat().st_size <= ARCHIVE_BYTES
    assert list(written) == list(recorded)
    for key, tensor in recorded.items():
        assert torch.equal(written[key], tensor), key
        assert (tensor.dtype == torch.float16) == (tensor.ndim == 4)


def test_reference_archive_has_trained_weights(fixtures: Path, synthetic: SyntheticData) -> None:
    checkpoint = load_checkpoint(synthetic.checkpoints / REFERENCE_FILE)
    obtained, expected = normalize_keys(checkpoint.network), reference_state(fixtures)

    assert checkpoint.epoch == REFERENCE_EPOCH
    assert set(checkpoint.steps) == {len(train.schedule())} == {10 * REFERENCE_ITERATIONS}
    assert list(obtained) == list(expected)
    for key, tensor in expected.items():
        assert key.endswith("num_batches_tracked") or torch.equal(obtained[key], tensor), key


def test_synthetic_catalogue_is_published_one_and_reference(catalogue: Catalogue) -> None:
    made = synthetic_catalogue()

    assert made.names == (REFERENCE, *catalogue.names)
    for variant, published in zip(made.variants[1:], catalogue.variants, strict=True):
        known = variant.checkpoint.epoch
        assert known is not None
        assert known.is_verified
        assert replace(variant, checkpoint=published.checkpoint) == published
    assert reference_variant().architecture == catalogue["XS"].architecture


def test_training_split_shares_no_room_or_pose(synthetic: SyntheticData, fixtures: Path) -> None:
    cameras = json.loads((fixtures / CAMERAS_FILE).read_text())
    numbers = (*range(25), *range(WIDE_SAMPLES, WIDE_SAMPLES + 25))
    views = [training_view(number, cameras) for number in numbers]
    rooms = {sequence.seed for subject in SUBJECTS for sequence in sequences(subject)}
    samples = load_dataset(synthetic.dataset, read_record(fixtures).dataset).samples
    tested_mm = np.stack([s.joints_cam_mm - s.joints_cam_mm[ROOT] for s in samples])

    assert max(rooms) < FIRST_ROOM <= min(view.room_seed for view in views)
    for view in views:
        pose_mm = view.joints_cam_mm - view.joints_cam_mm[ROOT]
        assert np.linalg.norm(tested_mm - pose_mm, axis=2).mean(axis=1).min() > 10


@pytest.mark.slow
def test_draw_split_keeps_sample_order(fixtures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draw, "CHUNK", 2)
    cameras = json.loads((fixtures / CAMERAS_FILE).read_text())
    grid_whd = reference_variant().architecture.grid_whd
    split = draw.draw_split(range(2, 5), cameras, grid_whd)

    pixels_rgb, cells_xyz = training_sample(4, cameras, grid_whd)
    assert len(split) == 3
    assert np.array_equal(split.pixels_rgb(np.array([2]))[0], pixels_rgb)
    assert np.array_equal(split.cells_xyz[2], cells_xyz)


@pytest.mark.slow
def test_train_runs_every_cycle_and_phase(monkeypatch: pytest.MonkeyPatch) -> None:
    cycles = (
        train.Cycle(range(6), (train.Phase(64, 8, 4),), 1e-3, 3, 0.9),
        train.Cycle(range(6, 12), (train.Phase(256, 4, 2),), 1e-3, 2, 0.5),
    )
    for name, value in {"CYCLES": cycles, "STEPS_PER_POINT": 1, "HELD_OUT": 2}.items():
        monkeypatch.setattr(train, name, value)

    def random_split(samples: range) -> draw.DrawnSplit:
        rng = np.random.default_rng(samples.start)
        pixels_rgb = rng.integers(0, 256, (6, 3, 256, 256)).astype(np.uint8)
        cells_xyz = rng.uniform(0, 32, (6, 18, 3)).astype(np.float32)
        return draw.DrawnSplit(samples, [(pixels_rgb, cells_xyz)])

    training = train.train(random_split)

    assert [(p["cycle"], p["side_px"]) for p in training.curve] == [
        (1, 64), (1, 64), (2, 256), (2, 256),
    ]  # fmt: skip
    weights = training.average.module.state_dict().values()
    assert all(tensor.isfinite().all() for tensor in weights)
