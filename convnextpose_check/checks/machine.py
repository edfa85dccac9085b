"""Check OpenCV's interpolation, free memory and disk space, writable folders."""

import hashlib
import os
import re
import shutil
import tempfile
from pathlib import Path

import numpy as np
import torch

from convnextpose_check.environment import installed_opencv_packages
from convnextpose_check.errors import CheckFailedError, ErrorCode
from convnextpose_check.files.folders import path_exists
from convnextpose_check.files.regular_files import cannot_write
from convnextpose_check.human36m.crops import warp_box
from convnextpose_check.paths import CACHE_FOLDER, DUMP_FOLDER, LOG_FOLDER, RESULT_FOLDER

GB = 1e9

NEEDED_RAM_GB = 2.0
"""A run uses up to 1.5 GB: torch, weights, annotations of half a million frames."""

NEEDED_GPU_GB = 1.0
"""Batches that do not fit are halved; with less memory not even one image fits."""

NEEDED_DISK_GB = 1.0
"""More than the size of four snapshots, cached evaluations and the report."""

WARP_SHA256 = "915caa2d962e16dcc26eae0b88552939f1de308380a77524b49e5a37377d4a66"
"""Hash of the pattern in ``check_interpolation`` warped by OpenCV 4.10 to 4.14."""

OPENCV = "opencv-python-headless"


def check_interpolation() -> str:
    """OpenCV interpolates like version 4, as used for the paper; returns its version."""
    try:
        import cv2
    except ImportError as error:
        raise _wrong_opencv(f"OpenCV cannot be imported: {error}") from None

    rows, columns, channels = np.indices((400, 300, 3))
    pattern = (rows * rows * 3 + columns * 7 + rows * columns + channels * 91) % 256
    warped = warp_box(pattern.astype(np.uint8), np.array([-20.25, 11.5, 333.3, 333.3]))
    obtained = hashlib.sha256(warped.tobytes()).hexdigest()
    if obtained != WARP_SHA256:
        problem = f"OpenCV {cv2.__version__} interpolates unlike OpenCV 4, used for the paper"
        raise _wrong_opencv(problem, f"warped pattern {obtained[:8]}", WARP_SHA256[:8])
    return str(cv2.__version__)


def _wrong_opencv(problem: str, *values: str) -> CheckFailedError:
    """The error with the command that leaves one package of OpenCV, without changing others.

    All packages of OpenCV write to one folder, so the remaining one is installed again.
    """
    installed = installed_opencv_packages()
    listed = ", ".join(f"{package} {version}" for package, version in installed.items())
    problem += f" (installed: {listed or 'no package of OpenCV'})"
    others = " ".join(package for package in installed if package != OPENCV)
    command = f"python -m pip uninstall -y {others} && " if others else ""
    command += f"python -m pip install --force-reinstall --no-deps '{OPENCV}>=4.10.0.84,<5'"
    return CheckFailedError(ErrorCode.WRONG_OPENCV, problem, "Run", *values, command=command)


def get_free_ram_gb(root: Path = Path("/")) -> float | None:
    """Free memory of the machine, within a container's limit; None if unknown."""
    free, cgroup = [], root / "sys/fs/cgroup"
    if available := re.search(r"^MemAvailable: +(\d+) kB", _read_text(root / "proc/meminfo"), re.M):
        free.append(int(available[1]) * 1024)
    limit, used = (_read_text(cgroup / f"memory.{name}").strip() for name in ("max", "current"))
    if limit.isdigit() and used.isdigit():
        cache = re.search(r"^inactive_file (\d+)", _read_text(cgroup / "memory.stat"), re.M)
        free.append(int(limit) - int(used) + (int(cache[1]) if cache else 0))
    return max(min(free), 0) / GB if free else None


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def check_memory(device: torch.device) -> str:
    """Enough memory is free, also on the GPU if there is one; returns a description."""
    ram_gb = get_free_ram_gb()
    if ram_gb is not None and ram_gb < NEEDED_RAM_GB:
        raise _out_of_memory(
            f"{ram_gb:.1f} GB of memory are free", "End other programs", ram_gb, NEEDED_RAM_GB
        )
    found = "free memory is unknown" if ram_gb is None else f"{ram_gb:.1f} GB free"
    if device.type != "cuda":
        return found
    free_gb, total_gb = (each / GB for each in torch.cuda.mem_get_info(device))
    on_gpu = f"{free_gb:.1f} of {total_gb:.1f} GB free on {device}"
    if free_gb < NEEDED_GPU_GB:
        raise _out_of_memory(
            on_gpu,
            "End other programs on the GPU (nvidia-smi lists them)",
            free_gb,
            NEEDED_GPU_GB,
        )
    return f"{found}, {on_gpu}"


def _out_of_memory(found: str, remedy: str, free_gb: float, needed_gb: float) -> CheckFailedError:
    return CheckFailedError(
        ErrorCode.OUT_OF_MEMORY,
        f"{found}: a run needs {needed_gb:g} GB",
        f"{remedy}; in a notebook, restart the kernel",
        f"{free_gb:.1f} GB free",
        f"{needed_gb:g} GB",
    )


def check_disk(results_dir: Path) -> float:
    """The disk has space for the output files; returns the free space in GB."""
    free_gb = shutil.disk_usage(_nearest_existing(results_dir)).free / GB
    if free_gb < NEEDED_DISK_GB:
        raise CheckFailedError(
            ErrorCode.DISK_FULL,
            f"{free_gb:.1f} GB are free on the disk of {results_dir}: a run needs"
            f" {NEEDED_DISK_GB:g} GB",
            "Delete files, or pass a folder on another disk with --results-dir",
            free_gb,
            NEEDED_DISK_GB,
        )
    return free_gb


def check_can_write(results_dir: Path) -> Path:
    """Files can be created in all output folders; returns the results folder."""
    below = (RESULT_FOLDER, CACHE_FOLDER, LOG_FOLDER, DUMP_FOLDER)
    present = [folder for name in below if path_exists(folder := results_dir / name)]
    for folder in (results_dir, *present):
        try:
            tempfile.TemporaryFile(dir=_nearest_existing(folder)).close()
        except OSError as error:
            failure = cannot_write(folder, error)
            raise CheckFailedError(
                ErrorCode.CANNOT_WRITE,
                failure.problem,
                failure.remedy,
                error.strerror or str(error),
                "a writable folder",
            ) from None
    return results_dir


def _nearest_existing(folder: Path) -> Path:
    """The folder itself, or its nearest existing parent."""
    whole = Path(os.path.abspath(folder))  # noqa: PTH100 - Path.resolve would follow links
    return next(path for path in (whole, *whole.parents) if path_exists(path))
