"""The device that the networks run on, proved to work before anything depends on it."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Literal

from convnextpose_check.errors import ConvNeXtPoseCheckError

if TYPE_CHECKING:
    import torch

Precision = Literal["fp32", "tf32", "fp16"]
"""What the convolutions compute in; verdicts are given for the first alone."""

EXACT = "ieee"
OF_CUDA = ("backends.cuda.matmul", "backends.cudnn", "backends.cudnn.conv", "backends.cudnn.rnn")
OF_CPU = ("backends.mkldnn", "backends.mkldnn.conv", "backends.mkldnn.matmul")
SWITCHES = ("backends", *OF_CPU, *OF_CUDA)
"""Where torch keeps what products of float32 are rounded to, on any device."""

SWITCH_ON_GPU = (
    "On Kaggle choose Settings, Accelerator, GPU T4 x2; elsewhere name a device that works, such as"
    " --device cpu"
)


def working_device(name: str) -> torch.device:
    """The device of that name, after a convolution has run on it.

    A card that torch reports as available may still lack kernels in this build of torch. Raises
    ``ConvNeXtPoseCheckError`` (``no-device``).
    """
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("default")  # that torch warns of a card does not make it fail
            device = torch.device(name)
            image = torch.ones(1, 1, 4, 4, device=device)
            total = torch.nn.functional.conv2d(image, torch.ones(1, 1, 2, 2, device=device)).sum()
            works = total.item() == 36.0
    except Exception as error:  # noqa: BLE001 - torch raises types of its own, not one family
        text = str(error).strip()
        problem = _dropped_card(name) or (text.splitlines()[0] if text else type(error).__name__)
        raise ConvNeXtPoseCheckError(
            "no-device",
            f"the device '{name}' cannot run a kernel: {problem.rstrip('.')}",
            SWITCH_ON_GPU,
        ) from None
    if not works:
        raise ConvNeXtPoseCheckError(
            "no-device", f"the device '{name}' computes wrong sums", SWITCH_ON_GPU
        )
    return device


def has_kernels(capability: tuple[int, int], architectures: Iterable[str]) -> bool:
    """Whether code built for these architectures runs on a card of this compute capability.

    Code for ``sm_75`` runs on cards of the same major version from 7.5 on; ``compute_75`` is
    translated for every card from 7.5 on; those with a letter are for their own cards alone.
    """
    for architecture in architectures:
        if match := re.fullmatch(r"(sm|compute)_(\d+)(\d)([a-z]?)", architecture):
            built_for = int(match[2]), int(match[3])
            alike = capability[0] == built_for[0] or match[1] == "compute"
            if capability == built_for or (alike and not match[4] and capability > built_for):
                return True
    return False


def _dropped_card(name: str) -> str | None:
    """The sentence about a card that this build of torch has no kernels for, None otherwise."""
    import torch

    try:
        if not torch.cuda.is_available():
            return None
        capability = torch.cuda.get_device_capability(name)
        architectures = torch.cuda.get_arch_list()
        title = torch.cuda.get_device_name(name)
    except Exception:  # noqa: BLE001 - torch raises types of its own; its first error is told then
        return None
    if has_kernels(capability, architectures):
        return None
    return (
        f"the {title} has compute capability {capability[0]}.{capability[1]}, which torch"
        f" {torch.__version__} has no kernels for ({', '.join(architectures)})"
    )


def use_exact_float32() -> None:
    """Keep products of float32 from being rounded, which verdicts must not rest on.

    Raises ``ConvNeXtPoseCheckError`` (``no-precision``) where torch rounds them all the same.
    """
    _allow_tf32(False)
    for name, switch in _switches().items():
        if (found := switch.fp32_precision) != EXACT:
            raise ConvNeXtPoseCheckError(
                "no-precision",
                f"torch.{name}.fp32_precision stays {found} when it is set to {EXACT}",
                "Install another version of torch",
            )


@contextmanager
def float32_products(precision: Precision) -> Iterator[None]:
    """Have CUDA multiply float32 in TF32 if that is the precision, and exactly again afterwards."""
    _allow_tf32(precision == "tf32")
    try:
        yield
    finally:
        _allow_tf32(False)


def _allow_tf32(allowed: bool) -> None:
    """Set the older switches and the newer ones, which win and do not follow the older."""
    import torch

    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed
    for name, switch in _switches().items():
        switch.fp32_precision = "tf32" if allowed and name in OF_CUDA else EXACT


def _switches() -> dict[str, Any]:
    """What decides on products of float32, by its name, from the general to the particular."""
    import torch

    return {name: attrgetter(name)(torch) for name in SWITCHES}


def check_precision(precision: Precision, device: torch.device) -> None:
    """Refuse (``no-precision``) what the device cannot compute in."""
    import torch

    problem = ""
    if precision == "tf32" and device.type != "cuda":
        problem = "only CUDA has it"
    elif precision == "tf32" and torch.cuda.get_device_capability(device) < (8, 0):
        problem = "cards before Ampere lack it"
    elif precision == "fp16":
        try:
            image = torch.ones(1, 1, 4, 4, device=device, dtype=torch.half)
            torch.nn.functional.conv2d(image, image[:, :, :2, :2])
        except RuntimeError:
            problem = "this build of torch has no such convolution for it"
    if problem:
        raise ConvNeXtPoseCheckError(
            "no-precision",
            f"the device '{device}' does not compute in {precision}: {problem}",
            "Leave out --precision, or name another --device",
        )


def use_two_threads() -> None:
    """Let the CPU have two threads at least, as the machine most often has.

    With one alone torch chooses other kernels, which round otherwise; with two or more the answers
    are the same to the last digit. What starts several processes tends to allow each but one.
    """
    import torch

    if torch.get_num_threads() < 2:
        torch.set_num_threads(2)


def device_title(device: torch.device) -> str:
    """The device as a person knows it, such as ``cuda:0 (Tesla T4)``."""
    import torch

    if device.type != "cuda":
        return str(device)
    return f"{device} ({torch.cuda.get_device_name(device)})"


def card_name(device: torch.device) -> str:
    """What computes, whichever of its kind: answers are the same to the last digit on each.

    For the CPU that is the set of instructions, such as ``cpu AVX512``, which kernels are for.
    """
    import torch

    if device.type != "cuda":
        return f"{device.type} {torch.backends.cpu.get_cpu_capability()}"
    return torch.cuda.get_device_name(device)


def synchronise(device: torch.device) -> None:
    """Wait until the device has done all that it was given."""
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize(device)
