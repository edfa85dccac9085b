"""Every reader names the format of a file that it cannot use, and the remedy."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import pickle
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest
import torch

from convnextpose_check.checkpoints.load import load_checkpoint
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.files.first_bytes import FORMATS, FileFormat, is_part_name
from convnextpose_check.files.json_files import read_json
from convnextpose_check.human36m.crops import UnusableImageError, decode_jpeg
from tests.support.archives import make_tar, make_zip
from tests.support.datasets import make_image

ARCHIVES = {"zip", "gzip", "bzip2", "xz", "tar"}
TEXT = json.dumps({"1": [1, 2]})


def save_old_torch() -> bytes:
    stream = io.BytesIO()
    torch.save({"epoch": 1}, stream, _use_new_zipfile_serialization=False)
    return stream.getvalue()


def encode_image(suffix: str) -> bytes:
    return cv2.imencode(suffix, make_image(1))[1].tobytes()


EXAMPLES: dict[str, bytes] = {
    "empty": b"",
    "git-lfs pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0",
    "zip": make_zip({"a.json": b"{}"}),
    "gzip": gzip.compress(TEXT.encode()),
    "bzip2": bz2.compress(TEXT.encode()),
    "xz": lzma.compress(TEXT.encode()),
    "zstd": b"\x28\xb5\x2f\xfd\x04",
    "7z": b"7z\xbc\xaf\x27\x1c\0\4",
    "rar": b"Rar!\x1a\x07\x01\0",
    "tar": make_tar({"a.json": b"{}"}),
    "old torch": save_old_torch(),
    "pickle": pickle.dumps([1]),
    "safetensors": (16).to_bytes(8, "little") + b'{"a":{"dtype":  }',
    "UTF-16": TEXT.encode("utf-16"),
    "web page": b"\xef\xbb\xbf\r\n<!DOCTYPE html><title>404</title>",
    "PNG": encode_image(".png"),
    "WebP": encode_image(".webp"),
    "AppleDouble": b"\0\5\x16\7\0\2\0\0Mac OS X",
    "zeros": bytes(4000),
    "JSON": TEXT.encode(),
    "JPEG": encode_image(".jpg"),
}


@pytest.mark.parametrize("found", FORMATS, ids=lambda each: each.name)
def test_readers_name_other_format_and_remedy(found: FileFormat, tmp_path: Path) -> None:
    content, path = EXAMPLES[found.name], tmp_path / "file"
    path.write_bytes(content)

    if found.name != "JPEG":
        with pytest.raises(UnusableImageError, match=f"it is {found.description}") as unusable:
            decode_jpeg(content, (100, 80))
        assert found.remedy in str(unusable.value)
    readers: list[tuple[set[str], str, Callable[[], object]]] = [
        ({"JSON"}, "cannot be used: it is", lambda: read_json(path, dict[str, list[int]])),
        ({*ARCHIVES, "safetensors", "web page"}, f"{path} is", lambda: load_checkpoint(path)),
    ]
    for exempt, message, read in readers:
        if found.name not in exempt:
            message = f"{message} {found.description}"
            with pytest.raises(ConvNeXtPoseCheckError, match=message) as caught:
                read()
            assert found.remedy in caught.value.remedy
            assert ("ownload" in caught.value.remedy) is ("ownload" in found.remedy)


def test_read_json_utf16_without_mark_is_named(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    for encoding in ("utf-16-le", "utf-16-be"):
        path.write_text(TEXT, encoding)
        with pytest.raises(ConvNeXtPoseCheckError, match="it is UTF-16 text"):
            read_json(path, dict[str, list[int]])
    path.write_text(TEXT, "utf-8-sig")
    assert read_json(path, dict[str, list[int]]) == {"1": [1, 2]}


@pytest.mark.parametrize(
    ("name", "is_part"),
    [
        *((f"S9.{ending}", True) for ending in (
            "tar.gzaa", "tar.gzba", "tar.gz.aa", "tar.gz.part-ab", "tar.aa", "tar.gz00", "zip.001",
            "7z.002", "z01", "part2.rar",
        )),
        *((f"S9.{ending}", False) for ending in (
            "tar", "tar.gz", "tar.xz", "tar.bz2", "tgz", "pth", "zip", "tar.sha256",
        )),
    ],
)  # fmt: skip
def test_part_of_split_archive_is_recognized_by_name(
    name: str, is_part: bool, tmp_path: Path
) -> None:
    assert is_part_name(name) is is_part
    (tmp_path / name).write_bytes(gzip.compress(bytes(1000))[:-9])
    with pytest.raises(ConvNeXtPoseCheckError) as caught:
        load_checkpoint(tmp_path / name)
    assert ("cat PART PART" in caught.value.remedy) is is_part
