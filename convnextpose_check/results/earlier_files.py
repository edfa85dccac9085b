"""Read results files of versions 0.1 and 0.2, schema version 2, in which texts held meaning."""

from __future__ import annotations

import re
from typing import Any, get_args

from convnextpose_check.evaluation.verdict import Verdict
from convnextpose_check.results.figures import RECORDED_WITHIN_MM
from convnextpose_check.results.schema import SCHEMA_VERSION

EARLIER_VERSION = 2

REMOVED: dict[str, tuple[str, ...]] = {
    "results": ("precision",),
    "dataset": ("contradictions",),
    "variant": (
        "at_least_mm", "compared_samples", "moved_mm", "without_contradictions_mm",
        "reference_mm", "reference_source", "reference_kind",
    ),
    "cause": ("before_mm", "after_mm"),
}  # fmt: skip
"""Fields that this version does not have."""

_TOLERANCE = re.compile(r"-(?:within-)?(\d{1,3})mm\]$")
_PAPER = re.compile(r"paper\b")


def converted(content: dict[str, Any]) -> dict[str, Any]:
    """The decoded content of an earlier file in today's form."""
    results = _without("results", content) | {"schema_version": SCHEMA_VERSION}
    results["dataset"] = _without("dataset", content["dataset"])
    results["variants"] = {
        name: _variant(record, content) for name, record in content["variants"].items()
    }
    results["checks"] = [_check(check, content) for check in content["checks"]]
    return results


def _variant(record: dict[str, Any], content: dict[str, Any]) -> dict[str, Any]:
    text = record["verdict"]
    is_judged = text in get_args(Verdict)
    return _without("variant", record) | {
        "reference": _reference(record, content),
        "verdict": text if is_judged else None,
        "not_judged": None if is_judged else text.removeprefix("not judged: "),
        "causes": [_without("cause", cause) for cause in record.get("causes", ())],
    }


def _reference(record: dict[str, Any], content: dict[str, Any]) -> dict[str, Any] | None:
    if record["reference_mm"] is None:
        return None
    source = record["reference_source"] or ""
    is_synthetic = content["subject"] == "miniature"
    kind = "recorded" if is_synthetic else "paper" if _PAPER.match(source) else "own file"
    return {
        "value_mm": record["reference_mm"],
        "source": source,
        "kind": record.get("reference_kind") or kind,
        "tolerance_mm": RECORDED_WITHIN_MM if is_synthetic else content["gate_mm"],
    }


def _check(check: dict[str, Any], content: dict[str, Any]) -> dict[str, Any]:
    """The check with its parameters, which its test id ends with."""
    tolerance = _TOLERANCE.search(check["test"])
    case = check["test"].partition(f"[{content['subject']}-")[2].rstrip("]")
    names = [n for n in content["expected_variants"] if f"{case}-".startswith(f"{n}-")]
    return check | {
        "tolerance_mm": int(tolerance[1]) if tolerance else None,
        "variant": max(names, key=len, default=None),
    }


def _without(kind: str, record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in REMOVED[kind]}
