"""The verdict on a difference in millimetres, in the words of the Kaggle guide."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from convnextpose_check.evaluation.measurements import Evaluation
from convnextpose_check.variants import Figure

Verdict = Literal["excellent", "very good", "acceptable", "review"]

TOLERANCES_MM: dict[int, Verdict] = {1: "excellent", 2: "very good", 5: "acceptable"}
"""The word for a difference below each tolerance; from the last one on it is review."""

REVIEW: Verdict = "review"


def verdict_word(difference_mm: float) -> Verdict:
    """The guide's word for a difference of either sign."""
    words = [word for mm, word in TOLERANCES_MM.items() if abs(difference_mm) < mm]
    return words[0] if words else REVIEW


@dataclass(frozen=True)
class Judgement:
    """An obtained error compared with a reference.

    ``not_judged`` is the reason why there is no verdict, or None. ``is_information`` is true if
    none is expected: the paper has no value under protocol 1, or marks it as information only.
    Under protocol 2 a missing reference is a failure.
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
        """The guide's word for the difference, or the reason why there is none."""
        if self.not_judged or self.difference_mm is None:
            return f"not judged: {self.not_judged}"
        return verdict_word(self.difference_mm)


def may_be_missed(judgement: Judgement, tolerance_mm: float, gate_mm: float | None) -> bool:
    """True if an error outside of the tolerance does not fail the run.

    With a gate only a tighter tolerance may be missed, and only by an error with a verdict or for
    information; without a gate (None) any. An error that is not finite or of a subset always fails.
    """
    if not math.isfinite(judgement.obtained_mm) or judgement.is_subset:
        return False
    if gate_mm is None:
        return True
    return tolerance_mm < gate_mm and (judgement.not_judged is None or judgement.is_information)


def why_not_judged(subset_of: int | None, has_reference: bool) -> str | None:
    """The reason why there is no verdict, or None; ``subset_of`` is the size of a subset."""
    if subset_of is not None:
        return f"subset of {subset_of} samples"
    return None if has_reference else "no figure to compare with"


def judge(evaluation: Evaluation, reference: Figure | None) -> Judgement:
    """Compare an evaluation with its reference; a subset has no verdict."""
    subset_of = None if evaluation.complete else len(evaluation.image_ids)
    not_judged = why_not_judged(subset_of, reference is not None)
    if not_judged is None and reference is not None and reference.information_only is not None:
        not_judged = f"information only, {reference.information_only}"
    is_information = (
        evaluation.protocol == 1 if reference is None else reference.information_only is not None
    )
    is_subset = not evaluation.complete
    return Judgement(evaluation.error_mm, reference, not_judged, is_information, is_subset)
