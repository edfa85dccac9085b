"""The weights as safetensors: the archive's bits, and where they are from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from convnextpose_check.checkpoints.load import Checkpoint
from convnextpose_check.checkpoints.safetensors_file import write_safetensors
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.network.layout import build_network, modern_state
from convnextpose_check.variants import Architecture
from tests.support.archives import EPOCH, checkpoint_of, content_of
from tests.support.deferred import Deferred

if TYPE_CHECKING:
    import torch
else:
    torch = Deferred("torch")


@pytest.fixture
def checkpoint(tiny: Architecture) -> Checkpoint:
    """A legacy one, with the bits that are easily lost, and a view of another's storage."""
    network = content_of(tiny, legacy=True)["network"]
    weight = next(key for key, tensor in network.items() if tensor.ndim == 4)
    network[weight] = network[weight].transpose(2, 3)
    bias = next(key for key in network if key.endswith("bias"))
    network[bias][:2] = torch.tensor([-0.0, 1e-40])  # a signed zero and a subnormal number
    return checkpoint_of(network)


def test_safetensors_hold_the_archives_bits_under_the_networks_names(
    checkpoint: Checkpoint, tiny: Architecture, tmp_path: Path
) -> None:
    from safetensors.torch import load_file

    written = load_file(write_safetensors(checkpoint, "L", tmp_path / "snapshot_83.pth"))

    expected = modern_state(checkpoint.network)
    assert written.keys() == expected.keys()
    for key, tensor in expected.items():
        assert (written[key].dtype, written[key].shape) == (tensor.dtype, tensor.shape)
        assert written[key].numpy().tobytes() == tensor.numpy().tobytes(), key
    build_network(tiny, written, torch.device("cpu"))  # loads strictly


def test_metadata_name_variant_epoch_and_the_file(checkpoint: Checkpoint, tmp_path: Path) -> None:
    from safetensors import safe_open

    path = write_safetensors(checkpoint, "L", tmp_path / "snapshot_83.pth")

    assert path == tmp_path / "snapshot_83.safetensors"
    with safe_open(path, framework="numpy") as opened:
        assert opened.metadata() == {
            "format": "pt",
            "variant": "L",
            "epoch": str(EPOCH),
            "source_sha256": checkpoint.sha256,
        }


@pytest.mark.parametrize("theirs", ["another checkpoint", "no safetensors"])
def test_file_of_another_origin_is_left_alone(
    checkpoint: Checkpoint, tmp_path: Path, theirs: str
) -> None:
    path = tmp_path / "snapshot_83.safetensors"
    path.write_text(theirs)
    if theirs == "another checkpoint":
        path.unlink()
        write_safetensors(replace(checkpoint, sha256="f" * 64), "L", tmp_path / "snapshot_83.pth")
    before = path.read_bytes()

    written = write_safetensors(checkpoint, "L", tmp_path / "snapshot_83.pth")

    assert path.read_bytes() == before
    assert written == tmp_path / f"L_{checkpoint.sha256[:8]}" / "snapshot_83.safetensors"
    assert write_safetensors(checkpoint, "L", written.with_suffix(".pth")) == written


def test_folder_that_cannot_be_written_is_one_sentence(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    (tmp_path / "dump").write_text("in the way")

    with pytest.raises(ConvNeXtPoseCheckError, match=r"\[cannot-write\]"):
        write_safetensors(checkpoint, "L", tmp_path / "dump" / "snapshot_83.pth")
