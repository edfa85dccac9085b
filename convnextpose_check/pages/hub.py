"""What a run measured, in the two forms that the Hugging Face Hub reads.

``eval_results.yaml`` has an entry for each model in the form of a repository's ``.eval_results``
folder, ``model_index.yaml`` the ``model-index`` of a model card. Both are written for models on the
whole of Human3.6M alone: never for the miniature, for a part of the samples, or without an error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from convnextpose_check.human36m.samples import read_facts
from convnextpose_check.results.schema import Results, VariantResult
from convnextpose_check.settings.options import OPTIONS
from convnextpose_check.variants import Protocol

DATASET = "Human3.6M"
"""It has no id on the Hub, for it may not be passed on."""
DECIMALS = 3

_NOT_IN_YAML = re.compile(r"[\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_EVAL_RESULTS = "# For .eval_results/ of the model's repository: the entry whose notes name it.\n"
_MODEL_INDEX = "# For the head of a model card: the entry that has the model's name.\n"


def measured(results: Results) -> dict[str, VariantResult]:
    """The variants that may be told of: measured on every sample of Human3.6M in a finished run."""
    if results.subject != "published" or not results.finished:
        return {}
    return {
        name: record
        for name, record in results.variants.items()
        if record.complete and record.samples == results.expected_samples
    }


def eval_results(results: Results) -> list[dict[str, Any]]:
    """An entry for each variant, as ``huggingface_hub.parse_eval_result_entries`` takes it."""
    return [
        {
            "dataset": {"id": DATASET, "task_id": f"protocol-{results.protocol}"},
            "value": round(record.error_mm, DECIMALS),
            "date": results.environment["started"],
            "notes": "; ".join(f"{key}: {value}" for key, value in told.items()),
        }
        for name, record in measured(results).items()
        for told in [
            _model(results, name, record) | _conditions(results) | _outcome(results, record)
        ]
    ]


def model_index(results: Results) -> list[dict[str, Any]]:
    """A model for each variant, as ``huggingface_hub`` reads the head of a model card."""
    return [
        {
            "name": _model(results, name, record)["model"],
            "results": [
                {
                    "task": {"type": "keypoint-detection", "name": "3D human pose estimation"},
                    "dataset": {
                        "type": DATASET.lower(),
                        "name": DATASET,
                        "split": f"test, protocol {results.protocol}",
                        "args": _conditions(results),
                    },
                    "metrics": [
                        {
                            "type": results.metric.lower().replace("-", "_"),
                            "name": f"{results.metric} (mm)",
                            "value": round(record.error_mm, DECIMALS),
                            "args": _model(results, name, record) | _outcome(results, record),
                        }
                    ],
                }
            ],
        }
        for name, record in measured(results).items()
    ]


def hub_texts(results: Results) -> tuple[str, str] | None:
    """The content of ``eval_results.yaml`` and of ``model_index.yaml``; None where none may be."""
    if not measured(results):
        return None
    index = {"model-index": model_index(results)}
    return _EVAL_RESULTS + as_yaml(eval_results(results)), _MODEL_INDEX + as_yaml(index)


def as_yaml(value: Any, indent: str = "") -> str:
    """Mappings and lists as YAML's lines; every other value as JSON, which YAML takes."""
    lines = ""
    marks = {f"{key}:": each for key, each in value.items()} if isinstance(value, Mapping) else {}
    for mark, each in marks.items() if marks else (("-", each) for each in value):
        if not isinstance(each, (Mapping, list)):
            text = json.dumps(each, ensure_ascii=False)
            text = _NOT_IN_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
            lines += f"{indent}{mark} {text}\n"
        elif mark == "-":
            lines += f"{indent}- {as_yaml(each, indent + '  ').lstrip()}"
        else:
            lines += f"{indent}{mark}\n{as_yaml(each, indent + '  ')}"
    return lines


def _model(results: Results, name: str, record: VariantResult) -> dict[str, str]:
    """What the figure is of; a model of one's own does not bear the paper's name."""
    return {
        "model": name if _set(results, "variants-file") else f"ConvNeXtPose {name}",
        "checkpoint": record.file,
        "sha256": record.sha256,
        "epoch": str(record.epoch),
    }


def _conditions(results: Results) -> dict[str, str]:
    """Under what it was measured."""
    conditions = {
        "data": f"{DATASET}, {_subjects(results.protocol)}",
        "protocol": str(results.protocol),
        "samples": f"{results.samples} of {results.expected_samples}",
        "data digest": results.dataset.digest,
        "boxes": "ground truth" if results.bbox == "gt" else "RootNet",
        "flip": "on" if results.flip else "off",
        "device": results.device,
        "opencv": results.environment.get("opencv", "unknown"),
    }
    network = _set(results, "network")
    return conditions | ({"network": network} if network else {})


def _subjects(protocol: Protocol) -> str:
    """Who is in the test set."""
    subjects = read_facts().protocols[protocol].subjects
    return f"subject{'s' * (len(subjects) > 1)} {' and '.join(map(str, subjects))}"


def _set(results: Results, name: str) -> str:
    """What an option was set to, empty where it was left at its default."""
    (names,) = ((o.flag, o.variable) for o in OPTIONS if o.flag == f"--{name}")
    told = (line.partition(" ") for line in results.settings)
    return next((value for option, _, value in told if option in names), "")


def _outcome(results: Results, record: VariantResult) -> dict[str, str]:
    """What came of it, and who says so."""
    return {
        "verdict": record.verdict,
        "run": results.verdict,
        "suite": f"convnextpose-check {results.environment.get('convnextpose_check', 'unknown')}",
        "commit": results.environment.get("commit", "unknown"),
    }
