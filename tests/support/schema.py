"""The JSON Schema of the results, published beside ``convnextpose_check/results/schema.py``.

Regenerate it after a change of that module: ``python -m tests.support.schema``.
"""

from inspect import cleandoc
from pathlib import Path
from typing import Any

import msgspec

from convnextpose_check import results
from convnextpose_check.results.schema import Results

SCHEMA_FILE = Path(results.__file__).with_name("benchmark_results.schema.json")


def json_schema() -> bytes:
    """The JSON Schema of the results, as it is published."""
    schema = _normalize(msgspec.json.schema(Results))
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return msgspec.json.format(msgspec.json.encode(schema, order="sorted"), indent=2) + b"\n"


def _normalize(schema: Any) -> Any:
    """The schema with sorted ``anyOf``, whose order depends on the version of msgspec.

    Descriptions lose their indentation: only Python 3.13 strips it from docstrings.
    """
    if isinstance(schema, list):
        return [_normalize(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    ordered = {key: _normalize(part) for key, part in schema.items()}
    if isinstance(description := ordered.get("description"), str):
        ordered["description"] = cleandoc(description)
    if "anyOf" in ordered:
        ordered["anyOf"].sort(key=msgspec.json.encode)
    return ordered


if __name__ == "__main__":
    SCHEMA_FILE.write_bytes(json_schema())
