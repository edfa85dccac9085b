"""Compare a checkpoint with every recorded property of the published one."""

from collections.abc import Callable
from typing import Any

from convnextpose_check.checkpoints.fingerprints import Fingerprint
from convnextpose_check.checkpoints.load import Checkpoint
from convnextpose_check.checkpoints.training_record import TrainingRecord, read_training_record
from convnextpose_check.checks.archives import (
    NO_TENSORS,
    check_epoch,
    check_published_tensors,
    check_training_record,
)
from convnextpose_check.errors import CheckFailedError
from convnextpose_check.network.layout import count_state_elements, find_layout_difference
from convnextpose_check.results.schema import Identity, Matched
from convnextpose_check.variants import Variant


def determine_identity(
    variant: Variant, checkpoint: Checkpoint, fingerprint: Fingerprint | None
) -> dict[str, Any]:
    """Compare the checkpoint with the variant; returns the fields of ``FileRecord`` about it.

    Only tensors can make the identity ``verified``: architecture, counts, epoch and training record
    are easily imitated.
    """
    facts, record = variant.checkpoint, read_training_record(checkpoint)
    state = checkpoint.state
    has_epoch = bool(facts.epoch and facts.epoch.is_verified)
    has_training = bool(facts.iterations and facts.iterations.is_verified)
    difference = find_layout_difference(state, variant.architecture)
    comparable: dict[Matched, bool] = {
        "architecture": True,
        "counts": count_state_elements(state) == variant.state_elements,
        "epoch": checkpoint.epoch is not None and has_epoch,
        "training record": has_training and record.iterations is not None,
        "tensors": fingerprint is not None and bool(fingerprint.sha256),
    }
    contradictions: dict[Matched, str] = {"architecture": difference} if difference else {}
    checks: dict[Matched, Callable[[], object]] = {
        "epoch": lambda: check_epoch(variant, checkpoint),
        "training record": lambda: check_training_record(variant, checkpoint),
        "tensors": lambda: check_published_tensors(fingerprint, checkpoint),
    }
    obtained: dict[Matched, object] = {}
    for name, check in checks.items():
        try:
            obtained[name] = check()
        except CheckFailedError as error:
            contradictions[name] = error.problem
    if record.is_contradictory and not has_training:
        contradictions["training record"] = describe_contradiction(variant, record)
    matched = tuple(name for name in comparable if comparable[name] and name not in contradictions)
    identity: Identity = "verified" if comparable["tensors"] else "not verified"
    reason = str(obtained.get("tensors") or NO_TENSORS)
    if contradictions:
        identity, reason = "contradicted", next(iter(contradictions.values()))
    return {"identity": identity, "identity_reason": reason, "matched": matched}


def describe_contradiction(variant: Variant, record: TrainingRecord) -> str:
    """Format the warning for counters that cannot come from a single training."""
    return (
        f"the training record of {variant.name} contradicts a single training: {record.description}"
    )
