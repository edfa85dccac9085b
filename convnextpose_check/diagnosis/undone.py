"""How much of an excess a hypothesis takes away, fitted on one half and measured on the other."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from convnextpose_check.diagnosis.case import Case
from convnextpose_check.diagnosis.hypotheses import Hypothesis, Value, choices
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
        """The standard error of the gain over performances."""
        return standard_error(self.gains_mm, self.takes)

    def explained_mm(self, excess_mm: float) -> float:
        """How much nearer to the reference the error comes, less a standard error for freedom."""
        left_mm = excess_mm - self.gain_mm
        left_mm = max(left_mm, 0.0) if self.hypothesis.lossy else abs(left_mm)
        freedom = self.hypothesis.freedom + bool(self.group)
        return excess_mm - left_mm - freedom * self.uncertainty_mm


def undo(hypothesis: Hypothesis, case: Case) -> Undone | None:
    """Put the hypothesis to the case; None where no value is left to try."""
    half = case.takes % 2 == 0
    value = _best(hypothesis, case)
    fitted = [_best(hypothesis, case.take(part)) for part in (half, ~half)]
    if value is None or None in fitted:
        return None
    gains_mm = np.zeros(len(half))
    for part, (found,) in zip((~half, half), fitted, strict=True):  # type: ignore[misc]
        gains_mm[part] = (case.means_mm - hypothesis.change(case, found).means_mm)[part]
    changed = hypothesis.change(case, value[0])
    whole = Undone(hypothesis, value[0], changed, gains_mm, case.takes)
    return _restricted(whole, case, half) if hypothesis.by_group else whole


def _best(hypothesis: Hypothesis, case: Case) -> tuple[Value] | None:
    """The value that leaves the least error on these samples; None where there is none."""
    every = len(case.sequences)
    if not every:
        return None
    values = list(choices(hypothesis, case))
    if len(values) < 2:
        return (values[0],) if values else None
    # Neighbours stay neighbours: another frame is looked for beside each.
    few = case if hypothesis.name == "other-frame" else case.take(_spread(every))
    errors_mm = [hypothesis.change(few, value).error_mm for value in values]
    return (values[int(np.argmin(errors_mm))],)


def _spread(count: int) -> Array:
    return np.unique(np.linspace(0, count - 1, min(count, FITTED_ON)).astype(int))


def _restricted(whole: Undone, case: Case, half: Array) -> Undone:
    """The same for those groups alone that gain by it, if that explains more.

    Groups are chosen on one half, and their gain is taken on the other.
    """
    best = whole
    for of in _groupings(case):
        names = np.unique(of)
        gains_mm, chosen = np.zeros(len(half)), {}
        for part, other in ((half, ~half), (~half, half)):
            found = [n for n in names if _gains(whole.gains_mm, other & (of == n), whole.takes)]
            kept = part & np.isin(of, found)
            gains_mm[kept] = whole.gains_mm[kept]
            chosen.update(dict.fromkeys(found))
        mask = np.isin(of, list(chosen))
        if mask.all() or not mask.any():
            continue
        tried = replace(
            whole,
            case=case.where(mask, whole.case),
            gains_mm=gains_mm,
            group=", ".join(str(name) for name in chosen),
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


def _gains(gains_mm: Array, mask: Array, takes: Array) -> bool:
    """Whether these samples gain beyond chance."""
    if not mask.any():
        return False
    mean = gains_mm[mask].mean()
    return bool(mean > 2 * standard_error(gains_mm[mask], takes[mask]) and mean > 0)


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
