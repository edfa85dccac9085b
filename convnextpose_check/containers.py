"""Every container that users hold a checkpoint in, repacked to the one form that torch reads.

A checkpoint is what ``torch.save`` writes: ``data.pkl``, ``version`` and numbered storages below
one folder of a zip. Downloads, mirrors and unpackers wrap, rename, unpack and zip that again. This
module finds the one ``data.pkl``, reads its members with CRC checks, and writes them into a fresh
stored zip in memory. Nothing is ever written to disk under a name that an archive chose.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import re
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any

from convnextpose_check.errors import ConvNeXtPoseCheckError

ZIP_MAGIC = b"PK\x03\x04"
COMPRESSORS: dict[bytes, Callable[..., Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ": lzma.open,
}
TAR_MAGIC = b"ustar"
TAR_MAGIC_OFFSET = 257

INNER_ARCHIVE_SUFFIXES = (".pth", ".pt", ".tar", ".zip", ".tgz", ".gz")
MAX_NESTING = 3
MAX_MEMBERS = 10_000
MAX_UNPACKED_RATIO = 3
"""Weights hardly compress: what unpacks to more than this times its size is no checkpoint."""
UNPACKED_SLACK_BYTES = 64 << 20

DOWNLOAD_AGAIN = "Download it again and compare its size with the one on Drive"


@dataclass(frozen=True)
class Repacked:
    """A checkpoint in the one form that is loaded, what it was found in, and the file's sha256.

    The sha256 of an unpacked folder is taken over the names, sizes and bytes of its files.
    """

    archive: io.BytesIO
    pickle: bytes
    form: str
    sha256: str


def repack(path: Path) -> Repacked:
    """Open ``path``, a file or an unpacked folder, and repack the one checkpoint in it.

    Raises ``ConvNeXtPoseCheckError`` with one of the codes ``missing``, ``unreadable``, ``empty``,
    ``html-page``, ``not-an-archive``, ``truncated``, ``bad-crc``, ``damaged``, ``password``,
    ``unsupported-compression``, ``bomb``, ``no-checkpoint``, ``several-checkpoints`` and
    ``duplicate-member``.
    """
    try:
        with ExitStack() as stack:
            if path.is_dir():
                members = list(_folder_members(path))
                sha256 = _members_sha256(members)
                form, members = _find(members, "folder", path, stack, depth=0)
            else:
                stream = stack.enter_context(path.open("rb"))
                sha256 = _stream_sha256(stream)
                form, members = _open(stream, path, stack, depth=0)
            archive, pickle = _write(members, path)
    except FileNotFoundError:
        raise ConvNeXtPoseCheckError(
            "missing", f"there is no file {path}", "Check its name"
        ) from None
    except OSError as error:
        raise ConvNeXtPoseCheckError(
            "unreadable", f"cannot read {path}: {error.strerror or error}", "Check its permissions"
        ) from None
    return Repacked(archive, pickle, form, sha256)


@dataclass(frozen=True)
class _Member:
    """One regular file of a container."""

    name: str
    size: int
    read: Callable[[], bytes]

    @property
    def parts(self) -> tuple[str, ...]:
        return PurePosixPath(self.name.replace("\\", "/")).parts

    @property
    def is_litter(self) -> bool:
        """Left behind by macOS: resource forks and folder settings."""
        return "__MACOSX" in self.parts or self.parts[-1].startswith(("._", ".DS_Store"))


def _stream_sha256(stream: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while chunk := stream.read(1 << 20):
        digest.update(chunk)
    stream.seek(0)
    return digest.hexdigest()


def _members_sha256(members: list[_Member]) -> str:
    digest = hashlib.sha256()
    for member in sorted(members, key=lambda member: member.name):
        digest.update(f"{member.name}\0{member.size}\0".encode("utf-8", "surrogateescape"))
        digest.update(member.read())
    return digest.hexdigest()


def _open(stream: IO[bytes], path: Path, stack: ExitStack, depth: int) -> tuple[str, list[_Member]]:
    """Tell the container by its first bytes, never by its name, and find the checkpoint in it."""
    head = stream.read(TAR_MAGIC_OFFSET + len(TAR_MAGIC))
    size = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    limit = MAX_UNPACKED_RATIO * size + UNPACKED_SLACK_BYTES
    if head.startswith(ZIP_MAGIC):
        form, members = "zip", _zip_members(stream, path, stack)
    elif head.startswith(tuple(COMPRESSORS)):
        stream = _decompressed(stream, head, limit, path)
        form, members = "compressed tar", _tar_members(stream, path, stack)
    elif head[TAR_MAGIC_OFFSET:] == TAR_MAGIC:
        form, members = "tar", _tar_members(stream, path, stack)
    else:
        raise _unrecognised(head, size, path)
    return _find(list(_bounded(members, limit, path)), form, path, stack, depth)


def _unrecognised(head: bytes, size: int, path: Path) -> ConvNeXtPoseCheckError:
    if size == 0:
        return ConvNeXtPoseCheckError("empty", f"{path} is empty", DOWNLOAD_AGAIN)
    if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<":
        return ConvNeXtPoseCheckError(
            "html-page",
            f"{path} is a web page, not a checkpoint: Drive answered with its quota, permission or"
            " sign-in page",
            "Open the Drive folder in a browser and download the file there, or try again after"
            " 24 hours",
        )
    return ConvNeXtPoseCheckError(
        "not-an-archive",
        f"{path} begins with {head[:4]!r}: expected a zip, as torch.save writes it, or a tar"
        " around one",
        DOWNLOAD_AGAIN,
    )


def _decompressed(stream: IO[bytes], head: bytes, limit: int, path: Path) -> IO[bytes]:
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


def _folder_members(folder: Path) -> Iterator[_Member]:
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            yield _Member(str(file.relative_to(folder)), file.stat().st_size, file.read_bytes)


def _zip_members(stream: IO[bytes], path: Path, stack: ExitStack) -> Iterator[_Member]:
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
            yield _Member(info.filename, info.file_size, read)


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


def _tar_members(stream: IO[bytes], path: Path, stack: ExitStack) -> Iterator[_Member]:
    try:
        archive = tarfile.open(fileobj=stream, mode="r:")  # noqa: SIM115 - closed by the stack
        stack.enter_context(archive)
        for info in archive:
            if info.isfile():
                yield _Member(info.name, info.size, partial(_read_tar_member, archive, info, path))
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


def _bounded(members: Iterator[_Member], limit: int, path: Path) -> Iterator[_Member]:
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


def _find(
    members: list[_Member], form: str, path: Path, stack: ExitStack, depth: int
) -> tuple[str, list[_Member]]:
    """The members below the folder of the one ``data.pkl``, looking into inner archives too."""
    members = [member for member in members if member.parts and not member.is_litter]
    names = Counter(member.parts for member in members)
    if repeated := [parts for parts, count in names.items() if count > 1]:
        raise ConvNeXtPoseCheckError(
            "duplicate-member",
            f"{path} holds '{'/'.join(repeated[0])}' more than once",
            DOWNLOAD_AGAIN,
        )
    pickles = [member.parts for member in members if member.parts[-1] == "data.pkl"]
    inner = [m for m in members if m.name.lower().endswith(INNER_ARCHIVE_SUFFIXES)]
    several = ["/".join(parts) for parts in pickles] + [member.name for member in inner]
    if len(several) > 1:
        raise ConvNeXtPoseCheckError(
            "several-checkpoints",
            f"{path} holds {len(several)} checkpoints ({', '.join(several[:4])})",
            "Unpack it and name the one that is meant",
        )
    if pickles:
        folder = pickles[0][:-1]
        inside = [member for member in members if member.parts[: len(folder)] == folder]
        return form, [
            _Member("/".join(member.parts[len(folder) :]), member.size, member.read)
            for member in inside
        ]
    if not inner or depth == MAX_NESTING:
        raise ConvNeXtPoseCheckError(
            "no-checkpoint",
            f"{path} holds no data.pkl, which every checkpoint written by torch.save has",
            "Name the checkpoint file itself",
        )
    inner_form, found = _open(io.BytesIO(inner[0].read()), path, stack, depth + 1)
    return f"{inner_form} in {form}", found


def _write(members: list[_Member], path: Path) -> tuple[io.BytesIO, bytes]:
    """A fresh stored zip of the members that torch reads, and the bytes of its pickle."""
    by_name = {member.name: member for member in members}
    storages = [name for name in by_name if re.fullmatch(r"data/\d+", name)]
    pickle = by_name["data.pkl"].read()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:

        def write(name: str, data: bytes) -> None:
            # A ZipInfo of our own: the dates of a stranger's archive may be before 1980.
            archive.writestr(zipfile.ZipInfo(f"archive/{name}"), data)

        write("data.pkl", pickle)
        write("version", by_name["version"].read() if "version" in by_name else b"3\n")
        if "byteorder" in by_name:
            write("byteorder", by_name["byteorder"].read())
        for name in storages:
            write(name, by_name[name].read())
    if not storages:
        raise ConvNeXtPoseCheckError(
            "no-checkpoint", f"{path} holds a data.pkl without storages beside it", DOWNLOAD_AGAIN
        )
    buffer.seek(0)
    return buffer, pickle
