"""Every container of a sound checkpoint opens to the same bits."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from convnextpose_check.checkpoints.load import load_checkpoint
from convnextpose_check.checkpoints.unpack import repack
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.miniature.archives import made_epoch
from convnextpose_check.miniature.weights import seeded_state
from convnextpose_check.variants import Architecture
from tests.support.archives import (
    EPOCH,
    FORMS,
    FormWriter,
    authors_archive,
    content_of,
    differing_keys,
    file_of,
    saved,
    tiny_variant,
    zipped,
)


@pytest.fixture(scope="module")
def archive(tiny: Architecture) -> bytes:
    return saved(content_of(tiny))


@pytest.mark.parametrize("write", FORMS.values(), ids=FORMS)
def test_every_form_opens_to_the_same_bits(
    write: FormWriter, archive: bytes, tiny: Architecture, tmp_path: Path
) -> None:
    checkpoint = load_checkpoint(write(archive, tmp_path))
    network = content_of(tiny)["network"]
    assert list(checkpoint.network) == list(network)
    assert differing_keys(checkpoint.network, network) == []
    assert checkpoint.epoch == EPOCH


@pytest.mark.parametrize("form", ["as_saved", "folder", "zip_with_litter", "tar_gz_around_pth"])
def test_authors_container_opens_to_the_same_bits(
    form: str, tiny: Architecture, tmp_path: Path
) -> None:
    """It has the layout of older versions of torch."""
    variant = tiny_variant(tiny, "L")
    checkpoint = load_checkpoint(FORMS[form](authors_archive(variant, tmp_path), tmp_path))
    values = seeded_state(tiny, made_epoch(variant)).values()
    expected = dict(zip(checkpoint.network, values, strict=True))
    assert differing_keys(checkpoint.network, expected) == []
    assert checkpoint.epoch == made_epoch(variant)


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("as_saved", "zip"),
        ("folder", "folder"),
        ("tar_of_folder", "tar"),
        ("tar_gz_of_folder", "compressed tar"),
        ("zip_around_tar_gz", "zip in compressed tar in zip"),
    ],
)
def test_repack_returns_the_form(form: str, expected: str, archive: bytes, tmp_path: Path) -> None:
    assert repack(FORMS[form](archive, tmp_path)).form == expected


def test_sha256_is_that_of_the_file(tmp_path: Path) -> None:
    content = zipped({"data.pkl": b"1", "data/0": b"2"})
    path = file_of("ConvNeXtPose_L.tar")(content, tmp_path)
    assert repack(path).sha256 == hashlib.sha256(content).hexdigest()


def test_sha256_of_a_folder_covers_its_bytes(archive: bytes, tmp_path: Path) -> None:
    first = repack(FORMS["folder"](archive, tmp_path / "a")).sha256
    folder = FORMS["folder"](archive, tmp_path / "b")
    assert repack(folder).sha256 == first
    (folder / "data" / "0").write_bytes(bytes((folder / "data" / "0").stat().st_size))
    assert repack(folder).sha256 != first


@pytest.mark.parametrize(
    ("place", "code"),
    [
        ("missing.tar", "file-not-found"),
        (".", "not-a-checkpoint"),
        ("file/below.tar", "unreadable"),
    ],
)
def test_path_without_a_checkpoint_is_refused(place: str, code: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConvNeXtPoseCheckError, match=rf"^\[{code}\] ") as caught:
        load_checkpoint(tmp_path / place)
    assert str(tmp_path / place) in caught.value.problem
    assert caught.value.remedy
