"""Time and memory to read annotation files of the real size, compared with json.load."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from pytest_benchmark.fixture import BenchmarkFixture

from tests.support.full_size import write_full_size
from tests.support.texts import ROOT

MEASURE = """
import json, sys, time
from pathlib import Path
from convnextpose_check.human36m.annotations import SubjectFiles
from convnextpose_check.human36m.layout import find_layout
from tests.support.processes import memory_bytes
root = Path(sys.argv[2])
start = time.perf_counter()
if sys.argv[1] == "json":
    for subject in (9, 11):
        loaded = [
            json.load((root / f"annotations/Human36M_subject{subject}_{part}.json").open())
            for part in ("data", "camera", "joint_3d")
        ]
else:
    layout = find_layout(root, (9, 11))
    for subject in (9, 11):
        files = SubjectFiles(layout, subject, 64)
        frames = [files.joints_world_mm(image) for image, _ in files.test_frames]
        assert len(frames) == 4320, len(frames)
seconds = time.perf_counter() - start
print(memory_bytes("VmHWM"), seconds)
"""


def test_annotations_of_real_size(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    write_full_size(tmp_path / "set")
    rounds: list[tuple[float, ...]] = []

    def measure(reader: str) -> list[float]:
        command = [sys.executable, "-c", MEASURE, reader, str(tmp_path / "set")]
        output = subprocess.check_output(command, cwd=ROOT)
        return [float(number) for number in output.split()]

    benchmark.pedantic(  # type: ignore[no-untyped-call]
        lambda: rounds.append((*measure("suite"), *measure("json"))), rounds=3
    )

    shutil.rmtree(tmp_path / "set")
    memory, seconds, json_memory, json_seconds = map(min, zip(*rounds, strict=True))
    assert memory < json_memory / 5
    benchmark.extra_info.update(
        {"time / json.load": seconds / json_seconds, "memory / json.load": memory / json_memory}
    )
