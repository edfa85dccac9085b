"""Decode images and crop them to the input of the network."""

import hashlib
from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from convnextpose_check.errors import ConvNeXtPoseCheckError, ErrorCode
from convnextpose_check.files.first_bytes import HEAD_BYTES, recognize_format
from convnextpose_check.files.regular_files import size_of
from convnextpose_check.human36m.geometry import Array
from convnextpose_check.human36m.samples import Sample
from convnextpose_check.variants import INPUT_SIDE_PX

MAX_FILE_BYTES = 32 << 20
MAX_PIXELS = 1 << 22
"""Four times the pixels of Human3.6M's images."""

MAX_SCANS = 64
"""Encoders write about ten; the decoder processes the whole image for each."""


class UnusableImageError(Exception):
    """A file is not the annotated image; the message is the reason."""


def decode_jpeg(content: bytes, size_px: tuple[int, int]) -> tuple[Array, str | None]:
    """Decode a JPEG to (H, W, 3) uint8 BGR; also returns libjpeg's warning, if any.

    OpenCV silently fills damaged parts with gray, so libjpeg first decodes the same bytes at an
    eighth of the size. An image with a warning is used as decoded by OpenCV, as in the authors'
    code. EXIF orientation is ignored. Raises ``UnusableImageError``.
    """
    import cv2

    warning = _check_jpeg(content, size_px)
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        image_bgr = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    except cv2.error:  # for example, the image exceeds OPENCV_IO_MAX_IMAGE_PIXELS
        image_bgr = None
    if image_bgr is None or image_bgr.shape[1::-1] != size_px:
        raise UnusableImageError("OpenCV cannot decode it")
    return image_bgr, warning


def _check_jpeg(content: bytes, size_px: tuple[int, int]) -> str | None:
    import simplejpeg

    found = recognize_format(content[:HEAD_BYTES])
    if found is None or found.name != "JPEG":
        reason = f"it is {found.description}, not a JPEG" if found else "it is not a JPEG"
        raise UnusableImageError(f"{reason} ({found.remedy})" if found and found.remedy else reason)
    if content.count(b"\xff\xda") > MAX_SCANS:
        raise UnusableImageError(f"it has more than {MAX_SCANS} scans")
    try:
        height, width, colors, _ = simplejpeg.decode_jpeg_header(content)
        if (width, height) != size_px:
            change = _name_change(size_px, (width, height))
            raise UnusableImageError(
                f"it is {width}x{height} ({change}): expected {size_px[0]}x{size_px[1]}"
            )
        if width * height > MAX_PIXELS:
            raise UnusableImageError(f"it is {width}x{height}: over {MAX_PIXELS:,} pixels")
        return _decode_small(content, "CMYK" if colors in ("CMYK", "YCCK") else "GRAY")
    except ValueError as error:
        raise UnusableImageError(f"it is damaged ({error})") from None


def _name_change(expected_px: tuple[int, int], size_px: tuple[int, int]) -> str:
    """Name the change from the expected width and height."""
    (width, height), (expected_width, expected_height) = size_px, expected_px
    if abs(width * expected_height - height * expected_width) <= max(expected_px):
        return "resized"  # with equal proportions, apart from rounding
    return "made square" if width == height else "cropped or rotated"


def _decode_small(content: bytes, colors: str) -> str | None:
    """Decode to 1/8 of the size; returns libjpeg's warning, or raises ``ValueError``."""
    import simplejpeg

    options = {"fastdct": True, "fastupsample": True, "min_height": 1, "min_width": 1}
    try:
        simplejpeg.decode_jpeg(content, colors, strict=True, **options)
    except ValueError as error:
        if str(error).startswith("Premature end"):
            raise
        # Raises the error again unless it was a warning.
        simplejpeg.decode_jpeg(content, colors, strict=False, **options)
        return str(error).removeprefix("Corrupt JPEG data: ")
    return None


PIXEL_MEAN_RGB = (0.485, 0.456, 0.406)
PIXEL_STD_RGB = (0.229, 0.224, 0.225)
"""ImageNet's values, for pixels of 0 to 1; the weights were trained with them on 0 to 255."""

READ_AHEAD = 8
"""Crops per worker that are read in advance, if batches are small."""

BATCHES_AHEAD = 2
"""Minimum number of batches read in advance: one is copied to the device, one is complete."""


@dataclass(frozen=True)
class Crop:
    """A crop: ``pixels_rgb`` (3, 256, 256) uint8, and ``sha256`` of the image file.

    An unusable image has a ``problem`` instead of pixels; a usable one may have libjpeg's
    ``warning``.
    """

    sample: Sample
    pixels_rgb: Array | None
    sha256: str
    problem: str | None = None
    warning: str | None = None


def read_crop(sample: Sample) -> Crop:
    """Read and crop the sample's image; a failure becomes the crop's ``problem``."""
    content, pixels_rgb, problem, warning = b"", None, None, None
    try:
        content = _read_bytes(sample.path)
        image_bgr, warning = decode_jpeg(content, sample.size_px)
        pixels_rgb = to_rgb_planes(warp_box(image_bgr, sample.box_xywh_px))
    except OSError as error:
        problem = f"it cannot be read ({error.strerror})"
    except UnusableImageError as error:
        problem = str(error)
    return Crop(sample, pixels_rgb, hashlib.sha256(content).hexdigest(), problem, warning)


def read_image(sample: Sample) -> Array | None:
    """The sample's whole image, (H, W, 3) uint8 BGR; None if it is unusable."""
    try:
        return decode_jpeg(_read_bytes(sample.path), sample.size_px)[0]
    except (OSError, UnusableImageError):
        return None


def _read_bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        size = size_of(file)
        if size > MAX_FILE_BYTES:
            raise UnusableImageError(f"it has more than {MAX_FILE_BYTES >> 20} MB")
        return file.read(size)


def warp_box(image_bgr: Array, box_xywh_px: Array, border: str = "BORDER_CONSTANT") -> Array:
    """Warp the box (x, y, w, h) of an (H, W, 3) uint8 image to (256, 256, 3).

    As in the authors' code, the affine map is given by three float32 points: the box's center and
    the middles of its lower and right edges. Pixels outside the image are black by default;
    ``border`` is the name of an OpenCV border mode.
    """
    import cv2

    x, y, w, h = box_xywh_px
    middle = INPUT_SIDE_PX * 0.5
    source = _three_points(float(x + 0.5 * w), float(y + 0.5 * h), float(w) * 0.5, float(h) * 0.5)
    target = _three_points(middle, middle, middle, middle)
    return cv2.warpAffine(
        image_bgr,
        cv2.getAffineTransform(source, target),
        (INPUT_SIDE_PX, INPUT_SIDE_PX),
        flags=cv2.INTER_LINEAR,
        borderMode=getattr(cv2, border),
    )


def to_rgb_planes(image_bgr: Array) -> Array:
    """Convert an (H, W, 3) BGR image to (3, H, W) RGB."""
    return np.ascontiguousarray(image_bgr[:, :, ::-1].transpose(2, 0, 1))


def _three_points(center_x: float, center_y: float, half_w: float, half_h: float) -> Array:
    center = np.array([center_x, center_y], dtype=np.float32)
    down = np.array([0, half_h], dtype=np.float32)
    right = np.array([half_w, 0], dtype=np.float32)
    return np.stack([center, center + down, center + right])


def read_crops(
    samples: Sequence[Sample], workers: int, batch_size: int = 1
) -> Generator[Crop, None, None]:
    """Yield the samples' crops in order, read in advance by ``workers`` threads.

    Threads suffice, since OpenCV releases the GIL; it is limited to one core per image. Only a few
    crops or batches are in memory at a time.
    """
    from concurrent.futures import ThreadPoolExecutor

    import cv2

    cv2.setNumThreads(1)
    ahead = max(READ_AHEAD * workers, BATCHES_AHEAD * batch_size)
    remaining = iter(samples)
    with ThreadPoolExecutor(workers) as pool:
        pending = deque(pool.submit(read_crop, sample) for sample in islice(remaining, ahead))
        while pending:
            yield pending.popleft().result()
            pending.extend(pool.submit(read_crop, sample) for sample in islice(remaining, 1))


def to_device(images: Sequence[Array], device: torch.device) -> Tensor:
    """Stack uint8 images of one shape into a batch on the device.

    Pinned memory, which torch caches, lets CUDA copy asynchronously.
    """
    batch = torch.empty(
        (len(images), *images[0].shape), dtype=torch.uint8, pin_memory=device.type == "cuda"
    )
    np.stack(images, out=batch.numpy())
    return batch.to(device, non_blocking=True)


def to_input(pixels_rgb: Tensor) -> Tensor:
    """Normalize (B, 3, 256, 256) uint8 pixels to the network's float32 input."""
    device = pixels_rgb.device
    mean, std = (constant_tensor(device, rgb) for rgb in (PIXEL_MEAN_RGB, PIXEL_STD_RGB))
    return (pixels_rgb.float() - mean.view(3, 1, 1)) / std.view(3, 1, 1)


@cache
def constant_tensor(device: torch.device, values: tuple[float, ...]) -> Tensor:
    """A cached tensor (N,) of the values; a copy each time would block the host.

    Integers become int64, floats float32.
    """
    return torch.tensor(values, device=device)


def load_inputs(samples: Sequence[Sample], device: torch.device) -> tuple[Tensor, list[Sample]]:
    """The network's input (B, 3, 256, 256) and its samples, without unusable images.

    Raises ``ConvNeXtPoseCheckError`` (``data-not-found``) if all are unusable.
    """
    crops = read_crops(samples, workers=1)
    usable = [(crop.pixels_rgb, crop.sample) for crop in crops if crop.pixels_rgb is not None]
    if not usable:
        raise ConvNeXtPoseCheckError(
            ErrorCode.DATA_NOT_FOUND,
            f"none of {', '.join(sample.path.name for sample in samples)} can be decoded",
            "Check that these files are complete JPEGs",
        )
    pixels_rgb, chosen = zip(*usable, strict=True)
    return to_input(to_device(pixels_rgb, device)), list(chosen)
