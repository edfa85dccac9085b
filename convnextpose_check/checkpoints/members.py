"""Read the members of a folder, zip or tar, checked as far as the container allows.

A zip has a CRC for each member and a compressor one over everything; folders and plain tars have
none.
"""

from __future__ import annotations

import bz2
import errno
import gzip
import io
import lzma
import os
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any

from convnextpose_check.errors import ConvNeXtPoseCheckError, ErrorCode
from convnextpose_check.files.opening import open_regular, read_whole, size_of

COMPRESSORS: dict[bytes, Callable[..., Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ": lzma.open,
}

MAX_MEMBERS = 10_000
MAX_DIRECTORY_BYTES = 2 << 20
"""Of a zip; Python needs up to fifteen times as much memory for its entries."""
MAX_TAR_HEADER_BYTES = 64 << 10
MAX_TAR_HEADERS_BYTES = 2 << 20
"""Of all extended headers of a tar together; Python needs dozens of times as much memory."""
CHUNK_BYTES = 1 << 20

DOWNLOAD_AGAIN = "Download it again and compare its size with the one on Drive"


@dataclass(frozen=True)
class Member:
    """One regular file of a container."""

    name: str
    size: int
    chunks: Callable[[], Iterator[bytes]]
    """Reads the bytes; raises at the end if they are damaged."""

    @property
    def parts(self) -> tuple[str, ...]:
        """The name split into folders and file."""
        return PurePosixPath(self.name.replace("\\", "/")).parts

    @property
    def is_litter(self) -> bool:
        """True for the resource forks and folder settings of macOS."""
        return "__MACOSX" in self.parts or self.parts[-1].startswith(("._", ".DS_Store"))

    def read(self) -> bytes:
        """All bytes at once."""
        return b"".join(self.chunks())


def shown(text: str) -> str:
    """An untrusted text for a message: quoted, shortened, without control codes."""
    return ascii(text if len(text) <= 80 else f"{text[:80]}...")


def decompressed(
    stream: IO[bytes], head: bytes, limit: int, path: Path, stack: ExitStack
) -> io.BytesIO:
    """The whole uncompressed stream, since the compressor's checksum is at its end."""
    opener = next(opener for magic, opener in COMPRESSORS.items() if head.startswith(magic))
    plain = stack.enter_context(io.BytesIO())
    try:
        with opener(stream) as source:
            while plain.tell() <= limit and (chunk := source.read(CHUNK_BYTES)):
                plain.write(chunk)
    except Exception as error:  # noqa: BLE001 - each compressor has its own exceptions
        raise ConvNeXtPoseCheckError(
            ErrorCode.DAMAGED, f"{path} cannot be decompressed to its end ({error})", DOWNLOAD_AGAIN
        ) from None
    if plain.tell() > limit:
        raise _bomb(path, plain.tell(), 1, limit)
    plain.seek(0)
    return plain


def folder_members(folder: Path, max_bytes: int) -> Iterator[Member]:
    """The files below an unpacked folder, read once, in the order of their names."""
    total = 0
    for file in sorted(_files_below(folder)):
        with open_regular(file) as stream:
            size = size_of(stream)
            total += size
            if total > max_bytes:
                raise too_large(folder, total, max_bytes)
            content = read_whole(stream, size, file)
        yield Member(str(file.relative_to(folder)), size, partial(iter, [content]))


def _files_below(folder: Path) -> Iterator[Path]:
    """Regular files, and links to such; links to folders are not followed."""
    folders, count = [folder], 0
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                count += 1
                if count > MAX_MEMBERS:
                    raise ConvNeXtPoseCheckError(
                        ErrorCode.UNSAFE_ARCHIVE,
                        f"{folder} holds more than {MAX_MEMBERS} files and folders: a checkpoint"
                        " has less than a thousand",
                        "Name the folder that holds data.pkl, without other files in it",
                    )
                if entry.is_dir(follow_symlinks=False):
                    folders.append(Path(entry.path))
                elif entry.is_file():
                    yield Path(entry.path)


def too_large(path: Path, size: int, max_bytes: int) -> ConvNeXtPoseCheckError:
    """The error for a file or folder larger than any checkpoint."""
    return ConvNeXtPoseCheckError(
        ErrorCode.UNSAFE_ARCHIVE,
        f"{path} has {size} bytes or more: a checkpoint has at most {max_bytes}",
        "Name the checkpoint alone",
    )


def zip_members(stream: IO[bytes], path: Path, stack: ExitStack) -> Iterator[Member]:
    """The files of a zip, which ``stack`` closes."""
    try:
        end = zipfile._EndRecData(stream)  # type: ignore[attr-defined]
        is_small = end is None or end[zipfile._ECD_SIZE] <= MAX_DIRECTORY_BYTES  # type: ignore[attr-defined]
        archive = stack.enter_context(zipfile.ZipFile(stream)) if is_small else None
    except Exception as error:  # noqa: BLE001 - zipfile raises any exception
        raise ConvNeXtPoseCheckError(
            ErrorCode.DAMAGED,
            f"{path} begins as a zip but does not end as one ({error})",
            DOWNLOAD_AGAIN,
        ) from None
    if archive is None:
        raise ConvNeXtPoseCheckError(
            ErrorCode.UNSAFE_ARCHIVE,
            f"{path} has a directory of more than {MAX_DIRECTORY_BYTES} bytes",
            "Download the file from the authors' Drive folder",
        )
    for info in archive.infolist():
        if info.flag_bits & 0x1:
            raise ConvNeXtPoseCheckError(
                ErrorCode.UNSUPPORTED_ARCHIVE, f"{path} is a zip with a password", "Unpack it first"
            )
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ConvNeXtPoseCheckError(
                ErrorCode.UNSUPPORTED_ARCHIVE,
                f"{path} compresses {shown(info.filename)} by method {info.compress_type}:"
                " expected stored or deflated",
                "Unpack it and name the unpacked folder",
            )
        if not info.filename.endswith("/"):
            opened = partial(archive.open, info)
            chunks = partial(_whole, opened, info.filename, info.file_size, path)
            yield Member(info.filename, info.file_size, chunks)


class _OddHeaderError(Exception):
    """A tar header that no tar of a checkpoint has."""


class _PlainHeader(tarfile.TarInfo):
    """Refuses headers that make tarfile slow or large: long, negative, global or sparse ones.

    tarfile copies a global header into every following member.
    """

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        is_header = self.type not in tarfile.REGULAR_TYPES
        odd_size = self.size < 0 or (is_header and self.size > MAX_TAR_HEADER_BYTES)
        if odd_size or self.type in (tarfile.GNUTYPE_SPARSE, tarfile.XGLTYPE):
            raise _OddHeaderError(f"a header of type {self.type!r} with size {self.size}")
        if is_header:
            assert isinstance(archive, _PlainTar)
            archive.headers_bytes += self.size
            if archive.headers_bytes > MAX_TAR_HEADERS_BYTES:
                raise _OddHeaderError(f"headers of more than {MAX_TAR_HEADERS_BYTES} bytes")
        return super()._proc_member(archive)  # type: ignore[misc, no-any-return]

    def _refuse_sparse(self, *_: object) -> None:
        raise _OddHeaderError("a sparse file")

    _proc_gnusparse_00 = _proc_gnusparse_01 = _proc_gnusparse_10 = _refuse_sparse


class _PlainTar(tarfile.TarFile):
    """A tar that counts the bytes of its extended headers."""

    tarinfo = _PlainHeader
    headers_bytes = 0


def tar_members(stream: IO[bytes], path: Path, stack: ExitStack) -> Iterator[Member]:
    """The regular files of a plain tar, which ``stack`` closes; links and devices are left out."""
    try:
        archive = stack.enter_context(_PlainTar.open(fileobj=stream, mode="r:"))
        for count, info in enumerate(iter(archive.next, None), start=1):
            if count > MAX_MEMBERS or info.size < 0:
                raise _OddHeaderError(f"{count} entries, the last of {info.size} bytes")
            archive.members.clear()  # type: ignore[attr-defined]  # to save memory
            info.pax_headers = {}
            if info.isfile():
                opened = partial(archive.extractfile, info)
                chunks = partial(_whole, opened, info.name, info.size, path)
                yield Member(info.name, info.size, chunks)
    except Exception as error:  # noqa: BLE001 - tarfile raises any exception
        raise ConvNeXtPoseCheckError(
            ErrorCode.DAMAGED,
            f"{path} is a tar that cannot be read to its end ({error})",
            DOWNLOAD_AGAIN,
        ) from None


def _whole(
    opened: Callable[..., IO[bytes] | None], name: str, size: int, path: Path
) -> Iterator[bytes]:
    """The member's bytes in chunks, of the declared length; zipfile checks the CRC."""
    length = 0
    try:
        stream = opened()
        assert stream is not None  # extractfile returns None only for irregular files
        with stream:
            while length <= size and (chunk := stream.read(CHUNK_BYTES)):
                length += len(chunk)
                yield chunk
    except Exception as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise  # by the disk; an archive only causes a seek to an impossible place
        raise ConvNeXtPoseCheckError(
            ErrorCode.DAMAGED, f"{shown(name)} in {path} is damaged ({error})", DOWNLOAD_AGAIN
        ) from None
    if length != size:
        raise ConvNeXtPoseCheckError(
            ErrorCode.DAMAGED,
            f"{shown(name)} in {path} holds {length} bytes or more: expected {size}",
            DOWNLOAD_AGAIN,
        )


def bounded(members: Iterator[Member], limit: int, path: Path) -> Iterator[Member]:
    """The members; raises once their declared sizes or their number exceed a checkpoint's."""
    total = 0
    for count, member in enumerate(members, start=1):
        total += member.size
        if total > limit or count > MAX_MEMBERS:
            raise _bomb(path, total, count, limit)
        yield member


def _bomb(path: Path, total: int, count: int, limit: int) -> ConvNeXtPoseCheckError:
    return ConvNeXtPoseCheckError(
        ErrorCode.UNSAFE_ARCHIVE,
        f"{path} would unpack to {total} bytes or more in {count} files or more:"
        f" expected at most {limit} bytes in {MAX_MEMBERS} files",
        "Download the file from the authors' Drive folder",
    )
