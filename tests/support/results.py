"""Example results, as a run writes them."""

from typing import Any

import numpy as np

from convnextpose_check.evaluation.verdict import judge_difference
from convnextpose_check.human36m.skeleton import ACTIONS, ANNOTATED_JOINTS, JOINTS
from convnextpose_check.results.field_metrics import FIELD_METRICS
from convnextpose_check.results.schema import (
    CheckRecord,
    DatasetRecord,
    Example,
    FieldMetricValues,
    FileRecord,
    ReferenceKind,
    ReferenceRecord,
    Results,
    VariantResult,
)


def example_results(target: str = "published", **changes: Any) -> Results:
    """A complete run of two variants, both within 1 mm of the paper."""
    variants = changes.get("variants")
    if variants is None:
        variants = {"XS": example_variant(57.0, 56.61), "S": example_variant(51.0, 51.80)}
    fields: dict[str, Any] = {
        "target": target,
        "finished": True,
        "verdict": "Reproduced: 2 excellent; largest difference from the paper: S -0.80 mm.",
        "protocol": 2,
        "bbox": "gt",
        "flip": True,
        "device": "cpu",
        "samples": 8695,
        "expected_samples": 8695,
        "expected_variants": tuple(variants),
        "complete": True,
        "gate_mm": 5,
        "environment": dict.fromkeys(("torch", "numpy", "opencv", "python", "started"), "1.0"),
        "settings": ("--workers 2",),
        "dataset": DatasetRecord("/data", "0" * 64, {}, False),
        "variants": variants,
        "checks": (),
        "left_out": (),
        "baseline": None,
        "field_metrics": FIELD_METRICS if variants else {},
    }
    return Results(**{**fields, **changes})


def example_weights(**changes: Any) -> Results:
    record = example_variant(57.0, 56.61)
    fields = {f: getattr(record, f) for f in FileRecord.__struct_fields__}
    unmeasured: dict[str, Any] = {
        "verdict": "Weights only: XS: architecture matches. Identity verified.",
        "samples": 0,
        "variants": {},
        "expected_variants": ("XS",),
        "complete": False,
        "gate_mm": None,
        "weights_only": True,
        "weights": {"XS": FileRecord(**fields)},
        "checks": (CheckRecord(test="counts[published-XS]", outcome="passed"),),
    }
    return example_results(**{**unmeasured, **changes})


def example_variant(
    obtained_mm: float,
    reference_mm: float | None,
    kind: ReferenceKind = "paper",
    tolerance_mm: float | None = 5,
    **changes: Any,
) -> VariantResult:
    """A variant's record with this error, and its verdict against this reference."""
    reference, verdict, difference_mm = None, None, None
    if reference_mm is not None:
        reference = ReferenceRecord(reference_mm, "paper, table 5", kind, tolerance_mm)
        difference_mm = obtained_mm - reference_mm
        verdict = judge_difference(difference_mm)
    if changes.get("not_judged"):
        verdict = None
    fields: dict[str, Any] = {
        "file": "ConvNeXtPose_XS.tar",
        "form": "zip archive",
        "epoch": 68,
        "sha256": "a" * 64,
        "head_keys": "modern",
        "key_prefix": "module.",
        "parameters": 3_528_008,
        "state_elements": 3_534_140,
        "gmacs": 0.815214592,
        "mpjpe_mm": obtained_mm,
        "interval_mm": (obtained_mm - 2, obtained_mm + 2),
        "sequences": 60,
        "reference": reference,
        "difference_mm": difference_mm,
        "verdict": verdict,
        "not_judged": "no reported value to compare with" if reference is None else None,
        "per_action_mm": {action: obtained_mm + i for i, action in enumerate(ACTIONS.values())},
        "per_joint_mm": {joint: obtained_mm - i for i, joint in enumerate(JOINTS[:17])},
        "samples": 8695,
        "complete": True,
        "unreadable": {},
        "images_sha256": "b" * 64,
        "batch_size": 64,
        "field_metrics": {
            key: FieldMetricValues(
                obtained_mm + n, obtained_mm + n / 2, {"Directions": 42.5 + n, "Eating": 43.5 + n}
            )
            for n, key in enumerate(FIELD_METRICS)
        },
        "examples": example_examples(),
    }
    return VariantResult(**{**fields, **changes})


def example_examples(worst: int = 1) -> tuple[Example, ...]:
    """Best, median and ``worst`` worst samples, with random poses and without pictures."""
    rng = np.random.default_rng(0)

    def points(dimensions: int, size: float) -> tuple[Any, ...]:
        return tuple(map(tuple, (rng.random((ANNOTATED_JOINTS, dimensions)) * size).tolist()))

    ranks: tuple[Any, ...] = ("best", "median", *("worst",) * worst)
    return tuple(
        Example(
            rank=rank,
            image_id=7,
            file_name="s_09_act_02_subact_01_ca_01_000001.jpg",
            action="Directions",
            error_mm=41.5,
            predicted_mm=points(3, 1000),
            truth_mm=points(3, 1000),
            predicted_px=points(2, 256),
            truth_px=points(2, 256),
            crop_jpeg=None,
        )
        for rank in ranks
    )
