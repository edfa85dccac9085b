"""What sound files load to; ``tests/hostile`` has the files that are refused."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from convnextpose_check.checkpoints.load import load_checkpoint
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.variants import Architecture
from tests.support.archives import content_of, saved


def _file(folder: Path, content: Any) -> Path:
    path = folder / "ConvNeXtPose_L.tar"
    path.write_bytes(saved(content))
    return path


def test_load_checkpoint_returns_epoch_and_network(tiny: Architecture, tmp_path: Path) -> None:
    content = content_of(tiny, epoch=0)
    checkpoint = load_checkpoint(_file(tmp_path, content))
    assert checkpoint.epoch == 0
    assert list(checkpoint.network) == list(content["network"])
    assert type(checkpoint.network) is dict


@pytest.mark.parametrize(
    "make",
    [lambda: torch.tensor(3), lambda: torch.empty(0), lambda: torch.arange(100.0)[10:20]],
    ids=["scalar", "no_element", "slice"],
)
def test_plain_tensors_load(make: Callable[[], torch.Tensor], tmp_path: Path) -> None:
    content = {"epoch": 1, "network": OrderedDict({"module.w": make()})}
    assert load_checkpoint(_file(tmp_path, content)).network["module.w"].equal(make())


def test_torch_load_is_called_with_weights_only_and_its_advice_is_hidden(
    tiny: Architecture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {}

    def load(*_: Any, **given: Any) -> None:
        options.update(given)
        raise pickle.UnpicklingError("re-running with weights_only=False will likely succeed")

    path = _file(tmp_path, content_of(tiny))
    monkeypatch.setattr("torch.load", load)
    with pytest.raises(ConvNeXtPoseCheckError) as caught:
        load_checkpoint(path)
    assert options["weights_only"] is True
    assert caught.value.code == "unsafe-archive"
    assert "UnpicklingError" in caught.value.problem
    assert "weights_only" not in str(caught.value)
    assert caught.value.__suppress_context__
