"""Extraction integrity: every archive opens whole and holds what its name says."""

from __future__ import annotations

from convnextpose_check.checkpoint import Checkpoint
from convnextpose_check.checks import (
    check_batchnorm_variances,
    check_epoch,
    check_holds_variant,
    check_key_map_round_trip,
    check_snapshot,
    check_weights_are_finite,
)
from convnextpose_check.subjects import Subject
from convnextpose_check.variants import Variant
from tests.validation.recording import Obtained


def test_archive_holds_the_variant(
    subject: Subject, variant: Variant, checkpoint: Checkpoint, obtained: Obtained
) -> None:
    obtained(check_holds_variant(variant, checkpoint, subject.catalogue), variant.name)


def test_epoch_is_the_published_one(
    variant: Variant, checkpoint: Checkpoint, obtained: Obtained
) -> None:
    obtained(check_epoch(variant, checkpoint), variant.checkpoint.epoch)


def test_weights_are_finite(checkpoint: Checkpoint, obtained: Obtained) -> None:
    count = check_weights_are_finite(checkpoint.network, checkpoint.path.name)
    obtained(count, unit="finite")


def test_batchnorm_variances_are_plausible(checkpoint: Checkpoint, obtained: Obtained) -> None:
    low, high = check_batchnorm_variances(checkpoint.network, checkpoint.path.name)
    obtained(f"{low:.3g} to {high:.3g}")


def test_key_map_round_trip(checkpoint: Checkpoint, obtained: Obtained) -> None:
    obtained(check_key_map_round_trip(checkpoint))


def test_snapshot_loads_with_modern_keys(
    subject: Subject, variant: Variant, checkpoint: Checkpoint, obtained: Obtained
) -> None:
    obtained(check_snapshot(subject.snapshot(variant.name), checkpoint), unit="bytes")
