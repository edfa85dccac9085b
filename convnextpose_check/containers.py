"""Every container that users hold a checkpoint in, repacked to the one form that torch reads.

A checkpoint is what ``torch.save`` writes: ``data.pkl``, ``version`` and numbered storages below
one folder of a zip. Downloads, mirrors and unpackers wrap, rename, unpack and zip that again. This
module finds the one ``data.pkl``, reads its members with CRC checks, and writes them into a fresh
stored zip in memory. Nothing is ever written to disk under a name that an archive chose.
"""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.members import (
    COMPRESSORS,
    DOWNLOAD_AGAIN,
    Member,
    bounded,
    decompressed,
    folder_members,
    tar_members,
    zip_members,
)

ZIP_MAGIC = b"PK\x03\x04"
TAR_MAGIC = b"ustar"
TAR_MAGIC_OFFSET = 257

INNER_ARCHIVE_SUFFIXES = (".pth", ".pt", ".tar", ".zip", ".tgz", ".gz")
MAX_NESTING = 3
MAX_UNPACKED_RATIO = 3
"""Weights hardly compress: what unpacks to more than this times its size is no checkpoint."""
UNPACKED_SLACK_BYTES = 64 << 20


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
                members = list(folder_members(path))
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


def _stream_sha256(stream: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while chunk := stream.read(1 << 20):
        digest.update(chunk)
    stream.seek(0)
    return digest.hexdigest()


def _members_sha256(members: list[Member]) -> str:
    digest = hashlib.sha256()
    for member in sorted(members, key=lambda member: member.name):
        digest.update(f"{member.name}\0{member.size}\0".encode("utf-8", "surrogateescape"))
        digest.update(member.read())
    return digest.hexdigest()


def _open(stream: IO[bytes], path: Path, stack: ExitStack, depth: int) -> tuple[str, list[Member]]:
    """Tell the container by its first bytes, never by its name, and find the checkpoint in it."""
    head = stream.read(TAR_MAGIC_OFFSET + len(TAR_MAGIC))
    size = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    limit = MAX_UNPACKED_RATIO * size + UNPACKED_SLACK_BYTES
    if head.startswith(ZIP_MAGIC):
        form, members = "zip", zip_members(stream, path, stack)
    elif head.startswith(tuple(COMPRESSORS)):
        stream = decompressed(stream, head, limit, path)
        form, members = "compressed tar", tar_members(stream, path, stack)
    elif head[TAR_MAGIC_OFFSET:] == TAR_MAGIC:
        form, members = "tar", tar_members(stream, path, stack)
    else:
        raise _unrecognised(head, size, path)
    return _find(list(bounded(members, limit, path)), form, path, stack, depth)


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


def _find(
    members: list[Member], form: str, path: Path, stack: ExitStack, depth: int
) -> tuple[str, list[Member]]:
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
            Member("/".join(member.parts[len(folder) :]), member.size, member.read)
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


def _write(members: list[Member], path: Path) -> tuple[io.BytesIO, bytes]:
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
