"""Check the machine: OpenCV's interpolation, free memory and disk, writable folders."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from convnextpose_check.errors import CheckFailedError, ErrorCode
from convnextpose_check.files.folders import path_exists
from convnextpose_check.files.regular_files import cannot_write
from convnextpose_check.human36m.crops import warp_box
from convnextpose_check.paths import CACHE_FOLDER, DUMP_FOLDER, LOG_FOLDER, RESULT_FOLDER

if TYPE_CHECKING:
    import torch

GB = 1e9

NEEDED_RAM_GB = 2.0
"""A run takes up to 1.5: torch, the weights, annotations of half a million frames."""

NEEDED_GPU_GB = 1.0
"""Batches are halved where they do not fit; with less than this none does."""

NEEDED_DISK_GB = 1.0
"""Four snapshots, cached evaluations and the report, with room to spare."""

WARP_SHA256 = "915caa2d962e16dcc26eae0b88552939f1de308380a77524b49e5a37377d4a66"
"""Of the pattern in ``check_interpolation``, warped by OpenCV 4 (the same from 4.10 to 4.14)."""


def check_interpolation() -> str:
    """OpenCV warps as version 4 did for the paper's values; returns its version."""
    import cv2

    rows, columns, channels = np.indices((400, 300, 3))
    pattern = (rows * rows * 3 + columns * 7 + rows * columns + channels * 91) % 256
    warped = warp_box(pattern.astype(np.uint8), np.array([-20.25, 11.5, 333.3, 333.3]))
    obtained = hashlib.sha256(warped.tobytes()).hexdigest()
    if obtained != WARP_SHA256:
        raise CheckFailedError(
            ErrorCode.WRONG_OPENCV,
            f"OpenCV {cv2.__version__} interpolates unlike OpenCV 4, with which the paper's values"
            " were made",
            "Install it with: pip install 'opencv-python-headless>=4.10.0.84,<5'",
            f"warped pattern {obtained[:8]}",
            WARP_SHA256[:8],
        )
    return str(cv2.__version__)


def get_free_ram_gb(root: Path = Path("/")) -> float | None:
    """Free memory within the machine and a container's limit; None if neither is known."""
    free, cgroup = [], root / "sys/fs/cgroup"
    if available := re.search(r"^MemAvailable: +(\d+) kB", _text(root / "proc/meminfo"), re.M):
        free.append(int(available[1]) * 1024)
    limit, used = (_text(cgroup / f"memory.{name}").strip() for name in ("max", "current"))
    if limit.isdigit() and used.isdigit():
        cache = re.search(r"^inactive_file (\d+)", _text(cgroup / "memory.stat"), re.M)
        free.append(int(limit) - int(used) + (int(cache[1]) if cache else 0))
    return max(min(free), 0) / GB if free else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def check_memory(device: torch.device) -> str:
    """Enough memory for a run is free, also on a GPU; returns how much."""
    ram_gb = get_free_ram_gb()
    if ram_gb is not None and ram_gb < NEEDED_RAM_GB:
        raise _no_memory(
            f"{ram_gb:.1f} GB of memory are free", "End other programs", ram_gb, NEEDED_RAM_GB
        )
    found = "memory is not known here" if ram_gb is None else f"{ram_gb:.1f} GB free"
    if device.type != "cuda":
        return found
    import torch

    free_gb, total_gb = (each / GB for each in torch.cuda.mem_get_info(device))
    on_gpu = f"{free_gb:.1f} of {total_gb:.1f} GB free on {device}"
    if free_gb < NEEDED_GPU_GB:
        raise _no_memory(
            on_gpu,
            "End other programs on the GPU (nvidia-smi lists them)",
            free_gb,
            NEEDED_GPU_GB,
        )
    return f"{found}, {on_gpu}"


def _no_memory(found: str, remedy: str, free_gb: float, needed_gb: float) -> CheckFailedError:
    return CheckFailedError(
        ErrorCode.OUT_OF_MEMORY,
        f"{found}: a run takes {needed_gb:g}",
        f"{remedy}; in a notebook, restart the kernel",
        f"{free_gb:.1f} GB free",
        f"{needed_gb:g} GB",
    )


def check_disk(results_dir: Path) -> float:
    """The disk has space for the output files; returns how many GB."""
    free_gb = shutil.disk_usage(_existing(results_dir)).free / GB
    if free_gb < NEEDED_DISK_GB:
        raise CheckFailedError(
            ErrorCode.DISK_FULL,
            f"{free_gb:.1f} GB are free on the disk of {results_dir}: a run takes up to"
            f" {NEEDED_DISK_GB:g}",
            "Delete files, or name a folder on another disk with --results-dir",
            free_gb,
            NEEDED_DISK_GB,
        )
    return free_gb


def check_can_write(results_dir: Path) -> Path:
    """Files can be created in all output folders; returns the results folder, leaves no file."""
    below = (RESULT_FOLDER, CACHE_FOLDER, LOG_FOLDER, DUMP_FOLDER)
    present = [folder for name in below if path_exists(folder := results_dir / name)]
    for folder in (results_dir, *present):
        try:
            tempfile.TemporaryFile(dir=_existing(folder)).close()
        except OSError as error:
            failure = cannot_write(folder, error)
            raise CheckFailedError(
                ErrorCode.CANNOT_WRITE,
                failure.problem,
                failure.remedy,
                error.strerror or str(error),
                "a folder to write to",
            ) from None
    return results_dir


def _existing(folder: Path) -> Path:
    """The folder itself, or the nearest existing one around it."""
    whole = Path(os.path.abspath(folder))  # noqa: PTH100 - Path.resolve would follow links
    return next(path for path in (whole, *whole.parents) if path_exists(path))
