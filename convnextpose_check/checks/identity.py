"""Compare a checkpoint with every recorded property of the published one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from convnextpose_check.checkpoints.fingerprints import Fingerprint, file_told
from convnextpose_check.checkpoints.load import Checkpoint
from convnextpose_check.checkpoints.provenance import Provenance, provenance
from convnextpose_check.checks.archives import (
    check_epoch,
    check_provenance,
    check_published_tensors,
)
from convnextpose_check.errors import CheckFailedError, ErrorCode
from convnextpose_check.network.cost import state_element_count
from convnextpose_check.network.layout import layout_difference, modern_state
from convnextpose_check.results.schema import Identity, Matched
from convnextpose_check.variants import Variant

NO_TENSORS = "no published tensors on record"
NO_TENSORS_OF_OWN = "no tensors on record"


@dataclass(frozen=True)
class IdentityFound:
    """A checkpoint's identity, the reason as part of a sentence, and the properties that match.

    ``verified`` depends on the tensors alone: architecture, counts, epoch and training record are
    easily imitated.
    """

    status: Identity
    reason: str
    matched: tuple[Matched, ...]


def identity_of(
    variant: Variant,
    checkpoint: Checkpoint,
    known: Fingerprint | None,
    *,
    is_own: bool = False,
) -> IdentityFound:
    """Compare the checkpoint with the variant; ``is_own`` means that nobody published it."""
    state, facts = modern_state(checkpoint.network), variant.checkpoint
    record, tensors = provenance(checkpoint), known.tensors if known else None
    matched: list[Matched] = []
    contradictions: list[str] = []

    def compare(name: Matched, is_recorded: bool, check: Callable[[], object]) -> str:
        try:
            obtained = str(check())
        except CheckFailedError as error:
            contradictions.append(error.problem)
            return ""
        if is_recorded:
            matched.append(name)
        return obtained

    if (difference := layout_difference(state, variant.architecture)) is None:
        matched.append("architecture")
    else:
        contradictions.append(difference)
    if state_element_count(state) == variant.state_elements:
        matched.append("counts")
    epoch, iterations = facts.known_epoch, facts.iterations
    has_epoch = epoch is not None and epoch.decides
    has_training = iterations is not None and iterations.decides
    has_counters = record.iterations is not None
    compare("epoch", has_epoch, lambda: check_epoch(variant, checkpoint))
    compare(
        "training record",
        has_training and has_counters,
        lambda: check_provenance(variant, checkpoint),
    )
    if record.contradiction and not has_training:
        contradictions.append(contradiction_told(variant, record))
    status: Identity = "not verified"
    reason = NO_TENSORS_OF_OWN if is_own else NO_TENSORS
    if tensors is not None:
        status = "verified"
        reason = compare("tensors", True, lambda: check_published_tensors(tensors, checkpoint))
    elif not is_own and (copy := file_told(known, checkpoint)).startswith("the very file"):
        reason += f"; {copy}"
    if contradictions:
        status, reason = "contradicted", contradictions[0]
    return IdentityFound(status, reason, tuple(matched))


def contradiction_told(variant: Variant, record: Provenance) -> str:
    """The warning for a training record that no single training leaves."""
    return f"the training record of {variant.name} contradicts a single training: {record.story}"


def check_identity(known: Fingerprint | None, checkpoint: Checkpoint, *, required: bool) -> str:
    """Check that every tensor on record is in the file, to the bit; returns how many are.

    Without tensors on record, returns an empty text, or raises where identity is ``required``.
    """
    if known is not None and known.tensors is not None:
        return check_published_tensors(known.tensors, checkpoint)
    if required:
        raise CheckFailedError(
            ErrorCode.NOT_VERIFIED,
            f"the identity of {checkpoint.path} is not verified ({NO_TENSORS}), and"
            " --require-identity was given",
            "Choose variants whose tensors are on record with --variants, or leave out"
            " --require-identity",
            "not verified",
            "verified",
        )
    return ""
