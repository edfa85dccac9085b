"""Write and read a run's results: ``<results-dir>/result/benchmark_results.json``.

Its JSON Schema is ``benchmark_results.schema.json`` beside this module.
"""

import json
import re
from pathlib import Path
from typing import Any

import msgspec

from convnextpose_check.errors import ConvNeXtPoseCheckError, ErrorCode
from convnextpose_check.evaluation.verdict import RECORDED_TOLERANCE_MM, VERDICTS
from convnextpose_check.files.json_files import DECODE_ERRORS
from convnextpose_check.files.regular_files import write_text
from convnextpose_check.results.schema import SCHEMA_VERSION, Results

_TOLERANCE = re.compile(r"-(?:within-)?(\d{1,3})mm\]$")


def write_results(results: Results, path: Path) -> None:
    """Write the results as JSON, whole or not at all; raises ``ValueError`` for NaN.

    File names that the locale could not decode are decoded as UTF-8.
    """
    content = msgspec.to_builtins(results)
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_text(path, text, errors="replace")  # an escape such as \xe9 is invalid in JSON


def read_results(path: Path) -> Results:
    """Read a results file of this version, 0.1 or 0.2.

    Raises ``ConvNeXtPoseCheckError`` (``bad-results``) if it is missing or invalid.
    """
    try:
        content = msgspec.json.decode(path.read_bytes())
        if isinstance(content, dict) and content.get("schema_version") == 2:  # versions 0.1 and 0.2
            content = upgrade_results(content)
        return msgspec.convert(content, Results)
    except OSError as error:
        problem = f"cannot read the results {path}: {error.strerror}"
    except DECODE_ERRORS as error:
        problem = f"{path} is not a results file: {error}"
    except (AttributeError, KeyError, TypeError) as error:
        problem = f"{path} is not a results file of version 0.1 or 0.2: {error!r}"
    raise ConvNeXtPoseCheckError(
        ErrorCode.BAD_RESULTS, problem, "Pass a benchmark_results.json written by a run"
    )


def read_results_of_run(path: Path, run_id: str) -> Results | None:
    """The results of the run with this id; None if missing, invalid or of another run."""
    try:
        results = read_results(path)
    except ConvNeXtPoseCheckError:
        return None
    return results if results.run_id == run_id else None


def upgrade_results(content: dict[str, Any]) -> dict[str, Any]:
    """Convert the content of a file of version 0.1 or 0.2 to the current schema."""
    misaligned = content["dataset"].get("displaced") or {}
    counts = {f"misaligned_{part}": misaligned[part] for part in misaligned}
    target = content["subject"].replace("miniature", "synthetic")
    return content | {
        "schema_version": SCHEMA_VERSION,
        "target": target,
        "dataset": content["dataset"] | counts,
        "variants": {n: _upgrade_variant(v, content) for n, v in content["variants"].items()},
        "weights": {n: _upgrade_file(record) for n, record in content.get("weights", {}).items()},
        "checks": [_upgrade_check(check, content) for check in content["checks"]],
        "baseline": content["baseline"] and _upgrade_baseline(content["baseline"]),
    }


def _upgrade_file(record: dict[str, Any]) -> dict[str, Any]:
    training = record.get("provenance") or {}
    texts = (training.get(part) for part in ("epoch", "story", "tensors", "copy"))
    return record | {"training_record": "; ".join(filter(None, texts))}


def _upgrade_variant(record: dict[str, Any], content: dict[str, Any]) -> dict[str, Any]:
    text = record["verdict"]
    is_judged = text in VERDICTS
    return _upgrade_file(record) | {
        "reference": _upgrade_reference(record, content),
        "verdict": text if is_judged else None,
        "not_judged": None if is_judged else text.removeprefix("not judged: "),
        "without_misaligned_mm": record.get("without_displaced_mm"),
    }


def _upgrade_reference(record: dict[str, Any], content: dict[str, Any]) -> dict[str, Any] | None:
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


def _upgrade_check(check: dict[str, Any], content: dict[str, Any]) -> dict[str, Any]:
    """Rename fields; add variant and tolerance, which were written only in the test id."""
    tolerance = _TOLERANCE.search(check["test"])
    case = check["test"].partition(f"[{content['subject']}-")[2].rstrip("]")
    names = [n for n in content["expected_variants"] if f"{case}-".startswith(f"{n}-")]
    return check | {
        "tolerance_mm": int(tolerance[1]) if tolerance else None,
        "variant": max(names, key=len, default=None),
        "duplicate_of": check.get("told_by", ""),
    }


def _upgrade_baseline(record: dict[str, Any]) -> dict[str, Any]:
    return record | {"deviations": [d | {"quantity": d["figure"]} for d in record["deviations"]]}
