"""Which devices take part; one that cannot compute is known before a run depends on it."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import pytest

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.evaluation import devices
from convnextpose_check.evaluation.devices import (
    card_name,
    device_title,
    has_kernels,
    working_device,
    working_devices,
)
from tests.support.deferred import Deferred

if TYPE_CHECKING:
    import torch
else:
    torch = Deferred("torch")


def test_warning_about_a_device_does_not_make_it_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    conv2d = torch.nn.functional.conv2d

    def warning(*given: Any) -> Any:
        warnings.warn("this card is soon no longer supported", stacklevel=1)
        return conv2d(*given)

    monkeypatch.setattr("torch.nn.functional.conv2d", warning)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("error")

        assert working_device("cpu") == torch.device("cpu")

    assert "no longer supported" in str(told[0].message)


def test_device_is_told_by_what_it_computes_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.get_device_name", lambda _: "Tesla T4")

    assert {card_name(torch.device("cuda", number)) for number in range(2)} == {"Tesla T4"}
    assert card_name(torch.device("cpu")).startswith("cpu ")


@pytest.mark.parametrize(
    ("capability", "architectures", "expected"),
    [
        pytest.param((6, 0), ["sm_70", "sm_75", "sm_120"], False, id="P100-dropped"),
        pytest.param((6, 0), ["sm_50", "sm_60", "sm_70"], True, id="P100-kept"),
        pytest.param((6, 1), ["sm_60"], True, id="same-major-later-minor"),
        pytest.param((6, 0), ["sm_61"], False, id="same-major-earlier-minor"),
        pytest.param((7, 5), ["sm_75", "sm_120"], True, id="T4"),
        pytest.param((9, 0), ["sm_90a"], True, id="its-own-letter"),
        pytest.param((10, 3), ["sm_100a"], False, id="letter-of-another"),
        pytest.param((12, 0), ["sm_90", "compute_90"], True, id="translated"),
        pytest.param((6, 0), ["compute_70"], False, id="not-translated-back"),
        pytest.param((1, 2), ["sm_120"], False, id="two-digits-of-major"),
        pytest.param((7, 5), [], False, id="none"),
    ],
)
def test_kernels_for_a_card_are_known(
    capability: tuple[int, int], architectures: list[str], expected: bool
) -> None:
    assert has_kernels(capability, architectures) is expected


@pytest.mark.parametrize("dropped", [True, False])
def test_card_that_torch_dropped_is_told_as_such(
    dropped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A P100 counts as available and fails every kernel."""

    def fail(*_: object) -> None:
        raise RuntimeError("CUDA error: no kernel image is available\nlong advice")

    for name, value in {
        "is_available": True,
        "get_device_capability": (6, 0),
        "get_device_name": "Tesla P100-PCIE-16GB",
        "get_arch_list": ["sm_70", "sm_75"] + ([] if dropped else ["sm_60"]),
    }.items():
        monkeypatch.setattr(f"torch.cuda.{name}", lambda *_, value=value: value)
    monkeypatch.setattr("torch.ones", lambda *_, **__: None)
    monkeypatch.setattr("torch.nn.functional.conv2d", fail)

    with pytest.raises(ConvNeXtPoseCheckError) as caught:
        working_device("cuda")

    assert caught.value.code == "no-device"
    said = "the Tesla P100-PCIE-16GB has compute capability 6.0, which torch"
    assert (said in caught.value.problem) is dropped
    assert ("no kernel image is available" in caught.value.problem) is not dropped
    assert ("(sm_70, sm_75)" in caught.value.problem) is dropped
    assert "GPU T4 x2" in caught.value.remedy


T4, OTHER = "Tesla T4", "Quadro K620"


@pytest.mark.parametrize(
    ("cards", "used"),
    [
        pytest.param([(T4, 15)], "cuda:0 (Tesla T4)", id="one"),
        pytest.param([(T4, 15), (T4, 15)], "cuda:0, cuda:1 (Tesla T4)", id="two"),
        pytest.param([(T4, 15), (OTHER, 15), (T4, 15)], "cuda:0, cuda:2 (Tesla T4)", id="unlike"),
        pytest.param([(T4, 2), (T4, 5)], "cuda:0 (Tesla T4)", id="in-use"),
        pytest.param([(T4, 15), (T4, None)], "cuda:0 (Tesla T4)", id="broken"),
    ],
)
def test_all_cards_that_are_alike_and_free_take_part(
    monkeypatch: pytest.MonkeyPatch, cards: list[tuple[str, int | None]], used: str
) -> None:
    def free(card: torch.device) -> tuple[int, int]:
        gigabytes = cards[card.index][1]
        return 15 if gigabytes is None else gigabytes, 16

    def working(name: str) -> torch.device:
        if cards[torch.device(name).index or 0][1] is None:
            raise ConvNeXtPoseCheckError("no-device", "it cannot run a kernel")
        return torch.device(name)

    monkeypatch.setattr("torch.cuda.device_count", lambda: len(cards))
    monkeypatch.setattr("torch.cuda.get_device_name", lambda card: cards[card.index][0])
    monkeypatch.setattr("torch.cuda.mem_get_info", free)
    monkeypatch.setattr(devices, "working_device", working)

    assert device_title(*working_devices("cuda")) == used
    assert working_devices("cuda:0") == (torch.device("cuda:0"),)
    assert working_devices("cpu") == (torch.device("cpu"),)
