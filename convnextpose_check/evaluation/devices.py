"""The device that the networks run on, proved to work before anything depends on it."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING

from convnextpose_check.errors import ConvNeXtPoseCheckError

if TYPE_CHECKING:
    import torch

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
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")  # that torch warns of a card does not make it fail
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
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        for each in warned:  # of a device that fails the error says what is wrong
            warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)
    return device


def working_devices(name: str) -> tuple[torch.device, ...]:
    """The device of that name, or of ``cuda`` all cards that are like the first and free to work.

    Alike, so that an image gets the same answer on each; a card of which others hold half the
    memory is theirs. Raises as ``working_device`` does, about the first.
    """
    import torch

    if name != "cuda":
        return (working_device(name),)
    working_device(name)
    first, *others = (torch.device("cuda", number) for number in range(torch.cuda.device_count()))
    return (first, *(card for card in others if _may_help(card, first)))


def _may_help(card: torch.device, first: torch.device) -> bool:
    """Whether the card is like the first one, not in use, and works."""
    import torch

    try:
        if card_name(card) != card_name(first):
            return False
        free_bytes, total_bytes = torch.cuda.mem_get_info(card)
        return free_bytes >= total_bytes / 2 and working_device(str(card)) == card
    except (ConvNeXtPoseCheckError, RuntimeError):
        return False


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


def use_two_threads() -> None:
    """Let the CPU have two threads at least, as the machine most often has.

    With one alone torch chooses other kernels, which round otherwise; with two or more the answers
    are the same to the last digit. What starts several processes tends to allow each but one.
    """
    import torch

    if torch.get_num_threads() < 2:
        torch.set_num_threads(2)


def device_title(*devices: torch.device) -> str:
    """Devices of one kind as a person knows them, such as ``cuda:0, cuda:1 (Tesla T4)``."""
    names = ", ".join(map(str, devices))
    return f"{names} ({card_name(devices[0])})" if devices[0].type == "cuda" else names


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
