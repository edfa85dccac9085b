"""What a diagnosis found: graded sentences, and the parts of the difference."""

from __future__ import annotations

from typing import Literal

import msgspec

Grade = Literal["fact", "reproduces", "explains", "holds", "possible"]
"""A fact of the run; a change that reproduces the run, or lowers the error to the reference; a
place that holds the excess; a cause that could not be ruled out. In order of their rank."""

Link = Literal["settings", "mean", "comparison", "prediction", "inputs", "weights", ""]
"""Settings of the run; the mean over errors; the errors of positions; positions of images; images,
annotations, boxes and depths; the checkpoint."""

REPRODUCES = 0.05
"""Largest share of the difference that is left if a change reproduces the run."""

EXPLAINS = 0.5
"""Least share of the difference that a named cause explains."""


class Finding(msgspec.Struct, frozen=True):
    """One answer.

    ``what`` and ``evidence`` are parts of a sentence, ``remedy`` is one, all without a full stop.
    ``explained_mm`` of the difference is its effect, None if unknown. ``place`` names the samples
    or joints that it is limited to.
    """

    grade: Grade
    link: Link
    what: str
    evidence: str
    remedy: str
    explained_mm: float | None = None
    place: str = ""

    def sentence(self, excess_mm: float) -> str:
        """The whole answer, with its effect."""
        effect = "; it remains possible" if self.grade == "possible" else ""
        if self.explained_mm is not None:
            verb = "holds" if self.grade == "holds" else "explains"
            effect = f"; it {verb} {self.explained_mm:+.2f} of {excess_mm:+.2f} mm"
        place = f" ({self.place})" if self.place else ""
        return f"{self.what}{place}: {self.evidence}{effect}. {self.remedy}."


def graded(left: float, effect_mm: float) -> tuple[Grade, float]:
    """The grade of a change that leaves this share of an effect, and what it explains."""
    return ("reproduces", effect_mm) if left <= REPRODUCES else ("explains", effect_mm * (1 - left))


class Diagnosis(msgspec.Struct, frozen=True):
    """The answer for one variant.

    ``link`` names the broken link, ``parts`` are millimeters that add up to the difference,
    ``ruled_out`` names what agrees, ``hot_spots`` where the error is largest. ``findings`` are in
    order of what they leave of the difference.
    """

    variant: str
    figure_mm: float
    reference_mm: float | None
    link: str
    parts: dict[str, float]
    findings: tuple[Finding, ...]
    ruled_out: tuple[str, ...]
    hot_spots: tuple[str, ...]

    @property
    def excess_mm(self) -> float:
        """The figure minus the reference; 0 without one."""
        return 0.0 if self.reference_mm is None else self.figure_mm - self.reference_mm

    @property
    def is_explained(self) -> bool:
        """Whether a cause is named; other settings are none unless their effect is known."""
        return any(
            each.grade in ("reproduces", "explains")
            or (each.grade == "fact" and (each.link != "settings" or each.explained_mm is not None))
            for each in self.findings
        )
