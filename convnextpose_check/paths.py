"""Paths of the suite and of a run's output files, the results folder's lock, earlier outputs."""

from pathlib import Path
from typing import BinaryIO

from convnextpose_check.files.folders import is_file
from convnextpose_check.files.regular_files import cannot_write, lock_file, remove_partial_files

_PACKAGE = Path(__file__).parent
_SUITE_IN_WHEEL = _PACKAGE / "_suite"
SUITE = _SUITE_IN_WHEEL if _SUITE_IN_WHEEL.is_dir() else _PACKAGE.parent
"""The folder of ``pytest.ini``, ``conftest.py``, ``tests/validation`` and ``fixtures``.

A checkout, or a folder of the installed package, to which ``pyproject.toml`` maps these files.
"""
FIXTURES = SUITE / "fixtures"

LOG_FOLDER = Path("log")
RESULT_FOLDER = Path("result")
DUMP_FOLDER = Path("model_dump")
CACHE_FOLDER = RESULT_FOLDER / "evaluations"
"""Finished and partial evaluations, for --resume."""


def cache_file_path(target: str, variant: str) -> Path:
    """Path of a variant's cached evaluation, relative to the results folder."""
    return CACHE_FOLDER / f"{target}_{variant}.npz"


class Outputs:
    """Paths of the files that a run writes."""

    def __init__(self, results_dir: Path) -> None:
        result = results_dir / RESULT_FOLDER
        self.results_dir = results_dir
        self.report = results_dir / "report.html"
        self.results = result / "benchmark_results.json"
        self.per_sample = result / "per_sample.csv"
        self.markdown = result / "BENCHMARK_REPORT.md"
        self.picture = result / "benchmark_comparison.png"
        self.shared = (self.report, self.results, self.per_sample, self.markdown, self.picture)
        self.archives = (
            results_dir / "benchmark_results.zip",  # of the shared files
            results_dir / "benchmark_logs.zip",
        )
        self.diagnoses = (result / "diagnosis.json", results_dir / "diagnosis.html")

    def log(self, variant: str) -> Path:
        """Path of a variant's log."""
        return self.results_dir / LOG_FOLDER / f"test_{variant}.log"


def lock_directory(folder: Path) -> BinaryIO:
    """Lock the results folder until the returned file is closed or the process ends.

    Also deletes temporary files that a killed run left. Raises ``ConvNeXtPoseCheckError``:
    ``in-use``, ``cannot-write``.
    """
    lock = lock_file(folder / ".lock")
    other_dumps = f"{DUMP_FOLDER}/*_????????"  # snapshots of other weights
    for below in ("", RESULT_FOLDER, CACHE_FOLDER, LOG_FOLDER, DUMP_FOLDER, other_dumps):
        remove_partial_files(folder, below)
    return lock


def rename_earlier_outputs(results_dir: Path) -> None:
    """Rename the output files of the previous run to the next number, such as ``report.1.html``.

    Raises ``ConvNeXtPoseCheckError`` (``cannot-write``).
    """
    outputs = Outputs(results_dir)
    paths = (*outputs.shared, *outputs.archives, *outputs.diagnoses)
    number = 1
    while any(is_file(path.with_suffix(f".{number}{path.suffix}")) for path in paths):
        number += 1
    for path in filter(is_file, paths):
        try:
            path.replace(path.with_suffix(f".{number}{path.suffix}"))
        except OSError as error:
            raise cannot_write(path, error) from None
