"""Compare a run with an earlier one (``--baseline``)."""

from collections.abc import Iterator
from pathlib import Path

from convnextpose_check.evaluation.verdict import VERDICTS
from convnextpose_check.results.schema import (
    OUTCOMES,
    BaselineRecord,
    Deviation,
    Results,
    VariantResult,
)

TOLERANCE_MM = 0.05
"""Allowed difference from the baseline's error, in either direction."""


def compare_runs(results: Results, earlier: Results, file: Path) -> BaselineRecord:
    """Compare every value with that of the earlier run, which was read from ``file``.

    Worse values and missing variants or tests are problems, as are runs of different targets,
    settings or data, which are not compared.
    """
    problems = list(_find_different_conditions(results, earlier))
    deviations: list[Deviation] = []
    if not problems:
        for name, before in earlier.variants.items():
            if (now := results.variants.get(name)) is None:
                problems.append(f"{name} was evaluated in the baseline but not in this run")
            else:
                deviations += _compare_variant(name, before, now)
                if before.images_sha256 != now.images_sha256:
                    problems.append(f"{name} was evaluated on other images than in the baseline")
        outcomes = {check.test: check.outcome for check in results.checks}
        for check in earlier.checks:
            if check.test not in outcomes:
                problems.append(f"{check.test} ran in the baseline but not in this run")
            elif _rank(outcomes[check.test], OUTCOMES) > _rank(check.outcome, OUTCOMES):
                outcome = f"{outcomes[check.test]}, in the baseline {check.outcome}"
                problems.append(f"{check.test}: {outcome}")
    problems += [
        f"{d.variant}: {d.quantity} {d.now}, in the baseline {d.before}"
        for d in deviations
        if d.is_worse
    ]
    return BaselineRecord(
        str(file),
        earlier.environment.get("started", "unknown"),
        TOLERANCE_MM,
        tuple(deviations),
        tuple(f"baseline: {problem}" for problem in problems),
    )


def _find_different_conditions(results: Results, earlier: Results) -> Iterator[str]:
    if not earlier.finished or not earlier.variants:
        yield "the earlier run has no finished evaluation"
    pairs = {
        "target": (results.target, earlier.target),
        "protocol": (results.protocol, earlier.protocol),
        "boxes": (results.bbox, earlier.bbox),
        "flip test": (results.flip, earlier.flip),
        "data digest": (results.dataset.digest[:16] or "unknown", earlier.dataset.digest[:16]),
    }
    for quantity, (now, before) in pairs.items():
        if now != before:
            yield f"the runs cannot be compared: {quantity} {now}, in the baseline {before}"


def _compare_variant(name: str, before: VariantResult, now: VariantResult) -> Iterator[Deviation]:
    for quantity, old, new in (
        ("parameters", before.parameters, now.parameters),
        ("state dict", before.state_elements, now.state_elements),
        ("GMACs", before.gmacs, now.gmacs),
    ):
        yield Deviation(name, quantity, old, new, new > old)
    is_far = not abs(now.error_mm - before.error_mm) <= TOLERANCE_MM  # also true for NaN
    yield Deviation(name, "error (mm)", before.error_mm, now.error_mm, is_far)
    verdicts = (before.verdict_text, now.verdict_text)
    is_lower = _rank(verdicts[1], VERDICTS) > _rank(verdicts[0], VERDICTS)
    yield Deviation(name, "verdict", *verdicts, is_lower)
    yield Deviation(name, "sha256", before.sha256[:12], now.sha256[:12], is_worse=False)


def _rank(text: str, order: tuple[str, ...]) -> int:
    """Position in the order from good to bad; an unknown text ranks worst."""
    return order.index(text) if text in order else len(order)
