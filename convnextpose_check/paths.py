"""Where a run puts what it leaves below the results folder, and what an earlier run left there."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.files.whole import cannot_write, lock_file, remove_left_over

REPORT_FILE = Path("report.html")
LOG_FOLDER = Path("log")
RESULT_FOLDER = Path("result")
DUMP_FOLDER = Path("model_dump")
KEPT_FOLDER = RESULT_FOLDER / "evaluations"
"""Evaluations, finished or partial, for --resume."""
LOCK_FILE = ".lock"


def kept_file(subject: str, variant: str) -> Path:
    """Where the evaluation of a subject's variant is, below the results folder."""
    return KEPT_FOLDER / f"{subject}_{variant}.npz"


@dataclass(frozen=True)
class Outputs:
    """The files of one subject's run.

    ``infix`` tells apart what stands in one folder: ``benchmark_results.miniature.json``.
    """

    results_dir: Path
    infix: str = ""

    @property
    def report(self) -> Path:
        """The HTML report."""
        return self._named(self.results_dir / REPORT_FILE)

    @property
    def results(self) -> Path:
        """All figures, at full precision."""
        return self._result("benchmark_results.json")

    @property
    def per_sample(self) -> Path:
        """The error of every joint of every sample."""
        return self._result("per_sample.csv")

    @property
    def archives(self) -> tuple[Path, Path]:
        """Results and logs, packed for others."""
        results_dir = self.results_dir
        return (
            self._named(results_dir / "benchmark_results.zip"),
            self._named(results_dir / "benchmark_logs.zip"),
        )

    @property
    def markdown(self) -> Path:
        """The report for a pull request."""
        return self._result("BENCHMARK_REPORT.md")

    @property
    def picture(self) -> Path:
        """Obtained against expected, in one picture."""
        return self._result("benchmark_comparison.png")

    @property
    def shared(self) -> tuple[Path, ...]:
        """The files that are packed for others, where they exist."""
        return (self.report, self.results, self.per_sample, self.markdown, self.picture)

    def log(self, variant: str) -> Path:
        """What happened to a variant."""
        return self._named(self.results_dir / LOG_FOLDER / f"test_{variant}.log")

    def _result(self, name: str) -> Path:
        return self._named(self.results_dir / RESULT_FOLDER / name)

    def _named(self, path: Path) -> Path:
        return path.with_name(f"{path.stem}{self.infix}{path.suffix}")


def hold_folder(folder: Path) -> BinaryIO:
    """Take the folder for this run alone, until the returned file is closed or the process ends.

    What a killed run had only begun is removed, in the folders that a run writes and in no other.
    Raises ``ConvNeXtPoseCheckError``: ``in-use`` where another run has it, ``cannot-write``.
    """
    lock = lock_file(folder / LOCK_FILE)
    if lock is None:
        raise ConvNeXtPoseCheckError(
            "in-use",
            f"another run is writing its results to {folder}",
            "Wait for its end or name another folder with --results-dir",
        )
    below = (RESULT_FOLDER, KEPT_FOLDER, LOG_FOLDER, DUMP_FOLDER)
    for written in (folder, *(folder / name for name in below)):
        remove_left_over(written)
    for twice in (folder / DUMP_FOLDER).glob("*_????????"):  # other snapshots of one epoch
        remove_left_over(twice)
    return lock


def set_aside_earlier(results_dir: Path) -> None:
    """Keep what an earlier run left under names with the subject that it judged.

    ``benchmark_results.json`` of the published models becomes ``benchmark_results.published.json``,
    so that a quick run on the miniature never costs somebody the results of an hour.
    """
    now = Outputs(results_dir)
    subject = _subject_of(now.results)
    if subject is None:
        return
    kept = Outputs(results_dir, f".{subject}")
    pairs = [
        (now.results, kept.results),
        (now.per_sample, kept.per_sample),
        (now.markdown, kept.markdown),
        (now.picture, kept.picture),
        *zip(now.archives, kept.archives, strict=True),
    ]
    pairs += [
        (log, log.with_suffix(f".{subject}.log"))
        for log in (results_dir / LOG_FOLDER).glob("test_*.log")
        if log.name.count(".") == 1
    ]
    for path, kept_path in pairs:
        try:
            path.replace(kept_path)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise cannot_write(path, error) from None


def _subject_of(results: Path) -> str | None:
    """What a results file judged, ``earlier`` if it does not say, None if it judged nothing."""
    try:
        content = json.loads(results.read_text(encoding="utf-8"))
        if not content.get("variants", True) and not content.get("weights"):
            return None
        subject = "own" if content.get("own_models") else content["subject"]
        subject = "weights" if content.get("weights_only") else subject
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return "earlier"
    return subject if subject in ("published", "own", "miniature", "weights") else "earlier"
