"""Results to draw charts of."""

from __future__ import annotations

from typing import Any

import numpy as np

from convnextpose_check.human36m.geometry import Array
from convnextpose_check.human36m.skeleton import ACTIONS
from convnextpose_check.results.schema import DatasetRecord, Results, VariantResult
from convnextpose_check.variants import Protocol

LONG_NAMES = ("convnextpose-extra-small-v2.1+em", "my.very_own.model_of_last_summer", "M")


def variant(error_mm: float = 52.2, protocol: Protocol = 2, **changes: Any) -> VariantResult:
    """A variant's result, 0.4 mm off the paper."""
    reference_mm = changes.get("reference_mm", 51.8)
    error = {"mpjpe_mm" if protocol == 2 else "pa_mpjpe_mm": error_mm}
    fields: dict[str, Any] = {
        **error, "file": "S.tar", "form": "zip", "epoch": 67, "sha256": "a" * 64,
        "head_keys": "modern", "parameters": 7_438_976, "state_elements": 7_448_954,
        "gmacs": 1.737998336, "paper_parameters_millions": 7.44, "paper_gmacs": 1.76,
        "interval_mm": (error_mm - 2.1, error_mm + 1.9), "sequences": 236,
        "reference_mm": reference_mm, "reference_source": "paper, protocol 2",
        "difference_mm": None if reference_mm is None else error_mm - reference_mm,
        "verdict": "excellent", "per_action_mm": dict.fromkeys(ACTIONS.values(), error_mm),
        "per_joint_mm": {}, "samples": 8695, "complete": True, "unreadable": {},
        "images_sha256": "", "seconds": 1.0, "images_per_second": 1.0, "batch_size": 1,
        "examples": (),
    }  # fmt: skip
    return VariantResult(**fields | changes)


def results(variants: dict[str, VariantResult] | None = None, **changes: Any) -> Results:
    """A run with these variants, four by default."""
    if variants is None:
        variants = {
            "XS": variant(55.81, reference_mm=56.61, gmacs=0.815, parameters=3_528_008),
            "S": variant(),
            "M": variant(55.95, reference_mm=51.05, gmacs=2.795, verdict="acceptable"),
            "L": variant(56.95, reference_mm=49.75, gmacs=4.264, verdict="review"),
        }
    fields: dict[str, Any] = {
        "subject": "published", "finished": True, "verdict": "Not reproduced: L.", "protocol": 2,
        "bbox": "gt", "flip": True, "device": "cpu", "samples": 8695,
        "expected_samples": 8695, "expected_variants": tuple(variants), "complete": True,
        "gate_mm": 5, "environment": {}, "settings": (), "variants": variants, "checks": (),
        "dataset": DatasetRecord("/data", "0", {}, False), "left_out": (), "baseline": None,
    }  # fmt: skip
    return Results(**fields | changes)


def errors(of: Results, samples: int = 8695) -> dict[str, Array]:
    """Errors of single samples with a long tail and each variant's mean."""
    spread = np.random.default_rng(0).lognormal(0, 0.4, samples)
    return {name: spread / spread.mean() * r.error_mm for name, r in of.variants.items()}
