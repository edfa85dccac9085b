"""Pack a run's results for others: two archives, and what Kaggle wants to know of a data set."""

from __future__ import annotations

import json
import os
import re
import zipfile
from collections.abc import Iterable
from pathlib import Path

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.files.whole import write_text, written_whole
from convnextpose_check.paths import RESULT_FOLDER, Outputs
from convnextpose_check.results.results_file import read_results
from convnextpose_check.results.schema import Results

METADATA_FILE = RESULT_FOLDER / "dataset-metadata.json"

_USER = re.compile(r"[\w-]+")


def export(results_dir: Path) -> list[Path]:
    """Write the archives and ``dataset-metadata.json``; returns what was written.

    Metadata that is there already is left as it is, for it is meant to be edited. Raises
    ``ConvNeXtPoseCheckError`` (``bad-results``) where no results are.
    """
    outputs = Outputs(results_dir)
    results = read_results(outputs.results)
    of_results, of_logs = outputs.archives
    # By name: an earlier run's files may stand beside them.
    _pack(of_results, outputs.shared)
    _pack(of_logs, [outputs.log(variant) for variant in results.variants])
    written = [of_results, of_logs]
    metadata = results_dir / METADATA_FILE
    if not metadata.exists():
        write_text(metadata, json.dumps(dataset_metadata(results), indent=2) + "\n")
        written.append(metadata)
    return written


def dataset_metadata(results: Results) -> dict[str, object]:
    """What ``kaggle datasets create`` wants: title, id and licence."""
    user = os.environ.get("KAGGLE_USERNAME") or "INSERT-YOUR-USERNAME"
    if not _USER.fullmatch(user):
        raise ConvNeXtPoseCheckError("bad-option", f"'{user}' is no name of a Kaggle user")
    models = "own" if results.own_models else results.subject
    return {
        "title": f"ConvNeXtPose benchmark, {models} models",
        "id": f"{user.lower()}/convnextpose-benchmark-{models}",
        "licenses": [{"name": "other"}],
        "description": results.verdict,
    }


def _pack(archive: Path, files: Iterable[Path]) -> None:
    """A zip of the files that exist, under their names below the archive's folder."""
    with (
        written_whole(archive) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as packing,
    ):
        for file in sorted(files):
            if file.is_file():
                packing.write(file, file.relative_to(archive.parent))
