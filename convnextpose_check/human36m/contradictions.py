"""Where annotations contradict one another: told from them alone, before any network is asked.

What does not belong together as a whole is refused (``fits``). Here single takes and frames are
found that differ from the rest of their subject's by more than people, cameras and detectors do.
Nothing is refused for it: published figures include whatever Human3.6M holds. What it comes to is
told by the error without these samples.

Of the takes that are known to be displaced (by 200 mm) the ground truth's boxes are displaced as
well, as another loader has it that corrects both (isarandi/posepile): they agree with the joints,
and say nothing. RootNet's, which a detector has drawn, stay with the picture.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from convnextpose_check.human36m.fits import LEAST_INSIDE
from convnextpose_check.human36m.geometry import Array
from convnextpose_check.human36m.samples import Dataset
from convnextpose_check.human36m.seen import Seen
from convnextpose_check.human36m.skeleton import BONES, JOINTS

Kind = Literal["boxes", "places", "cameras", "bones", "jumps", "root depths"]

BESIDE_MM = 100.0
"""Boxes of a whole view may lie so far beside their bodies, seen from the subject's other views."""

ONE_BESIDE_MM = 300.0
"""A single box may, seen from the others of its view."""

TOO_DEEP_MM = 300.0
"""RootNet may misjudge the depth of a whole view by so much more than that of others."""

ONE_TOO_DEEP_MM = 1000.0
"""It may misjudge a single frame's by so much more than those of its view."""

SPREADS = 5.0
"""An exception is so many times farther off than views usually are."""

STRETCHED, STRETCHED_MM = 0.1, 30.0
"""A bone may differ from its usual length by this share, or by these millimetres."""

JUMP_MM = 100.0
"""Half of the joints may move so far from a frame to the next one: five metres in a second."""

SHOWN = 4

Wrong = tuple[Array, str]
"""Which samples (N,) are wrong, and what is."""


@dataclass(frozen=True)
class Contradiction:
    """Samples whose annotations contradict others: what does in a sentence, and in which takes.

    ``takes`` counts the samples of each. ``image_ids`` are those of the samples.
    """

    kind: Kind
    told: str
    takes: dict[str, int]
    image_ids: frozenset[int]

    def mask(self, image_ids: Sequence[int]) -> Array:
        """Which of these images it is about, (N,) bool."""
        return np.array([image_id in self.image_ids for image_id in image_ids], dtype=bool)

    def error_without_mm(self, errors_mm: Array, image_ids: Sequence[int]) -> float | None:
        """The mean of (N, J) errors without them; None where there is none of them, or no other."""
        kept = ~self.mask(image_ids)
        return None if kept.all() or not kept.any() else float(errors_mm[kept].mean())


def contradictions(dataset: Dataset) -> tuple[Contradiction, ...]:
    """What contradicts itself in the annotations of a data set; nothing where nothing fits."""
    if not dataset.samples or any(fit.misfit for fit in dataset.fits):
        return ()
    seen = Seen.of(dataset)
    places, cameras = _beside(seen)
    found: dict[Kind, Wrong] = {
        "boxes": _outside(seen),
        "places": places,
        "cameras": cameras,
        "bones": _stretched(seen),
        "jumps": _leaping(seen),
        "root depths": _misjudged(seen),
    }
    return tuple(
        Contradiction(
            kind,
            f"{told}: {_where(seen, wrong)}",
            dict(Counter(seen.take_titles[take] for take in seen.takes[wrong])),
            frozenset(seen.image_ids[wrong].tolist()),
        )
        for kind, (wrong, told) in found.items()
        if wrong.any()
    )


def _where(seen: Seen, wrong: Array) -> str:
    """The takes, those with most samples first, and the frames of each."""
    counted = Counter(seen.takes[wrong].tolist()).most_common()
    texts = []
    for take, count in counted[:SHOWN]:
        frames = np.unique(seen.frames[wrong & (seen.takes == take)]).tolist()
        which = ", ".join(map(str, frames))
        if len(frames) > SHOWN:
            which = f"{frames[0]} to {frames[-1]}"
        samples = "1 sample" if count == 1 else f"{count} samples"
        of_frames = "frame" if len(frames) == 1 else "frames"
        texts.append(f"{seen.take_titles[take]} ({samples}, {of_frames} {which})")
    more = [f"{len(counted) - SHOWN} more takes"] if len(counted) > SHOWN else []
    return ", ".join(texts + more)


def _outside(seen: Seen) -> Wrong:
    """Joints lie in their boxes; those beside the picture are in none."""
    corner_px, size_px = seen.boxes_px[:, None, :2], seen.boxes_px[:, None, 2:]
    pixels_px = seen.joints_px
    outside = (pixels_px < corner_px) | (pixels_px > corner_px + size_px)
    in_picture = (pixels_px >= 0) & (pixels_px < seen.sizes_px[:, None])
    share = (outside.any(axis=2) & in_picture.all(axis=2)).mean(axis=1)
    return share > 1 - LEAST_INSIDE, "joints lie outside their boxes"


def _beside(seen: Seen) -> tuple[Wrong, Wrong]:
    """The cameras of an instant agree where the body is: first most of them, and against few.

    Each sees only what is across its view; together they tell where in the world it is.
    """
    of_view_mm = np.stack([seen.medians(seen.beside_mm[:, axis]) for axis in (0, 1)], axis=1)
    off_mm = of_view_mm - np.stack([seen.usual(of_view_mm[:, axis]) for axis in (0, 1)], axis=1)
    far_mm = np.hypot(*off_mm.T)
    alone_mm = np.hypot(*(seen.beside_mm - of_view_mm).T)
    wrong = (far_mm > np.maximum(BESIDE_MM, SPREADS * seen.usual(far_mm))) | (
        alone_mm > ONE_BESIDE_MM
    )
    known = np.bincount(seen.instants, ~seen.is_cut)[seen.instants]
    agree = np.bincount(seen.instants, wrong)[seen.instants] * 2 >= known
    by_mm = 0.0
    if (placed := wrong & agree).any():
        largest = Counter(seen.takes[placed].tolist()).most_common(1)[0][0]
        used = placed & (seen.takes == largest)
        across_mm = np.where(np.isnan(off_mm), seen.beside_mm, off_mm)[used]
        shift_mm, *_ = np.linalg.lstsq(seen.axes[used].reshape(-1, 3), across_mm.ravel())
        by_mm = float(np.linalg.norm(shift_mm))
    return (
        (placed, f"bodies stand {by_mm:.0f} mm beside their boxes"),
        (wrong & ~agree, "a camera has the body elsewhere than the other cameras"),
    )


def _stretched(seen: Seen) -> Wrong:
    """Bones keep their length within a person."""
    ends = seen.joints_cam_mm[:, np.array(BONES)]
    lengths_mm = np.linalg.norm(ends[:, :, 0] - ends[:, :, 1], axis=2)
    usual_mm = np.empty_like(lengths_mm)
    for subject in np.unique(seen.subjects):
        of_subject = seen.subjects == subject
        usual_mm[of_subject] = np.median(lengths_mm[of_subject], axis=0)
    off_mm = np.abs(lengths_mm - usual_mm)
    off_mm[off_mm <= np.maximum(STRETCHED * usual_mm, STRETCHED_MM)] = 0.0
    sample, bone = np.unravel_index(int(off_mm.argmax()), off_mm.shape)
    one, other = (JOINTS[joint] for joint in BONES[bone])
    told = (
        f"bones change their length ({one} to {other} {lengths_mm[sample, bone]:.0f} mm, elsewhere"
        f" {usual_mm[sample, bone]:.0f} mm)"
    )
    return off_mm.any(axis=1), told


def _leaping(seen: Seen) -> Wrong:
    """A take's trajectory is smooth."""
    wrong = seen.moved_mm > JUMP_MM
    most_mm = seen.moved_mm[wrong].max(initial=0.0)
    return wrong, f"joints leap, by up to {most_mm:.0f} mm from a frame to the next"


def _misjudged(seen: Seen) -> Wrong:
    """RootNet's roots are as deep as the true ones, which are their own measure."""
    of_view_mm = seen.medians(seen.too_deep_mm)
    off_mm = of_view_mm - seen.usual(of_view_mm)
    alone_mm = np.abs(seen.too_deep_mm - of_view_mm)
    limit_mm = np.maximum(TOO_DEEP_MM, SPREADS * seen.usual(np.abs(off_mm)))
    wrong = (np.abs(off_mm) > limit_mm) | (alone_mm > ONE_TOO_DEEP_MM)
    most_mm = np.abs(seen.too_deep_mm[wrong]).max(initial=0.0)
    return wrong, f"RootNet misjudges the root's depth, by up to {most_mm:.0f} mm"
