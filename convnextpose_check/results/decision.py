"""The decision on a run, and its verdict in a sentence."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from msgspec.structs import replace

from convnextpose_check.results.schema import FileRecord, Results

NOTHING_EVALUATED = "Nothing was evaluated, so there is no verdict."

Decision = Literal[
    "reproduced", "off", "not judged", "no gate", "subset", "missing", "nothing",
    "weights hold", "weights fail",
]  # fmt: skip


def decide(results: Results) -> tuple[Decision, str]:
    """Return the decision that follows from the values, and a sentence about the variants."""
    variants, gate_mm = results.variants, results.gate_mm
    listed, is_one = ", ".join(variants), len(variants) == 1
    if results.weights_only:
        checks_hold = len(results.checks) > 0 and all(
            check.outcome in ("passed", "not verified", "warning") for check in results.checks
        )
        is_complete = set(results.expected_variants) <= results.weights.keys()
        if checks_hold and is_complete and not results.left_out:
            return "weights hold", " ".join(_weights_findings(results.weights))
        return "weights fail", f"not passed, {_count_failed_checks(results)}."
    if not variants:
        return "nothing", NOTHING_EVALUATED
    if missing := [name for name in results.expected_variants if name not in variants]:
        return "missing", f"Not judged: {', '.join(missing)} could not be evaluated."
    if not results.complete:
        part = f"{results.samples:,} of {results.expected_samples:,}"
        return "subset", f"Not judged: subset, {part} samples are no reproduction."
    if gate_mm is None:
        return "no gate", f"No verdict on {listed}: --gate none was given."
    if off := [name for name, record in variants.items() if record.is_within_tolerance is False]:
        reference = variants[off[0]].reference
        tolerance_mm = (reference and reference.tolerance_mm) or gate_mm
        differ = f"differ{'s' * (len(off) == 1)} by {tolerance_mm:g} mm or more"
        return "off", f"Not reproduced: {', '.join(off)} {differ}."
    if unjudged := [name for name, record in variants.items() if record.verdict is None]:
        names = ", ".join(unjudged)
        return "not judged", f"No verdict on {names}: {variants[unjudged[0]].not_judged}."
    if results.target == "synthetic":
        has = "has its recorded error" if is_one else "have their recorded errors"
        works = f"The suite works here: {listed} of the synthetic data {has}."
        return "reproduced", f"{works} No published model was judged."
    kinds = {record.reference.kind for record in variants.values() if record.reference}
    reported = (
        "the paper"
        if kinds == {"paper"}
        else "its reported value"
        if is_one
        else "their reported values"
    )
    are = "is" if is_one else "are"
    return "reproduced", f"Reproduced: {listed} {are} within {gate_mm} mm of {reported}."


def _count_failed_checks(results: Results) -> str:
    count = len(results.failed_checks) + len(results.left_out)
    return f"{count} check{'s' * (count != 1)} failed or left out"


def is_passed(results: Results) -> bool:
    """The decision of the gate, which exit code, terminal, results and report follow.

    A run of the synthetic target passes if none of its tests failed: parts of it may be run alone.
    """
    if not results.finished or results.failed_checks or results.left_out:
        return False
    if results.target == "synthetic":
        return True
    return decide(results)[0] in ("reproduced", "no gate", "weights hold")


def add_decision(results: Results, problems: Iterable[str], run_id: str) -> Results:
    """The results of a finished run with its decision and verdict."""
    results = replace(results, finished=True, left_out=tuple(problems), run_id=run_id)
    return replace(results, verdict=format_run_verdict(results), passed=is_passed(results))


def format_run_verdict(results: Results) -> str:
    """The run's verdict; that on synthetic models does not mention a published model."""
    _, sentence = decide(results)
    warnings = [f"Warning: {check.message}." for check in results.warnings]
    if results.weights_only:
        return " ".join(["Weights only:", sentence, *warnings, "MPJPE was not measured."])
    sentences = [sentence]
    resumed = ", ".join(
        name
        if record.resumed_samples == record.samples
        else f"{record.resumed_samples:,} of {record.samples:,} samples of {name}"
        for name, record in results.variants.items()
        if record.resumed_samples
    )
    if resumed:
        sentences.append(
            f"Taken from an earlier run's cache: {resumed}; image contents were not read again."
        )
    if results.variants and (results.failed_checks or results.left_out):
        sentences.append(f"The run did not pass: {_count_failed_checks(results)}.")
    return " ".join([*sentences, *warnings])


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
