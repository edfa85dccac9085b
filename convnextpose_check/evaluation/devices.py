"""Select and test the devices that run the models; set exact float32."""

import warnings
from contextlib import suppress
from operator import attrgetter
from typing import Any

import torch

from convnextpose_check.errors import ConvNeXtPoseCheckError, ErrorCode

PRECISION_MODULES = (
    "backends", "backends.mkldnn", "backends.mkldnn.conv", "backends.mkldnn.matmul",
    "backends.cuda.matmul", "backends.cudnn", "backends.cudnn.conv", "backends.cudnn.rnn",
)  # fmt: skip
"""Modules of torch with an ``fp32_precision`` setting, the general one first."""


def use_exact_float32() -> None:
    """Disable TF32 and bfloat16 in float32 matrix products and convolutions.

    Sets both torch's ``allow_tf32`` and the newer ``fp32_precision``, which overrides it. Raises
    ``ConvNeXtPoseCheckError`` (``wrong-environment``) if torch ignores a setting.
    """
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    for name in PRECISION_MODULES:
        module: Any = attrgetter(name)(torch)
        module.fp32_precision = "ieee"
        if (found := module.fp32_precision) != "ieee":
            raise ConvNeXtPoseCheckError(
                ErrorCode.WRONG_ENVIRONMENT,
                f"torch.{name}.fp32_precision is {found}, although it was set to ieee",
                "Install another version of torch",
            )


def get_working_device(name: str) -> torch.device:
    """Return the device if a test convolution succeeds; else raise ``device-not-found``."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("default")  # python -W error would turn a warning into a failure
            device = torch.device(name)
            image = torch.ones(1, 1, 4, 4, device=device)
            total = torch.nn.functional.conv2d(image, torch.ones(1, 1, 2, 2, device=device)).sum()
            if total.item() != 36.0:
                raise ArithmeticError(f"wrong sum {total.item()}, expected 36")
    except Exception as error:  # noqa: BLE001 - torch raises several unrelated types
        first_line = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        problem = f"the device '{name}' cannot run a kernel: {first_line}"
        raise ConvNeXtPoseCheckError(
            ErrorCode.DEVICE_NOT_FOUND,
            problem,
            "On Kaggle, choose Settings, Accelerator, GPU T4 x2; elsewhere pass a device that"
            " works, such as --device cpu",
        ) from None
    return device


def get_working_devices(name: str) -> tuple[torch.device, ...]:
    """Return the device; for ``cuda``, the first GPU and all others of its model with free memory.

    Only GPUs of one model give identical results. At least half of the memory must be free. Raises
    ``ConvNeXtPoseCheckError`` (``device-not-found``) if the first device does not work.
    """
    if name != "cuda":
        return (get_working_device(name),)
    get_working_device(name)
    first, *others = (torch.device("cuda", index) for index in range(torch.cuda.device_count()))
    usable = [first]
    for gpu in others:
        with suppress(ConvNeXtPoseCheckError, RuntimeError):
            if get_device_model(gpu) == get_device_model(first):
                free_bytes, total_bytes = torch.cuda.mem_get_info(gpu)
                if free_bytes >= total_bytes / 2:
                    usable.append(get_working_device(str(gpu)))
    return tuple(usable)


def format_devices(*devices: torch.device) -> str:
    """Format devices of one model, e.g. ``cuda:0, cuda:1 (Tesla T4)``."""
    names = ", ".join(map(str, devices))
    return f"{names} ({get_device_model(devices[0])})" if devices[0].type == "cuda" else names


def get_device_model(device: torch.device) -> str:
    """Return the hardware model; results are identical on devices of the same model.

    A CPU is described by the instruction set that torch uses, e.g. ``cpu AVX512``.
    """
    if device.type != "cuda":
        return f"{device.type} {torch.backends.cpu.get_cpu_capability()}"
    return torch.cuda.get_device_name(device)
