"""What products of float32 are rounded to, on any device and whoever has switched something."""

from __future__ import annotations

from collections.abc import Iterator
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
