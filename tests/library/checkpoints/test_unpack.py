from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from convnextpose_check.checkpoints import members
from convnextpose_check.checkpoints import unpack as containers
from convnextpose_check.checkpoints.load import load_checkpoint
from convnextpose_check.checkpoints.unpack import repack
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.miniature.archives import made_epoch
from convnextpose_check.miniature.build import Miniature
from convnextpose_check.miniature.weights import seeded_state
from convnextpose_check.variants import Architecture, Catalogue
from tests.support.archives import (
    EPOCH,
    FORMS,
    FormWriter,
    authors_archive,
    content_of,
    differing_keys,
    file_of,
    members_of,
    saved,
    tarred,
    tiny_variant,
    zipped,
)
from tests.support.properties import given, settings, st

HTML = b"<!DOCTYPE html><html><title>Google Drive - Quota exceeded</title></html>"


@pytest.fixture(scope="module")
def archive(tiny: Architecture) -> bytes:
    return saved(content_of(tiny))


def _assert_refused(path: Path, *codes: str) -> None:
    with pytest.raises(ConvNeXtPoseCheckError) as caught:
        load_checkpoint(path)
    error = caught.value
    assert error.code in codes
    assert str(path) in error.problem
    assert error.remedy
    assert "weights_only" not in str(error)


@pytest.mark.parametrize("write", FORMS.values(), ids=FORMS)
def test_every_form_opens_to_the_same_bits(
    write: FormWriter, archive: bytes, tiny: Architecture, tmp_path: Path
) -> None:
    checkpoint = load_checkpoint(write(archive, tmp_path))
    network = content_of(tiny)["network"]
    assert list(checkpoint.network) == list(network)
    assert differing_keys(checkpoint.network, network) == []
    assert checkpoint.epoch == EPOCH


@pytest.mark.parametrize("write", FORMS.values(), ids=FORMS)
def test_every_form_of_the_authors_container_opens_to_the_same_bits(
    write: FormWriter, tiny: Architecture, tmp_path: Path
) -> None:
    variant = tiny_variant(tiny, "L")
    checkpoint = load_checkpoint(write(authors_archive(variant, tmp_path), tmp_path))
    values = seeded_state(tiny, made_epoch(variant)).values()
    expected = dict(zip(checkpoint.network, values, strict=True))
    assert differing_keys(checkpoint.network, expected) == []
    assert checkpoint.epoch == made_epoch(variant)


@pytest.mark.parametrize("form", ["as_saved", "second_download", "folder", "zip_around_pth"])
def test_the_miniature_opens_to_its_seeded_weights(
    form: str, miniature: Miniature, catalogue: Catalogue, tmp_path: Path
) -> None:
    variant = catalogue["XS"]
    archive = (miniature.checkpoints / variant.checkpoint.file_name).read_bytes()
    checkpoint = load_checkpoint(FORMS[form](archive, tmp_path))
    state = seeded_state(variant.architecture, made_epoch(variant))
    expected = {f"module.{key}": tensor for key, tensor in state.items()}
    assert differing_keys(checkpoint.network, expected) == []
    assert checkpoint.epoch == made_epoch(variant)


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ("as_saved", "zip"),
        ("folder", "folder"),
        ("tar_of_folder", "tar"),
        ("tar_gz_of_folder", "compressed tar"),
        ("tar_around_pth", "zip in tar"),
        ("zip_around_tar_gz", "zip in compressed tar in zip"),
    ],
)
def test_the_form_is_told(form: str, told: str, archive: bytes, tmp_path: Path) -> None:
    assert repack(FORMS[form](archive, tmp_path)).form == told


def test_the_sha256_is_that_of_the_file(tmp_path: Path) -> None:
    content = zipped({"data.pkl": b"1", "data/0": b"2"})
    path = file_of("ConvNeXtPose_L.tar")(content, tmp_path)
    assert repack(path).sha256 == hashlib.sha256(content).hexdigest()


def test_the_sha256_of_a_folder_covers_its_bytes(archive: bytes, tmp_path: Path) -> None:
    first = repack(FORMS["folder"](archive, tmp_path / "a")).sha256
    folder = FORMS["folder"](archive, tmp_path / "b")
    assert repack(folder).sha256 == first
    (folder / "data" / "0").write_bytes(bytes((folder / "data" / "0").stat().st_size))
    assert repack(folder).sha256 != first


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (HTML, "html-page"),
        (b"\xef\xbb\xbf" + HTML, "html-page"),
        (b"\r\n\t " + HTML, "html-page"),
        (b"", "empty"),
        (b"gdown: too many users have viewed this file\n", "not-an-archive"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "not-an-archive"),
        (b"Rar!\x1a\7\1\0", "not-an-archive"),
        (b"PK", "not-an-archive"),
        (b"\x1f\x8b\x08", "truncated"),
        (b"BZh9", "truncated"),
        (b"\xfd7zXZ\0", "truncated"),
        (zipped({"readme.txt": b"hello"}), "no-checkpoint"),
        (zipped({}, ""), "not-an-archive"),
        (zipped({"data.pkl": b"}."}), "no-checkpoint"),
        (zipped({"a/data.pkl": b"", "b/data.pkl": b""}), "several-checkpoints"),
        (zipped({"a.pth": b"", "b.tar": b""}), "several-checkpoints"),
        (zipped({"s/data.pkl": b"", "b.tar": b""}), "several-checkpoints"),
        (zipped({"a.pth": HTML}), "html-page"),
        (tarred({"s/data.pkl": b"1", "./s/data.pkl": b"2"}), "duplicate-member"),
        (tarred({"a.txt": b"1"}), "no-checkpoint"),
        (zipped({"data.pkl": b"", ".": b"1", "/": b"", "data/0": b""}, ""), "bad-pickle"),
    ],
)
def test_what_is_no_checkpoint_is_refused(content: bytes, code: str, tmp_path: Path) -> None:
    path = tmp_path / "ConvNeXtPose_L.tar"
    path.write_bytes(content)
    _assert_refused(path, code)


@pytest.mark.parametrize(
    ("place", "code"),
    [("missing.tar", "missing"), (".", "no-checkpoint"), ("file/below.tar", "unreadable")],
)
def test_a_place_without_a_file_is_refused(place: str, code: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    _assert_refused(tmp_path / place, code)


@pytest.mark.parametrize("share", [0.02, 0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize(
    "form", ["as_saved", "zipped_again_deflated", "tar_around_pth", "tar_gz_of_folder"]
)
def test_a_download_that_was_cut_off_is_refused(
    form: str, share: float, archive: bytes, tmp_path: Path
) -> None:
    path = FORMS[form](archive, tmp_path)
    whole = path.read_bytes()
    end = len(whole.rstrip(b"\0"))  # the zeros after a tar's last member say nothing
    path.write_bytes(whole[: int(end * share)])
    _assert_refused(path, "truncated")


@pytest.mark.parametrize("missing_bytes", [1, 21, 22, 23, 100])
def test_a_zip_without_its_last_bytes_is_refused(
    missing_bytes: int, archive: bytes, tmp_path: Path
) -> None:
    path = file_of("ConvNeXtPose_L.tar")(archive[:-missing_bytes], tmp_path)
    _assert_refused(path, "truncated")


@pytest.mark.parametrize("form", ["as_saved", "zip_around_pth", "tar_around_pth"])
def test_a_flipped_bit_in_a_storage_is_refused(form: str, archive: bytes, tmp_path: Path) -> None:
    storage = members_of(archive)["data/0"]
    path = FORMS[form](archive, tmp_path)
    whole = bytearray(path.read_bytes())
    whole[whole.index(storage) + 2] ^= 1
    path.write_bytes(whole)
    _assert_refused(path, "bad-crc")


@pytest.mark.parametrize("form", ["tar_gz_of_folder", "tar_gz_around_pth", "tar_xz_around_pth"])
def test_a_wrong_checksum_of_a_compressed_tar_is_refused(
    form: str, archive: bytes, tmp_path: Path
) -> None:
    path = FORMS[form](archive, tmp_path)
    whole = bytearray(path.read_bytes())
    whole[-6] ^= 1
    path.write_bytes(whole)
    _assert_refused(path, "truncated")


def test_a_zip_with_a_password_is_refused(archive: bytes, tmp_path: Path) -> None:
    whole = bytearray(archive)
    whole[whole.rindex(b"PK\x01\x02") + 8] |= 1
    _assert_refused(file_of("ConvNeXtPose_L.tar")(bytes(whole), tmp_path), "password")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_an_unusual_compression_is_refused(method: int, archive: bytes, tmp_path: Path) -> None:
    again = zipped(members_of(archive), compression=method)
    _assert_refused(file_of("a.zip")(again, tmp_path), "unsupported-compression")


def test_a_repeated_member_is_refused(archive: bytes, tmp_path: Path) -> None:
    members = members_of(archive)
    again = zipped(members | {"data/X": members["data/0"]}).replace(b"data/X", b"data/0")
    _assert_refused(file_of("a.zip")(again, tmp_path), "duplicate-member")


@pytest.mark.parametrize(
    "wrap",
    [
        lambda zeros: zipped({"data.pkl": b"", "data/0": zeros}, "", zipfile.ZIP_DEFLATED),
        lambda zeros: tarred({"data.pkl": b"", "data/0": zeros}, mode="w:gz"),
        lambda zeros: zipped({"a.zip": zipped({"data.pkl": zeros}, "", zipfile.ZIP_DEFLATED)}, ""),
    ],
    ids=["zip", "tar_gz", "zip_in_zip"],
)
def test_a_bomb_is_refused(
    wrap: Callable[[bytes], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(containers, "UNPACKED_SLACK_BYTES", 1 << 16)
    path = file_of("ConvNeXtPose_L.tar", lambda _: wrap(bytes(1 << 22)))(b"", tmp_path)
    _assert_refused(path, "bomb")


def test_too_many_members_are_refused(
    archive: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(members, "MAX_MEMBERS", 9)
    _assert_refused(file_of("a.pth")(archive, tmp_path), "bomb")


def test_archives_nested_too_deep_are_refused(archive: bytes, tmp_path: Path) -> None:
    for _ in range(containers.MAX_NESTING + 1):
        archive = zipped({"a.zip": archive}, "")
    _assert_refused(file_of("a.zip")(archive, tmp_path), "no-checkpoint")


@pytest.mark.parametrize("size", [-1024, -512, 1 << 40])
@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_tar_that_lies_about_a_size_is_refused(kind: bytes, size: int, tmp_path: Path) -> None:
    info = tarfile.TarInfo("data.pkl")
    info.size, info.type = size, kind
    header = info.tobuf(tarfile.GNU_FORMAT)
    path = file_of("a.tar")(header + bytes(4096), tmp_path)
    _assert_refused(path, "truncated", "damaged", "bomb")


@pytest.mark.parametrize(
    "form", ["as_saved", "zipped_again_deflated", "tar_gz_of_folder", "tar_xz_around_pth"]
)
@settings(max_examples=60, deadline=None, database=None, derandomize=True)
@given(data=st.data())
def test_whatever_is_damaged_opens_to_the_same_bits_or_is_refused(
    form: str, data: st.DataObject, archive: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = FORMS[form](archive, tmp_path_factory.getbasetemp())
    whole = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, 2000) | st.integers(-3000, -1))
    whole[place % len(whole)] = data.draw(st.integers(0, 255))
    path.write_bytes(whole)
    try:
        found = load_checkpoint(path).network
    except ConvNeXtPoseCheckError as error:
        assert str(path) in error.problem  # noqa: PT017 - either outcome will do
    else:
        path.write_bytes(archive)
        assert differing_keys(found, load_checkpoint(path).network) == []


def test_nothing_is_written_where_an_archive_asks(archive: bytes, tmp_path: Path) -> None:
    members = {f"../../{name}": data for name, data in members_of(archive).items()}
    path = file_of("a.tar", lambda _: tarred(members))(b"", tmp_path)
    load_checkpoint(path)
    assert list(tmp_path.iterdir()) == [path]


def test_links_in_a_tar_are_not_followed(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo("s/data.pkl")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(info)
    path = file_of("a.tar")(buffer.getvalue(), tmp_path)
    _assert_refused(path, "no-checkpoint")
