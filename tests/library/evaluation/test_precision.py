"""Products of float32 are exact, whatever other code has switched on."""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import pytest

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.evaluation.precision import SWITCHES, use_exact_float32
from tests.support.deferred import Deferred

if TYPE_CHECKING:
    import torch
else:
    torch = Deferred("torch")


@pytest.fixture
def switches() -> Iterator[dict[str, Any]]:
    """Every switch of torch for products of float32, left as it was found."""
    found = {name: attrgetter(name)(torch) for name in SWITCHES}
    before = {name: switch.fp32_precision for name, switch in found.items()}
    yield found
    for name, switch in found.items():
        switch.fp32_precision = before[name]


def test_what_others_have_switched_on_is_off_while_it_counts(switches: dict[str, Any]) -> None:
    """Since torch 2.9 the older switches do not reach what was set through the newer ones."""
    for switch in switches.values():
        switch.fp32_precision = "tf32"

    use_exact_float32()

    assert {switch.fp32_precision for switch in switches.values()} == {"ieee"}
    assert not torch.backends.cuda.matmul.allow_tf32
    assert not torch.backends.cudnn.allow_tf32


def test_switch_that_does_not_obey_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stuck:
        @property
        def fp32_precision(self) -> str:
            return "tf32"

        @fp32_precision.setter
        def fp32_precision(self, _precision: str) -> None:
            """As if nothing were said."""

    monkeypatch.setattr(torch.backends.cudnn, "conv", Stuck())

    with pytest.raises(
        ConvNeXtPoseCheckError, match=r"cudnn\.conv\.fp32_precision stays tf32"
    ) as e:
        use_exact_float32()
    assert e.value.code == "no-precision"
