"""Statistics of the image files, which no replay can see: a replay reads the same files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from convnextpose_check.diagnosis.finding import Finding
from convnextpose_check.diagnosis.table import SampleTable
from convnextpose_check.human36m import crops
from convnextpose_check.human36m.annotations import spread
from convnextpose_check.human36m.geometry import Array
from convnextpose_check.human36m.samples import Sample

IMAGES = 96
"""Images to read, spread over all."""

STATISTICS = ("sharpness", "saturation", "brightness", "contrast", "JPEG quantization")

LEAST_Z, SPREAD = 8.0, 0.1
"""Distance of a group's logarithms from the others', in deviations of at least ``SPREAD``."""

COARSE, GRAY = 12.0, 1.0
"""Median quantization step of quality 75 and less; saturation of gray images."""

REMEDY = "Fetch these images again, or extract them again from the videos"


def image_statistics(sample: Sample, image_bgr: Array) -> list[float]:
    """The ``STATISTICS`` of the crop, and the mean step of the file's first quantization table."""
    import cv2

    crop = crops.warp_box(image_bgr, sample.box_xywh_px)
    gray = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY)
    sharpness = float(cv2.Laplacian(gray, cv2.CV_64F).var())
    saturation = float(np.ptp(crop.astype(float), axis=2).mean())
    content = sample.path.read_bytes()
    table = content[content.find(b"\xff\xdb") + 5 :][:64]
    step = float(np.frombuffer(table, np.uint8).mean())
    return [sharpness, saturation, float(gray.mean()), float(gray.std()), step]


def differing_images(table: SampleTable, samples: Sequence[Sample]) -> Iterator[Finding]:
    """Images of a group that differ from all others, gray images and coarse compression."""
    chosen = spread(list(range(len(samples))), IMAGES)
    read = [(index, crops.read_image(samples[index])) for index in chosen]
    used = [(index, image) for index, image in read if image is not None]
    if not used:
        return
    values = np.array([image_statistics(samples[index], image) for index, image in used])
    _, saturation, _, _, step = np.median(values, axis=0)
    if saturation < GRAY:
        yield _possible("images are gray", f"the saturation is {saturation:.1f}")
    if step > COARSE:
        yield _possible("images are compressed coarsely", f"the quantization step is {step:.1f}")
    logs, part = np.log(np.maximum(values, 1e-3)), table.select(np.array([n for n, _ in used]))
    found = []
    for group in part.groups:
        own, others = logs[group.mask], logs[~group.mask]
        if group.axis != "take" and len(own) >= 3 and len(others) >= 8:
            middle = np.median(others, axis=0)
            deviations = 1.4826 * np.median(np.abs(others - middle), axis=0)
            z = np.abs(np.median(own, axis=0) - middle) / np.maximum(deviations, SPREAD)
            which = int(z.argmax())
            found.append((z[which], which, group.label, np.median(own, axis=0), middle))
    for z, which, label, own, middle in sorted(found, key=lambda each: -each[0])[:1]:
        if z < LEAST_Z:
            return
        evidence = f"{np.exp(own[which]):.3g} instead of {np.exp(middle[which]):.3g}"
        yield _possible(f"images have another {STATISTICS[which]}", evidence, label)


def _possible(what: str, evidence: str, place: str = "") -> Finding:
    return Finding("possible", "inputs", "images", what, evidence, REMEDY, None, place)
