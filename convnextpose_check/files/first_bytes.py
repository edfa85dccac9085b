"""Recognize the format of a file by its first bytes, whatever its suffix is."""

import re
from typing import NamedTuple

HEAD_BYTES = 512
"""Number of first bytes that distinguish all formats."""

UTF8_MARK = b"\xef\xbb\xbf"
"""The byte order mark that some Windows programs write before UTF-8."""

DOWNLOAD_AGAIN = "Download it again and compare its size with the source"


class FileFormat(NamedTuple):
    """A file format.

    ``pattern`` matches the first bytes, ``description`` continues "it is", and ``remedy`` converts
    the file to what is expected; it is empty if only another file helps.
    """

    name: str
    pattern: bytes
    description: str
    remedy: str = ""


FORMATS = (
    FileFormat("empty", rb"\Z", "empty", DOWNLOAD_AGAIN),
    FileFormat("git-lfs pointer", rb"version https://git-lfs\.github\.com/spec/",
               "a git-lfs pointer instead of the content",
               "Install git-lfs and run in its repository: git lfs pull"),
    FileFormat("zip", rb"PK\x03\x04", "a zip archive", "Unpack it"),
    FileFormat("gzip", rb"\x1f\x8b", "gzip-compressed", "Unpack it with gzip -d or tar xzf"),
    FileFormat("bzip2", rb"BZh", "bzip2-compressed", "Unpack it with bzip2 -d or tar xjf"),
    FileFormat("xz", rb"\xfd7zXZ", "xz-compressed", "Unpack it with xz -d or tar xJf"),
    FileFormat("zstd", rb"\x28\xb5\x2f\xfd", "zstd-compressed", "Unpack it with zstd -d"),
    FileFormat("7z", rb"7z\xbc\xaf\x27\x1c", "a 7z archive", "Unpack it with 7z x"),
    FileFormat("rar", rb"Rar!\x1a\x07", "a rar archive", "Unpack it with unrar x"),
    FileFormat("tar", rb".{257}ustar", "a tar archive", "Unpack it with tar xf"),
    FileFormat("old torch", rb"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19\.",
               "in the format that torch.save wrote before torch 1.6",
               "Convert it: python -c \"import torch;"
               " torch.save(torch.load('OLD', 'cpu', weights_only=True), 'NEW')\""),
    FileFormat("pickle", rb"\x80[\x02-\x05]", "a pickle outside of torch.save's zip"),
    FileFormat("safetensors", rb".{4}\0{4}\s*\{", "a safetensors file"),
    FileFormat("UTF-16", rb"\xff\xfe|\xfe\xff|[\[{]\0|\0[\[{]", "UTF-16 text",
               "Convert it: iconv -f UTF-16 -t UTF-8 OLD > NEW"),
    FileFormat("web page", rb"(?:\xef\xbb\xbf)?\s*<", "a web page", DOWNLOAD_AGAIN),
    FileFormat("JSON", rb"(?:\xef\xbb\xbf)?\s*[\[{]", "JSON text"),
    FileFormat("JPEG", rb"\xff\xd8\xff", "a JPEG image"),
    FileFormat("PNG", rb"\x89PNG", "a PNG image"),
    FileFormat("WebP", rb"RIFF.{4}WEBP", "a WebP image"),
    FileFormat("AppleDouble", rb"\0\x05\x16\x07", "a file that macOS writes beside the real one",
               "Delete it and use the file of the same name without ._"),
    FileFormat("zeros", rb"\0{64}", "filled with zeros, as by an unfinished download",
               DOWNLOAD_AGAIN),
)  # fmt: skip
"""Every format that users have had instead of an archive, image or annotation file."""

PART = FileFormat(
    "part", b"", "a part of a split archive",
    "Join all parts in their order (cat PART PART > WHOLE) and unpack the whole",
)  # fmt: skip
_PART_NAME = re.compile(
    r"\.((tar|tgz|gz|bz2|xz|zip|7z)[.-]?(part[.-]?)?(a[a-z]|b[a-y]|\d{2,3})|z\d\d|part\d+\.rar)$",
    re.IGNORECASE,
)


def recognize_format(head: bytes, file_name: str = "") -> FileFormat | None:
    """The format of a file with these first bytes, None if unknown.

    ``head`` has ``HEAD_BYTES``, or all bytes of a shorter file. The name matters only for parts of
    split archives, such as ``images.tar.gzaa``: all but the first begin with any bytes.
    """
    if is_part_name(file_name):
        return PART
    return next((each for each in FORMATS if re.match(each.pattern, head, re.DOTALL)), None)


def is_part_name(file_name: str) -> bool:
    """True for the name of a part of a split archive."""
    return _PART_NAME.search(file_name) is not None
