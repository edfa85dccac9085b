"""Software versions and machine, recorded with every result."""

from __future__ import annotations

import platform
import subprocess
import sys
from contextlib import suppress
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import convnextpose_check


def collect_environment() -> dict[str, str]:
    """Collect versions, machine and command of this run, and the current time."""
    return {
        "convnextpose_check": convnextpose_check.__version__,
        "commit": suite_commit(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "command": " ".join(sys.argv),
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "torch": package_version("torch"),
        "numpy": package_version("numpy"),
        "opencv": opencv_version(),
    }


def package_version(*packages: str) -> str:
    """Return the version of the first of these that is installed, without importing it."""
    for package in packages:
        with suppress(PackageNotFoundError):
            return version(package)
    return "not installed"


def opencv_version() -> str:
    """Return the version of the installed OpenCV package."""
    return package_version("opencv-python-headless", "opencv-python", "opencv-contrib-python")


def suite_commit() -> str:
    """Return the commit of this checkout, with ``+changes`` if tracked files were edited."""
    root = Path(__file__).parents[1]
    if not (root / ".git").exists():  # installed as a package, or copied into another repository
        return "no checkout"
    describe = "describe --always --abbrev=40 --exclude=* --dirty=+changes"
    try:
        return subprocess.check_output(
            ["git", "-C", root, *describe.split()],
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
            timeout=10,
        ).strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"
