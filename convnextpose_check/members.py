"""Read the members of a folder, zip or tar, checked as far as the container allows.

Readers answer with ``Member`` objects whose bytes are read when asked for. A zip has a CRC for each
member and a compressor one over everything; folders and plain tars have none.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any

from convnextpose_check.errors import ConvNeXtPoseCheckError

COMPRESSORS: dict[bytes, Callable[..., Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ": lzma.open,
}

MAX_MEMBERS = 10_000

DOWNLOAD_AGAIN = "Download it again and compare its size with the one on Drive"


@dataclass(frozen=True)
class Member:
    """One regular file of a container."""

    name: str
    size: int
    read: Callable[[], bytes]

    @property
    def parts(self) -> tuple[str, ...]:
        """The folders and the file that the name goes through."""
        return PurePosixPath(self.name.replace("\\", "/")).parts

    @property
    def is_litter(self) -> bool:
        """Left behind by macOS: resource forks and folder settings."""
        return "__MACOSX" in self.parts or self.parts[-1].startswith(("._", ".DS_Store"))


def decompressed(stream: IO[bytes], head: bytes, limit: int, path: Path) -> IO[bytes]:
    """All that is compressed: only a reader that reaches the end sees the compressor's checksum."""
    opener = next(opener for magic, opener in COMPRESSORS.items() if head.startswith(magic))
    plain = io.BytesIO()
    try:
        with opener(stream) as source:
            while plain.tell() <= limit and (chunk := source.read(1 << 20)):
                plain.write(chunk)
    except Exception as error:  # noqa: BLE001 - each compressor has exceptions of its own
        raise ConvNeXtPoseCheckError(
            "truncated", f"{path} cannot be decompressed to its end ({error})", DOWNLOAD_AGAIN
        ) from None
    if plain.tell() > limit:
        raise _bomb(path, plain.tell(), 1, limit)
    plain.seek(0)
    return plain


def folder_members(folder: Path) -> Iterator[Member]:
    """The files below an unpacked folder, in the order of their names."""
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            yield Member(str(file.relative_to(folder)), file.stat().st_size, file.read_bytes)


def zip_members(stream: IO[bytes], path: Path, stack: ExitStack) -> Iterator[Member]:
    """The files of a zip, which ``stack`` closes; only what a checkpoint needs is accepted."""
    try:
        archive = stack.enter_context(zipfile.ZipFile(stream))
    except Exception as error:  # noqa: BLE001 - zipfile raises whatever it meets
        raise ConvNeXtPoseCheckError(
            "truncated", f"{path} begins as a zip but does not end as one ({error})", DOWNLOAD_AGAIN
        ) from None
    for info in archive.infolist():
        if info.flag_bits & 0x1:
            raise ConvNeXtPoseCheckError(
                "password", f"{path} is a zip with a password", "Unpack it first"
            )
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ConvNeXtPoseCheckError(
                "unsupported-compression",
                f"{path} compresses '{info.filename}' by method {info.compress_type}:"
                " expected stored or deflated",
                "Unpack it and name the unpacked folder",
            )
        if not info.filename.endswith("/"):
            read = partial(_read_zip_member, archive, info, path)
            yield Member(info.filename, info.file_size, read)


def _read_zip_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> bytes:
    """The member's bytes; zipfile checks the CRC, and the length is checked here."""
    try:
        data = archive.read(info)
    except Exception as error:  # noqa: BLE001 - zipfile raises whatever it meets
        code = "bad-crc" if "CRC" in str(error) else "damaged"
        raise ConvNeXtPoseCheckError(
            code, f"'{info.filename}' in {path} is damaged ({error})", DOWNLOAD_AGAIN
        ) from None
    return _whole(data, info.filename, info.file_size, path)


def tar_members(stream: IO[bytes], path: Path, stack: ExitStack) -> Iterator[Member]:
    """The regular files of a plain tar, which ``stack`` closes; links and devices are left out."""
    try:
        archive = tarfile.open(fileobj=stream, mode="r:")  # noqa: SIM115 - closed by the stack
        stack.enter_context(archive)
        for info in archive:
            if info.isfile():
                yield Member(info.name, info.size, partial(_read_tar_member, archive, info, path))
    except Exception as error:  # noqa: BLE001 - tarfile raises whatever it meets
        raise ConvNeXtPoseCheckError(
            "truncated", f"{path} is a tar that cannot be read to its end ({error})", DOWNLOAD_AGAIN
        ) from None


def _read_tar_member(archive: tarfile.TarFile, info: tarfile.TarInfo, path: Path) -> bytes:
    stream = archive.extractfile(info)
    return _whole(stream.read() if stream else b"", info.name, info.size, path)


def _whole(data: bytes, name: str, size: int, path: Path) -> bytes:
    if len(data) != size:
        raise ConvNeXtPoseCheckError(
            "damaged",
            f"'{name}' in {path} holds {len(data)} bytes: expected {size}",
            DOWNLOAD_AGAIN,
        )
    return data


def bounded(members: Iterator[Member], limit: int, path: Path) -> Iterator[Member]:
    """Pass members on until their declared sizes or their number exceed what a checkpoint has."""
    total = 0
    for count, member in enumerate(members, start=1):
        total += member.size
        if total > limit or count > MAX_MEMBERS:
            raise _bomb(path, total, count, limit)
        yield member


def _bomb(path: Path, total: int, count: int, limit: int) -> ConvNeXtPoseCheckError:
    return ConvNeXtPoseCheckError(
        "bomb",
        f"{path} would unpack to {total} bytes or more in {count} files or more:"
        f" expected at most {limit} bytes in {MAX_MEMBERS} files",
        "Download the file from the authors' Drive folder",
    )
