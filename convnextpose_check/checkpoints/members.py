"""Read the members of a folder, zip or tar, with the checks of the container.

A zip has a CRC of each member, a compressed tar a checksum of the whole; folders and plain tars
have neither.
"""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import IO, Any

from convnextpose_check.errors import ConvNeXtPoseCheckError, ErrorCode
from convnextpose_check.files.first_bytes import DOWNLOAD_AGAIN
from convnextpose_check.files.folders import is_file
from convnextpose_check.files.regular_files import open_regular, read_exactly, size_of

COMPRESSORS: dict[str, Callable[..., Any]] = {
    "gzip": gzip.open,
    "bzip2": bz2.open,
    "xz": lzma.open,
}

MAX_MEMBERS = 10_000
MAX_DIRECTORY_BYTES = 2 << 20
"""Limit for a zip's directory; Python's entries for it take up to 15 times as much memory."""
MAX_TAR_HEADERS_BYTES = 2 << 20
"""Limit for a tar's extended headers; Python takes dozens of times as much memory for them."""
CHUNK_BYTES = 1 << 20


class RefusedError(ConvNeXtPoseCheckError):
    """Why a file is refused, to follow its path: ``is a damaged safetensors file``."""

    def __init__(
        self,
        problem: str,
        code: ErrorCode = ErrorCode.UNSAFE_ARCHIVE,
        remedy: str = DOWNLOAD_AGAIN,
    ) -> None:
        super().__init__(code, problem, remedy)


@dataclass(frozen=True)
class Member:
    """A regular file in a container."""

    name: str
    size: int
    open_stream: Callable[[], IO[bytes] | None]

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """Folders and file name."""
        return PurePosixPath(self.name.replace("\\", "/")).parts

    def chunks(self) -> Iterator[bytes]:
        """Read in chunks and check the length; zipfile checks the CRC.

        Raises ``RefusedError``, at the latest at the end, if the content is damaged.
        """
        length = 0
        try:
            stream = self.open_stream()
            assert stream is not None  # extractfile returns None only for irregular files
            with stream:
                while length <= self.size and (chunk := stream.read(CHUNK_BYTES)):
                    length += len(chunk)
                    yield chunk
        except Exception as error:  # noqa: BLE001 - zipfile and tarfile raise any exception
            problem = f"contains a damaged {quote(self.name)} ({error})"
            raise RefusedError(problem, ErrorCode.DAMAGED) from None
        if length != self.size:
            problem = f"contains {length} bytes of {quote(self.name)}: expected {self.size}"
            raise RefusedError(problem, ErrorCode.DAMAGED)


def quote(text: str) -> str:
    """Quote at most 80 characters of an untrusted text for a message, in ASCII."""
    return ascii(text if len(text) <= 80 else f"{text[:80]}...")


def decompress(stream: IO[bytes], form: str, limit: int, stack: ExitStack) -> io.BytesIO:
    """Decompress the whole stream, since it ends with the checksum."""
    plain = stack.enter_context(io.BytesIO())
    try:
        with COMPRESSORS[form](stream) as source:
            while plain.tell() <= limit and (chunk := source.read(CHUNK_BYTES)):
                plain.write(chunk)
    except Exception as error:  # noqa: BLE001 - each compressor has its own exceptions
        problem = f"cannot be decompressed to its end ({error})"
        raise RefusedError(problem, ErrorCode.DAMAGED) from None
    check_size(plain.tell(), limit)
    plain.seek(0)
    return plain


def read_folder(folder: Path, max_bytes: int) -> Iterator[Member]:
    """Read the files below an unpacked folder, sorted by path; linked folders are not entered."""
    entries = list(islice(folder.rglob("*"), MAX_MEMBERS + 1))
    if len(entries) > MAX_MEMBERS:
        raise RefusedError(
            f"contains more than {MAX_MEMBERS} files and folders: a checkpoint has fewer than 1000",
            remedy="Pass the folder with data.pkl, without other files in it",
        )
    total = 0
    for file in sorted(filter(is_file, entries)):
        with open_regular(file) as stream:
            size = size_of(stream)
            total += size
            check_size(total, max_bytes)
            content = read_exactly(stream, size, file)
        yield Member(str(file.relative_to(folder)), size, partial(io.BytesIO, content))


def check_size(size: int, limit: int) -> None:
    """Raise ``RefusedError`` for a larger file or content than that of a checkpoint."""
    if size > limit:
        problem = f"has at least {size} bytes, unpacked: a checkpoint has at most {limit}"
        raise RefusedError(problem, remedy="Pass the checkpoint alone")


def read_zip(stream: IO[bytes], stack: ExitStack) -> Iterator[Member]:
    """The files in a zip, which ``stack`` closes; raises ``RefusedError``."""
    try:
        end = zipfile._EndRecData(stream)  # type: ignore[attr-defined]
        is_small = end is None or end[zipfile._ECD_SIZE] <= MAX_DIRECTORY_BYTES  # type: ignore[attr-defined]
        archive = stack.enter_context(zipfile.ZipFile(stream)) if is_small else None
    except Exception as error:  # noqa: BLE001 - zipfile raises any exception
        problem = f"begins like a zip but does not end like one ({error})"
        raise RefusedError(problem, ErrorCode.DAMAGED) from None
    if archive is None:
        raise RefusedError(f"has a directory of more than {MAX_DIRECTORY_BYTES} bytes")
    for info in archive.infolist():
        is_plain = info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
        if info.flag_bits & 0x1 or not is_plain:
            raise RefusedError(
                f"has a password or an unusual compression for {quote(info.filename)}",
                ErrorCode.UNSUPPORTED_ARCHIVE,
                "Unpack it and pass the unpacked folder",
            )
        if not info.filename.endswith("/"):
            yield Member(info.filename, info.file_size, partial(archive.open, info))


class _PlainHeader(tarfile.TarInfo):
    """Rejects headers that exhaust memory: long, negative, global, sparse ones.

    tarfile copies a global header into every following member.
    """

    def _proc_member(self, archive: "_PlainTar") -> tarfile.TarInfo:
        if self.size < 0 or self.type in (tarfile.GNUTYPE_SPARSE, tarfile.XGLTYPE):
            raise tarfile.ReadError(f"a header of type {self.type!r} with size {self.size}")
        if self.type not in tarfile.REGULAR_TYPES:
            archive.headers_bytes += self.size
            if archive.headers_bytes > MAX_TAR_HEADERS_BYTES:
                raise tarfile.ReadError(f"headers of more than {MAX_TAR_HEADERS_BYTES} bytes")
        return super()._proc_member(archive)  # type: ignore[misc, no-any-return]

    def _refuse_sparse(self, *_: object) -> None:
        raise tarfile.ReadError("a sparse file")

    _proc_gnusparse_00 = _proc_gnusparse_01 = _proc_gnusparse_10 = _refuse_sparse


class _PlainTar(tarfile.TarFile):
    """Counts the bytes of the extended headers."""

    tarinfo = _PlainHeader
    headers_bytes = 0


def read_tar(stream: IO[bytes], stack: ExitStack) -> Iterator[Member]:
    """The regular files in a plain tar, which ``stack`` closes."""
    try:
        archive = stack.enter_context(_PlainTar.open(fileobj=stream, mode="r:"))
        for count, info in enumerate(iter(archive.next, None), start=1):
            if count > MAX_MEMBERS or info.size < 0:
                raise tarfile.ReadError(f"{count} entries, the last of {info.size} bytes")
            archive.members.clear()  # type: ignore[attr-defined]  # to save memory
            info.pax_headers = {}
            if info.isfile():
                yield Member(info.name, info.size, partial(archive.extractfile, info))
    except Exception as error:  # noqa: BLE001 - tarfile raises any exception
        problem = f"is a tar that cannot be read to its end ({error})"
        raise RefusedError(problem, ErrorCode.DAMAGED) from None


def limit_members(members: Iterator[Member], limit: int) -> Iterator[Member]:
    """Yield the members; raises for too many, or too large a declared size."""
    total = 0
    for count, member in enumerate(members, start=1):
        total += member.size
        check_size(total, limit)
        if count > MAX_MEMBERS:
            raise RefusedError(f"contains more than {MAX_MEMBERS} files")
        yield member
