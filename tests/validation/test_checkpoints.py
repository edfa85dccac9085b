"""Checkpoint integrity: every archive loads and contains the variant of its name."""

from __future__ import annotations

from convnextpose_check.checkpoints.load import Checkpoint
from convnextpose_check.checkpoints.snapshot import write_snapshot
from convnextpose_check.checkpoints.training_record import NOT_RECORDED
from convnextpose_check.checks.archives import (
    NO_TENSORS,
    check_batchnorm_variances,
    check_epoch,
    check_holds_variant,
    check_key_map_round_trip,
    check_published_tensors,
    check_snapshot,
    check_training_record,
    check_weights_are_finite,
)
from convnextpose_check.checks.identity import describe_contradiction
from convnextpose_check.plugin.gate import Recorder
from convnextpose_check.run.run import ByVariant, Run
from convnextpose_check.variants import Variant

Checkpoints = ByVariant[Checkpoint]


def test_archive_holds_the_variant(
    run: Run, variant: Variant, checkpoints: Checkpoints, record: Recorder
) -> None:
    record(check_holds_variant(variant, checkpoints[variant.name], run.catalogue), variant.name)


def test_epoch_is_the_expected_one(
    variant: Variant, checkpoints: Checkpoints, record: Recorder
) -> None:
    """An unverified epoch is reported but never fails the run."""
    known, epoch = variant.checkpoint.epoch, check_epoch(variant, checkpoints[variant.name])
    unverified = "" if known is not None and known.is_verified else "no verified epoch on record"
    if epoch == NOT_RECORDED:
        unverified = "not applicable: the file does not record its epoch"
    record(epoch, known and (known if unverified else known.value), unverified=unverified)


def test_training_record_is_consistent(
    variant: Variant, checkpoints: Checkpoints, record: Recorder
) -> None:
    """A contradiction fails where the training is on record, and is a warning elsewhere."""
    known = variant.checkpoint.iterations
    training = check_training_record(variant, checkpoints[variant.name])
    record(
        training.description,
        known and f"{known} iterations of an epoch",
        warning=describe_contradiction(variant, training) if training.is_contradictory else "",
        unverified="" if training.is_recorded else f"not applicable: {training.description}",
    )


def test_tensors_are_the_published_ones(
    run: Run, variant: Variant, checkpoints: Checkpoints, record: Recorder
) -> None:
    """Only the tensors verify the identity."""
    known, checkpoint = run.fingerprints.get(variant.name), checkpoints[variant.name]
    is_required = run.settings.require_identity
    matched = check_published_tensors(known, checkpoint, is_required=is_required)
    record(
        matched or "not verified",
        f"{len(known.sha256)} published" if known and known.sha256 else None,
        unverified="" if matched else NO_TENSORS,
    )


def test_weights_are_finite(variant: Variant, checkpoints: Checkpoints, record: Recorder) -> None:
    checkpoint = checkpoints[variant.name]
    count = check_weights_are_finite(checkpoint.network, checkpoint.path.name)
    record(count, unit="finite")


def test_batchnorm_variances_are_plausible(
    variant: Variant, checkpoints: Checkpoints, record: Recorder
) -> None:
    checkpoint = checkpoints[variant.name]
    low, high = check_batchnorm_variances(checkpoint.network, checkpoint.path.name)
    record(f"{low:.3g} to {high:.3g}")


def test_key_map_round_trip(variant: Variant, checkpoints: Checkpoints, record: Recorder) -> None:
    record(check_key_map_round_trip(checkpoints[variant.name]))


def test_snapshot_loads_with_modern_keys(
    run: Run, variant: Variant, checkpoints: Checkpoints, record: Recorder
) -> None:
    checkpoint = checkpoints[variant.name]
    path = write_snapshot(checkpoint, variant.name, run.settings.results_dir)
    record(check_snapshot(path, checkpoint), unit="bytes")
