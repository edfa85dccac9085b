"""Extraction integrity: every archive opens whole and holds what its name says."""

from __future__ import annotations

from convnextpose_check.checkpoints.fingerprints import file_told
from convnextpose_check.checkpoints.load import Checkpoint
from convnextpose_check.checks.archives import (
    check_batchnorm_variances,
    check_epoch,
    check_holds_variant,
    check_key_map_round_trip,
    check_provenance,
    check_published_tensors,
    check_snapshot,
    check_weights_are_finite,
)
from convnextpose_check.trial.trial import Trial
from convnextpose_check.variants import Variant
from tests.validation.recording import Obtained


def test_archive_holds_the_variant(
    trial: Trial, variant: Variant, checkpoint: Checkpoint, obtained: Obtained
) -> None:
    obtained(check_holds_variant(variant, checkpoint, trial.catalogue), variant.name)


def test_epoch_is_the_published_one(
    variant: Variant, checkpoint: Checkpoint, obtained: Obtained
) -> None:
    """One that is merely claimed is shown beside what is obtained."""
    known = variant.checkpoint.known_epoch
    expected = known.value if known and known.decides else known
    obtained(check_epoch(variant, checkpoint), expected)


def test_counters_tell_one_training(
    variant: Variant, checkpoint: Checkpoint, obtained: Obtained
) -> None:
    """The known training decides; where none is known, what the counters tell is shown."""
    known = variant.checkpoint.iterations
    story = check_provenance(variant, checkpoint).story
    obtained(story, known and f"{known} iterations of an epoch")


def test_tensors_are_the_published_ones(
    trial: Trial, variant: Variant, checkpoint: Checkpoint, obtained: Obtained
) -> None:
    """Whether the whole file is a copy that is known is told with it, and decides nothing."""
    known = trial.fingerprints[variant.name]
    assert known.tensors is not None  # else it was not asked
    told = [check_published_tensors(known.tensors, checkpoint), file_told(known, checkpoint)]
    obtained("; ".join(filter(None, told)), f"{len(known.tensors.sha256)} published")


def test_weights_are_finite(checkpoint: Checkpoint, obtained: Obtained) -> None:
    count = check_weights_are_finite(checkpoint.network, checkpoint.path.name)
    obtained(count, unit="finite")


def test_batchnorm_variances_are_plausible(checkpoint: Checkpoint, obtained: Obtained) -> None:
    low, high = check_batchnorm_variances(checkpoint.network, checkpoint.path.name)
    obtained(f"{low:.3g} to {high:.3g}")


def test_key_map_round_trip(checkpoint: Checkpoint, obtained: Obtained) -> None:
    obtained(check_key_map_round_trip(checkpoint))


def test_snapshot_loads_with_modern_keys(
    trial: Trial, variant: Variant, checkpoint: Checkpoint, obtained: Obtained
) -> None:
    obtained(check_snapshot(trial.files.snapshot(variant.name), checkpoint), unit="bytes")
