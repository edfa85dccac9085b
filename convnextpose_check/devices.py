"""The device that the networks run on, proved to work before anything depends on it."""

from __future__ import annotations

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
        device = torch.device(name)
        image = torch.ones(1, 1, 4, 4, device=device)
        total = torch.nn.functional.conv2d(image, torch.ones(1, 1, 2, 2, device=device)).sum()
        works = total.item() == 36.0
    except Exception as error:  # noqa: BLE001 - torch raises types of its own, not one family
        problem = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ConvNeXtPoseCheckError(
            "no-device", f"the device '{name}' cannot run a kernel: {problem}", SWITCH_ON_GPU
        ) from None
    if not works:
        raise ConvNeXtPoseCheckError(
            "no-device", f"the device '{name}' computes wrong sums", SWITCH_ON_GPU
        )
    return device


def use_exact_float32() -> None:
    """Keep CUDA from rounding float32 products to TF32, which verdicts must not rest on."""
    import torch

    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False


def device_title(device: torch.device) -> str:
    """The device as a person knows it, such as ``cuda:0 (Tesla T4)``."""
    import torch

    if device.type != "cuda":
        return str(device)
    return f"{device} ({torch.cuda.get_device_name(device)})"


def synchronise(device: torch.device) -> None:
    """Wait until the device has done all that it was given."""
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize(device)
