"""How much of an excess a hypothesis takes away, fitted on one half and measured on the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from convnextpose_check.diagnosis.case import Case
from convnextpose_check.diagnosis.hypotheses import Hypothesis, Value
from convnextpose_check.human36m.annotations import spread
from convnextpose_check.human36m.geometry import Array

FITTED_ON = 300
"""Samples of a half that a free value is looked for on, spread evenly."""

FLIPS = 2000
SEED = 0


@dataclass(frozen=True)
class Undone:
    """A hypothesis put to the samples.

    ``gains_mm`` (N,) is what each sample's mean error loses, with values that were found on the
    other half. ``case`` is the case with the value that fits all. ``group`` names the only actions,
    cameras or subjects that it holds for, empty where it holds for all.
    """

    hypothesis: Hypothesis
    value: Value
    case: Case
    gains_mm: Array
    takes: Array
    group: str = ""

    @property
    def gain_mm(self) -> float:
        """What the error loses."""
        return float(self.gains_mm.mean())

    @property
    def uncertainty_mm(self) -> float:
        """The standard error of the gain over performances, of a group over those of it alone."""
        of = self.gains_mm != 0 if self.group else np.ones(len(self.takes), dtype=bool)
        if not of.any():
            return 0.0
        return standard_error(self.gains_mm[of], self.takes[of]) * float(of.mean())

    def explained_mm(self, excess_mm: float) -> float:
        """How much nearer to the reference the error comes, less a standard error for freedom."""
        left_mm = excess_mm - self.gain_mm
        left_mm = max(left_mm, 0.0) if self.hypothesis.lossy else abs(left_mm)
        freedom = self.hypothesis.freedom + bool(self.group)
        return excess_mm - left_mm - freedom * self.uncertainty_mm


def undo(hypothesis: Hypothesis, case: Case) -> Iterator[Undone]:
    """Put the hypothesis to the case.

    One that may hold for a group alone is tried with each value, for the value that is best for all
    may not be the group's.
    """
    half = case.takes % 2 == 0
    if half.all() or not half.any():
        return
    if hypothesis.by_group and hypothesis.fit is None:
        for value in hypothesis.values:
            changed = hypothesis.change(case, value)
            gains_mm = case.means_mm - changed.means_mm
            whole = Undone(hypothesis, value, changed, gains_mm, case.takes)
            yield _restricted(whole, case, half)
        return
    gains_mm = np.zeros(len(half))
    for part, other in ((half, ~half), (~half, half)):
        changed = hypothesis.change(case, _best(hypothesis, case.take(other)))
        gains_mm[part] = (case.means_mm - changed.means_mm)[part]
    value = _best(hypothesis, case)
    yield Undone(hypothesis, value, hypothesis.change(case, value), gains_mm, case.takes)


def _best(hypothesis: Hypothesis, case: Case) -> Value:
    """The value that fits these samples, or leaves the least error on some of them."""
    if hypothesis.fit is not None:
        return hypothesis.fit(case)
    few = case.take(np.array(spread(range(len(case.sequences)), FITTED_ON)))
    errors_mm = [hypothesis.change(few, value).error_mm for value in hypothesis.values]
    return hypothesis.values[int(np.argmin(errors_mm))]


def _restricted(whole: Undone, case: Case, half: Array) -> Undone:
    """The same for those groups alone that gain by it, if that explains more.

    Groups are chosen on one half, and their gain is taken on the other.
    """
    best = whole
    for of in _groupings(case):
        kept, chosen = np.zeros(len(half), dtype=bool), dict[str, None]()
        for part, other in ((half, ~half), (~half, half)):
            found = [n for n in np.unique(of) if _gains(whole, other & (of == n))]
            kept |= part & np.isin(of, found)
            chosen.update(dict.fromkeys(found))
        mask = np.isin(of, list(chosen))
        if mask.all() or not mask.any():
            continue
        tried = replace(
            whole,
            case=case.where(mask, whole.case),
            gains_mm=case.means_mm - case.where(kept, whole.case).means_mm,
            group=", ".join(chosen),
        )
        lead_mm = tried.gain_mm - best.gain_mm
        if lead_mm > 2 * tried.uncertainty_mm and lead_mm > 0.05 * abs(best.gain_mm):
            best = tried
    return best


def _groupings(case: Case) -> tuple[Array, ...]:
    names = case.sequences
    return (
        np.array(case.actions),
        np.array([f"camera {int(name.rsplit('_', 1)[1])}" for name in names]),
        np.array([f"subject {int(name.split('_')[1])}" for name in names]),
    )


def _gains(undone: Undone, mask: Array) -> bool:
    """Whether these samples gain beyond chance."""
    if not mask.any():
        return False
    gains_mm = undone.gains_mm[mask]
    return bool(gains_mm.mean() > 2 * standard_error(gains_mm, undone.takes[mask]))


def standard_error(values: Array, takes: Array) -> float:
    """Of the mean of (N,) values whose performances (N,) rise and fall together."""
    _, index = np.unique(takes, return_inverse=True)
    sums = np.bincount(index, weights=values - values.mean())
    groups = len(sums)
    if groups < 2:
        return float("inf")
    return float(np.sqrt((sums**2).sum() * groups / (groups - 1)) / len(values))


def chance(values: Array, takes: Array) -> float:
    """How often performances with signs drawn at random gain as much: the null by permutation."""
    _, index = np.unique(takes, return_inverse=True)
    sums = np.bincount(index, weights=values)
    signs = np.random.default_rng(SEED).choice((-1.0, 1.0), size=(FLIPS, len(sums)))
    return float((1 + np.sum(signs @ sums >= sums.sum() * (1 - 1e-9))) / (FLIPS + 1))
