"""Repack a checkpoint in any container to the one form that torch reads.

``torch.save`` writes ``data.pkl``, ``version`` and numbered storages below one folder of a zip.
Downloads, mirrors and unpackers wrap, rename, unpack and zip that again. This module finds the one
``data.pkl``, reads its members with CRC checks, and writes them into a new stored zip in memory.
Nothing is written to disk under a name from an archive.
"""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from convnextpose_check.checkpoints.members import (
    COMPRESSORS,
    DOWNLOAD_AGAIN,
    Member,
    bounded,
    decompressed,
    folder_members,
    shown,
    tar_members,
    too_large,
    zip_members,
)
from convnextpose_check.checkpoints.webpages import web_page
from convnextpose_check.errors import ConvNeXtPoseCheckError, ErrorCode
from convnextpose_check.files.opening import open_regular, read_whole, size_of

ZIP_MAGIC = b"PK\x03\x04"
TAR_MAGIC = b"ustar"
TAR_MAGIC_OFFSET = 257

INNER_ARCHIVE_SUFFIXES = (".pth", ".pt", ".tar", ".zip", ".tgz", ".gz")
MAX_NESTING = 3
MAX_FILE_BYTES = 1 << 30
"""Of a file, or of all files of an unpacked folder. The largest published checkpoint has 101 MB."""
MAX_UNPACKED_RATIO = 1.25
"""Weights hardly compress: a file that unpacks to more than this times its size is refused.

At most two copies of the unpacked data, or the file and one of them, are in memory at a time. With
the slack below, they take at most three times the file's size and 200 MB.
"""
UNPACKED_SLACK_BYTES = 48 << 20
PAGE_BYTES = 64 << 10
MAX_PICKLE_BYTES = 4 << 20
"""A published checkpoint has a data.pkl of 130 kB."""


@dataclass(frozen=True)
class Repacked:
    """A checkpoint in the form that is loaded.

    ``storages`` maps the pickle's storage keys to sizes in bytes, ``form`` names the containers.
    The sha256 is the file's; that of an unpacked folder covers the names, sizes and bytes of its
    files, and git has no id for a folder.
    """

    archive: io.BytesIO
    pickle: bytes
    storages: dict[str, int]
    form: str
    sha256: str
    git_blob: str | None


def repack(path: Path) -> Repacked:
    """Open ``path``, a file or an unpacked folder, and repack the one checkpoint in it.

    Raises ``ConvNeXtPoseCheckError`` with one of the codes ``missing``, ``unreadable``, ``empty``,
    ``html-page``, ``not-a-checkpoint``, ``damaged``, ``damaged``, ``damaged``, ``password``,
    ``unsupported-archive``, ``unsafe-archive``, ``not-a-checkpoint``, ``ambiguous`` and
    ``unsafe-archive``.
    """
    try:
        with ExitStack() as stack:
            if path.is_dir():
                members = list(folder_members(path, MAX_FILE_BYTES))
                sha256, git_blob, form = _members_sha256(members), None, "folder"
                limit = sum(member.size for member in members)
            else:
                content = _read_checked(path)
                sha256, git_blob = hashlib.sha256(content).hexdigest(), _git_blob(content)
                limit = int(MAX_UNPACKED_RATIO * len(content)) + UNPACKED_SLACK_BYTES
                stream = stack.enter_context(io.BytesIO(content))
                del content  # so that closing the stream frees it
                form, members = _open(stream, limit, path, stack)
            found = _find(members, path)
            for _ in range(MAX_NESTING):
                if isinstance(found, list):
                    break
                plain = _copy(found)
                stack.close()  # frees the outer container and its unpacked data
                del members, found
                form_inside, members = _open(stack.enter_context(plain), limit, path, stack)
                form, found = f"{form_inside} in {form}", _find(members, path)
            if not isinstance(found, list):
                raise _no_checkpoint(path)
            archive, pickle, storages = _write(found, path)
    except FileNotFoundError:
        raise ConvNeXtPoseCheckError(
            ErrorCode.FILE_NOT_FOUND, f"there is no file {path}", "Check its name"
        ) from None
    except OSError as error:
        raise ConvNeXtPoseCheckError(
            ErrorCode.UNREADABLE,
            f"cannot read {path}: {error.strerror or error}",
            "Check its permissions",
        ) from None
    return Repacked(archive, pickle, storages, form, sha256, git_blob)


def _read_checked(path: Path) -> bytes:
    """The bytes of a container that is not too large to be a checkpoint.

    The file is read once, so that the hashed bytes are the loaded ones.
    """
    with open_regular(path) as stream:
        head = stream.read(PAGE_BYTES)
        if _container(head) is None:
            raise _unrecognised(head, path)
        if (size := size_of(stream)) > MAX_FILE_BYTES:
            raise too_large(path, size, MAX_FILE_BYTES)
        return read_whole(stream, size, path)


def _git_blob(content: bytes) -> str:
    """Git's id of a file with these bytes (``git hash-object``)."""
    digest = hashlib.sha1(b"blob %d\0" % len(content), usedforsecurity=False)
    digest.update(content)
    return digest.hexdigest()


def _members_sha256(members: list[Member]) -> str:
    digest = hashlib.sha256()
    for member in sorted(members, key=lambda member: member.name):
        digest.update(f"{member.name}\0{member.size}\0".encode("utf-8", "surrogateescape"))
        for chunk in member.chunks():
            digest.update(chunk)
    return digest.hexdigest()


def _container(head: bytes) -> str | None:
    """The kind of container, by its first bytes."""
    if head.startswith(ZIP_MAGIC):
        return "zip"
    if head.startswith(tuple(COMPRESSORS)):
        return "compressed tar"
    if head[TAR_MAGIC_OFFSET:].startswith(TAR_MAGIC):
        return "tar"
    return None


def _open(stream: io.BytesIO, limit: int, path: Path, stack: ExitStack) -> tuple[str, list[Member]]:
    """The container's form and its members."""
    head = stream.read(PAGE_BYTES)
    stream.seek(0)
    form = _container(head)
    if form is None:
        raise _unrecognised(head, path)
    if form == "zip":
        members = zip_members(stream, path, stack)
    else:
        if form == "compressed tar":
            with stream:  # closed, to free memory for the unpacked data
                stream = decompressed(stream, head, limit, path, stack)
        members = tar_members(stream, path, stack)
    return form, list(bounded(members, limit, path))


def _unrecognised(head: bytes, path: Path) -> ConvNeXtPoseCheckError:
    if not head:
        return ConvNeXtPoseCheckError(ErrorCode.DAMAGED, f"{path} is empty", DOWNLOAD_AGAIN)
    if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<":
        return web_page(head, path)
    return ConvNeXtPoseCheckError(
        ErrorCode.NOT_A_CHECKPOINT,
        f"{path} begins with {head[:4]!r}: expected a zip, as torch.save writes it, or a tar"
        " around one",
        DOWNLOAD_AGAIN,
    )


def _no_checkpoint(path: Path) -> ConvNeXtPoseCheckError:
    return ConvNeXtPoseCheckError(
        ErrorCode.NOT_A_CHECKPOINT,
        f"{path} holds no data.pkl, which every checkpoint written by torch.save has",
        "Name the checkpoint file itself",
    )


def _find(members: list[Member], path: Path) -> list[Member] | Member:
    """The members below the folder of the one ``data.pkl``, or the one archive around it."""
    members = [member for member in members if member.parts and not member.is_litter]
    names = Counter(member.parts for member in members)
    if repeated := [parts for parts, count in names.items() if count > 1]:
        raise ConvNeXtPoseCheckError(
            ErrorCode.UNSAFE_ARCHIVE,
            f"{path} holds {shown('/'.join(repeated[0]))} more than once",
            DOWNLOAD_AGAIN,
        )
    pickles = [member.parts for member in members if member.parts[-1] == "data.pkl"]
    inner = [m for m in members if m.name.lower().endswith(INNER_ARCHIVE_SUFFIXES)]
    several = ["/".join(parts) for parts in pickles] + [member.name for member in inner]
    if len(several) > 1:
        raise ConvNeXtPoseCheckError(
            ErrorCode.AMBIGUOUS,
            f"{path} holds {len(several)} checkpoints ({', '.join(map(shown, several[:4]))})",
            "Unpack it and name the right one",
        )
    if pickles:
        folder = pickles[0][:-1]
        inside = [member for member in members if member.parts[: len(folder)] == folder]
        return [
            Member("/".join(member.parts[len(folder) :]), member.size, member.chunks)
            for member in inside
        ]
    if not inner:
        raise _no_checkpoint(path)
    return inner[0]


def _copy(member: Member) -> io.BytesIO:
    plain = io.BytesIO()
    plain.writelines(member.chunks())
    plain.seek(0)
    return plain


def _write(members: list[Member], path: Path) -> tuple[io.BytesIO, bytes, dict[str, int]]:
    """A new stored zip of the members that torch reads, its pickle and its storages' sizes."""
    by_name = {member.name: member for member in members}
    storages = [name for name in by_name if re.fullmatch(r"data/[0-9]+", name)]
    if not storages:
        raise ConvNeXtPoseCheckError(
            ErrorCode.NOT_A_CHECKPOINT,
            f"{path} holds a data.pkl without storages beside it",
            DOWNLOAD_AGAIN,
        )
    if by_name["data.pkl"].size > MAX_PICKLE_BYTES:
        raise ConvNeXtPoseCheckError(
            ErrorCode.UNSAFE_ARCHIVE,
            f"{path} has a data.pkl of {by_name['data.pkl'].size} bytes:"
            f" expected at most {MAX_PICKLE_BYTES}",
            DOWNLOAD_AGAIN,
        )
    pickle = by_name["data.pkl"].read()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:

        def write(name: str, chunks: Iterable[bytes]) -> None:
            # A new ZipInfo, since the archive's dates may be before 1980.
            info = zipfile.ZipInfo(f"archive/{name}")
            with archive.open(info, "w", force_zip64=True) as copy:
                for chunk in chunks:
                    copy.write(chunk)

        write("data.pkl", [pickle])
        write("version", by_name["version"].chunks() if "version" in by_name else [b"3\n"])
        if "byteorder" in by_name:
            write("byteorder", by_name["byteorder"].chunks())
        for name in storages:
            write(name, by_name[name].chunks())
    buffer.seek(0)
    sizes = {name.partition("/")[2]: by_name[name].size for name in storages}
    return buffer, pickle, sizes
