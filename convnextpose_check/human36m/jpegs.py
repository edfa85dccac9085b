"""Check that a file holds a whole JPEG of the annotated size before OpenCV decodes it."""

from __future__ import annotations

import re

import numpy as np

from convnextpose_check.human36m.geometry import Array

MAX_FILE_BYTES = 32 << 20
MAX_PIXELS = 1 << 22
"""Four times as many as Human3.6M's images have."""

MAX_SCANS = 64
"""Encoders write about ten; a decoder goes through the whole image for each."""

MAX_MARKERS = 1000

_PROGRESSIVE = {0xC2, 0xCA}
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_SCAN, _END = 0xDA, 0xD9
_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD9)}
_COEFFICIENTS = 64

_MARKER = re.compile(rb"\xff[\x01-\xfe]")
_MARKER_AFTER_SCAN = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
"""Within a scan, 0xFF is followed by zero or by a restart marker."""


class UnusableImageError(Exception):
    """A file does not hold the image that its annotation describes; the message says why."""


def check_jpeg(content: bytes, size_px: tuple[int, int]) -> str | None:
    """Require a whole JPEG of this width and height; returns libjpeg's warning, if any.

    Human3.6M has no other images. OpenCV fills damaged parts with gray without a warning, so
    libjpeg decodes the same bytes to an eighth of the size. An image with a warning is used as
    OpenCV decodes it, like in the authors' code. Like every decoder, this check ignores bytes after
    the end marker. Raises ``UnusableImageError``.
    """
    import simplejpeg

    if not content.startswith(b"\xff\xd8\xff"):
        raise UnusableImageError("it is no JPEG")
    _check_scans(content)
    try:
        height, width, colors, _ = simplejpeg.decode_jpeg_header(content)
        check_size((width, height), size_px)
        try:
            _decode_small(content, colors, strict=True)
        except ValueError as error:
            _decode_small(content, colors, strict=False)  # raises unless it was a warning
            return str(error).removeprefix("Corrupt JPEG data: ")
    except ValueError as error:
        raise UnusableImageError(f"it is damaged ({error})") from None
    return None


def _decode_small(content: bytes, colors: str, *, strict: bool) -> None:
    """Decode to an eighth of the size; raises ValueError, if ``strict`` for a warning as well."""
    import simplejpeg

    simplejpeg.decode_jpeg(
        content,
        "CMYK" if colors in ("CMYK", "YCCK") else "GRAY",
        fastdct=True,
        fastupsample=True,
        min_height=1,
        min_width=1,
        strict=strict,
    )


def check_size(found_px: tuple[int, int], size_px: tuple[int, int]) -> None:
    """Require the annotated size, and not more pixels than ``MAX_PIXELS``."""
    width, height = found_px
    if found_px != size_px:
        raise UnusableImageError(f"it is {width}x{height}: expected {size_px[0]}x{size_px[1]}")
    if width * height > MAX_PIXELS:
        raise UnusableImageError(f"it is {width}x{height}, which is more than is decoded")


def _check_scans(content: bytes) -> None:
    """Follow the markers to that of the end, like libjpeg, and require every scan.

    Libjpeg gives no warning if scans of a progressive image are missing, and sets no limit to their
    number. Pillow reads the markers up to the first scan only.
    """
    missing: dict[int, Array] = {}  # by component: coefficients without their last bit
    is_progressive, scans, position, pattern = False, 0, 2, _MARKER
    for _ in range(MAX_MARKERS):
        found = pattern.search(content, position)
        if found is None:
            raise UnusableImageError("it is cut off")
        pattern, position, marker = _MARKER, found.end(), content[found.end() - 1]
        if marker == _END:
            if not missing or any(of_component.any() for of_component in missing.values()):
                raise UnusableImageError("it lacks scans")
            return
        if marker in _WITHOUT_LENGTH:
            continue
        length = int.from_bytes(content[position : position + 2], "big")
        segment = content[position + 2 : position + length]
        position += length
        try:
            if marker in _FRAMES:
                is_progressive = marker in _PROGRESSIVE
                for index in range(6, 6 + 3 * segment[5], 3):
                    missing[segment[index]] = np.ones(_COEFFICIENTS, bool)
            elif marker == _SCAN:
                pattern, scans = _MARKER_AFTER_SCAN, scans + 1
                end = 1 + 2 * segment[0]
                first, last, bits = segment[end : end + 3] if is_progressive else (0, 63, 0)
                for component in segment[1:end:2]:
                    missing[component][first : last + 1] = bits & 15 > 0
        except (IndexError, KeyError, ValueError):
            raise UnusableImageError("it is damaged (a header is garbled)") from None
        if scans > MAX_SCANS:
            raise UnusableImageError(f"it has more than {MAX_SCANS} scans")
    raise UnusableImageError(f"it has more than {MAX_MARKERS} markers")
