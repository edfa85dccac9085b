"""The devices that run the models, each tested with a convolution, and exact float32 on them."""

from __future__ import annotations

import warnings
from contextlib import suppress
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from convnextpose_check.errors import ConvNeXtPoseCheckError, ErrorCode

if TYPE_CHECKING:
    import torch

SWITCH_ON_GPU = (
    "On Kaggle choose Settings, Accelerator, GPU T4 x2; elsewhere name a device that works, such as"
    " --device cpu"
)

EXACT = "ieee"
SWITCHES = (
    "backends",
    *("backends.mkldnn", "backends.mkldnn.conv", "backends.mkldnn.matmul"),
    *("backends.cuda.matmul", "backends.cudnn", "backends.cudnn.conv", "backends.cudnn.rnn"),
)
"""Where torch stores the precision of float32 products, the general switch first."""


def use_exact_float32() -> None:
    """Switch off TF32 and other rounding of float32 products.

    Sets torch's older switches and the newer ones, which override the older. Raises
    ``ConvNeXtPoseCheckError`` (``wrong-environment``) if torch ignores one.
    """
    import torch

    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    for name in SWITCHES:
        switch: Any = attrgetter(name)(torch)
        switch.fp32_precision = EXACT
        if (found := switch.fp32_precision) != EXACT:
            raise ConvNeXtPoseCheckError(
                ErrorCode.WRONG_ENVIRONMENT,
                f"torch.{name}.fp32_precision stays {found} when it is set to {EXACT}",
                "Install another version of torch",
            )


def get_working_device(name: str) -> torch.device:
    """The device of that name, after a convolution: torch may have no kernels for a card."""
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("default")  # a warning about a card is not a failure
            device = torch.device(name)
            image = torch.ones(1, 1, 4, 4, device=device)
            total = torch.nn.functional.conv2d(image, torch.ones(1, 1, 2, 2, device=device)).sum()
            if total.item() != 36.0:
                raise ArithmeticError(f"wrong sum {total.item()}, expected 36")
    except Exception as error:  # noqa: BLE001 - torch raises types of its own, not one family
        first_line = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        problem = f"the device '{name}' cannot run a kernel: {first_line}"
        raise ConvNeXtPoseCheckError(ErrorCode.DEVICE_NOT_FOUND, problem, SWITCH_ON_GPU) from None
    return device


def get_working_devices(name: str) -> tuple[torch.device, ...]:
    """The device of that name; for ``cuda`` the first card and every free card of the same model.

    The same model, so that results are identical on each; a card is free if at most half of its
    memory is in use. Raises ``ConvNeXtPoseCheckError`` (``device-not-found``) if the first one
    fails.
    """
    import torch

    if name != "cuda":
        return (get_working_device(name),)
    get_working_device(name)
    first, *others = (torch.device("cuda", index) for index in range(torch.cuda.device_count()))
    usable = [first]
    for card in others:
        with suppress(ConvNeXtPoseCheckError, RuntimeError):
            if get_device_model(card) == get_device_model(first):
                free_bytes, total_bytes = torch.cuda.mem_get_info(card)
                usable += [get_working_device(str(card))] if free_bytes >= total_bytes / 2 else []
    return tuple(usable)


def format_devices(*devices: torch.device) -> str:
    """Format devices of one kind for people, e.g. ``cuda:0, cuda:1 (Tesla T4)``."""
    names = ", ".join(map(str, devices))
    return f"{names} ({get_device_model(devices[0])})" if devices[0].type == "cuda" else names


def get_device_model(device: torch.device) -> str:
    """The model of the device: results are identical on devices of the same model.

    For the CPU it is the instruction set that kernels are chosen by, e.g. ``cpu AVX512``.
    """
    import torch

    if device.type != "cuda":
        return f"{device.type} {torch.backends.cpu.get_cpu_capability()}"
    return torch.cuda.get_device_name(device)
