"""From a difference in millimetres to a verdict, in the words of the Kaggle guide."""

from __future__ import annotations

import math
from dataclasses import dataclass

from convnextpose_check.evaluation.measurements import Evaluation
from convnextpose_check.variants import Figure

TOLERANCES_MM = {1: "excellent", 2: "very good", 5: "acceptable"}
"""A difference below the tolerance, either way, earns its word; from the last one on: review."""

REVIEW = "review"


def verdict_word(difference_mm: float) -> str:
    """The guide's word for a difference, whichever its sign."""
    words = [word for mm, word in TOLERANCES_MM.items() if abs(difference_mm) < mm]
    return words[0] if words else REVIEW


@dataclass(frozen=True)
class Judgement:
    """An obtained error held against a reference.

    ``difference_mm`` is obtained minus reference, None without a reference. ``not_judged`` says
    why no verdict can rest on the difference, None where one can. ``is_information`` is true where
    none is meant to: under protocol 1 for want of a figure, or by the figure's own note. Under
    protocol 2 a missing figure is a failure, for the run was asked for a verdict.
    """

    obtained_mm: float
    reference: Figure | None
    not_judged: str | None
    is_information: bool
    is_subset: bool = False

    @property
    def difference_mm(self) -> float | None:
        """Obtained minus reference."""
        return None if self.reference is None else self.obtained_mm - self.reference.value

    @property
    def verdict(self) -> str:
        """The guide's word for the difference, or why there is none."""
        if self.not_judged or self.difference_mm is None:
            return f"not judged: {self.not_judged}"
        return verdict_word(self.difference_mm)


def may_be_missed(judgement: Judgement, tolerance_mm: float, gate_mm: float | None) -> bool:
    """Whether an error that is not within the tolerance is shown as such and fails no run.

    Under a gate that is a measured miss of a tighter tolerance, and information beside it; without
    a gate (None) anything that was measured of the whole data set. An error that is no number never
    is.
    """
    if not math.isfinite(judgement.obtained_mm) or judgement.is_subset:
        return False
    if gate_mm is None:
        return True
    return tolerance_mm < gate_mm and (judgement.not_judged is None or judgement.is_information)


def why_not_judged(subset_of: int | None, has_reference: bool) -> str | None:
    """Why figures give no verdict, None where they do.

    ``subset_of`` is the number of samples where these are not all.
    """
    if subset_of is not None:
        return f"subset of {subset_of} samples"
    return None if has_reference else "no figure to compare with"


def judge(evaluation: Evaluation, reference: Figure | None) -> Judgement:
    """Hold an evaluation against its reference; a subset is never a reproduction."""
    subset_of = None if evaluation.complete else len(evaluation.image_ids)
    not_judged = why_not_judged(subset_of, reference is not None)
    if not_judged is None and reference is not None and reference.information_only is not None:
        not_judged = f"information only, {reference.information_only}"
    is_information = (
        evaluation.protocol == 1 if reference is None else reference.information_only is not None
    )
    return Judgement(
        evaluation.error_mm,
        reference,
        not_judged,
        is_information,
        not evaluation.complete,
    )
