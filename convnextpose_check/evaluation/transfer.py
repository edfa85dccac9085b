"""Between the host and a device: batches go there and answers come back while both work on.

Nothing here waits for the device but ``Moment.wait``.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from convnextpose_check.human36m.geometry import Array

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class Moment:
    """A moment in the work of a device, which may lie behind what it was given."""

    def __init__(self, device: torch.device) -> None:
        self._event: Any = None
        if device.type == "cuda":
            import torch

            self._event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
            self._event.record(torch.cuda.current_stream(device))
        self._seconds = time.perf_counter()

    def wait(self) -> None:
        """Wait until the device has come so far."""
        if self._event is not None:
            self._event.synchronize()

    def since(self, earlier: Moment) -> float:
        """Seconds of work between the two, both of which are past."""
        if self._event is None:
            return self._seconds - earlier._seconds
        milliseconds: float = earlier._event.elapsed_time(self._event)
        return milliseconds / 1000


class Arriving:
    """An answer on its way to the host, copied as soon as it is made.

    Its copy stands in the device's queue behind the work that makes it and before the next
    batch, so that who waits for it does not wait for that one.
    """

    def __init__(self, answer: Tensor) -> None:
        self._host = answer
        if answer.device.type != "cpu":
            self._host = _host_memory(tuple(answer.shape), answer.dtype, answer.device)
            self._host.copy_(answer, non_blocking=True)
        self._copied = Moment(answer.device)

    def numpy(self) -> Array:
        """The answer, waiting for it if need be."""
        self._copied.wait()
        answer: Array = self._host.numpy()
        return answer


def sent(images: Sequence[Array], device: torch.device) -> Tensor:
    """Images of one shape and of uint8 as one batch on the device."""
    import torch

    batch = _host_memory((len(images), *images[0].shape), torch.uint8, device)
    np.stack(images, out=batch.numpy())
    return batch.to(device, non_blocking=True)


def _host_memory(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Memory of the host that the device copies from and to by itself.

    CUDA does so in pinned memory alone, which torch keeps for the next one who asks.
    """
    import torch

    return torch.empty(shape, dtype=dtype, pin_memory=device.type == "cuda")
