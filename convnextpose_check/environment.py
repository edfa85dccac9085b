"""The software versions and the machine that a result depends on."""

from __future__ import annotations

import platform
import subprocess
import sys
from contextlib import suppress
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import convnextpose_check


def environment() -> dict[str, str]:
    """Versions, machine, command and time of this run."""
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
    """The version of the first installed package, without importing it."""
    for package in packages:
        with suppress(PackageNotFoundError):
            return version(package)
    return "not installed"


def opencv_version() -> str:
    """The version of OpenCV, whichever of its packages is installed."""
    return package_version("opencv-python-headless", "opencv-python", "opencv-contrib-python")


def suite_commit() -> str:
    """The commit of this suite's checkout, with ``+changes`` if files were edited since."""
    root = Path(__file__).parents[1]
    if not (root / ".git").exists():  # installed, or inside another repository
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
