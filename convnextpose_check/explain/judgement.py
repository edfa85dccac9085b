"""Whether a printed total is the mean over the official samples of the means printed with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from convnextpose_check.explain.printed_log import Printed, PrintedRun
from convnextpose_check.human36m.samples import DatasetFacts
from convnextpose_check.human36m.skeleton import ACTIONS

Kind = Literal["agrees", "subset", "mean-of-actions", "protocol", "unexplained", "no-figures"]

_SLACK_MM = 1e-9
"""Sums of rounded numbers may be this far from what they are on paper."""

_MORE_THAN_ALL = 2
"""A count is looked for up to this many times the official one: all samples read twice."""


@dataclass(frozen=True)
class LogJudgement:
    """What the counts say of a printed run.

    ``recomputed_mm`` is the mean of the printed means by the official counts of the printed
    protocol, of the actions that were measured; None where none was.
    """

    kind: Kind
    recomputed_mm: float | None
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class _Reading:
    """One way to have come to the total: these samples of each action."""

    kind: Kind
    told: str
    counts: Mapping[str, int]


def judge_counts(run: PrintedRun, facts: DatasetFacts) -> LogJudgement:
    """Hold the total of a run against its means, weighted with the official counts.

    Figures are printed rounded: what lies within half of their last digits agrees.
    """
    measured = {name: mean for name, mean in run.per_action.items() if mean.is_measured}
    if not run.total.is_measured or not measured:
        return LogJudgement("no-figures", None, (_without_figures(run),))
    official = facts.protocols[run.protocol].per_action
    recomputed_mm, _ = _weighted(measured, official)
    kind, sentences = _read(run, measured, facts, recomputed_mm)
    if run.aligned != (run.protocol == 1):
        metric = "PA MPJPE" if run.aligned else "MPJPE"
        kind = "protocol"
        sentences.insert(
            0,
            f"protocol confused: protocol {run.protocol} is printed with {metric}; the authors'"
            " script prints PA MPJPE under protocol 1, MPJPE under protocol 2, and nothing else",
        )
    return LogJudgement(kind, recomputed_mm, tuple(sentences))


def _without_figures(run: PrintedRun) -> str:
    if not run.total.is_measured:
        return "the total is not a number: the network has answered with NaN, or nothing was read"
    return "no mean of an action is printed with the total, so it cannot be recomputed"


def _read(
    run: PrintedRun, measured: Mapping[str, Printed], facts: DatasetFacts, recomputed_mm: float
) -> tuple[Kind, list[str]]:
    absent = [name for name in ACTIONS.values() if name not in measured]
    fitting = [r for r in _readings(run, facts) if _fits(run.total, measured, r.counts)]
    first = fitting[0] if fitting else None
    official = facts.protocols[run.protocol].per_action
    means = f"the {len(measured)} means give {recomputed_mm:.3f} mm"
    if first is not None and first.kind == "agrees" and not absent:
        samples = sum(official.values())
        return "agrees", [
            f"agrees: weighted with the {samples:,} samples of protocol {run.protocol}, {means}"
        ]
    if first is not None and first.kind == "agrees":
        samples = sum(official[name] for name in measured)
        return "subset", [
            f"a subset: no samples of {', '.join(absent)}; weighted with the official"
            f" {samples:,} of the others, {means}"
        ]
    missing = [f"a subset: no samples of {', '.join(absent)}"] if absent else []
    off_mm = run.total.mm - recomputed_mm
    missing.append(
        f"does not agree: weighted with the official counts of protocol {run.protocol}, {means},"
        f" {abs(off_mm):.3f} mm {'less' if off_mm > 0 else 'more'} than printed"
    )
    if first is not None:
        if len(fitting) > 1:
            missing.append("more than one way to have come to it fits:")
        return first.kind, [*missing, *(reading.told for reading in fitting)]
    if counts := _single_counts(run.total, measured, official):
        any_of = "any one of these counts" if len(counts) > 1 else "this count"
        missing.append(f"a subset? {any_of} alone would explain it: {'; '.join(counts)}")
        return "subset", missing
    missing.append(_no_counts(run.total, measured))
    return ("subset" if absent else "unexplained"), missing


def _readings(run: PrintedRun, facts: DatasetFacts) -> Iterator[_Reading]:
    """Ways to have come to a total, the official one first."""
    official = facts.protocols[run.protocol]
    yield _Reading("agrees", "", official.per_action)
    for protocol, other in facts.protocols.items():
        if protocol != run.protocol:
            yield _Reading(
                "protocol",
                f"protocol confused: the counts of protocol {protocol} fit"
                f" ({_subjects(other.subjects)}, {other.samples:,} samples), not those of the line",
                other.per_action,
            )
    small, large = sorted(facts.protocols.values(), key=lambda protocol: protocol.samples)
    rest = {name: large.per_action[name] - small.per_action[name] for name in ACTIONS.values()}
    alone = _subjects([subject for subject in large.subjects if subject not in small.subjects])
    yield _Reading(
        "subset",
        f"a subset: the {sum(rest.values()):,} samples of {alone} alone fit",
        rest,
    )
    if facts.displaced is not None:
        known = [t for t in facts.displaced.takes if t.subject in official.subjects]
        if known:
            kept = dict(official.per_action)
            for take in known:
                kept[take.action] -= take.samples
            takes = ", ".join(take.title for take in known)
            yield _Reading(
                "subset",
                f"a subset: without the displaced takes {takes} the other"
                f" {sum(kept.values()):,} fit",
                kept,
            )
    yield _Reading(
        "mean-of-actions",
        "the total is the mean of the actions, not of the samples: every action counts the same",
        dict.fromkeys(ACTIONS.values(), 1),
    )


def _subjects(numbers: Sequence[int]) -> str:
    return f"subject{'s' if len(numbers) > 1 else ''} {' and '.join(map(str, numbers))}"


def _weighted(
    measured: Mapping[str, Printed], counts: Mapping[str, int | float]
) -> tuple[float, float]:
    """The mean of the means, and what their rounding may have moved it by."""
    weight = sum(counts[name] for name in measured)
    mean_mm = sum(counts[name] * mean.mm for name, mean in measured.items()) / weight
    rounding_mm = sum(counts[name] * mean.half_step_mm for name, mean in measured.items()) / weight
    return mean_mm, rounding_mm


def _fits(total: Printed, measured: Mapping[str, Printed], counts: Mapping[str, int]) -> bool:
    mean_mm, rounding_mm = _weighted(measured, counts)
    return abs(mean_mm - total.mm) <= rounding_mm + total.half_step_mm + _SLACK_MM


def _single_counts(
    total: Printed, measured: Mapping[str, Printed], official: Mapping[str, int]
) -> list[str]:
    """For each action, the counts of it that give the total where all others are official.

    More samples than there are explain it only where fewer of no action do.
    """
    fewer: list[str] = []
    more: list[str] = []
    for name in measured:
        fit = [
            count
            for count in range(1, _MORE_THAN_ALL * official[name] + 1)
            if _fits(total, measured, {**official, name: count})
        ]
        if fit:
            span = f"{fit[0]:,}" if len(fit) == 1 else f"{fit[0]:,} to {fit[-1]:,}"
            told = f"{name} {span} of {official[name]:,}"
            (fewer if fit[0] < official[name] else more).append(told)
    return fewer or more


def _no_counts(total: Printed, measured: Mapping[str, Printed]) -> str:
    means_mm = [mean.mm for mean in measured.values()]
    if min(means_mm) - total.half_step_mm <= total.mm <= max(means_mm) + total.half_step_mm:
        return "no count of one action explains it: several do not fit, or a figure was changed"
    return (
        f"no counts explain it: the means lie between {min(means_mm):.2f} and"
        f" {max(means_mm):.2f} mm, the total does not"
    )
