"""Whether a checkpoint is the published one: what was compared, and what could not be."""

from __future__ import annotations

from dataclasses import dataclass

from convnextpose_check.checkpoints.fingerprints import Fingerprint, file_told
from convnextpose_check.checkpoints.load import Checkpoint
from convnextpose_check.checkpoints.provenance import Provenance, provenance
from convnextpose_check.checks.archives import (
    check_epoch,
    check_provenance,
    check_published_tensors,
)
from convnextpose_check.errors import CheckFailedError
from convnextpose_check.network.cost import state_element_count
from convnextpose_check.network.layout import layout_difference, modern_state
from convnextpose_check.results.schema import Identity, Matched
from convnextpose_check.variants import Variant

NO_TENSORS = "no published tensors on record"
NO_TENSORS_OF_OWN = "no tensors on record"


@dataclass(frozen=True)
class IdentityFound:
    """A checkpoint's identity, the reason as part of a sentence, and the properties that match.

    ``verified`` rests on the tensors alone: architecture, counts, epoch and training record are
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
    """Compare the checkpoint with every recorded property of the variant.

    A model of the user's, ``is_own``, is never called published.
    """
    matched: list[Matched] = []
    contradictions: list[str] = []
    state = modern_state(checkpoint.network)
    if (difference := layout_difference(state, variant.architecture)) is None:
        matched.append("architecture")
    else:
        contradictions.append(difference)
    if state_element_count(state) == variant.state_elements:
        matched.append("counts")
    facts = variant.checkpoint
    try:
        check_epoch(variant, checkpoint)
        if facts.known_epoch is not None and facts.known_epoch.decides:
            matched.append("epoch")
    except CheckFailedError as error:
        contradictions.append(error.problem)
    record = provenance(checkpoint)
    try:
        check_provenance(variant, checkpoint)
        decides = facts.iterations is not None and facts.iterations.decides
        if record.contradiction:
            contradictions.append(contradiction_told(variant, record))
        elif decides and record.iterations is not None:
            matched.append("training record")
    except CheckFailedError as error:
        contradictions.append(error.problem)
    tensors = known.tensors if known is not None else None
    if tensors is not None:
        try:
            told = check_published_tensors(tensors, checkpoint)
            matched.append("tensors")
        except CheckFailedError as error:
            contradictions.append(error.problem)
    if contradictions:
        return IdentityFound("contradicted", contradictions[0], tuple(matched))
    if tensors is not None:
        return IdentityFound("verified", told, tuple(matched))
    reason = NO_TENSORS_OF_OWN if is_own else why_not_verified(known, checkpoint)
    return IdentityFound("not verified", reason, tuple(matched))


def contradiction_told(variant: Variant, record: Provenance) -> str:
    """Describe a training record that no single training leaves, for a warning."""
    return f"the training record of {variant.name} contradicts a single training: {record.story}"


def why_not_verified(known: Fingerprint | None, checkpoint: Checkpoint) -> str:
    """Why nothing can be said of the tensors; a known copy of the file is no proof of them."""
    copy = file_told(known, checkpoint)
    return f"{NO_TENSORS}; {copy}" if copy.startswith("the very file") else NO_TENSORS


def check_identity(known: Fingerprint | None, checkpoint: Checkpoint, *, required: bool) -> str:
    """Check that every tensor on record is in the file, to the bit; returns how many are.

    Without tensors on record, returns an empty text, or raises where identity is ``required``.
    """
    if known is not None and known.tensors is not None:
        return check_published_tensors(known.tensors, checkpoint)
    if required:
        raise CheckFailedError(
            "not-verified",
            f"the identity of {checkpoint.path} is not verified ({NO_TENSORS}), and"
            " --require-identity was given",
            "Choose variants whose tensors are on record with --variants, or leave out"
            " --require-identity",
            "not verified",
            "verified",
        )
    return ""
