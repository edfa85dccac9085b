"""Predict samples of a run again, and fit the run's positions to the verified ones."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import cv2
import numpy as np
import torch
from torch import Tensor

from convnextpose_check.diagnosis.alternatives import IMAGE_FILES, Alternative, match_joints
from convnextpose_check.diagnosis.reading import FinishedRun
from convnextpose_check.diagnosis.table import SampleTable, scale_boxes
from convnextpose_check.evaluation.predict import predict_passes
from convnextpose_check.human36m import crops
from convnextpose_check.human36m.geometry import Array
from convnextpose_check.human36m.samples import Sample
from convnextpose_check.human36m.skeleton import ANNOTATED_JOINTS, JOINTS, MIRRORED
from convnextpose_check.network import Network
from convnextpose_check.network.optimized import OptimizedConvNeXtPose
from convnextpose_check.run.models import VariantModels

MIN_SLOPE_CHANGE, MIN_SHIFT_CELLS = 0.015, 0.1
"""Least change of a slope and least offset in a fit."""

SAME_CELLS = 0.02
"""Positions that differ by less are equal; devices differ by 0.001 cells in float32."""


@dataclass(frozen=True)
class Condition:
    """A change between file and position: image, crop, normalization or setting of modules."""

    what: str
    remedy: str
    image: Callable[[Array], Array] = lambda image_bgr: image_bgr
    box: Callable[[Sample], Array] = lambda sample: sample.box_xywh_px
    border: str = "BORDER_CONSTANT"
    to_input: Callable[[Tensor], Tensor] = crops.to_input
    setting: tuple[str, float] | None = None


VERIFIED = Condition("", "")


class Replay:
    """Samples of a run to predict again; ``table`` has the run's positions of those readable.

    24 are chosen at equal distances in the order of their errors, so that few are enough.
    """

    def __init__(self, run: FinishedRun, models: VariantModels) -> None:
        self.checkpoint, self._models = models.checkpoint.path.name, models
        self._verified: Network = OptimizedConvNeXtPose(models.reference)
        self.flip = run.results is None or run.results.flip
        samples, ranks = run.saved.samples, np.argsort(run.saved.errors_mm.mean(axis=1))
        middles = np.linspace(0, len(ranks), 2 * min(24, len(ranks)) + 1)[1::2].astype(int)
        images = {n: crops.read_image(samples[n]) for n in sorted(ranks[middles].tolist())}
        self._pairs = [(samples[n], each) for n, each in images.items() if each is not None]
        self.table = run.saved.table.select([n for n, each in images.items() if each is not None])

    def predict(
        self,
        condition: Condition = VERIFIED,
        indices: Sequence[int] | None = None,
        *,
        is_plain: bool = False,
    ) -> dict[str, Array]:
        """Returns positions (N, 18, 3) in the run's cells by use of the passes, "" if correct.

        By default of all samples. With ``is_plain``, only those of the plain pass.
        """
        network = self._verified
        if condition.setting is not None:
            network = reference = copy.deepcopy(self._models.reference)
            for module in reference.modules():
                if hasattr(module, condition.setting[0]):
                    setattr(module, *condition.setting)
        pairs = self._pairs if indices is None else [self._pairs[n] for n in indices]
        warped = [
            crops.warp_box(condition.image(image), condition.box(sample), condition.border)
            for sample, image in pairs
        ]
        pixels = torch.from_numpy(np.stack([*map(crops.to_rgb_planes, warped)]))
        pixels = pixels.to(self._models.devices[0])
        with torch.inference_mode():
            batches = [condition.to_input(part) for part in torch.split(pixels, 8)]
            passes = [
                (network(batch),) if is_plain else predict_passes(network, batch)
                for batch in batches
            ]
        scale = np.array(self.table.grid_whd) / network.architecture.grid_whd
        plain, *others = (
            torch.cat(parts).double().cpu().numpy() * scale for parts in zip(*passes, strict=True)
        )
        if is_plain:
            return {"": plain}
        (mirrored,) = others
        if not self.flip:
            return {"": plain, "the mirrored pass is averaged": (plain + mirrored) / 2}
        return {
            "": (plain + mirrored) / 2,
            "only the plain pass counts": plain,
            "only the mirrored pass counts": mirrored,
            "joints of the mirrored pass are not exchanged":
                (plain + mirrored[:, list(MIRRORED)]) / 2,
        }  # fmt: skip

    def list_corrections(self, print_step: Callable[[str], None]) -> list[Alternative]:
        """Returns corrections of images and boxes, which predict the samples again."""

        def correct(condition: Condition, table: SampleTable, _: float) -> SampleTable:
            print_step(f"predicted again: {condition.what}")
            boxes_px = np.array([condition.box(sample) for sample, _ in self._pairs])
            cells_xyz = self.predict(condition, is_plain=True)[""]
            return replace(table, cells_xyz=cells_xyz, boxes_px=boxes_px)

        return [
            Alternative(each.what, each.remedy, partial(correct, each), is_continuous=False)
            for each in CORRECTIONS
        ]

    def try_conditions(
        self, verified_xyz: Array, print_step: Callable[[str], None]
    ) -> tuple[float, str, str]:
        """Returns the share of the distance that the best condition leaves, and its texts.

        Only the 6 samples that are farthest from the verified positions are predicted.
        """
        run_xyz, found = self.table.make_comparable(self.table.cells_xyz), []
        distances = compute_distances(run_xyz, verified_xyz)
        farthest = np.argsort(-distances)[:6].tolist()
        few, apart = self.table.select(farthest), max(float(distances[farthest].mean()), 1e-9)
        for condition in CONDITIONS:
            print_step(f"predicted again: {condition.what}")
            combined = map(few.make_comparable, self.predict(condition, farthest).values())
            lefts = (compute_distances(run_xyz[farthest], xyz).mean() for xyz in combined)
            found.append((float(min(lefts)) / apart, condition.what, condition.remedy))
        return min(found)


def _restore_box_sides(sample: Sample) -> Array:
    x, y, side, _ = sample.box_xywh_px
    if sample.sides_px is None:
        return sample.box_xywh_px
    w, h = side * sample.sides_px / sample.sides_px.max()
    return np.array([x + (side - w) / 2, y + (side - h) / 2, w, h])


def _exchange_statistics(pixels: Tensor) -> Tensor:
    mean, std = (
        crops.constant_tensor(pixels.device, each).view(3, 1, 1)
        for each in (crops.PIXEL_MEAN_RGB, crops.PIXEL_STD_RGB)
    )
    return (pixels.float() - std) / mean


def _apply_gamma(gamma: float, image_bgr: Array) -> Array:
    return np.asarray((255 * (np.arange(256) / 255) ** gamma).astype(np.uint8)[image_bgr])


def _add_details(share: float, image_bgr: Array) -> Array:
    """Add a share of the differences from the blurred image; -1 returns the blurred image."""
    blurred = cv2.GaussianBlur(image_bgr, (0, 0), 2)
    return np.asarray(cv2.addWeighted(image_bgr, 1 + share, blurred, -share, 0))


_INPUT = "Use pixels of 0 to 255, red first, minus mean, divided by std"
_BOX = "Square the annotated box and grow it by 1.25, once"
_HEAD = "Upsample bilinearly by 2 with align_corners=True"

CORRECTIONS: tuple[Condition, ...] = (
    Condition("pixels are blue first", _INPUT, lambda image_bgr: image_bgr[..., ::-1]),
    Condition("color channels move on by one", _INPUT, lambda image_bgr: image_bgr[..., [1, 2, 0]]),
    Condition("color channels move on by two", _INPUT, lambda image_bgr: image_bgr[..., [2, 0, 1]]),
    Condition("images are brighter (gamma of 0.5)", IMAGE_FILES, partial(_apply_gamma, 0.5)),
    Condition("images are darker (gamma of 2)", IMAGE_FILES, partial(_apply_gamma, 2.0)),
    Condition("images are blurred", IMAGE_FILES, partial(_add_details, -1.0)),
    Condition("images are sharpened", IMAGE_FILES, partial(_add_details, 1.0)),
    Condition("images are mirrored", IMAGE_FILES, lambda image_bgr: image_bgr[:, ::-1]),
    Condition("images are upside down", IMAGE_FILES, lambda image_bgr: image_bgr[::-1, ::-1]),
    Condition("boxes grow by 1.2", _BOX, box=lambda s: scale_boxes(s.box_xywh_px, 1.2 / 1.25)),
    Condition("boxes do not grow", _BOX, box=lambda s: scale_boxes(s.box_xywh_px, 1 / 1.25)),
    Condition("boxes grow twice", _BOX, box=lambda s: scale_boxes(s.box_xywh_px, 1.25)),
    Condition("boxes keep the sides of the annotation", _BOX, box=_restore_box_sides),
)
"""Changes of images and boxes: faults of a run, or corrections of its files."""

CONDITIONS: tuple[Condition, ...] = (
    *CORRECTIONS,
    Condition("pixels are divided by 255", _INPUT, to_input=lambda p: crops.to_input(p / 255)),
    Condition("mean and std of the pixels are exchanged", _INPUT, to_input=_exchange_statistics),
    Condition("pixels are not normalized", _INPUT, to_input=lambda p: p.float()),
    Condition("BatchNorm's eps is 1e-3", "Keep BatchNorm's eps at 1e-5", setting=("eps", 1e-3)),
    Condition("the head upsamples without align_corners", _HEAD, setting=("align_corners", False)),
    Condition("the border of the image is repeated", "Warp with a black border",
              border="BORDER_REPLICATE"),
)  # fmt: skip
"""Faults that a fit cannot recognize from the positions alone."""


def compute_distances(run_xyz: Array, other_xyz: Array) -> Array:
    """Returns the mean distance (N,) of annotated joints in positions (N, 18, 3)."""
    distances = np.linalg.norm(run_xyz - other_xyz, axis=2)[:, :ANNOTATED_JOINTS]
    return np.asarray(distances.mean(axis=1))


def fit_positions(
    run_xyz: Array, bases: dict[str, Array], middle_xyz: Array
) -> tuple[list[str], float]:
    """Returns the simplest of the best fits; the first of ``bases`` is the suite's.

    A fit is a list of departures from the positions, and the share of the distance that it leaves.
    """
    apart = max(float(compute_distances(run_xyz, next(iter(bases.values()))).mean()), 1e-9)
    fits = []
    for base, cells in bases.items():
        centered = (xyz - np.median(xyz, axis=1, keepdims=True) for xyz in (run_xyz, cells))
        orders = np.arange(len(JOINTS)), np.array(MIRRORED), match_joints(*centered)
        fits += [_fit_joints(base, run_xyz, cells, middle_xyz, each, apart) for each in orders]
    enough = max(1.2 * min(left for _, left in fits), SAME_CELLS / apart, 0.02)
    return min((f for f in fits if f[1] <= enough), key=lambda fit: (len(fit[0]), fit[1]))


def _fit_joints(
    base: str, run_xyz: Array, cells: Array, middle_xyz: Array, sources: Array, apart: float
) -> tuple[list[str], float]:
    """Fit a line to each axis, by the half of the samples with the least residuals."""
    run, verified = run_xyz - middle_xyz, cells[:, sources] - middle_xyz
    slopes, offsets, best = np.ones(3), np.zeros(3), np.arange(len(run))
    for _ in range(8):
        points = zip(np.moveaxis(verified[best], 2, 0), np.moveaxis(run[best], 2, 0), strict=True)
        lines = [np.polyfit(one.ravel(), other.ravel(), 1) for one, other in points]
        slopes, offsets = np.array(lines).T
        left = compute_distances(run, verified * slopes + offsets)
        best = np.argsort(left)[: max(3, (len(run) + 1) // 2)]
    slopes = np.where(np.abs(slopes - 1) < MIN_SLOPE_CHANGE, 1.0, slopes)
    offsets = np.where(np.abs(offsets) < MIN_SHIFT_CELLS, 0.0, offsets)
    fitted = verified * slopes + offsets
    rounded = np.round(fitted + middle_xyz) - middle_xyz
    left, left_rounded = compute_distances(run, fitted), compute_distances(run, rounded)
    is_rounded = bool(np.median(left_rounded) < 0.25 * np.median(left))
    left = left_rounded if is_rounded else left
    moved = {j: s for j, s in enumerate(sources[:ANNOTATED_JOINTS].tolist()) if j != s}
    joints = ", ".join(f"{JOINTS[joint]} is at {JOINTS[source]}" for joint, source in moved.items())
    if tuple(sources) == MIRRORED:
        joints = "left and right joints are exchanged"
    rows: list[tuple[object, str]] = [(base, base)]
    for axis, slope, offset in zip(("x", "y", "depth"), slopes, offsets, strict=True):
        how = "mirrored" if abs(slope + 1) < MIN_SLOPE_CHANGE else f"multiplied by {slope:.3f}"
        rows.append((slope != 1, f"{axis} is {how}"))
        rows.append((offset != 0, f"{axis} is shifted by {offset:+.2f} cells"))
    rows += [(joints, joints), (is_rounded, "positions are rounded to whole cells")]
    return [text for applies, text in rows if applies], float(left.mean()) / apart
