"""Device, networks and samples of the benchmarks, and a table of their results."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from convnextpose_check.evaluation.devices import format_devices, get_device_model
from convnextpose_check.human36m.samples import Dataset, load_dataset
from convnextpose_check.plugin.session import SESSION
from convnextpose_check.run.run import Run
from convnextpose_check.synthetic.build import SyntheticData
from convnextpose_check.synthetic.record import read_record
from convnextpose_check.variants import Catalogue
from tests.support.runs import make_run

HERE = Path(__file__).parent
SAMPLES = 40
"""Number of samples, evenly spread over the synthetic 60, unless --limit is given."""

REPEATS_ON_GPU = 48
"""A GPU evaluates each sample this many times; fewer images do not keep it busy."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Use a timer that waits for the GPU, for all benchmarks."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.benchmark(timer=synchronized_time))


def choose_device(config: pytest.Config) -> torch.device:
    """The device of --device, else a GPU if there is one."""
    default = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(config.stash[SESSION].run.settings.device or default)


def synchronized_time() -> float:
    """The time in seconds, once all GPU work is done."""
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.synchronize()
    return time.perf_counter()


@pytest.fixture(scope="session")
def run(
    synthetic: SyntheticData, fixtures: Path, catalogue: Catalogue, pytestconfig: pytest.Config
) -> Run:
    """A run of the synthetic models on the chosen device."""
    limit = pytestconfig.stash[SESSION].run.settings.limit or SAMPLES
    options = {"device": str(choose_device(pytestconfig)), "limit": str(limit)}
    facts = read_record(fixtures).dataset
    return make_run(options, catalogue, facts, synthetic.dataset, synthetic.checkpoints)


@pytest.fixture(scope="session")
def read_dataset(run: Run, synthetic: SyntheticData) -> Callable[[], Dataset]:
    """Read the annotations and choose the samples to measure on."""
    repeats = REPEATS_ON_GPU if run.devices[0].type == "cuda" else 1

    def read() -> Dataset:
        dataset = load_dataset(synthetic.dataset, run.facts, limit=run.settings.limit)
        return replace(dataset, samples=dataset.samples * repeats)

    return read


def pytest_benchmark_update_machine_info(
    config: pytest.Config, machine_info: dict[str, Any]
) -> None:
    """Save the names of device and processor with the results."""
    device = format_devices(choose_device(config))
    machine_info.update(device=device, processor=describe_processor(), torch=torch.__version__)


def describe_processor() -> str:
    """Processor, instruction set that torch uses, and number of threads."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = (line.partition(": ")[2] for line in lines if line.startswith("model name"))
    name = next(names, platform.machine())
    capability = torch.backends.cpu.get_cpu_capability()
    return f"{name} ({capability}), {torch.get_num_threads()} threads"


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the values in ``extra_info``, which pytest-benchmark's table lacks."""
    session = getattr(config, "_benchmarksession", None)
    rows = [b for b in session.benchmarks if b.extra_info] if session else []
    if not rows:
        return
    terminalreporter.section("benchmark results")
    device = choose_device(config)
    gpu = f"{get_device_model(device)} with " if device.type == "cuda" else ""
    terminalreporter.write_line(f"on {gpu}{describe_processor()}")
    for row in rows:
        values = "  ".join(f"{key} {value:,.3g}" for key, value in row.extra_info.items())
        terminalreporter.write_line(f"{row.name.removeprefix('test_'):<34} {values}")
