"""Memoizes the predictions of networks, so that tests share them."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from torch.nn import Module


@contextmanager
def memoize_predictions(*networks: type[Module]) -> Iterator[None]:
    """Let networks of these types predict each crop only once.

    The prediction for a crop of noise identifies a network.
    """
    import torch

    predictions: dict[bytes, Any] = {}
    noise = torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(0)) * 255

    def memoize(forward: Any) -> Any:
        def predict(self: Any, crops: Any) -> Any:
            norms = [m for m in self.modules() if isinstance(m, torch.nn.BatchNorm2d)]
            if any(norm.training or norm.running_mean is None for norm in norms):
                return forward(self, crops)  # predictions depend on the batch
            if "memo_id" not in self.__dict__:
                prediction = forward(self, noise.to(crops.device))
                self.memo_id = prediction.cpu().numpy().tobytes() + repr(type(self)).encode()
            pixels = crops.cpu().numpy()
            keys = [hashlib.sha256(self.memo_id + crop.tobytes()).digest() for crop in pixels]
            new = [n for n, key in enumerate(keys) if key not in predictions]
            if new:
                predictions.update(
                    zip([keys[n] for n in new], forward(self, crops[new]).clone(), strict=True)
                )
            return torch.stack([predictions[key] for key in keys])

        return predict

    with pytest.MonkeyPatch.context() as patch:
        for network in networks:
            patch.setattr(network, "forward", memoize(network.forward))
        yield
