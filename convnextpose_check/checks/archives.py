"""Check a checkpoint's variant, origin and integrity."""

from pathlib import Path

import torch

from convnextpose_check.checkpoints.fingerprints import Fingerprint, tensor_digests
from convnextpose_check.checkpoints.load import Checkpoint
from convnextpose_check.checkpoints.training_record import (
    NOT_RECORDED,
    TrainingRecord,
    read_training_record,
)
from convnextpose_check.errors import CheckFailedError, ErrorCode
from convnextpose_check.network.keymap import (
    StateDict,
    add_prefix,
    describe_keys,
    detect_key_style,
    to_legacy,
    to_modern,
)
from convnextpose_check.network.layout import (
    count_state_elements,
    find_layout_difference,
    identify_variants,
)
from convnextpose_check.variants import Catalogue, Variant

NO_TENSORS = "no published tensors on record"
REPORT_BUG = "Report this as a bug of convnextpose-check"

MAX_BATCHNORM_VARIANCE = 1e12
"""Far above what pixels of 0 to 255 produce. A channel that is always zero has variance 0."""


def check_holds_variant(variant: Variant, checkpoint: Checkpoint, catalogue: Catalogue) -> str:
    """The file has the variant's keys, dtypes and shapes; returns its name."""
    found = identify_variants(checkpoint.state, catalogue)
    if variant.name in found:
        return variant.name
    if found:
        raise CheckFailedError(
            ErrorCode.WRONG_VARIANT,
            f"{checkpoint.path} contains variant {' or '.join(found)}: expected {variant.name}",
            f"Replace it with the file of {variant.name}, {variant.checkpoint.file_name}",
            " or ".join(found),
            variant.name,
        )
    difference = find_layout_difference(checkpoint.state, variant.architecture)
    raise CheckFailedError(
        ErrorCode.WRONG_LAYOUT,
        f"{checkpoint.path} is not a checkpoint of variant {variant.name}: {difference};"
        f" {describe_keys(checkpoint.network)}",
        "Download the file again; for your own model, add --variants-file",
        difference,
        variant.name,
    )


def check_epoch(variant: Variant, checkpoint: Checkpoint) -> int | str:
    """The file has the verified epoch, if there is one; an unverified one never fails.

    Returns the epoch, ``NOT_RECORDED`` if the file does not contain it.
    """
    epoch = variant.checkpoint.epoch
    if checkpoint.epoch is None:
        return NOT_RECORDED
    if epoch is not None and epoch.is_verified and checkpoint.epoch not in epoch.values:
        raise CheckFailedError(
            ErrorCode.WRONG_EPOCH,
            f"{checkpoint.path} has epoch {checkpoint.epoch}: expected {epoch} ({epoch.source})",
            "Download the file again; for your own model, add --variants-file",
            obtained=checkpoint.epoch,
            expected=epoch.value if isinstance(epoch.value, int) else str(epoch),
        )
    return checkpoint.epoch


def check_training_record(variant: Variant, checkpoint: Checkpoint) -> TrainingRecord:
    """The counters match the recorded training, if any; returns the training record."""
    record, reported = read_training_record(checkpoint), variant.checkpoint.iterations
    if reported is None or not reported.is_verified:
        return record
    is_other = record.iterations is not None and record.iterations not in reported.values
    if record.is_contradictory or is_other:
        epochs = "" if checkpoint.epoch is None else f"{checkpoint.epoch + 1} x "
        expected = epochs + " or ".join(f"{v:,}" for v in reported.values)
        raise CheckFailedError(
            ErrorCode.WRONG_TRAINING,
            f"{checkpoint.path} is not from the recorded training of {variant.name}:"
            f" {record.description}: expected {expected} iterations ({reported.source})",
            "Use the published file; for your own model, add --variants-file",
            record.summary,
            expected,
        )
    return record


def check_published_tensors(
    fingerprint: Fingerprint | None, checkpoint: Checkpoint, *, is_required: bool = False
) -> str:
    """The file has every recorded tensor, bit for bit; returns their number as text.

    Without recorded tensors, returns an empty string, or raises if ``is_required``.
    """
    if fingerprint is None or not fingerprint.sha256:
        if is_required:
            raise CheckFailedError(
                ErrorCode.NOT_VERIFIED,
                f"the identity of {checkpoint.path} cannot be verified ({NO_TENSORS}), and"
                " --require-identity was given",
                "Select variants with recorded tensors (--variants), or omit --require-identity",
                "not verified",
                "verified",
            )
        return ""
    digests, recorded = tensor_digests(checkpoint), fingerprint.sha256
    other = [key for key, sha256 in recorded.items() if digests.get(key) != sha256]
    count = len(recorded)
    if other:
        raise CheckFailedError(
            ErrorCode.WRONG_TENSORS,
            f"{len(other)} of {count} recorded tensors differ in {checkpoint.path}, the first is"
            f" '{other[0]}' ({fingerprint.source})",
            "Use the published file; for your own model, add --variants-file",
            f"{count - len(other)} published, first other: {other[0]}",
            f"{count} published",
        )
    return f"{count} of {count} recorded tensors are equal"


def check_weights_are_finite(state: StateDict, where: str) -> int:
    """No weight is NaN or infinite; returns the number of weights."""
    for key, tensor in state.items():
        wrong = int((~tensor.isfinite()).sum())
        if wrong:
            raise CheckFailedError(
                ErrorCode.BAD_WEIGHTS,
                f"{wrong} of {tensor.numel()} values in '{key}' of {where} are NaN or infinite:"
                " expected none",
                "Download the file again",
                wrong,
                0,
            )
    return count_state_elements(state)


def check_batchnorm_variances(state: StateDict, where: str) -> tuple[float, float]:
    """Every BatchNorm variance is plausible; returns the smallest and the largest."""
    extremes: list[float] = []
    for key, tensor in state.items():
        if key.endswith(".running_var"):
            low, high = float(tensor.min()), float(tensor.max())
            if not 0 <= low <= high < MAX_BATCHNORM_VARIANCE:
                raise CheckFailedError(
                    ErrorCode.BAD_WEIGHTS,
                    f"'{key}' of {where} has variances from {low:g} to {high:g}: expected 0 to"
                    f" {MAX_BATCHNORM_VARIANCE:g}",
                    "Download the file again",
                    f"{low:g} to {high:g}",
                    f"0 to {MAX_BATCHNORM_VARIANCE:g}",
                )
            extremes += [low, high]
    if not extremes:
        raise CheckFailedError(
            ErrorCode.BAD_WEIGHTS, f"{where} has no BatchNorm variances", "Download the file again"
        )
    return min(extremes), max(extremes)


def check_key_map_round_trip(checkpoint: Checkpoint) -> str:
    """Converting keys to the other style and back changes nothing; returns the style."""
    state = checkpoint.network
    style = detect_key_style(state)
    convert, restore = (to_modern, to_legacy) if style == "legacy" else (to_legacy, to_modern)
    converted = convert(state)
    equal = sum(
        key == restored and state[key] is tensor
        for key, (restored, tensor) in zip(state, restore(converted).items(), strict=False)
    )
    if not equal == len(state) == len(converted) or detect_key_style(converted) == style:
        raise CheckFailedError(
            ErrorCode.ROUND_TRIP,
            f"converting the keys of {checkpoint.path} from {style} style and back changes them",
            REPORT_BUG,
            f"{equal} unchanged keys",
            len(state),
        )
    return style


def check_snapshot(path: Path, checkpoint: Checkpoint) -> int:
    """The written ``.pth`` loads with ``weights_only``, unchanged; returns its size."""
    content = torch.load(path, map_location="cpu", weights_only=True)
    obtained, expected = (
        [(key, t.dtype, t.shape, t.numpy().tobytes()) for key, t in state.items()]
        for state in (content["network"], add_prefix(checkpoint.state))
    )
    if content.get("epoch") != checkpoint.epoch or obtained != expected:
        raise CheckFailedError(
            ErrorCode.ROUND_TRIP,
            f"{path} does not have the epoch and the tensors of {checkpoint.path}",
            REPORT_BUG,
            "another content",
            "the archive's epoch, keys and bits",
        )
    return path.stat().st_size
