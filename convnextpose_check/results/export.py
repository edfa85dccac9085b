"""Pack a run's results and logs into two archives, with the metadata of a Kaggle data set."""

from __future__ import annotations

import json
import os
import re
import zipfile
from collections.abc import Iterable
from pathlib import Path

from convnextpose_check.errors import ConvNeXtPoseCheckError, ErrorCode
from convnextpose_check.files.whole import write_text, written_whole
from convnextpose_check.paths import RESULT_FOLDER, Outputs
from convnextpose_check.results.results_file import read_results
from convnextpose_check.results.schema import Results

METADATA_FILE = RESULT_FOLDER / "dataset-metadata.json"

_USER = re.compile(r"[\w-]+")


def export(results_dir: Path) -> list[Path]:
    """Write the archives and ``dataset-metadata.json``; returns the written files.

    An existing metadata file is kept, since users edit it. Raises ``ConvNeXtPoseCheckError``
    (``bad-results``) without results.
    """
    outputs = Outputs(results_dir)
    results = read_results(outputs.results)
    of_results, of_logs = outputs.archives
    # By name, because the folder may hold files of an earlier run.
    _pack(of_results, outputs.shared)
    _pack(of_logs, [outputs.log(variant) for variant in results.variants])
    written = [of_results, of_logs]
    metadata = results_dir / METADATA_FILE
    if not metadata.exists():
        write_text(metadata, json.dumps(dataset_metadata(results), indent=2) + "\n")
        written.append(metadata)
    return written


def dataset_metadata(results: Results) -> dict[str, object]:
    """The metadata that ``kaggle datasets create`` reads: title, id and license."""
    user = os.environ.get("KAGGLE_USERNAME") or "INSERT-YOUR-USERNAME"
    if not _USER.fullmatch(user):
        raise ConvNeXtPoseCheckError(
            ErrorCode.BAD_OPTION,
            f"'{user}' is not the name of a Kaggle user: expected letters and digits",
        )
    models = "own" if results.own_models else results.subject
    return {
        "title": f"ConvNeXtPose benchmark, {models} models",
        "id": f"{user.lower()}/convnextpose-benchmark-{models}",
        "licenses": [{"name": "other"}],
        "description": results.verdict,
    }


def _pack(archive: Path, files: Iterable[Path]) -> None:
    """Zip the files that exist, under their paths relative to the archive's folder."""
    with (
        written_whole(archive) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as packing,
    ):
        for file in sorted(files):
            if file.is_file():
                packing.write(file, file.relative_to(archive.parent))
