"""Repack a checkpoint from any container into a zip for ``torch.load``.

``torch.save`` writes ``data.pkl``, ``version`` and numbered storages below one folder of a zip.
Downloads, mirrors and unpackers wrap, rename, unpack and zip that again. This module finds the only
``data.pkl``, reads the files beside it with CRC checks, and writes them into a new uncompressed zip
in memory. Nothing is written to disk under a name from an archive.
"""

import hashlib
import io
import re
import zipfile
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple

from convnextpose_check.checkpoints.members import (
    COMPRESSORS,
    Member,
    RefusedError,
    check_size,
    decompress,
    limit_members,
    quote,
    read_folder,
    read_tar,
    read_zip,
)
from convnextpose_check.checkpoints.pickle_check import check_pickle
from convnextpose_check.errors import ErrorCode
from convnextpose_check.files.first_bytes import recognize_format
from convnextpose_check.files.folders import is_system_file
from convnextpose_check.files.regular_files import open_regular, read_exactly, size_of

DOWNLOAD_BY_HAND = "Open the Drive folder in a browser and download the file there"


class DrivePage(NamedTuple):
    """A web page of Google Drive, recognized by lower-case ``phrases`` in it.

    ``code`` is the error code if Drive sends the page instead of a download.
    """

    phrases: tuple[bytes, ...]
    code: ErrorCode
    description: str
    remedy: str


PAGES = (
    DrivePage(
        (b"quota exceeded", b"too many users have viewed", b"download quota"),
        ErrorCode.DOWNLOAD_REFUSED,
        "Drive's quota page: the download quota of this file is exceeded",
        "Try again after 24 hours, or copy the file to your own Drive and download the copy",
    ),
    DrivePage(
        (b"virus scan warning", b"scan this file for viruses"),
        ErrorCode.DOWNLOAD_FAILED,
        "Drive's virus scan page: the file is too large for Drive to scan",
        f"{DOWNLOAD_BY_HAND} and confirm the warning, or use the command download of this suite",
    ),
    DrivePage(
        (b"file you have requested does not exist", b"error 404 (not found)"),
        ErrorCode.FILE_NOT_FOUND,
        "Drive's page for a file that does not exist",
        "Check the link",
    ),
    DrivePage(
        (b"need access", b"request access", b"access denied", b"need permission",
         b"accounts.google.com", b"servicelogin", b"sign in", b"sign-in"),
        ErrorCode.DOWNLOAD_REFUSED,
        "Drive's sign-in or permission page: the file is not shared with everyone",
        f"Sign in to an account with access. {DOWNLOAD_BY_HAND}",
    ),
)  # fmt: skip
"""The order matters: the other pages also contain a link to sign in."""


def recognize_page(content: bytes) -> DrivePage | None:
    """The first of ``PAGES`` with a phrase in the content, None if none matches."""
    lower = content.lower()
    return next((page for page in PAGES if any(phrase in lower for phrase in page.phrases)), None)


CHECKPOINT_SUFFIXES = (".tar", ".pth", ".pt", ".safetensors", ".zip", ".tgz", ".gz")
PASS_CHECKPOINT = "Pass the checkpoint file itself"
EXPECTED = "a zip written by torch.save, safetensors, or an archive around them"
MAX_NESTING = 3
MAX_FILE_BYTES = 1 << 30
"""Limit for a file or a whole unpacked folder; the largest published checkpoint has 101 MB."""
HEAD_BYTES = 64 << 10
MAX_PICKLE_BYTES = 4 << 20
"""A published checkpoint has a data.pkl of 130 kB."""


def repack(path: Path) -> tuple[io.BytesIO, str, str]:
    """Repack and check the only checkpoint in ``path``, a file or unpacked folder.

    Returns the new zip, or the safetensors file, the names of the containers, and the file's
    sha256. That of a folder covers the names, sizes and bytes of its files. Raises
    ``RefusedError`` or ``OSError``.
    """
    with ExitStack() as stack:
        if path.is_dir():
            members = list(read_folder(path, MAX_FILE_BYTES))
            sha256, forms = _hash_members(members), ["folder"]
        else:
            content = _read_file(path)
            members = [Member(path.name, len(content), partial(io.BytesIO, content))]
            sha256, forms = hashlib.sha256(content).hexdigest(), []
            del content
        # Weights hardly compress. At most two copies of the unpacked data, or one and the file, are
        # in memory at a time: at most three times the file's size plus 200 MB.
        limit = int(1.25 * sum(member.size for member in members)) + (48 << 20)
        found = _find_checkpoint(members) if forms else members[0]
        del members
        while isinstance(found, Member):
            if len(forms) > MAX_NESTING:
                problem = f"is nested in more than {MAX_NESTING} archives"
                raise RefusedError(problem, ErrorCode.NOT_A_CHECKPOINT, PASS_CHECKPOINT)
            inner = io.BytesIO()
            inner.writelines(found.chunks())
            stack.close()  # frees the outer container and its unpacked data
            del found
            form, found = _open_container(inner, limit, stack)
            forms.insert(0, form)
        return found, " in ".join(forms), sha256


def _read_file(path: Path) -> bytes:
    """Read a file once, so that the hashed bytes are those that are loaded."""
    with open_regular(path) as stream:
        recognize_container(stream.read(HEAD_BYTES), path.name)
        size = size_of(stream)
        check_size(size, MAX_FILE_BYTES)
        return read_exactly(stream, size, path)


def _hash_members(members: list[Member]) -> str:
    digest = hashlib.sha256()
    for member in sorted(members, key=lambda member: member.name):
        digest.update(f"{member.name}\0{member.size}\0".encode("utf-8", "surrogateescape"))
        for chunk in member.chunks():
            digest.update(chunk)
    return digest.hexdigest()


def recognize_container(head: bytes, file_name: str = "") -> str:
    """The name of the container's format: zip, tar or a compressor; raises ``RefusedError``."""
    found = recognize_format(head, file_name)
    if found is None:
        problem = f"begins with {head[:4]!r}: expected {EXPECTED}"
        raise RefusedError(problem, ErrorCode.NOT_A_CHECKPOINT)
    if found.name in ("zip", "tar", "safetensors", *COMPRESSORS):
        return found.name
    if found.name == "web page":
        page = recognize_page(head)
        problem = f"is a web page, not a checkpoint{f': {page.description}' if page else ''}"
        raise RefusedError(problem, ErrorCode.HTML_PAGE, page.remedy if page else DOWNLOAD_BY_HAND)
    code = ErrorCode.DAMAGED if found.name in ("empty", "zeros") else ErrorCode.NOT_A_CHECKPOINT
    problem = f"is {found.description}: expected {EXPECTED}"
    raise RefusedError(problem, code, found.remedy or PASS_CHECKPOINT)


def _open_container(
    stream: io.BytesIO, limit: int, stack: ExitStack
) -> tuple[str, Member | io.BytesIO]:
    """The format of a container, and the repacked checkpoint or the only archive in it."""
    form = recognize_container(bytes(stream.getbuffer()[:HEAD_BYTES]))
    stream.seek(0)
    if form == "safetensors":
        return form, stream
    stack.enter_context(stream)
    if form in COMPRESSORS:
        with stream:  # closing it frees memory for the unpacked data
            stream = decompress(stream, form, limit, stack)
        form = "compressed tar"
    members = read_zip(stream, stack) if form == "zip" else read_tar(stream, stack)
    return form, _find_checkpoint(list(limit_members(members, limit)))


def _find_checkpoint(members: list[Member]) -> Member | io.BytesIO:
    """Repack the members beside the only ``data.pkl``, or return the only archive inside."""
    members = [m for m in members if m.parts and not any(map(is_system_file, m.parts))]
    names = Counter(member.parts for member in members)
    if repeated := [parts for parts, count in names.items() if count > 1]:
        raise RefusedError(f"contains {quote('/'.join(repeated[0]))} more than once")
    pickles = [member for member in members if member.parts[-1] == "data.pkl"]
    inner = [m for m in members if m.name.lower().endswith(CHECKPOINT_SUFFIXES)]
    found = pickles + inner
    if len(found) != 1:
        listed = ", ".join(quote(member.name) for member in found[:4]) or "no checkpoint"
        raise RefusedError(
            f"contains {listed}: expected one data.pkl, which torch.save writes in every"
            " checkpoint, or one archive or safetensors file",
            ErrorCode.AMBIGUOUS if found else ErrorCode.NOT_A_CHECKPOINT,
            PASS_CHECKPOINT,
        )
    if inner:
        return inner[0]
    folder = pickles[0].parts[:-1]
    return _write_zip(
        {
            "/".join(member.parts[len(folder) :]): member
            for member in members
            if member.parts[: len(folder)] == folder
        }
    )


def _write_zip(by_name: Mapping[str, Member]) -> io.BytesIO:
    """Write the members that torch reads to an uncompressed zip; check the pickle."""
    storages = [name for name in by_name if re.fullmatch(r"data/[0-9]+", name)]
    if not storages:
        problem = "contains a data.pkl without storages beside it"
        raise RefusedError(problem, ErrorCode.NOT_A_CHECKPOINT)
    if (size := by_name["data.pkl"].size) > MAX_PICKLE_BYTES:
        problem = f"has a data.pkl of {size} bytes: expected at most {MAX_PICKLE_BYTES}"
        raise RefusedError(problem)
    pickle = b"".join(by_name["data.pkl"].chunks())
    copied = [name for name in ("version", "byteorder", *storages) if name in by_name]
    contents = {"data.pkl": [pickle], "version": [b"3\n"]}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, chunks in (contents | {name: by_name[name].chunks() for name in copied}).items():
            # A new ZipInfo, since the archive's dates may precede 1980.
            info = zipfile.ZipInfo(f"archive/{name}")
            with archive.open(info, "w", force_zip64=True) as copy:
                copy.writelines(chunks)
    check_pickle(pickle, {name.partition("/")[2]: by_name[name].size for name in storages})
    buffer.seek(0)
    return buffer
