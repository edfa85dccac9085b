"""Results as a run writes them, for tests of what is made from them."""

from __future__ import annotations

from typing import Any


def example_results(subject: str = "published", **changes: Any) -> dict[str, Any]:
    """A complete run of two variants, both within 1 mm of the paper."""
    return {
        "schema_version": 1,
        "subject": subject,
        "protocol": 2,
        "bbox": "gt",
        "flip": True,
        "device": "cpu",
        "precision": "fp32",
        "samples": 8695,
        "expected_samples": 8695,
        "complete": True,
        "gate_mm": 5,
        "environment": dict.fromkeys(("torch", "numpy", "opencv", "python"), "1.0"),
        "dataset": {"root": "/data", "digest": "0" * 64, "excluded": 0, "limited": False},
        "variants": {"XS": example_variant(57.0, 56.61), "S": example_variant(51.0, 51.80)},
        **changes,
    }


def example_variant(
    obtained_mm: float, reference_mm: float | None, **changes: Any
) -> dict[str, Any]:
    """A variant's record with this error and reference."""
    difference_mm = None if reference_mm is None else obtained_mm - reference_mm
    return {
        "file": "ConvNeXtPose_XS.tar",
        "sha256": "a" * 64,
        "epoch": 68,
        "parameters": 3_528_008,
        "state_elements": 3_534_140,
        "gmacs": 0.815214592,
        "mpjpe_mm": obtained_mm,
        "reference_mm": reference_mm,
        "reference_source": "paper, protocol 2",
        "difference_mm": difference_mm,
        "verdict": "excellent",
        "seconds": 12.5,
        **changes,
    }
