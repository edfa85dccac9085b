"""Networks that remember their predictions."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from torch.nn import Module


@contextmanager
def remembered(*networks: type[Module]) -> Iterator[None]:
    """Let networks of these types predict each crop once.

    A network is identified by its prediction for a crop of noise.
    """
    import torch

    answers: dict[bytes, Any] = {}
    noise = torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(0)) * 255

    def wrapped(forward: Any) -> Any:
        def ask(self: Any, crops: Any) -> Any:
            norms = [m for m in self.modules() if isinstance(m, torch.nn.BatchNorm2d)]
            if any(norm.training or norm.running_mean is None for norm in norms):
                return forward(self, crops)  # predictions depend on the batch
            if "whose" not in self.__dict__:
                answer = forward(self, noise.to(crops.device))
                self.whose = answer.cpu().numpy().tobytes() + repr(type(self)).encode()
            shown = crops.cpu().numpy()
            keys = [hashlib.sha256(self.whose + crop.tobytes()).digest() for crop in shown]
            new = [n for n, key in enumerate(keys) if key not in answers]
            if new:
                answers.update(
                    zip([keys[n] for n in new], forward(self, crops[new]).clone(), strict=True)
                )
            return torch.stack([answers[key] for key in keys])

        return ask

    with pytest.MonkeyPatch.context() as patch:
        for network in networks:
            patch.setattr(network, "forward", wrapped(network.forward))
        yield
