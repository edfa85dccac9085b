"""Exact products of float32, on any device and whatever other code has switched on."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

from convnextpose_check.errors import ConvNeXtPoseCheckError

EXACT = "ieee"
OF_CUDA = ("backends.cuda.matmul", "backends.cudnn", "backends.cudnn.conv", "backends.cudnn.rnn")
OF_CPU = ("backends.mkldnn", "backends.mkldnn.conv", "backends.mkldnn.matmul")
SWITCHES = ("backends", *OF_CPU, *OF_CUDA)
"""Where torch keeps what products of float32 are rounded to, from the general to the particular."""


def use_exact_float32() -> None:
    """Keep products of float32 from being rounded, which verdicts must not rest on.

    Sets the older switches and the newer ones, which win and do not follow the older. Raises
    ``ConvNeXtPoseCheckError`` (``no-precision``) where torch rounds products all the same.
    """
    import torch

    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    switches: dict[str, Any] = {name: attrgetter(name)(torch) for name in SWITCHES}
    for switch in switches.values():
        switch.fp32_precision = EXACT
    for name, switch in switches.items():
        if (found := switch.fp32_precision) != EXACT:
            raise ConvNeXtPoseCheckError(
                "no-precision",
                f"torch.{name}.fp32_precision stays {found} when it is set to {EXACT}",
                "Install another version of torch",
            )
