"""Free memory, disk and writable folders are checked before a run."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from convnextpose_check.checks import machine
from convnextpose_check.checks.machine import (
    check_can_write,
    check_disk,
    check_interpolation,
    check_memory,
    get_free_ram_gb,
)
from convnextpose_check.environment import NOT_INSTALLED, opencv_version
from convnextpose_check.errors import CheckFailedError, ConvNeXtPoseCheckError
from tests.support.datasets import list_files
from tests.support.read_only import read_only

MEMORY = "proc/meminfo"
CGROUP = "sys/fs/cgroup/memory"


LIMITED = {
    MEMORY: "MemFree: 1 kB\nMemAvailable:    8000000 kB\n",
    f"{CGROUP}.max": "3000000000\n",
    f"{CGROUP}.current": "1500000000\n",
    f"{CGROUP}.stat": "file 9\ninactive_file 500000000\n",
}
FREE_RAM_GB: dict[str, tuple[dict[str, str], float | None]] = {
    "unknown": ({}, None),
    "machine": ({MEMORY: LIMITED[MEMORY]}, 8.192),
    "container": (LIMITED, 2.0),
    "container-without-limit": (LIMITED | {f"{CGROUP}.max": "max\n"}, 8.192),
    "above-limit": (LIMITED | {f"{CGROUP}.max": "5\n"}, 0.0),
}


@pytest.mark.parametrize(("files", "gb"), FREE_RAM_GB.values(), ids=FREE_RAM_GB)
def test_get_free_ram_gb_is_lowest(tmp_path: Path, files: dict[str, str], gb: float | None) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert get_free_ram_gb(tmp_path) == gb


@pytest.mark.parametrize(
    ("ram_gb", "gpu_gb", "found"),
    [
        (1.25, 15.0, r"\[out-of-memory\] 1\.2 GB of memory are free: a run needs 2 GB\."),
        (8.0, 0.4, r"\[out-of-memory\] 0\.4 of 15\.8 GB free on cuda:1: .* 1 GB\..*nvidia-smi"),
        (2.25, 15.0, "2.2 GB free, 15.0 of 15.8 GB free on cuda:1"),
        (None, 15.0, "free memory is unknown, 15.0 of 15.8 GB free on cuda:1"),
    ],
)
def test_check_memory_covers_machine_and_gpu(
    ram_gb: float | None, gpu_gb: float, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert get_free_ram_gb() is not None
    monkeypatch.setattr(machine, "get_free_ram_gb", lambda: ram_gb)
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda _: (gpu_gb * 1e9, 15.8e9))
    if "out-of-memory" in found:
        with pytest.raises(ConvNeXtPoseCheckError, match=found):
            check_memory(torch.device("cuda:1"))
    else:
        assert check_memory(torch.device("cuda:1")) == found
        assert check_memory(torch.device("cpu")) == found.split(", ")[0]


def test_check_disk_measures_nearest_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usages = {tmp_path: SimpleNamespace(free=1_100_000_000)}
    monkeypatch.setattr("shutil.disk_usage", usages.__getitem__)
    assert check_disk(tmp_path / "not" / "yet") == pytest.approx(1.1)


@pytest.mark.parametrize("forbidden", [".", "log", "result/evaluations"])
def test_unwritable_folder_raises_cannot_write(forbidden: str, tmp_path: Path) -> None:
    for folder in ("log", "model_dump", "result/evaluations"):
        (tmp_path / folder).mkdir(parents=True)
    before = list_files(tmp_path)
    assert check_can_write(tmp_path) == tmp_path
    check_can_write(tmp_path / "not" / "yet")
    assert [each[0] for each in list_files(tmp_path)] == [each[0] for each in before]

    problem = f"cannot write {tmp_path / forbidden}: Permission denied"
    with read_only(tmp_path / forbidden), pytest.raises(ConvNeXtPoseCheckError, match=problem):
        check_can_write(tmp_path)


@pytest.mark.parametrize(
    ("packages", "listed", "uninstalled"),
    [
        ((), "no package of OpenCV", ""),
        (
            ("opencv-python-headless", "opencv-python"),
            "opencv-python-headless 5.0.0, opencv-python 5.0.0",
            "python -m pip uninstall -y opencv-python && ",
        ),
    ],
)
def test_check_interpolation_missing_opencv_lists_packages_and_command(
    packages: tuple[str, ...], listed: str, uninstalled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "convnextpose_check.environment.version",
        lambda name: "5.0.0" if name in packages else version("?"),
    )
    monkeypatch.setitem(sys.modules, "cv2", None)

    with pytest.raises(CheckFailedError, match=r"^\[wrong-opencv\] .*None in sys\.mod") as caught:
        check_interpolation()

    assert caught.value.problem.endswith(f" (installed: {listed})")
    assert f"Run:\n  {uninstalled}python -m pip install --force-reinstall " in str(caught.value)
    assert opencv_version() == NOT_INSTALLED
