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
    check_snapshot,
    check_weights_are_finite,
)
from convnextpose_check.checks.identity import NO_TENSORS, check_identity, contradiction_told
from convnextpose_check.plugin.recording import Obtained
from convnextpose_check.trial.trial import Trial
from convnextpose_check.variants import Variant


def test_archive_holds_the_variant(
    trial: Trial, variant: Variant, checkpoint: Checkpoint, obtained: Obtained
) -> None:
    obtained(check_holds_variant(variant, checkpoint, trial.catalogue), variant.name)


def test_epoch_is_the_expected_one(
    variant: Variant, checkpoint: Checkpoint, obtained: Obtained
) -> None:
    """An epoch that was never read from the published file is shown, and verifies nothing."""
    known = variant.checkpoint.known_epoch
    decides = known is not None and known.decides
    obtained(
        check_epoch(variant, checkpoint),
        known.value if known and decides else known,
        unverified="" if decides else "no verified epoch on record",
    )


def test_counters_tell_one_training(
    variant: Variant, checkpoint: Checkpoint, obtained: Obtained
) -> None:
    """A contradiction fails where the training is on record, and is a warning elsewhere."""
    known = variant.checkpoint.iterations
    record = check_provenance(variant, checkpoint)
    obtained(
        record.story,
        known and f"{known} iterations of an epoch",
        warning=contradiction_told(variant, record) if record.contradiction else "",
        unverified="" if record.counted_anything else "the file has no counters",
    )


def test_tensors_are_the_published_ones(
    trial: Trial, variant: Variant, checkpoint: Checkpoint, obtained: Obtained
) -> None:
    """Verifies the identity; whether the whole file is a known copy is shown and proves nothing."""
    known = trial.fingerprints.get(variant.name)
    told = check_identity(known, checkpoint, required=trial.settings.require_identity)
    tensors = known.tensors if known is not None else None
    obtained(
        "; ".join(filter(None, [told or "not verified", file_told(known, checkpoint)])),
        tensors and f"{len(tensors.sha256)} published",
        unverified="" if told else NO_TENSORS,
    )


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
