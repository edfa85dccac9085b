"""Everything that is asserted about a subject: each check returns what it obtained or raises.

A failed check is a ``CheckFailedError`` that says obtained, expected, where, and what to do.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from convnextpose_check.checkpoint import Checkpoint, StateDict
from convnextpose_check.counting import multiply_add_count, parameter_count, state_element_count
from convnextpose_check.crops import warp_box
from convnextpose_check.errors import CheckFailedError
from convnextpose_check.evaluation import Evaluation, Network, Predictor
from convnextpose_check.geometry import INPUT_SIDE_PX
from convnextpose_check.human36m import Dataset, Sample
from convnextpose_check.keymap import key_style, to_legacy, to_modern, with_prefix
from convnextpose_check.metrics import joint_errors_mm
from convnextpose_check.models import identify, layout_difference, modern_state
from convnextpose_check.skeleton import MIRRORED
from convnextpose_check.variants import Catalogue, Figure, Variant
from convnextpose_check.verdicts import Judgement

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

    from convnextpose_check.network import ConvNeXtPose

GMACS_SLACK = 0.05
"""Other tools also count BatchNorm or upsampling; a wrong upsampling is off by 0.2 or more."""

AGREEMENT_CELLS = 0.01
AGREEMENT_MM = 0.05
"""Rounding moves a joint by up to a thousandth of a cell; another interpolation or a wrong layer
by tenths of a cell and more."""

MAX_BATCHNORM_VARIANCE = 1e12
"""Far above what 0 to 255 pixels produce; a channel that is always zero has a variance of 0."""

WARP_SHA256 = "915caa2d962e16dcc26eae0b88552939f1de308380a77524b49e5a37377d4a66"
"""Of the pattern in ``check_interpolation``, warped by OpenCV 4 (the same from 4.10 to 4.14)."""

T = TypeVar("T")


def check_interpolation() -> str:
    """OpenCV warps as it did when the paper's figures were made; returns its version.

    OpenCV 5 interpolates differently: a few grey levels in some three percent of the pixels.
    """
    import cv2

    rows, columns, channels = np.indices((400, 300, 3))
    pattern = (rows * rows * 3 + columns * 7 + rows * columns + channels * 91) % 256
    warped = warp_box(pattern.astype(np.uint8), np.array([-20.25, 11.5, 333.3, 333.3]))
    obtained = hashlib.sha256(warped.tobytes()).hexdigest()
    if obtained != WARP_SHA256:
        raise CheckFailedError(
            "interpolation",
            f"OpenCV {cv2.__version__} interpolates unlike OpenCV 4, with which the paper's figures"
            " were made",
            "Install it with: pip install 'opencv-python-headless>=4.10.0.84,<5'",
            f"warped pattern {obtained[:8]}",
            WARP_SHA256[:8],
        )
    return str(cv2.__version__)


def check_holds_variant(variant: Variant, checkpoint: Checkpoint, catalogue: Catalogue) -> str:
    """The file holds the variant it is used as, told from keys, dtypes and shapes alone."""
    state = modern_state(checkpoint.network)
    found = identify(state, catalogue)
    if variant.name in found:
        return variant.name
    if found:
        raise CheckFailedError(
            "wrong-variant",
            f"{checkpoint.path} is used as {variant.name} but holds {' or '.join(found)}",
            f"Give the file of {variant.name}, {variant.checkpoint.file_name}, in its place",
            " or ".join(found),
            variant.name,
        )
    difference = layout_difference(state, variant.architecture)
    raise CheckFailedError(
        "wrong-layout",
        f"{checkpoint.path} is not a {variant.name}: {difference}",
        "Compare the file with the one on Drive; a model of your own needs a --variants-file",
        difference,
        variant.name,
    )


def check_epoch(variant: Variant, checkpoint: Checkpoint) -> int:
    """The epoch in the file's content is the known one; what is merely claimed decides nothing."""
    known = variant.checkpoint.known_epoch
    if known is not None and known.decides and checkpoint.epoch not in known.values:
        raise CheckFailedError(
            "count",
            f"{checkpoint.path} has epoch {checkpoint.epoch}: expected {known} ({known.source})",
            obtained=checkpoint.epoch,
            expected=known.value if isinstance(known.value, int) else str(known),
        )
    return checkpoint.epoch


def check_weights_are_finite(state: StateDict, where: str) -> int:
    """No weight is NaN or infinite; returns how many numbers were looked at."""
    for key, tensor in state.items():
        wrong = int((~tensor.isfinite()).sum())
        if wrong:
            raise CheckFailedError(
                "not-finite",
                f"{wrong} of {tensor.numel()} numbers in '{key}' of {where} are NaN or infinite:"
                " expected none",
                "Download the file again",
                wrong,
                0,
            )
    return state_element_count(state)


def check_batchnorm_variances(state: StateDict, where: str) -> tuple[float, float]:
    """Every running variance is one that a BatchNorm can have; returns the smallest and largest."""
    ends: list[float] = []
    for key, tensor in state.items():
        if key.endswith(".running_var"):
            low, high = float(tensor.min()), float(tensor.max())
            if not 0 <= low <= high < MAX_BATCHNORM_VARIANCE:
                raise CheckFailedError(
                    "implausible-variance",
                    f"'{key}' of {where} goes from {low:g} to {high:g}: expected variances from 0"
                    f" to {MAX_BATCHNORM_VARIANCE:g}",
                    "Download the file again",
                    f"{low:g} to {high:g}",
                    f"0 to {MAX_BATCHNORM_VARIANCE:g}",
                )
            ends += [low, high]
    if not ends:
        raise CheckFailedError("implausible-variance", f"{where} has no BatchNorm at all")
    return min(ends), max(ends)


def check_key_map_round_trip(checkpoint: Checkpoint) -> str:
    """Renaming there and back gives the same names, order and tensors; returns the file's style."""
    state = checkpoint.network
    style = key_style(state)
    there, back = (to_modern, to_legacy) if style == "legacy" else (to_legacy, to_modern)
    returned = back(there(state))
    kept = sum(
        key == after and state[key] is returned[after]
        for key, after in zip(state, returned, strict=False)
    )
    if not kept == len(state) == len(there(state)) or key_style(there(state)) == style:
        raise CheckFailedError(
            "round-trip",
            f"mapping the keys of {checkpoint.path} from {style} and back changes them",
            "This is a defect of the key map",
            f"{kept} keys as before",
            len(state),
        )
    return style


def check_snapshot(path: Path, checkpoint: Checkpoint) -> int:
    """The written ``.pth`` loads safely and holds the checkpoint's numbers; returns its size."""
    import torch

    content = torch.load(path, map_location="cpu", weights_only=True)
    expected = with_prefix(modern_state(checkpoint.network))
    obtained = content["network"]
    if content["epoch"] != checkpoint.epoch or list(obtained) != list(expected):
        raise CheckFailedError(
            "snapshot",
            f"{path} does not have the epoch and keys of {checkpoint.path}",
            obtained=f"epoch {content['epoch']}, {len(obtained)} keys",
            expected=f"epoch {checkpoint.epoch}, {len(expected)} keys",
        )
    for key, tensor in expected.items():
        if not _same_bits(obtained[key], tensor):
            raise CheckFailedError(
                "snapshot",
                f"'{key}' in {path} differs from the one in {checkpoint.path}",
                obtained=f"{key}: {obtained[key].dtype}",
                expected=f"the archive's bits, {tensor.dtype}",
            )
    return path.stat().st_size


def check_parameter_count(variant: Variant, network: Module) -> int:
    """Trainable parameters, exactly."""
    return _equal("parameters", parameter_count(network), variant.parameters, variant.name)


def check_state_element_count(variant: Variant, network: Module) -> int:
    """Numbers in the whole state dict with the BatchNorm buffers, exactly."""
    obtained = state_element_count(network.state_dict())
    return _equal("state dict elements", obtained, variant.state_elements, variant.name)


def check_multiply_adds(variant: Variant, network: Module) -> int:
    """Multiply-adds of the convolutions, exactly: this settles how many head layers upsample."""
    obtained = multiply_add_count(network)
    return _equal("multiply-adds", obtained, variant.multiply_adds, variant.name)


def check_paper_gmacs(variant: Variant, multiply_adds: int) -> float:
    """The multiply-adds are those of the paper, to the slack between counting tools."""
    gmacs = multiply_adds / 1e9
    return _near("GMACs", gmacs, variant.paper.gmacs, GMACS_SLACK, variant.name)


def check_paper_parameters(variant: Variant, parameters: int) -> float:
    """The parameters round to the millions that the paper gives."""
    millions = parameters / 1e6
    return _near(
        "million parameters", millions, variant.paper.parameters_millions, 0.005, variant.name
    )


def check_heatmap_grid(variant: Variant, network: ConvNeXtPose) -> tuple[int, ...]:
    """The heatmaps have the variant's joints and cells: (J, D, H, W)."""
    import torch

    device = next(network.parameters()).device
    with torch.inference_mode():
        image = torch.zeros(1, 3, INPUT_SIDE_PX, INPUT_SIDE_PX, device=device)
        obtained = tuple(network.heatmaps(image).shape[1:])
    architecture = variant.architecture
    columns, rows, bins = architecture.grid_whd
    expected = (architecture.joints, bins, rows, columns)
    return _equal("heatmap (joints, depth, height, width)", obtained, expected, variant.name)


def check_agrees(
    network: Network, plain: Network, crops: Tensor, samples: Sequence[Sample], where: str
) -> tuple[float, float]:
    """The network under judgement says what the plain one of the same weights says.

    ``crops`` (B, 3, 256, 256) are those of the samples. Returns the largest difference of a joint
    in cells and the difference of the mean error in millimetres, under protocol 2.
    """
    import torch

    grid_whd = plain.architecture.grid_whd
    with torch.inference_mode():
        obtained, expected = (asked(crops).cpu().numpy() for asked in (network, plain))
    cells = float(np.abs(obtained - expected).max())
    means_mm = [
        float(
            np.mean(
                [
                    joint_errors_mm(each, sample, grid_whd, 2)
                    for each, sample in zip(cells_xyz, samples, strict=True)
                ]
            )
        )
        for cells_xyz in (obtained, expected)
    ]
    moved_mm = means_mm[0] - means_mm[1]
    apart = not cells <= AGREEMENT_CELLS
    if apart or not abs(moved_mm) <= AGREEMENT_MM:
        raise CheckFailedError(
            "disagreement",
            f"{where} differs from the plain network by up to {cells:.4f} cells, and its error on"
            f" {len(samples)} samples by {moved_mm:+.4f} mm: expected at most"
            f" {AGREEMENT_CELLS:g} cells and {AGREEMENT_MM:g} mm",
            "Give it the same weights, the same crops (RGB, mean and std of 0 to 255) and the same"
            " number of upsamplings",
            f"{cells:.3f} cells" if apart else f"{moved_mm:+.4f} mm",
            f"{AGREEMENT_CELLS:g} cells" if apart else f"{AGREEMENT_MM:g} mm",
        )
    return cells, moved_mm


def check_flip_is_symmetric(network: Network, crops: Tensor, where: str) -> float:
    """With the flip test a mirrored crop gets the mirrored answer.

    A column counted from the wrong end moves all joints alike, which hardly shows in millimetres.
    ``crops`` is (B, 3, 256, 256). Returns the largest difference of a joint in cells.
    """
    with_flip = Predictor(network, True, len(crops), lambda _note: None)
    straight, mirrored = (with_flip(each).cpu().numpy() for each in (crops, crops.flip(3)))
    expected = mirrored[:, MIRRORED]
    expected[..., 0] = network.architecture.heatmap_side - 1 - expected[..., 0]
    cells = float(np.abs(straight - expected).max())
    if not cells <= AGREEMENT_CELLS:
        raise CheckFailedError(
            "asymmetric",
            f"with the flip test, the answers of {where} to a crop and to its mirror image are"
            f" {cells:.4f} cells apart: expected at most {AGREEMENT_CELLS:g}",
            "This is a defect of the flip test",
            f"{cells:.3f} cells",
            f"{AGREEMENT_CELLS:g} cells",
        )
    return cells


def check_dataset_is_complete(dataset: Dataset) -> int:
    """Every sample of the protocol is there, action by action; returns their number."""
    obtained, expected = dataset.per_action(), dataset.facts.per_action
    short = [
        f"{action} {obtained[action]} of {expected[action]}"
        for action in expected
        if obtained[action] != expected[action]
    ]
    if dataset.is_complete():
        return len(dataset.samples)
    counted = Counter(exclusion.reason for exclusion in dataset.excluded).most_common()
    reasons = [f"{reason} ({count:,})" for reason, count in counted]
    raise CheckFailedError(
        "incomplete-data",
        f"{len(dataset.samples)} samples of protocol {dataset.protocol} below"
        f" {dataset.layout.root}: expected {dataset.facts.samples}"
        + (f" ({', '.join(short[:4])}{', ...' if len(short) > 4 else ''})" if short else "")
        + (f"; {len(dataset.excluded)} excluded because {'; '.join(reasons)}" if reasons else ""),
        "Without --limit, give the whole data set with --h36m-root; a subset is no reproduction",
        len(dataset.samples),
        dataset.facts.samples,
    )


def check_evaluation_is_complete(evaluation: Evaluation, dataset: Dataset) -> int:
    """Every sample of the protocol was predicted and measured; returns their number."""
    if evaluation.complete:
        return len(evaluation.image_ids)
    unreadable = ", ".join(f"{e.file_name}: {e.reason}" for e in evaluation.unreadable[:4])
    raise CheckFailedError(
        "incomplete-evaluation",
        f"{len(evaluation.image_ids)} samples were measured: expected {dataset.facts.samples}"
        + (
            f"; {len(evaluation.unreadable)} images cannot be used ({unreadable})"
            if unreadable
            else ""
        ),
        "Fetch what is missing again; a subset is no reproduction",
        len(evaluation.image_ids),
        dataset.facts.samples,
    )


def check_images_are_distinct(evaluation: Evaluation) -> int:
    """No sample's file is byte for byte that of another sequence; returns their number.

    One in the place of another moves the error by less than any tolerance for published models.
    Within a sequence a camera may have repeated a frame: that is no fault.
    """
    if not evaluation.misplaced:
        return len(evaluation.image_ids)
    first = ", ".join(" and ".join(pair) for pair in evaluation.misplaced[:4])
    raise CheckFailedError(
        "same-image",
        f"{len(evaluation.misplaced)} of the images are copies of others ({first})",
        "Fetch these images again",
        len(evaluation.misplaced),
        0,
    )


def check_error_is_within(judgement: Judgement, tolerance_mm: float, where: str) -> float:
    """MPJPE or PA-MPJPE is less than the tolerance from its reference; returns the difference."""
    difference_mm = judgement.difference_mm
    if judgement.not_judged or difference_mm is None or judgement.reference is None:
        raise CheckFailedError(
            "not-judged",
            f"{where} has {judgement.obtained_mm:.2f} mm, {judgement.verdict}",
            "" if judgement.is_subset else "To see it without a verdict, add --gate none",
            obtained=judgement.verdict,
            expected="a verdict",
        )
    if not abs(difference_mm) < tolerance_mm:
        raise CheckFailedError(
            "off-reference",
            f"{where} has {judgement.obtained_mm:.4f} mm: expected"
            f" {judgement.reference.value:.4f} +/- {tolerance_mm:g} mm"
            f" ({judgement.reference.source}), the difference is {difference_mm:+.4f} mm",
            "Compare settings, checkpoint hash and data digest in the report with those of a run"
            " that passed",
            judgement.obtained_mm,
            judgement.reference.value,
        )
    return difference_mm


def _equal(what: str, obtained: T, expected: T, where: str) -> T:
    if obtained != expected:
        problem = f"{where} has {what} {obtained}: expected {expected}"
        raise CheckFailedError("count", problem, obtained=obtained, expected=expected)
    return obtained


def _near(what: str, obtained: float, figure: Figure | None, slack: float, where: str) -> float:
    if figure is None:
        raise CheckFailedError("no-figure", f"the variants file gives {where} no {what}")
    if not abs(obtained - figure.value) <= slack:
        raise CheckFailedError(
            "off-paper",
            f"{where} has {obtained:.3f} {what}: expected {figure.value} +/- {slack}"
            f" ({figure.source})",
            "Check the number of head layers that upsample" if what == "GMACs" else "",
            obtained,
            figure.value,
        )
    return obtained


def _same_bits(one: Tensor, other: Tensor) -> bool:
    alike = one.dtype == other.dtype and one.shape == other.shape
    return alike and one.detach().numpy().tobytes() == other.detach().numpy().tobytes()
