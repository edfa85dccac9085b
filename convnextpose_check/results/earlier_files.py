"""Read results files of versions 0.1 and 0.2, schema version 2, in which texts held meaning."""

from __future__ import annotations

import re
from typing import Any, get_args

from convnextpose_check.evaluation.verdict import RECORDED_TOLERANCE_MM, Verdict
from convnextpose_check.results.schema import SCHEMA_VERSION

EARLIER_VERSION = 2

_TOLERANCE = re.compile(r"-(?:within-)?(\d{1,3})mm\]$")


def converted(content: dict[str, Any]) -> dict[str, Any]:
    """The decoded content of an earlier file in today's form."""
    return content | {
        "schema_version": SCHEMA_VERSION,
        "variants": {n: _variant(record, content) for n, record in content["variants"].items()},
        "weights": {n: _file(record) for n, record in content.get("weights", {}).items()},
        "checks": [_check(check, content) for check in content["checks"]],
    }


def _file(record: dict[str, Any]) -> dict[str, Any]:
    origin = record.get("provenance") or {}
    texts = (origin.get(part) for part in ("epoch", "story", "tensors", "copy"))
    return record | {"provenance": "; ".join(filter(None, texts))}


def _variant(record: dict[str, Any], content: dict[str, Any]) -> dict[str, Any]:
    text = record["verdict"]
    is_judged = text in get_args(Verdict)
    return _file(record) | {
        "reference": _reference(record, content),
        "verdict": text if is_judged else None,
        "not_judged": None if is_judged else text.removeprefix("not judged: "),
    }


def _reference(record: dict[str, Any], content: dict[str, Any]) -> dict[str, Any] | None:
    if record["reference_mm"] is None:
        return None
    source = record["reference_source"] or ""
    is_synthetic = content["subject"] == "miniature"
    kind = "recorded" if is_synthetic else "paper" if source.startswith("paper") else "own file"
    return {
        "value_mm": record["reference_mm"],
        "source": source,
        "kind": record.get("reference_kind") or kind,
        "tolerance_mm": RECORDED_TOLERANCE_MM if is_synthetic else content["gate_mm"],
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
