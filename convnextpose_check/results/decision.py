"""The decision on a run, and its verdict in a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec.structs import replace

from convnextpose_check.results.schema import FileRecord, Results

NOTHING_EVALUATED = "Nothing was evaluated, so there is no verdict."

Decision = Literal[
    "reproduced", "off", "not judged", "no gate", "subset", "missing", "nothing",
    "weights hold", "weights fail",
]  # fmt: skip


def decide(results: Results) -> tuple[Decision, list[str]]:
    """Return the decision that follows from the values, and the variants that it is about."""
    if results.weights_only:
        return "weights hold" if _weights_hold(results) else "weights fail", list(results.weights)
    variants = results.variants
    if not variants:
        return "nothing", []
    if missing := [name for name in results.expected_variants if name not in variants]:
        return "missing", missing
    if not results.complete:
        return "subset", list(variants)
    if results.gate_mm is None:
        return "no gate", list(variants)
    if off := [name for name, record in variants.items() if record.is_within_tolerance is False]:
        return "off", off
    if unjudged := [name for name, record in variants.items() if record.verdict is None]:
        return "not judged", unjudged
    return "reproduced", list(variants)


def _weights_hold(results: Results) -> bool:
    """Whether the weights of every expected variant were checked, and all checks hold."""
    return (
        len(results.checks) > 0
        and all(check.outcome in ("passed", "not verified", "warning") for check in results.checks)
        and not results.left_out
        and set(results.expected_variants) <= results.weights.keys()
    )


def is_passed(results: Results) -> bool:
    """The decision of the gate, which exit code, terminal, results and report follow.

    A run of the synthetic target passes if none of its tests failed: parts of it may be run alone.
    """
    if not results.finished or results.failed or results.left_out:
        return False
    if results.subject == "miniature":
        return True
    return decide(results)[0] in ("reproduced", "no gate", "weights hold")


def decided(results: Results, problems: Iterable[str], run_id: str) -> Results:
    """The results of a finished run with its decision and verdict."""
    results = replace(results, finished=True, left_out=tuple(problems), run_id=run_id)
    return replace(results, verdict=verdict_sentence(results), passed=is_passed(results))


def verdict_sentence(results: Results) -> str:
    """The run's verdict; that on synthetic models does not mention a published model."""
    decision, names = decide(results)
    warnings = [f"Warning: {check.message}." for check in results.warnings]
    problems = len(results.failed) + len(results.left_out)
    checks = f"{problems} check{'s' * (problems != 1)} failed or left out"
    if results.weights_only:
        holds = decision == "weights hold"
        findings = _weights_findings(results.weights) if holds else [f"not passed, {checks}."]
        return " ".join(["Weights only:", *findings, *warnings, "MPJPE was not measured."])
    sentences = [_sentence(results, decision, names)]
    if resumed := ", ".join(_resumed(results)):
        sentences.append(
            f"Taken from an earlier run's cache: {resumed}; image contents were not read again."
        )
    if results.variants and problems:
        sentences.append(f"The run did not pass: {checks}.")
    return " ".join([*sentences, *warnings])


def _sentence(results: Results, decision: Decision, names: Sequence[str]) -> str:
    listed, alone = ", ".join(names), len(names) == 1
    match decision:
        case "nothing":
            return NOTHING_EVALUATED
        case "missing":
            return f"Not judged: {listed} could not be evaluated."
        case "subset":
            return (
                f"Not judged: subset, {results.samples:,} of {results.expected_samples:,} samples"
                " are no reproduction."
            )
        case "no gate":
            return f"No verdict on {listed}: --gate none was given."
        case "not judged":
            return f"No verdict on {listed}: {results.variants[names[0]].not_judged}."
        case "off":
            reference = results.variants[names[0]].reference
            tolerance_mm = (reference and reference.tolerance_mm) or results.gate_mm
            return f"Not reproduced: {listed} differ{'s' * alone} by {tolerance_mm:g} mm or more."
    if results.subject == "miniature":
        has = "has its recorded error" if alone else "have their recorded errors"
        return (
            f"The suite works here: {listed} of the miniature {has}. No published model was judged."
        )
    kinds = {r.reference.kind for r in results.variants.values() if r.reference}
    reported = "the paper" if kinds == {"paper"} else "its figure" if alone else "their figures"
    are = "is" if alone else "are"
    return f"Reproduced: {listed} {are} within {results.gate_mm} mm of {reported}."


def _resumed(results: Results) -> list[str]:
    """The variants that were taken from the cache, whole or in part."""
    return [
        name
        if record.resumed_samples == record.samples
        else f"{record.resumed_samples:,} of {record.samples:,} samples of {name}"
        for name, record in results.variants.items()
        if record.resumed_samples
    ]


def _weights_findings(weights: dict[str, FileRecord]) -> list[str]:
    """The properties that were verified, one sentence for files with the same finding."""
    alike: dict[str, list[str]] = {}
    for name, record in weights.items():
        finding = "every published property on record matches"
        if record.identity != "verified":
            matched = ", ".join(part for part in record.matched if part != "tensors")
            finding = f"matching {matched}; " if matched else ""
            finding += f"identity {record.identity}"
        if record.identity == "not verified":
            finding += f" ({record.identity_reason})"
        alike.setdefault(finding, []).append(name)
    return [f"{', '.join(names)}: {finding}." for finding, names in alike.items()]
