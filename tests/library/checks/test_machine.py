"""Free memory, disk and writable folders are checked before a run."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from convnextpose_check.checks import machine
from convnextpose_check.checks.machine import check_can_write, check_disk, check_memory, free_ram_gb
from convnextpose_check.errors import ConvNeXtPoseCheckError
from tests.support.datasets import listing

NOBODY = 65534
MEMORY = "proc/meminfo"
V2, V1 = "sys/fs/cgroup/memory", "sys/fs/cgroup/memory/memory"


def written(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("files", "expected_gb"),
    [
        pytest.param({}, None, id="nothing-says-it"),
        pytest.param({MEMORY: "MemFree: 1 kB\nMemAvailable:    8000000 kB\n"}, 8.192, id="machine"),
        pytest.param(
            {
                MEMORY: "MemAvailable: 8000000 kB\n",
                f"{V2}.max": "3000000000\n",
                f"{V2}.current": "1500000000\n",
                f"{V2}.stat": "file 9\ninactive_file 500000000\n",
            },
            2.0,
            id="container",
        ),
        pytest.param(
            {MEMORY: "MemAvailable: 1000000 kB\n", f"{V2}.max": "max\n", f"{V2}.current": "9\n"},
            1.024,
            id="container-without-limit",
        ),
        pytest.param(
            {
                MEMORY: "MemAvailable: 8000000 kB\n",
                f"{V1}.limit_in_bytes": "2000000000\n",
                f"{V1}.usage_in_bytes": "1500000000\n",
                f"{V1}.stat": "inactive_file 7\ntotal_inactive_file 250000000\n",
            },
            0.75,
            id="older-container",
        ),
        pytest.param({f"{V2}.max": "5\n", f"{V2}.current": "9\n"}, 0.0, id="over-its-limit"),
    ],
)
def test_free_memory_is_the_least_that_anything_grants(
    tmp_path: Path, files: dict[str, str], expected_gb: float | None
) -> None:
    assert free_ram_gb(written(tmp_path, files)) == expected_gb


@pytest.mark.parametrize(
    ("ram_gb", "gpu_gb", "found"),
    [
        (1.25, 15.0, r"\[out-of-memory\] 1\.2 GB of memory are free: a run takes 2\."),
        (
            8.0,
            0.4,
            r"\[out-of-memory\] 0\.4 of 15\.8 GB free on cuda:1: a run takes 1\..*nvidia-smi",
        ),
        (2.25, 15.0, "2.2 GB free, 15.0 of 15.8 GB free on cuda:1"),
        (None, 15.0, "memory is not known here, 15.0 of 15.8 GB free on cuda:1"),
    ],
)
def test_memory_is_checked_on_machine_and_gpu(
    ram_gb: float | None, gpu_gb: float, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert free_ram_gb() is not None
    monkeypatch.setattr(machine, "free_ram_gb", lambda: ram_gb)
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda _: (gpu_gb * 1e9, 15.8e9))
    if "out-of-memory" in found:
        with pytest.raises(ConvNeXtPoseCheckError, match=found):
            check_memory(torch.device("cuda:1"))
    else:
        assert check_memory(torch.device("cuda:1")) == found
        assert check_memory(torch.device("cpu")) == check_memory() == found.split(", ")[0]


def test_disk_of_the_results_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Path] = []

    def usage(path: Path) -> SimpleNamespace:
        asked.append(path)
        return SimpleNamespace(free=free_bytes)

    monkeypatch.setattr("shutil.disk_usage", usage)
    free_bytes = 1_100_000_000
    assert check_disk(tmp_path / "not" / "yet") == pytest.approx(1.1)
    free_bytes = 900_000_000
    with pytest.raises(ConvNeXtPoseCheckError, match=r"0\.9 GB are free.*--results-dir") as caught:
        check_disk(tmp_path / "not" / "yet")
    assert caught.value.code == "disk-full"
    assert asked == [tmp_path, tmp_path]


@contextmanager
def without_privileges() -> Iterator[None]:
    """As an ordinary user: root may write everywhere."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(before)


@pytest.mark.parametrize("forbidden", [".", "result", "log", "model_dump", "result/evaluations"])
def test_folder_that_cannot_be_written_is_an_error(forbidden: str) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folders = [Path(name), *(Path(name) / f for f in ("log", "model_dump"))]
        folders += [Path(name) / "result", Path(name) / "result" / "evaluations"]
        for folder in folders:
            folder.mkdir(exist_ok=True)
            folder.chmod(0o777)
        with without_privileges():
            assert check_can_write(Path(name)) == Path(name)
        (Path(name) / forbidden).chmod(0o555)

        with without_privileges(), pytest.raises(ConvNeXtPoseCheckError) as caught:
            check_can_write(Path(name))

        assert caught.value.code == "cannot-write"
        assert f"cannot write {Path(name) / forbidden}: Permission denied" in str(caught.value)
        (Path(name) / forbidden).chmod(0o777)


@pytest.mark.parametrize("place", ["/dev/null", "/dev/null/out", "/proc/out/deeper"])
def test_folder_that_cannot_be_created_is_an_error(place: str) -> None:
    with pytest.raises(ConvNeXtPoseCheckError, match=f"cannot write {place}: .*--results-dir"):
        check_can_write(Path(place))


def test_check_can_write_leaves_nothing(tmp_path: Path) -> None:
    before = listing(tmp_path.parent)

    check_can_write(tmp_path / "not" / "yet")
    check_can_write(tmp_path)

    assert [(name, mode) for name, mode, *_ in listing(tmp_path.parent)] == [
        (name, mode) for name, mode, *_ in before
    ]
