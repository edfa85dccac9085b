"""Errors that a model or its device raises, reported in one sentence as a failure of that model.

Only calls of the evaluated model or its device are wrapped. An error that is raised elsewhere is a
bug of this suite and shows its traceback.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from convnextpose_check.errors import ConvNeXtPoseCheckError, ErrorCode

LACK_OF_MEMORY = (
    "out of memory",
    "alloc_failed",  # CUBLAS_STATUS_ALLOC_FAILED, CUDNN_STATUS_ALLOC_FAILED
    "failed to allocate memory",  # onnxruntime
    "bfcarena",
    "can't allocate memory",  # torch on the CPU
    "cannot allocate memory",
    "bad_alloc",
)
"""Parts of out-of-memory messages of torch, CUDA and onnxruntime, in lower case."""


class NetworkFailedError(ConvNeXtPoseCheckError):
    """An error of the evaluated model; ``trace`` is its traceback as text.

    The error itself is not stored: its frames would hold the batch on the device.
    """

    trace = ""


def is_lack_of_memory(error: BaseException) -> bool:
    """True for an out-of-memory error raised by Python, torch, CUDA or onnxruntime."""
    import torch

    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    text = str(error).lower()
    return any(words in text for words in LACK_OF_MEMORY)


@contextmanager
def told_as_failure(what: str, code: ErrorCode = ErrorCode.NETWORK_FAILED) -> Iterator[None]:
    """Raise ``NetworkFailedError``, with the last own line, for an error without a code."""
    try:
        yield
    except ConvNeXtPoseCheckError:
        raise
    except Exception as error:  # noqa: BLE001 - torch, onnxruntime and users' code raise anything
        raise _failure(error, what, code) from None


def _failure(error: BaseException, what: str, code: ErrorCode) -> NetworkFailedError:
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "site-packages" not in frame.filename] or frames
    line = "".join(f" ({Path(frame.filename).name}, line {frame.lineno})" for frame in own[-1:])
    text = (str(error).strip().splitlines() or [""])[0].rstrip(".")
    message = f"{type(error).__name__}: {text}" if text else type(error).__name__
    failure = NetworkFailedError(
        code,
        f"{what} raises {message}{line}",
        "The variant's log has the traceback; if the device failed, run again with --resume",
    )
    failure.trace = "".join(traceback.format_exception(error))
    chained: BaseException | None = error
    while chained is not None and chained.__traceback__ is not None:  # frames hold the batch
        chained.__traceback__ = None
        chained = chained.__cause__ or chained.__context__
    return failure
