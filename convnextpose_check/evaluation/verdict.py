"""The verdict on a difference in mm, in the Kaggle guide's terms."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

from convnextpose_check.evaluation.measurements import Evaluation
from convnextpose_check.variants import ReportedValue

Verdict = Literal["excellent", "very good", "acceptable", "review"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

TOLERANCES_MM: dict[int, Verdict] = {1: "excellent", 2: "very good", 5: "acceptable"}
"""The verdict on a difference below each tolerance; at or above the last it is ``REVIEW``."""

REVIEW: Verdict = "review"

RECORDED_TOLERANCE_MM = 0.02
"""Tolerance for the recorded errors on the synthetic data set."""


def judge_difference(difference_mm: float) -> Verdict:
    """Return the verdict on a difference of either sign."""
    return next((word for mm, word in TOLERANCES_MM.items() if abs(difference_mm) < mm), REVIEW)


def format_difference(value: float | None, decimals: int = 3) -> str:
    """A difference with its sign and this many decimals; more if they would mislead.

    They mislead if they show zero, or round the difference to the other side of a tolerance.
    """
    if value is None:
        return "-"
    bounds = (1e-6, RECORDED_TOLERANCE_MM, *TOLERANCES_MM)
    for digits in range(decimals, 10):
        rounded = round(value, digits) + 0.0  # no negative zero
        if all((abs(rounded) < bound) == (abs(value) < bound) for bound in bounds):
            break
    return f"{rounded:+.{digits}f}"


@dataclass(frozen=True)
class Judgment:
    """An obtained error compared with a reference.

    ``not_judged`` is the reason for having no verdict, or None. ``is_information`` is true if no
    verdict is expected: the paper reports no value under protocol 1, or the variants file marks
    the value as information only. Under protocol 2 a missing reference is a failure.
    """

    obtained_mm: float
    reference: ReportedValue | None
    not_judged: str | None
    is_information: bool
    is_subset: bool = False

    @property
    def difference_mm(self) -> float | None:
        """Obtained minus reference."""
        return None if self.reference is None else self.obtained_mm - self.reference.value

    @property
    def verdict(self) -> Verdict | None:
        """The verdict on the difference; None if it is not judged."""
        if self.not_judged or self.difference_mm is None:
            return None
        return judge_difference(self.difference_mm)

    def __str__(self) -> str:
        return self.verdict or f"not judged: {self.not_judged}"


def is_miss_allowed(judgment: Judgment, tolerance_mm: float, gate_mm: float | None) -> bool:
    """True if the test with this tolerance may fail without failing the run.

    ``gate_mm`` is the value of ``--gate``: only tests with smaller tolerances may fail then, and
    only if the error has a verdict or is information only. Without a gate (None) every test may,
    but not for NaN, an infinite error, or a subset of the samples.
    """
    if not math.isfinite(judgment.obtained_mm) or judgment.is_subset:
        return False
    if gate_mm is None:
        return True
    return tolerance_mm < gate_mm and (judgment.not_judged is None or judgment.is_information)


def judge(evaluation: Evaluation, reference: ReportedValue | None) -> Judgment:
    """Compare an evaluation with its reference; a subset has no verdict."""
    not_judged, is_information = None, False
    if reference is None:
        not_judged = "no reported value to compare with"
        is_information = evaluation.protocol == 1
    elif reference.information_only is not None:
        not_judged = f"information only, {reference.information_only}"
        is_information = True
    is_subset = not evaluation.complete
    if is_subset:
        not_judged = f"the {len(evaluation.image_ids)} samples are not those of the protocol"
    return Judgment(evaluation.error_mm, reference, not_judged, is_information, is_subset)
