"""Exact float32 products, whatever other code has switched on."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

from convnextpose_check.errors import ConvNeXtPoseCheckError, ErrorCode

EXACT = "ieee"
OF_CUDA = ("backends.cuda.matmul", "backends.cudnn", "backends.cudnn.conv", "backends.cudnn.rnn")
OF_CPU = ("backends.mkldnn", "backends.mkldnn.conv", "backends.mkldnn.matmul")
SWITCHES = ("backends", *OF_CPU, *OF_CUDA)
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
