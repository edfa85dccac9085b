"""The trained model: small enough to ship, the same in float32, and able to find people."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from msgspec.structs import replace

from convnextpose_check.checkpoints.load import load_checkpoint
from convnextpose_check.human36m.samples import load_dataset
from convnextpose_check.human36m.skeleton import ROOT
from convnextpose_check.miniature.body import SUBJECT_LOOKS
from convnextpose_check.miniature.build import CAMERAS_FILE, Miniature
from convnextpose_check.miniature.dataset import SUBJECTS, sequences
from convnextpose_check.miniature.record import read_record
from convnextpose_check.miniature.reference import (
    REFERENCE_EPOCH,
    REFERENCE_ITERATIONS,
    miniature_catalogue,
    reference_file,
    reference_state,
    reference_variant,
    trained_state,
    write_reference,
)
from convnextpose_check.network.layout import build_network, modern_state
from convnextpose_check.variants import INPUT_SIDE_PX, REFERENCE, Catalogue
from fixtures.reference.split import (
    FIRST_ROOM,
    NARROW_SPREAD,
    POSTURES,
    WIDE,
    _varied,
    training_sample,
    training_view,
)
from tests.support.deferred import Deferred
from tests.support.runs import evaluation_of

if TYPE_CHECKING:
    import torch

    from convnextpose_check.network import fast
else:
    torch = Deferred("torch")
    fast = Deferred("convnextpose_check.network.fast")

ARCHIVE_BYTES = 8_000_000
ERROR_MM, WORST_ACTION_MM = 40.0, 70.0
"""What a newcomer has to see: skeletons on people."""


@pytest.fixture(scope="module")
def cameras(fixtures: Path) -> dict[str, Any]:
    return dict(json.loads((fixtures / CAMERAS_FILE).read_text()))


def test_archive_is_small_and_in_half_precision(fixtures: Path) -> None:
    path = reference_file(fixtures)
    network = torch.load(path, weights_only=True)["network"]

    assert path.stat().st_size <= ARCHIVE_BYTES
    convolutions = {tensor.dtype for tensor in network.values() if tensor.ndim == 4}
    assert convolutions == {torch.float16}
    variances = [t for key, t in network.items() if key.endswith("running_var")]
    assert {t.dtype for t in variances} == {torch.float32}


def test_miniature_holds_the_archives_numbers_in_float32(
    fixtures: Path, miniature: Miniature
) -> None:
    checkpoint = load_checkpoint(miniature.checkpoints / reference_variant().checkpoint.file_name)
    kept = reference_state(fixtures)

    assert checkpoint.epoch == REFERENCE_EPOCH
    assert list(modern_state(checkpoint.network)) == list(kept)
    for key, tensor in modern_state(checkpoint.network).items():
        if not key.endswith("num_batches_tracked"):
            assert torch.equal(tensor, kept[key]), key


def test_miniatures_archive_counts_the_steps_of_the_training(miniature: Miniature) -> None:
    from fixtures.reference.train import schedule

    checkpoint = load_checkpoint(miniature.checkpoints / reference_variant().checkpoint.file_name)

    assert set(checkpoint.steps) == {len(schedule())} == {10 * REFERENCE_ITERATIONS}


def test_archive_that_is_written_again_holds_the_same(fixtures: Path, tmp_path: Path) -> None:
    (tmp_path / "reference").mkdir()
    write_reference(trained_state(fixtures), tmp_path / "reference")

    files = [zipfile.ZipFile(reference_file(folder)) for folder in (tmp_path, fixtures)]
    written, kept = ({i.filename: i.CRC for i in file.infolist()} for file in files)
    assert list(written) == list(kept)
    assert {n: c for n, c in written.items() if "/data/" in n} == {
        n: c for n, c in kept.items() if "/data/" in n
    }


def test_catalogue_of_the_miniature_is_the_published_one_and_the_reference(
    catalogue: Catalogue,
) -> None:
    assert miniature_catalogue().names == (REFERENCE, *catalogue.names)
    for made, published in zip(miniature_catalogue().variants[1:], catalogue.variants, strict=True):
        known = made.checkpoint.known_epoch
        assert known is not None
        assert known.decides
        assert replace(made, checkpoint=published.checkpoint) == published
    assert reference_variant().architecture == catalogue["XS"].architecture


def test_reference_finds_people_in_every_action(fixtures: Path, miniature: Miniature) -> None:
    cpu = torch.device("cpu")
    plain = build_network(reference_variant().architecture, reference_state(fixtures), cpu)
    dataset = load_dataset(miniature.dataset, read_record(fixtures).dataset)

    network = fast.FastConvNeXtPose(plain)
    evaluation = evaluation_of(network, dataset, cpu, flip=False, batch_size=4, workers=2)

    assert evaluation.error_mm < ERROR_MM
    assert max(evaluation.per_action_mm().values()) < WORST_ACTION_MM


def test_training_sample_follows_from_its_number(cameras: dict[str, Any]) -> None:
    grid_whd = reference_variant().architecture.grid_whd
    first, again, other = (training_sample(number, cameras, grid_whd) for number in (3, 3, 4))

    assert np.array_equal(first[0], again[0])
    assert np.array_equal(first[1], again[1])
    assert not np.array_equal(first[0], other[0])
    assert first[0].shape == (3, INPUT_SIDE_PX, INPUT_SIDE_PX)
    assert first[1].shape == (18, 3)
    for _, cells_xyz in (first, other):
        assert ((cells_xyz > -2) & (cells_xyz < 34)).all()
        assert cells_xyz[0, 2] == pytest.approx(16), "the root is in the middle of the depth"


def test_later_samples_are_varied_less() -> None:
    """In the same direction from the same posture, by the same share."""
    pitches = {posture.head_pitch for posture in POSTURES}
    for seed in range(30):
        wide, narrow = (
            _varied(np.random.default_rng(seed), spread).head_pitch for spread in (1, NARROW_SPREAD)
        )
        posture = (narrow - NARROW_SPREAD * wide) / (1 - NARROW_SPREAD)
        assert min(abs(posture - pitch) for pitch in pitches) < 1e-9
        assert wide != narrow


def test_training_split_has_none_of_the_test_splits_rooms_poses_and_colours(
    cameras: dict[str, Any], miniature: Miniature, fixtures: Path
) -> None:
    views = [training_view(number, cameras) for number in (*range(25), *range(WIDE, WIDE + 25))]
    rooms = {sequence.seed for subject in SUBJECTS for sequence in sequences(subject)}
    assert max(rooms) < FIRST_ROOM <= min(view.look.room_seed for view in views)

    samples = load_dataset(miniature.dataset, read_record(fixtures).dataset).samples
    tested_mm = np.stack([s.joints_cam_mm - s.joints_cam_mm[ROOT] for s in samples])
    for view in views:
        pose_mm = view.joints_cam_mm - view.joints_cam_mm[ROOT]
        assert np.linalg.norm(tested_mm - pose_mm, axis=2).mean(axis=1).min() > 10
        for look in SUBJECT_LOOKS.values():
            apart = [
                np.abs(np.subtract(getattr(view.look, part), getattr(look, part))).max()
                for part in ("skin", "hair", "shirt", "trousers", "shoes")
            ]
            assert max(apart) > 20, "the same clothes on the same person"


def test_learning_curve_falls_in_each_cycle(fixtures: Path) -> None:
    """The cycles have held-out people of their own, who differ more in the first."""
    curve = json.loads((fixtures / "reference" / "curve.json").read_text())
    for cycle in (1, 2):
        errors_mm = [p["held_out_mm"] for p in curve["points"] if p["cycle"] == cycle]
        assert len(errors_mm) > 2
        assert errors_mm[-1] == min(errors_mm)
    assert curve["final_held_out_mm"] == pytest.approx(errors_mm[-1], rel=0.1)


@pytest.mark.parametrize(
    "reached",
    [
        pytest.param(1, id="in-a-cycle", marks=pytest.mark.slow),
        pytest.param(2, id="between", marks=pytest.mark.slow),
        pytest.param(3, id="in-the-next", marks=pytest.mark.slow),
    ],
)
def test_training_that_was_interrupted_ends_where_it_would_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reached: int
) -> None:
    from fixtures.reference import train
    from fixtures.reference.drawn import DrawnSplit

    cycles = (
        train.Cycle(range(6), (train.Phase(64, 8, 4),), 1e-3, 3, 0.9),
        train.Cycle(range(6, 12), (train.Phase(256, 4, 2),), 1e-3, 2, 0.5),
    )
    monkeypatch.setattr(train, "CYCLES", cycles)
    monkeypatch.setattr(train, "MEASURED_EVERY", 1)
    monkeypatch.setattr(train, "HELD_OUT", 2)

    def opened(samples: range) -> DrawnSplit:
        chance = np.random.default_rng(samples.start)
        pixels_rgb = chance.integers(0, 256, (6, 3, 256, 256)).astype(np.uint8)
        cells_xyz = chance.uniform(0, 32, (6, 18, 3)).astype(np.float32)
        return DrawnSplit(samples, [(pixels_rgb, cells_xyz)])

    whole = train.train(opened, tmp_path / "whole.pt")
    learn = train.Training.learn

    def interrupted(self: train.Training, split: DrawnSplit) -> float:
        if self.step == reached:
            raise KeyboardInterrupt
        return learn(self, split)

    monkeypatch.setattr(train.Training, "learn", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train.train(opened, tmp_path / "begun.pt")
    monkeypatch.setattr(train.Training, "learn", learn)
    again = train.train(opened, tmp_path / "begun.pt")

    assert [point["side_px"] for point in whole.curve] == [64, 64, 256, 256]
    assert again.curve == whole.curve
    for key, tensor in whole.average.module.state_dict().items():
        assert torch.equal(again.average.module.state_dict()[key], tensor), key


def test_drawn_split_is_drawn_once(
    fixtures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cameras: dict[str, Any]
) -> None:
    from fixtures.reference import drawn

    monkeypatch.setattr(drawn, "CHUNK", 2)
    grid_whd = reference_variant().architecture.grid_whd
    split = drawn.drawn_split(range(2, 6), fixtures / CAMERAS_FILE, grid_whd, tmp_path)
    times = [file.stat().st_mtime_ns for file in sorted(tmp_path.iterdir())]
    again = drawn.drawn_split(range(2, 6), fixtures / CAMERAS_FILE, grid_whd, tmp_path)

    assert times == [file.stat().st_mtime_ns for file in sorted(tmp_path.iterdir())]
    assert len(split) == len(again) == 4
    pixels_rgb, cells_xyz = training_sample(5, cameras, grid_whd)
    assert np.array_equal(again.pixels_rgb(np.array([3]))[0], pixels_rgb)
    assert np.array_equal(again.cells_xyz[3], cells_xyz)
