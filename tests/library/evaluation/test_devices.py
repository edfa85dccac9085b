"""Unusable devices are reported before a run starts; float32 stays exact."""

from __future__ import annotations

import warnings
from operator import attrgetter
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from convnextpose_check.errors import ConvNeXtPoseCheckError, ErrorCode
from convnextpose_check.evaluation import devices
from convnextpose_check.evaluation.devices import (
    PRECISION_MODULES,
    format_devices,
    get_device_model,
    get_working_device,
    get_working_devices,
    use_exact_float32,
)


def test_get_working_device_with_warning_returns_device(monkeypatch: pytest.MonkeyPatch) -> None:
    conv2d = torch.nn.functional.conv2d

    def warn_and_convolve(*arguments: Any) -> Any:
        warnings.warn("this card will not be supported much longer", stacklevel=1)
        return conv2d(*arguments)

    monkeypatch.setattr(torch.nn.functional, "conv2d", warn_and_convolve)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("error")

        assert get_working_device("cpu") == torch.device("cpu")

    assert "not be supported" in str(caught[0].message)


@pytest.mark.parametrize("is_wrong", [True, False])
def test_get_working_device_failing_raises(is_wrong: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A P100 is listed as available on Kaggle but fails every kernel of newer torch."""

    def fail(*_: object) -> Any:
        if is_wrong:
            return torch.ones(1)
        raise RuntimeError("CUDA error: no kernel image is available\nlong advice")

    monkeypatch.setattr(torch.nn.functional, "conv2d", fail)

    with pytest.raises(ConvNeXtPoseCheckError) as caught:
        get_working_device("cpu")

    assert caught.value.code == "device-not-found"
    fault = "wrong sum 1.0, expected 36" if is_wrong else "CUDA error: no kernel image is available"
    assert caught.value.problem == f"the device 'cpu' cannot run a kernel: {fault}"
    assert "GPU T4 x2" in caught.value.remedy


T4, OTHER = "Tesla T4", "Quadro K620"


@pytest.mark.parametrize(
    ("gpus", "used"),  # each GPU's model, and its free GB of 16, or None if it does not work
    [
        pytest.param([(T4, 15)], "cuda:0 (Tesla T4)", id="one"),
        pytest.param([(T4, 15), (T4, 15)], "cuda:0, cuda:1 (Tesla T4)", id="two"),
        pytest.param([(T4, 15), (OTHER, 15), (T4, 8)], "cuda:0, cuda:2 (Tesla T4)", id="unlike"),
        pytest.param([(T4, 2), (T4, 5)], "cuda:0 (Tesla T4)", id="in-use"),
        pytest.param([(T4, 15), (T4, None)], "cuda:0 (Tesla T4)", id="broken"),
    ],
)
def test_get_working_devices_selects_free_gpus_of_one_model(
    monkeypatch: pytest.MonkeyPatch, gpus: list[tuple[str, int | None]], used: str
) -> None:
    def check_device(name: str) -> torch.device:
        if gpus[torch.device(name).index or 0][1] is None:
            raise ConvNeXtPoseCheckError(ErrorCode.DEVICE_NOT_FOUND, "it cannot run a kernel")
        return torch.device(name)

    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(gpus))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda gpu: gpus[gpu.index][0])
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda gpu: (gpus[gpu.index][1] or 15, 16))
    monkeypatch.setattr(devices, "get_working_device", check_device)

    assert format_devices(*get_working_devices("cuda")) == used
    assert get_working_devices("cuda:0") == (torch.device("cuda:0"),)
    assert get_working_devices("cpu") == (torch.device("cpu"),)
    assert get_device_model(torch.device("cpu")).startswith("cpu ")


def test_use_exact_float32_disables_tf32() -> None:
    """Since torch 2.9 the older switches do not override the newer ones."""
    switches = [attrgetter(name)(torch) for name in PRECISION_MODULES]
    before = [switch.fp32_precision for switch in switches]
    for switch in switches:
        switch.fp32_precision = "tf32"

    use_exact_float32()

    assert {switch.fp32_precision for switch in switches} == {"ieee"}
    assert not torch.backends.cuda.matmul.allow_tf32
    assert not torch.backends.cudnn.allow_tf32
    for switch, precision in zip(switches, before, strict=True):
        switch.fp32_precision = precision


def test_use_exact_float32_ignored_switch_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stuck(SimpleNamespace):
        def __setattr__(self, name: str, value: object) -> None:
            """Ignore the setting."""

    monkeypatch.setattr(torch.backends.cudnn, "conv", Stuck(fp32_precision="tf32"))

    with pytest.raises(ConvNeXtPoseCheckError, match=r"cudnn\.conv\.fp32_precision is tf32"):
        use_exact_float32()
