"""Device, networks and samples of the benchmarks, and a table of their results."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from convnextpose_check.checkpoints.find import CheckpointFiles
from convnextpose_check.evaluation.devices import (
    format_devices,
    get_device_model,
    use_exact_float32,
)
from convnextpose_check.human36m.samples import Dataset, load_dataset
from convnextpose_check.network.layout import build_network, normalize_keys
from convnextpose_check.network.reference import ConvNeXtPose
from convnextpose_check.plugin.session import SESSION
from convnextpose_check.synthetic.build import SyntheticData
from convnextpose_check.synthetic.record import read_record
from convnextpose_check.variants import Catalogue

HERE = Path(__file__).parent
SAMPLES = 40
"""Of the synthetic 60, evenly spread, unless --limit is given."""

TIMES_ON_GPU = 48
"""A GPU evaluates them this many times; fewer images do not keep it busy."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Time the device's work, not only its launch."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.benchmark(timer=synchronized_time))


def chosen_device(config: pytest.Config) -> torch.device:
    """The device of --device, else a GPU if there is one."""
    default = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(config.stash[SESSION].run.settings.device or default)


def synchronized_time() -> float:
    """The time in seconds, once all GPU work is done."""
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.synchronize()
    return time.perf_counter()


@pytest.fixture(scope="session")
def device(pytestconfig: pytest.Config) -> torch.device:
    use_exact_float32()
    return chosen_device(pytestconfig)


@pytest.fixture(scope="session")
def networks(
    synthetic: SyntheticData, catalogue: Catalogue, device: torch.device
) -> Callable[[str], ConvNeXtPose]:
    """Loads the reference model of a synthetic variant by name."""
    files = CheckpointFiles([synthetic.checkpoints], catalogue)

    @cache
    def load(name: str) -> ConvNeXtPose:
        state = normalize_keys(files.load(name).network)
        return build_network(catalogue[name].architecture, state, device)

    return load


@pytest.fixture(scope="session")
def read_dataset(
    synthetic: SyntheticData, fixtures: Path, device: torch.device, pytestconfig: pytest.Config
) -> Callable[[], Dataset]:
    """Read the annotations and choose the samples to measure on."""
    limit = pytestconfig.stash[SESSION].run.settings.limit or SAMPLES
    facts = read_record(fixtures).dataset
    times = TIMES_ON_GPU if device.type == "cuda" else 1

    def read() -> Dataset:
        dataset = load_dataset(synthetic.dataset, facts, limit=limit)
        return replace(dataset, samples=dataset.samples * times)

    return read


def pytest_benchmark_update_machine_info(
    config: pytest.Config, machine_info: dict[str, Any]
) -> None:
    """Save the names of card and processor with the results."""
    device = format_devices(chosen_device(config))
    machine_info.update(device=device, processor=processor(), torch=torch.__version__)


def processor() -> str:
    """Processor, instruction set that torch uses, and number of threads."""
    about = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    named = (line.partition(": ")[2] for line in about if line.startswith("model name"))
    name = next(named, platform.machine())
    capability = torch.backends.cpu.get_cpu_capability()
    return f"{name} ({capability}), {torch.get_num_threads()} threads"


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Show the values that pytest-benchmark's table lacks."""
    session = getattr(config, "_benchmarksession", None)
    rows = [b for b in session.benchmarks if b.extra_info] if session else []
    if not rows:
        return
    terminalreporter.section("benchmark results")
    device = chosen_device(config)
    on_card = f"{get_device_model(device)} beside " if device.type == "cuda" else ""
    terminalreporter.write_line(f"on {on_card}{processor()}")
    for row in rows:
        found = "  ".join(f"{key} {_format_value(value)}" for key, value in row.extra_info.items())
        terminalreporter.write_line(f"{row.name.removeprefix('test_'):<34} {found}")


def _format_value(value: object) -> str:
    if isinstance(value, str):
        return value
    return f"{value:.3g}" if isinstance(value, float) and value < 100 else f"{value:,.0f}"
