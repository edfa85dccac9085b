"""Products of float32 are exact, whatever other code has switched on."""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.evaluation.precision import SWITCHES, use_exact_float32


@pytest.fixture
def switches() -> Iterator[dict[str, Any]]:
    """Every switch of torch for products of float32, restored afterwards."""
    found = {name: attrgetter(name)(torch) for name in SWITCHES}
    before = {name: switch.fp32_precision for name, switch in found.items()}
    yield found
    for name, switch in found.items():
        switch.fp32_precision = before[name]


def test_use_exact_float32_switches_everything_off(switches: dict[str, Any]) -> None:
    """Since torch 2.9 the older switches do not override the newer ones."""
    for switch in switches.values():
        switch.fp32_precision = "tf32"

    use_exact_float32()

    assert {switch.fp32_precision for switch in switches.values()} == {"ieee"}
    assert not torch.backends.cuda.matmul.allow_tf32
    assert not torch.backends.cudnn.allow_tf32


def test_use_exact_float32_ignored_switch_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stuck(SimpleNamespace):
        def __setattr__(self, name: str, value: object) -> None:
            """Ignore the setting."""

    monkeypatch.setattr(torch.backends.cudnn, "conv", Stuck(fp32_precision="tf32"))

    with pytest.raises(ConvNeXtPoseCheckError, match=r"cudnn\.conv\.fp32_precision stays tf32"):
        use_exact_float32()
