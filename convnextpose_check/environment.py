"""Software versions and machine, recorded with every result."""

import platform
import subprocess
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import convnextpose_check

NOT_INSTALLED = "not installed"
OPENCV_PACKAGES = (
    "opencv-python-headless", "opencv-python", "opencv-contrib-python",
    "opencv-contrib-python-headless",
)  # fmt: skip


def collect_environment(command: str, started: datetime) -> dict[str, str]:
    """Collect versions and machine; add the command and the duration of a run until now."""
    seconds = round((datetime.now(timezone.utc) - started).total_seconds())
    return {
        "convnextpose_check": convnextpose_check.__version__,
        "commit": suite_commit(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "command": command,
        "started": started.isoformat(timespec="seconds"),
        "duration": f"{seconds // 60} min {seconds % 60} s" if seconds >= 60 else f"{seconds} s",
        "torch": package_version("torch"),
        "numpy": package_version("numpy"),
        "opencv": opencv_version(),
    }


def package_version(package: str) -> str:
    """Return the version of an installed package, without importing it."""
    try:
        return version(package)
    except PackageNotFoundError:
        return NOT_INSTALLED


def opencv_version() -> str:
    """Return the version of the module ``cv2``.

    If several packages contain it, only one is imported, so their versions are not reliable.
    """
    try:
        import cv2
    except ImportError:
        return NOT_INSTALLED
    return str(cv2.__version__)


def installed_opencv_packages() -> dict[str, str]:
    """Return the versions of all installed packages that contain the module ``cv2``."""
    versions = {package: package_version(package) for package in OPENCV_PACKAGES}
    return {package: found for package, found in versions.items() if found != NOT_INSTALLED}


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
