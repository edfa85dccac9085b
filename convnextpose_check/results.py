"""The results file: ``<results-dir>/result/benchmark_results.json``, whole after every variant."""

from __future__ import annotations

import json
import platform
import sys
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import convnextpose_check
from convnextpose_check.files import cannot_write, write_text
from convnextpose_check.variants import Protocol

SCHEMA_VERSION = 1
RESULTS_FILE = Path("result") / "benchmark_results.json"
REPORT_FILE = Path("report.html")
LOG_FOLDER = Path("log")

METRIC_FIELDS: dict[Protocol, str] = {1: "pa_mpjpe_mm", 2: "mpjpe_mm"}
METRIC_TITLES: dict[Protocol, str] = {1: "PA-MPJPE", 2: "MPJPE"}


def environment() -> dict[str, str]:
    """The versions and the machine that a result depends on."""
    return {
        "convnextpose_check": convnextpose_check.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "command": " ".join(sys.argv),
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        **{package: package_version(package) for package in ("torch", "numpy")},
        "opencv": opencv_version(),
    }


def package_version(package: str) -> str:
    """The installed version of a package, without importing it."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def opencv_version() -> str:
    """The version of whichever of OpenCV's packages is installed."""
    names = ("opencv-python-headless", "opencv-python", "opencv-contrib-python")
    found = [package_version(name) for name in names]
    return next((text for text in found if text != "not installed"), "not installed")


def write_results(results: dict[str, Any], results_dir: Path) -> Path:
    """Write the results, whole or not at all, and return the path."""
    path = results_dir / RESULTS_FILE
    write_text(path, json.dumps(results, indent=2, allow_nan=False) + "\n")
    return path


def set_aside_earlier(results_dir: Path) -> None:
    """Keep what an earlier run left: its results and logs move to names with their subject.

    ``benchmark_results.json`` of the published models becomes ``benchmark_results.published.json``,
    so that a quick run on the miniature never costs somebody the results of an hour.
    """
    path = results_dir / RESULTS_FILE
    try:
        subject = json.loads(path.read_text(encoding="utf-8"))["subject"]
        subject = subject if subject in ("published", "miniature") else "earlier"
    except FileNotFoundError:
        return
    except (OSError, ValueError, KeyError, TypeError):
        subject = "earlier"
    try:
        path.replace(path.with_suffix(f".{subject}.json"))
        for log in (results_dir / LOG_FOLDER).glob("test_*.log"):
            if log.name.count(".") == 1:
                log.replace(log.with_suffix(f".{subject}.log"))
    except OSError as error:
        raise cannot_write(path, error) from None
