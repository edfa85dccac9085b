"""Predict batches with or without the flip test, while the host does other work.

An exception of the evaluated model or its device becomes a one-line message. An exception raised
elsewhere is a bug of this suite and keeps its traceback.
"""

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from convnextpose_check.errors import ConvNeXtPoseCheckError, ErrorCode
from convnextpose_check.evaluation.devices import use_exact_float32
from convnextpose_check.human36m.crops import constant_tensor
from convnextpose_check.human36m.geometry import Array
from convnextpose_check.human36m.skeleton import MIRRORED
from convnextpose_check.network import Network

OUT_OF_MEMORY_TEXTS = (
    "out of memory",
    "alloc_failed",  # CUBLAS_STATUS_ALLOC_FAILED, CUDNN_STATUS_ALLOC_FAILED
    "failed to allocate memory",  # onnxruntime
    "bfcarena",
    "can't allocate memory",  # torch on the CPU
    "cannot allocate memory",
    "bad_alloc",
)
"""Substrings of out-of-memory messages of torch, CUDA and onnxruntime, in lower case."""


class NetworkFailedError(ConvNeXtPoseCheckError):
    """The evaluated model raised an exception; ``trace`` is the formatted traceback.

    The exception is not stored, since its frames would keep the batch in device memory.
    """

    trace = ""


def is_out_of_memory(error: BaseException) -> bool:
    """True for an out-of-memory error raised by Python, torch, CUDA or onnxruntime."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return any(text in str(error).lower() for text in OUT_OF_MEMORY_TEXTS)


@contextmanager
def wrap_network_errors(name: str, code: ErrorCode = ErrorCode.NETWORK_FAILED) -> Iterator[None]:
    """Convert ``sys.exit`` and exceptions without a code to ``NetworkFailedError``.

    ``name`` is the subject of its message.
    """
    try:
        yield
    except ConvNeXtPoseCheckError:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - users' code raises anything
        text = (str(error).strip().splitlines() or [""])[0].rstrip(".")
        message = f"{type(error).__name__}: {text}" if text else type(error).__name__
        failure = NetworkFailedError(
            code,
            f"{name} raises {message}",
            "See the traceback in the variant's log; if the device failed, run again with --resume",
        )
        failure.trace = "".join(traceback.format_exception(error))
        chained: BaseException | None = error
        # Frames of the traceback would keep the batch in device memory.
        while chained is not None and chained.__traceback__ is not None:
            chained.__traceback__ = None
            chained = chained.__cause__ or chained.__context__
        raise failure from None


def predict(network: Network, crops: Tensor, *, flip: bool) -> Tensor:
    """Predict positions (B, 18, 3) in heatmap cells from crops (B, 3, 256, 256).

    With ``flip``, averages the predictions for the crops and their mirror images.
    """
    with torch.inference_mode():
        if not flip:
            return network(crops)
        cells_xyz, mirrored = predict_passes(network, crops)
        return (cells_xyz + mirrored) / 2


def predict_passes(network: Network, crops: Tensor) -> tuple[Tensor, Tensor]:
    """Positions (B, 18, 3) from the crops and from their mirror images, mirrored back.

    Both are one batch. Mirroring back reverses columns and swaps left and right joints.
    """
    both = network(torch.cat([crops, crops.flip(3)]))
    cells_xyz, mirrored = both.chunk(2)
    mirrored[:, :, 0] = network.architecture.heatmap_side - mirrored[:, :, 0] - 1
    return cells_xyz, mirrored.index_select(1, constant_tensor(mirrored.device, MIRRORED))


@dataclass
class Predictor:
    """Predicts batches in parts that fit in the device's memory, reported by ``write_line``."""

    network: Network
    flip: bool
    batch_size: int
    write_line: Callable[[str], None]

    def __call__(self, crops: Tensor) -> Tensor:
        """Predict crops (B, 3, 256, 256); halve ``batch_size`` until a part fits.

        Raises ``ConvNeXtPoseCheckError``: ``out-of-memory`` if a single image does not fit,
        ``network-failed`` for any other error of the network.
        """
        while True:
            with wrap_network_errors("the network"):
                try:
                    use_exact_float32()  # a user's network may enable TF32
                    return torch.cat(
                        [
                            predict(self.network, part, flip=self.flip)
                            for part in torch.split(crops, self.batch_size)
                        ]
                    )
                except Exception as error:
                    if not is_out_of_memory(error):
                        raise
            if self.batch_size == 1:
                raise ConvNeXtPoseCheckError(
                    ErrorCode.OUT_OF_MEMORY,
                    f"the memory of {crops.device} is too small for a single image",
                    "End other programs on this device, or use --device cpu",
                )
            self.batch_size = max(1, min(self.batch_size, len(crops)) // 2)
            torch.cuda.empty_cache()
            self.write_line(
                f"out of memory on {crops.device}: retrying with {self.batch_size} images"
            )


def record_event(device: torch.device) -> Any:
    """Record a CUDA event after the work that is queued on the device."""
    event = torch.cuda.Event()  # type: ignore[no-untyped-call]
    event.record(torch.cuda.current_stream(device))
    return event


class PendingPrediction:
    """Predictions of a batch that a device is computing and copying to the host.

    The copy is queued at once: ``wait`` does not wait for batches that are queued later.
    """

    def __init__(self, predict: Callable[[Tensor], Tensor], crops: Tensor) -> None:
        device = crops.device
        self._cells_xyz = predict(crops)
        self._copied = None
        if device.type != "cpu":
            on_device = self._cells_xyz
            self._cells_xyz = torch.empty(
                on_device.shape, dtype=on_device.dtype, pin_memory=device.type == "cuda"
            )
            self._cells_xyz.copy_(on_device, non_blocking=True)
            self._copied = record_event(device)

    def wait(self) -> Array:
        """Return the predictions (B, 18, 3)."""
        if self._copied is not None:
            self._copied.synchronize()
        return self._cells_xyz.numpy()
