"""Decide whether a run passed, and put its verdict into a sentence."""

from collections import Counter
from collections.abc import Iterable
from typing import Literal

from msgspec.structs import replace

from convnextpose_check.evaluation.verdict import VERDICTS, format_difference
from convnextpose_check.results.schema import FileRecord, Results, VariantResult

NOTHING_EVALUATED = "No verdict: nothing was evaluated."

Decision = Literal[
    "reproduced", "off", "not judged", "no gate", "subset", "missing", "nothing",
    "weights hold", "weights fail",
]  # fmt: skip


def decide(results: Results) -> tuple[Decision, str]:
    """Derive the decision from the measured values, and a sentence about the variants."""
    variants, gate_mm = results.variants, results.gate_mm
    listed = ", ".join(variants)
    if results.weights_only:
        checks_hold = len(results.checks) > 0 and all(
            check.outcome in ("passed", "not verified", "warning") for check in results.checks
        )
        is_complete = set(results.expected_variants) <= results.weights.keys()
        if checks_hold and is_complete and not results.left_out:
            found = map(_describe_identity, results.weights, results.weights.values())
            return "weights hold", " ".join(found)
        return "weights fail", "not passed."
    if not variants:
        return "nothing", NOTHING_EVALUATED
    if missing := [name for name in results.expected_variants if name not in variants]:
        return "missing", f"Not judged: {', '.join(missing)} could not be evaluated."
    if not results.complete:
        expected = f"expected {results.expected_samples:,}"
        return "subset", f"Not judged: {results.samples:,} samples were evaluated, {expected}."
    if gate_mm is None:
        return "no gate", f"No verdict on {listed}: --gate none was given."
    if off := [name for name, record in variants.items() if record.is_within_tolerance is False]:
        reference = variants[off[0]].reference
        tolerance_mm = (reference and reference.tolerance_mm) or gate_mm
        outside = f"{', '.join(off)} ({tolerance_mm:g} mm or more from the expected value)"
        largest = _describe_largest_difference(variants)
        return "off", f"Not reproduced: {outside}; largest: {largest}."
    if unjudged := [name for name, record in variants.items() if record.verdict is None]:
        names = ", ".join(unjudged)
        return "not judged", f"No verdict on {names}: {variants[unjudged[0]].not_judged}."
    if results.target == "synthetic":
        works = "The suite works on this machine: the synthetic data gives the"
        return "reproduced", f"{works} recorded errors of {listed}. No published model was judged."
    counts = Counter(record.verdict for record in variants.values())
    counted = ", ".join(f"{counts[word]} {word}" for word in VERDICTS if counts[word])
    kinds = {record.reference.kind for record in variants.values() if record.reference}
    reported = "the paper" if kinds == {"paper"} else "the reported value"
    largest = f"largest difference from {reported}: {_describe_largest_difference(variants)}"
    return "reproduced", f"Reproduced: {counted}; {largest}."


def _describe_largest_difference(variants: dict[str, VariantResult]) -> str:
    """The variant with the largest difference, with more decimals if two would mislead."""
    name, difference_mm = max(
        ((name, record.difference_mm or 0.0) for name, record in variants.items()),
        key=lambda item: abs(item[1]),
    )
    return f"{name} {format_difference(difference_mm, 2)} mm"


def is_passed(results: Results) -> bool:
    """True if the run passed, as exit code, terminal, results and reports state.

    A run of the synthetic models may select some of the tests, and passes if none of them failed.
    """
    if not results.finished or results.failed_checks or results.left_out:
        return False
    if results.target == "synthetic":
        return True
    return decide(results)[0] in ("reproduced", "no gate", "weights hold")


def add_decision(results: Results, problems: Iterable[str], run_id: str) -> Results:
    """Complete a finished run's results; ``problems`` become ``left_out``."""
    results = replace(results, finished=True, left_out=tuple(problems), run_id=run_id)
    return replace(results, verdict=format_run_verdict(results), passed=is_passed(results))


def format_run_verdict(results: Results) -> str:
    """The run's verdict with its warnings and the samples taken from the cache."""
    _, sentence = decide(results)
    warnings = [f"Warning: {check.message}." for check in results.warnings]
    records = results.weights or results.variants
    lacking = [f"{n}: {', '.join(r.not_recorded)}" for n, r in records.items() if r.not_recorded]
    if lacking:
        warnings.append(f"Not recorded in the files, so not checked: {'; '.join(lacking)}.")
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
            f"Taken from an earlier run's cache: {resumed}; their images were not read again."
        )
    if results.variants and (results.failed_checks or results.left_out):
        sentences.append("The run did not pass.")
    return " ".join([*sentences, *warnings])


def _describe_identity(name: str, record: FileRecord) -> str:
    """A file's identity, and the properties that equal their recorded values."""
    reason = f" ({record.identity_reason})" if record.identity == "not verified" else ""
    matched = f"{', '.join(record.matched) or 'nothing'} match{'es' * (not record.matched[1:])}"
    return f"{name}: {matched}. Identity {record.identity}{reason}."
