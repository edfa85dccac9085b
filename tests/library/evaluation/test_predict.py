"""Predictions: flip test, and smaller batches if memory does not suffice."""

from __future__ import annotations

from unittest.mock import Mock

import numpy as np
import pytest
import torch

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.evaluation.predict import Predictor, predict
from convnextpose_check.variants import Architecture
from tests.support.passes import CornerNetwork, SmallMemory


def test_predict_flip_averages_mirrored_pass(tiny: Architecture) -> None:
    """In 32 columns, x of the mirrored pass becomes 31 - x, and right becomes left."""
    plain, mirrored = np.zeros((2, 18, 3))
    plain[1], mirrored[4] = (10, 20, 3), (17, 22, 5)
    plain[4], mirrored[1] = (25, 21, 4), (8, 19, 4)
    plain[9], mirrored[9] = (16, 2, 1), (15, 4, 2)
    plain[16], mirrored[13] = (3, 3, 3), (30, 5, 5)
    predictions = torch.from_numpy(np.stack([plain, mirrored]).astype(np.float32))
    network = Mock(architecture=tiny, return_value=predictions)
    crops = torch.arange(3 * 256 * 256, dtype=torch.float32).view(1, 3, 256, 256)

    cells_xyz = predict(network, crops, flip=True)[0]

    assert cells_xyz[1].tolist() == [(10 + 14) / 2, 21, 4]
    assert cells_xyz[4].tolist() == [(25 + 23) / 2, 20, 4]
    assert cells_xyz[9].tolist() == [16, 3, 1.5]
    assert cells_xyz[16].tolist() == [(3 + 1) / 2, 4, 4]
    (both,) = network.call_args.args
    assert torch.equal(both[:1], crops)
    assert both[1, 1, 7, 3] == crops[0, 1, 7, 252]
    assert torch.equal(both[1:].flip(3), crops)


def test_predictor_halves_batch_size_down_to_one(tiny: Architecture) -> None:
    notes: list[str] = []
    network = SmallMemory(CornerNetwork(tiny, 0), 1)
    predictor = Predictor(network, flip=False, batch_size=8, write_line=notes.append)
    crops = torch.arange(8.0).view(8, 1, 1, 1).expand(8, 3, 256, 256)

    for _ in range(2):
        torch.backends.cuda.matmul.allow_tf32 = True  # as other code may do
        assert (predictor(crops)[:, 0, 0] * 40).tolist() == list(range(8))
        assert not torch.backends.cuda.matmul.allow_tf32

    assert network.sizes == [1] * 16
    assert notes == [f"out of memory on cpu: retrying with {size} images" for size in (4, 2, 1)]
    network.capacity = 0
    with pytest.raises(ConvNeXtPoseCheckError, match=r"out-of-memory.*single image.*--device cpu"):
        predictor(crops)
