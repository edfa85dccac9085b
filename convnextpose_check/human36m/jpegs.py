"""Whether a file holds a whole JPEG of the annotated size, found out before OpenCV decodes it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

MAX_FILE_BYTES = 32 << 20
MAX_PIXELS = 1 << 22
"""Four times what Human3.6M's images have."""

MAX_SCANS = 64
"""Encoders write some ten; a decoder goes through the whole image for each."""

MAX_MARKERS = 1000

_PROGRESSIVE = {0xC2, 0xCA}
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_SCAN, _END = 0xDA, 0xD9
_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD9)}
_COEFFICIENTS = 64

_MARKER = re.compile(rb"\xff[\x01-\xfe]")
_MARKER_AFTER_SCAN = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
"""Within a scan stand zeros behind 0xFF and marks to start again at."""


class UnusableImageError(Exception):
    """A file does not hold the image that its annotation describes; the message says why."""


def check_jpeg(content: bytes, size_px: tuple[int, int]) -> str | None:
    """Refuse all but a whole JPEG of this width and height; returns a warning of libjpeg.

    Human3.6M has no other images. OpenCV fills damaged parts with gray and reports nothing, so
    libjpeg decodes the same bytes to an eighth of the size, and its warning is returned: the
    authors' code uses such an image as OpenCV decodes it. What follows the end marker is ignored,
    as in every decoder. Raises ``UnusableImageError``.
    """
    import simplejpeg

    if not content.startswith(b"\xff\xd8\xff"):
        raise UnusableImageError("it is no JPEG")
    if not _read_structure(content).is_complete():
        raise UnusableImageError("it lacks scans")
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(content)
        check_size((width, height), size_px)
        try:
            _decode_small(content, colours, strict=True)
        except ValueError as error:
            _decode_small(content, colours, strict=False)  # raises unless it was a warning
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
    """Refuse what is not of the annotated size, or larger than any image of Human3.6M."""
    width, height = found_px
    if found_px != size_px:
        raise UnusableImageError(f"it is {width}x{height}: expected {size_px[0]}x{size_px[1]}")
    if width * height > MAX_PIXELS:
        raise UnusableImageError(f"it is {width}x{height}, which is more than is decoded")


@dataclass
class _Structure:
    """Which of each component's coefficients are still to come, as far as the file was read."""

    progressive: bool = False
    missing: dict[int, list[bool]] = field(default_factory=dict)
    scans: int = 0

    def add_frame(self, kind: int, segment: bytes) -> None:
        self.progressive = kind in _PROGRESSIVE
        for place in range(6, 6 + 3 * segment[5], 3):
            self.missing[segment[place]] = [True] * _COEFFICIENTS

    def add_scan(self, segment: bytes) -> None:
        """A scan of a progressive file brings some coefficients, perhaps not to the last bit."""
        self.scans += 1
        if self.scans > MAX_SCANS:
            raise UnusableImageError(f"it has more than {MAX_SCANS} scans")
        end = 1 + 2 * segment[0]
        first, last, bits = segment[end : end + 3] if self.progressive else (0, 63, 0)
        for component in segment[1:end:2]:
            of_component = self.missing[component]
            for place in range(first, min(last + 1, _COEFFICIENTS)):
                of_component[place] = bits & 15 > 0

    def is_complete(self) -> bool:
        return bool(self.missing) and not any(map(any, self.missing.values()))


def _read_structure(content: bytes) -> _Structure:
    """Go from marker to marker up to that of the end, in the way of libjpeg."""
    structure = _Structure()
    place, pattern = 2, _MARKER
    for _ in range(MAX_MARKERS):
        found = pattern.search(content, place)
        if found is None:
            raise UnusableImageError("it is cut off")
        pattern, place, kind = _MARKER, found.end(), content[found.end() - 1]
        if kind == _END:
            return structure
        if kind in _WITHOUT_LENGTH:
            continue
        length = int.from_bytes(content[place : place + 2], "big")
        segment = content[place + 2 : place + length]
        place += length
        try:
            if kind in _FRAMES:
                structure.add_frame(kind, segment)
            elif kind == _SCAN:
                structure.add_scan(segment)
                pattern = _MARKER_AFTER_SCAN
        except (IndexError, KeyError, ValueError):
            raise UnusableImageError("it is damaged (a header is garbled)") from None
    raise UnusableImageError(f"it has more than {MAX_MARKERS} markers")
