"""A checkpoint's identity: verified, not verified or contradicted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from convnextpose_check.checkpoints.fingerprints import Fingerprint, fingerprint
from convnextpose_check.checkpoints.load import Checkpoint
from convnextpose_check.checks.archives import check_published_tensors
from convnextpose_check.checks.identity import determine_identity
from convnextpose_check.network.layout import count_state_elements
from convnextpose_check.synthetic.weights import seeded_state
from convnextpose_check.variants import Architecture, Variant
from tests.support.archives import make_checkpoint, tiny_variant

EPOCHS = 69
ALL = ("architecture", "counts", "epoch", "training record", "tensors")


@pytest.fixture
def checkpoint(tiny: Architecture) -> Checkpoint:
    """An XS checkpoint with the counters of 69 epochs of five subjects."""
    state = seeded_state(tiny, seed=EPOCHS - 1)
    return make_checkpoint(state, epoch=EPOCHS - 1)


@pytest.fixture
def variant(tiny: Architecture, checkpoint: Checkpoint) -> Variant:
    count = count_state_elements(checkpoint.network)
    return msgspec.structs.replace(
        tiny_variant(tiny, "XS", tiny.head_channels), state_elements=count
    )


def test_determine_identity_only_tensors_verify(variant: Variant, checkpoint: Checkpoint) -> None:
    known = fingerprint(checkpoint, "a test")
    found = determine_identity(variant, checkpoint, known)
    assert (found["identity"], found["matched"]) == ("verified", ALL)
    assert found["identity_reason"].endswith("recorded tensors are equal")
    assert check_published_tensors(known, checkpoint, is_required=True) == found["identity_reason"]

    without = determine_identity(variant, checkpoint, Fingerprint())
    assert (without["identity"], without["matched"]) == ("not verified", ALL[:-1])
    assert without["identity_reason"] == "no published tensors on record"
    facts = msgspec.structs.replace(variant.checkpoint, iterations=None)
    unrecorded = msgspec.structs.replace(variant, checkpoint=facts)
    assert "training record" not in determine_identity(unrecorded, checkpoint, known)["matched"]


@pytest.mark.parametrize(
    ("changes", "facts", "fragment", "matched"),
    [
        ({"epoch": 4}, {"iterations": None}, "has epoch 4", ("architecture", "counts", "tensors")),
        ({"epoch": 4}, {"iterations": None, "epoch": None}, "contradicts a single training", None),
        ({"steps": (7.0,)}, {}, "is not from the recorded training", None),
        ({"tensor": "head.final_layer.bias"}, {}, "1 of 106 recorded tensors", ALL[:-1]),
        ({"missing": "head.final_layer.bias"}, {}, "keys are missing", ALL[2:4]),
    ],
)
def test_determine_identity_any_difference_contradicts(
    changes: Any, facts: Any, fragment: str, matched: Any, variant: Variant, checkpoint: Checkpoint
) -> None:
    known = fingerprint(checkpoint, "a test")
    network = dict(checkpoint.network)
    if "tensor" in changes:
        network[changes["tensor"]] = network[changes["tensor"]] + 1
    if "missing" in changes:
        del network[changes["missing"]]
    fields = {name: value for name, value in changes.items() if name in ("epoch", "steps")}
    other = replace(checkpoint, network=network, **fields)
    variant = msgspec.structs.replace(
        variant, checkpoint=msgspec.structs.replace(variant.checkpoint, **facts)
    )
    found = determine_identity(variant, other, known)
    assert found["identity"] == "contradicted"
    assert fragment in found["identity_reason"]
    assert matched in (None, found["matched"])
