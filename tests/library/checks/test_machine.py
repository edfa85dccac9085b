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


@pytest.mark.parametrize(
    ("files", "gb"),
    [
        pytest.param({}, None, id="unknown"),
        pytest.param({MEMORY: "MemFree: 1 kB\nMemAvailable:    8000000 kB\n"}, 8.192, id="machine"),
        pytest.param(
            {
                MEMORY: "MemAvailable: 8000000 kB\n",
                f"{CGROUP}.max": "3000000000\n",
                f"{CGROUP}.current": "1500000000\n",
                f"{CGROUP}.stat": "file 9\ninactive_file 500000000\n",
            },
            2.0,
            id="container",
        ),
        pytest.param(
            {
                MEMORY: "MemAvailable: 1000000 kB\n",
                f"{CGROUP}.max": "max\n",
                f"{CGROUP}.current": "9\n",
            },
            1.024,
            id="container-without-limit",
        ),
        pytest.param({f"{CGROUP}.max": "5\n", f"{CGROUP}.current": "9\n"}, 0.0, id="above-limit"),
    ],
)
def test_get_free_ram_gb_is_lowest(tmp_path: Path, files: dict[str, str], gb: float | None) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert get_free_ram_gb(tmp_path) == gb


@pytest.mark.parametrize(
    ("ram_gb", "gpu_gb", "found"),
    [
        (1.25, 15.0, r"\[out-of-memory\] 1\.2 GB of memory are free: a run needs 2 GB\."),
        (
            8.0,
            0.4,
            r"\[out-of-memory\] 0\.4 of 15\.8 GB free on cuda:1: a run needs 1 GB\..*nvidia-smi",
        ),
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


def test_check_disk_little_space_raises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checked_paths: list[Path] = []

    def fake_disk_usage(path: Path) -> SimpleNamespace:
        checked_paths.append(path)
        return SimpleNamespace(free=free_bytes)

    monkeypatch.setattr("shutil.disk_usage", fake_disk_usage)
    free_bytes = 1_100_000_000
    assert check_disk(tmp_path / "not" / "yet") == pytest.approx(1.1)
    free_bytes = 900_000_000
    with pytest.raises(ConvNeXtPoseCheckError, match=r"0\.9 GB are free.*--results-dir") as caught:
        check_disk(tmp_path / "not" / "yet")
    assert caught.value.code == "disk-full"
    assert checked_paths == [tmp_path, tmp_path]


@pytest.mark.parametrize("forbidden", [".", "log", "result/evaluations"])
def test_unwritable_folder_raises_cannot_write(forbidden: str, tmp_path: Path) -> None:
    for folder in ("log", "model_dump", "result/evaluations"):
        (tmp_path / folder).mkdir(parents=True)
    before = list_files(tmp_path)
    assert check_can_write(tmp_path) == tmp_path
    check_can_write(tmp_path / "not" / "yet")
    assert [each[0] for each in list_files(tmp_path)] == [each[0] for each in before]

    for place, problem in (
        (tmp_path, f"{tmp_path / forbidden}: Permission denied"),
        (Path("/dev/null/out"), "/dev/null/out: "),
    ):
        with (
            read_only(tmp_path / forbidden),
            pytest.raises(ConvNeXtPoseCheckError, match=r"^\[cannot-write\] ") as caught,
        ):
            check_can_write(place)
        assert f"cannot write {problem}" in caught.value.problem
        assert "--results-dir" in caught.value.remedy


@pytest.mark.parametrize(
    ("installed", "packages", "uninstall"),
    [
        ({}, "no package of OpenCV", ""),
        ({"opencv-python-headless": "5.0.0"}, "opencv-python-headless 5.0.0", ""),
        (
            {
                "opencv-contrib-python-headless": "4.13.0",
                "opencv-contrib-python": "4.13.0",
                "opencv-python": "5.0.0",
            },
            "opencv-python 5.0.0, opencv-contrib-python 4.13.0, opencv-contrib-python-headless"
            " 4.13.0",
            "python -m pip uninstall -y opencv-python opencv-contrib-python"
            " opencv-contrib-python-headless && ",
        ),
    ],
)
@pytest.mark.parametrize("is_damaged", [False, True])
def test_check_interpolation_wrong_opencv_lists_all_packages(
    monkeypatch: pytest.MonkeyPatch,
    installed: dict[str, str],
    packages: str,
    uninstall: str,
    *,
    is_damaged: bool,
) -> None:
    import cv2

    monkeypatch.setattr(
        "convnextpose_check.environment.version", lambda name: installed.get(name) or version("?")
    )
    monkeypatch.setattr(machine, "WARP_SHA256", "another")
    problem = f"OpenCV {cv2.__version__} interpolates unlike OpenCV 4, used for the paper"
    if is_damaged:
        monkeypatch.setitem(sys.modules, "cv2", None)
        problem = "OpenCV cannot be imported: import of cv2 halted; None in sys.modules"

    with pytest.raises(CheckFailedError) as raised:
        check_interpolation()

    assert raised.value.problem == f"{problem} (installed: {packages})"
    assert str(raised.value).endswith(
        f"Run:\n  {uninstall}python -m pip install --force-reinstall --no-deps"
        " 'opencv-python-headless>=4.10.0.84,<5'"
    )
    assert opencv_version() == (NOT_INSTALLED if is_damaged else cv2.__version__)
