"""Another precision than float32: what cannot be had is refused, and what is had is no verdict."""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.evaluation.evaluate import evaluate
from convnextpose_check.evaluation.measurements import Evaluation, Measurements
from convnextpose_check.evaluation.one_pass import Entry
from convnextpose_check.evaluation.plan import COMPARED_BATCHES, Plan
from convnextpose_check.evaluation.precision import (
    SWITCHES,
    check_precision,
    float32_products,
    use_exact_float32,
)
from convnextpose_check.evaluation.verdict import judge
from convnextpose_check.human36m.samples import load_dataset
from convnextpose_check.miniature.weights import seeded_state
from convnextpose_check.network.layout import build_network
from convnextpose_check.variants import Architecture, Figure
from tests.support.datasets import FACTS, Handmade
from tests.support.deferred import Deferred
from tests.support.passes import conditions

if TYPE_CHECKING:
    import torch

    from convnextpose_check.network import fast as fast_network
else:
    torch = Deferred("torch")
    fast_network = Deferred("convnextpose_check.network.fast")


def test_tf32_without_cuda_is_refused() -> None:
    with pytest.raises(ConvNeXtPoseCheckError, match="'cpu' does not compute in tf32") as caught:
        check_precision("tf32", torch.device("cpu"))
    assert caught.value.code == "no-precision"


def test_half_that_the_device_cannot_compute_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def conv2d(*_: Any) -> None:
        raise RuntimeError('"slow_conv2d_cpu" not implemented for Half')

    monkeypatch.setattr("torch.nn.functional.conv2d", conv2d)
    with pytest.raises(ConvNeXtPoseCheckError, match=r"fp16.*Leave out --precision") as caught:
        check_precision("fp16", torch.device("cpu"))
    assert caught.value.code == "no-precision"


def test_tf32_is_on_only_while_it_is_asked_for() -> None:
    backends = torch.backends
    use_exact_float32()
    with float32_products("tf32"):
        assert backends.cuda.matmul.allow_tf32
        assert backends.cudnn.allow_tf32
    with float32_products("fp32"):
        assert not backends.cuda.matmul.allow_tf32
    assert not backends.cuda.matmul.allow_tf32
    assert not backends.cudnn.allow_tf32


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
    with float32_products("tf32"):
        assert switches["backends.cudnn.conv"].fp32_precision == "tf32"
        assert switches["backends.cuda.matmul"].fp32_precision == "tf32"
        assert switches["backends.mkldnn.matmul"].fp32_precision == "ieee"
    assert {switch.fp32_precision for switch in switches.values()} == {"ieee"}


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


@pytest.fixture
def evaluations(tiny: Architecture, tmp_path: Path) -> dict[str, Evaluation]:
    """One network in both precisions."""
    dataset = load_dataset(Handmade().write(tmp_path / "set"), FACTS)
    plain = build_network(tiny, seeded_state(tiny, 1), torch.device("cpu"))
    exact = fast_network.FastConvNeXtPose(plain)
    half = fast_network.FastConvNeXtPose(plain, torch.half)
    found = {}
    for precision, network, twin in (("fp32", exact, None), ("fp16", half, exact)):
        entry = Entry(network, twin, precision, tmp_path / f"{precision}.npz")
        outcome = evaluate({"A": entry}, dataset, conditions(precision=precision))["A"]
        assert isinstance(outcome, Evaluation)
        found[precision] = outcome
    return found


def test_evaluation_in_half_says_what_it_moved_the_error_by(
    evaluations: dict[str, Evaluation],
) -> None:
    fp32, fp16 = evaluations["fp32"], evaluations["fp16"]

    assert (fp32.precision, fp32.compared, fp32.moved_mm) == ("fp32", 0, None)
    assert (fp16.precision, fp16.compared) == ("fp16", 6)
    assert fp16.moved_mm == pytest.approx(fp16.error_mm - fp32.error_mm)
    assert 1e-6 < abs(fp16.error_mm - fp32.error_mm) < 10  # gammas over sqrt(eps) lose bits
    assert fp16.cells_xyz.dtype == np.float32


def test_evaluation_in_half_is_not_judged(evaluations: dict[str, Evaluation]) -> None:
    reference = Figure(evaluations["fp32"].error_mm, "paper")

    assert judge(evaluations["fp32"], reference).verdict == "excellent"
    judgement = judge(evaluations["fp16"], reference)
    assert judgement.verdict.startswith("not judged: precision fp16, ")
    assert judgement.verdict.endswith(" mm from fp32")


@pytest.mark.parametrize(("samples", "batch_size"), [(8695, 64), (120, 4), (6, 2), (3, 64)])
def test_comparison_is_spread_evenly(samples: int, batch_size: int) -> None:
    plan = Plan.of([Measurements.empty(samples, batch_size)], batch_size)

    places = [index for index, place in enumerate(plan.batches) if plan.compares(place)]

    strides = set(np.diff(places))
    assert len(strides) <= 1
    assert min(len(plan.batches), COMPARED_BATCHES) <= len(places) <= 2 * COMPARED_BATCHES
    assert len(plan.batches) - places[-1] <= max(strides, default=1)
