"""What a network or its device raises, told as a failure of that network: once, in one sentence.

The line to a bug of this suite is drawn where it calls what is judged. Whatever is raised inside is
a failure of what was called; anything that is raised elsewhere may show its traceback.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from convnextpose_check.errors import Code, ConvNeXtPoseCheckError

LACK_OF_MEMORY = (
    "out of memory",
    "alloc_failed",  # CUBLAS_STATUS_ALLOC_FAILED, CUDNN_STATUS_ALLOC_FAILED
    "failed to allocate memory",  # onnxruntime
    "bfcarena",
    "can't allocate memory",  # torch on the CPU
    "cannot allocate memory",
    "bad_alloc",
)
"""How torch, CUDA's libraries and onnxruntime say, in lower case, that a batch was too large."""


class NetworkFailedError(ConvNeXtPoseCheckError):
    """Something that was judged has raised an error; ``trace`` is the text of its traceback.

    The error itself is not held, since its frames would hold the batch on the device.
    """

    def __init__(self, code: Code, problem: str, remedy: str = "", trace: str = "") -> None:
        super().__init__(code, problem, remedy)
        self.trace = trace


def is_lack_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory was too small, in whosever words."""
    import torch

    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    text = str(error).lower()
    return any(words in text for words in LACK_OF_MEMORY)


def failure(error: BaseException, what: str, code: Code = "network-failed") -> NetworkFailedError:
    """The sentence about an error that ``what`` has raised."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "site-packages" not in frame.filename] or frames
    place = "".join(f" ({Path(frame.filename).name}, line {frame.lineno})" for frame in own[-1:])
    text = (str(error).strip().splitlines() or [""])[0].rstrip(".")
    told = f"{type(error).__name__}: {text}" if text else type(error).__name__
    trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    _let_go(error)
    return NetworkFailedError(
        code,
        f"{what} raises {told}{place}",
        "The variant's log shows where; if it was the device's fault, start again with --resume",
        trace,
    )


def _let_go(error: BaseException | None) -> None:
    """Drop the frames of an error and of those that it came from: they hold the batch."""
    while error is not None and error.__traceback__ is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__


@contextmanager
def told_as_failure(what: str, code: Code = "network-failed") -> Iterator[None]:
    """Have what is raised inside told as a failure of ``what``.

    Raises ``NetworkFailedError``; errors that are told in their own words pass.
    """
    try:
        yield
    except ConvNeXtPoseCheckError:
        raise
    except Exception as error:  # noqa: BLE001 - torch, onnxruntime and users' code raise anything
        raise failure(error, what, code) from None
