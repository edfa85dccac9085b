"""Decode images of Human3.6M: whole JPEGs of the annotated size."""

from __future__ import annotations

import numpy as np

from convnextpose_check.human36m.geometry import Array

MAX_FILE_BYTES = 32 << 20
MAX_PIXELS = 1 << 22
"""Four times as many as Human3.6M's images have."""

MAX_SCANS = 64
"""Encoders write about ten; a decoder goes through the whole image for each."""

_START = b"\xff\xd8\xff"
_START_OF_SCAN = b"\xff\xda"
_WARNING = "Corrupt JPEG data: "


class UnusableImageError(Exception):
    """A file does not hold the image that its annotation describes; the message says why."""


def decode_jpeg(content: bytes, size_px: tuple[int, int]) -> tuple[Array, str | None]:
    """The (H, W, 3) uint8 image, blue first, and libjpeg's warning about it, if any.

    OpenCV fills damaged parts with gray without a warning, so libjpeg decodes the same bytes first,
    to an eighth of the size. An image with a warning is used as OpenCV decodes it, like in the
    authors' code. EXIF orientation is ignored. Raises ``UnusableImageError``.
    """
    import cv2

    warning = _check_jpeg(content, size_px)
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        image_bgr = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    except cv2.error:  # OPENCV_IO_MAX_IMAGE_PIXELS may be set to less
        image_bgr = None
    if image_bgr is None:
        raise UnusableImageError("OpenCV cannot decode it")
    _check_size(image_bgr.shape[1::-1], size_px)
    return image_bgr, warning


def _check_jpeg(content: bytes, size_px: tuple[int, int]) -> str | None:
    import simplejpeg

    if not content.startswith(_START):
        raise UnusableImageError("it is not a JPEG")
    if content.count(_START_OF_SCAN) > MAX_SCANS:
        raise UnusableImageError(f"it has more than {MAX_SCANS} scans")
    try:
        height, width, colors, _ = simplejpeg.decode_jpeg_header(content)
        _check_size((width, height), size_px)
        simplejpeg.decode_jpeg(
            content,
            "CMYK" if colors in ("CMYK", "YCCK") else "GRAY",
            fastdct=True,
            fastupsample=True,
            min_height=1,
            min_width=1,
            strict=True,
        )
    except ValueError as error:
        if str(error).startswith(_WARNING):
            return str(error).removeprefix(_WARNING)
        raise UnusableImageError(f"it is damaged ({error})") from None
    return None


def _check_size(found_px: tuple[int, ...], size_px: tuple[int, int]) -> None:
    width, height = found_px
    if found_px != size_px:
        raise UnusableImageError(f"it is {width}x{height}: expected {size_px[0]}x{size_px[1]}")
    if width * height > MAX_PIXELS:
        raise UnusableImageError(f"it is {width}x{height}, which is more than is decoded")
