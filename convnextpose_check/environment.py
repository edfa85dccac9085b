"""The versions and the machine that a result depends on."""

from __future__ import annotations

import platform
import subprocess
import sys
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import convnextpose_check


def environment() -> dict[str, str]:
    """The versions and the machine that a result depends on, and how the run was begun."""
    return {
        "convnextpose_check": convnextpose_check.__version__,
        "commit": suite_commit(),
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


def suite_commit() -> str:
    """The commit of this suite's checkout, with ``+changes`` for one that was edited since."""
    root = Path(__file__).parents[1]
    if not (root / ".git").exists():  # installed, or inside somebody else's repository
        return "no checkout"

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(root), *arguments]
        return subprocess.run(
            command, capture_output=True, encoding="utf-8", timeout=10, check=True
        ).stdout.strip()

    try:
        changed = git("status", "--porcelain", "--untracked-files=no")
        return git("rev-parse", "HEAD") + ("+changes" if changed else "")
    except (OSError, subprocess.SubprocessError):
        return "unknown"
