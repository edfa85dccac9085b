"""The decision on a run, its verdict in a sentence, and the terminal's table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from textwrap import wrap
from typing import Literal

from msgspec.structs import replace

from convnextpose_check.network.users import ONNX_SUFFIX
from convnextpose_check.results.figures import ICONS, Badge, badge, difference
from convnextpose_check.results.schema import (
    CheckRecord,
    FileRecord,
    Outcome,
    Results,
    VariantResult,
)

TERMINAL_COLUMNS = 80
OUTCOMES: tuple[Outcome, ...] = (
    "passed", "not verified", "warning", "expected failure", "failed", "skipped",
)  # fmt: skip
"""The outcomes of checks in the order in which their counts are shown."""

NOTHING_EVALUATED = "Nothing was evaluated, so there is no verdict."

Decision = Literal[
    "reproduced", "off", "not judged", "no gate", "subset", "missing", "nothing",
    "weights hold", "weights fail",
]  # fmt: skip


def decide(results: Results) -> tuple[Decision, list[str]]:
    """Return what the values decide, and the variants that it is about."""
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


def verdict_badge(results: Results) -> Badge:
    """The run's verdict: green only for a reproduction, red for every run that did not pass."""
    decision = decide(results)[0]
    if not is_passed(results) or decision == "off":
        return Badge("bad", ICONS["bad"], results.verdict)
    if decision == "reproduced":
        return Badge("good", ICONS["good"], results.verdict)
    if decision == "weights hold" and warnings(results):
        return Badge("fair", ICONS["fair"], results.verdict)
    return Badge("none", ICONS["none"], results.verdict)


def verdict_sentence(results: Results) -> str:
    """The run's verdict; that on synthetic models does not mention a published model."""
    decision, names = decide(results)
    if results.weights_only:
        parts = ["Weights only:", *_weights_sentences(results, decision), *warnings(results)]
        return " ".join([*parts, "MPJPE was not measured."])
    sentence = _sentence(results, decision, names) + _resumed(results)
    if results.variants and (problems := len(results.failed) + len(results.left_out)):
        checks = "1 check" if problems == 1 else f"{problems} checks"
        sentence += f" The run did not pass: {checks} failed or left out."
    return " ".join([sentence, *warnings(results)])


def _sentence(results: Results, decision: Decision, names: Sequence[str]) -> str:
    listed, alone = ", ".join(names), len(names) == 1
    match decision:
        case "nothing":
            return NOTHING_EVALUATED
        case "missing":
            return f"Not judged: {listed} could not be evaluated."
        case "subset":
            part = f"{results.samples:,} of {results.expected_samples:,}"
            return f"Not judged: subset, {part} samples are no reproduction."
        case "no gate":
            return f"No verdict on {listed}: none was asked for (--gate none)."
        case "not judged":
            return f"No verdict on {listed}: {results.variants[names[0]].not_judged}."
        case "off":
            reference = results.variants[names[0]].reference
            assert reference is not None  # it is judged
            differ = "differs" if alone else "differ"
            tolerance_mm = reference.tolerance_mm or results.gate_mm
            return f"Not reproduced: {listed} {differ} by {tolerance_mm:g} mm or more."
    if results.subject == "miniature":
        has = "has its recorded error" if alone else "have their recorded errors"
        return (
            f"The suite works here: {listed} of the miniature {has}. No published model was judged."
        )
    figures = "its figure" if alone else "their figures"
    if _are_the_papers(results.variants.values()):
        figures = "the paper"
    are = "is" if alone else "are"
    return f"Reproduced: {listed} {are} within {results.gate_mm} mm of {figures}."


def _resumed(results: Results) -> str:
    """Which variants were taken from the cache, whole or in part; empty for none."""
    parts = [
        name
        if record.resumed_samples == record.samples
        else f"{record.resumed_samples:,} of {record.samples:,} samples of {name}"
        for name, record in results.variants.items()
        if record.resumed_samples
    ]
    if not parts:
        return ""
    return (
        f" Taken from an earlier run's cache: {', '.join(parts)};"
        " image contents were not read again."
    )


def _are_the_papers(records: Iterable[VariantResult]) -> bool:
    """Whether every reference is the paper's."""
    return all(r.reference is not None and r.reference.kind == "paper" for r in records)


def _weights_hold(results: Results) -> bool:
    """Whether the weights of every variant asked for were checked, and all checks hold."""
    return (
        len(results.checks) > 0
        and all(check.holds for check in results.checks)
        and not results.left_out
        and set(results.expected_variants) <= results.weights.keys()
    )


def _weights_sentences(results: Results, decision: Decision) -> list[str]:
    """What was verified of the files and what was not, one sentence for those that are alike."""
    if decision != "weights hold":
        wrong = len(results.failed) + len(results.left_out)
        return [f"not passed, {wrong} check{'s' * (wrong != 1)} failed or left out."]
    alike: dict[str, list[str]] = {}
    for name, record in results.weights.items():
        alike.setdefault(_file_finding(results, record), []).append(name)
    sentences = []
    for finding, names in alike.items():
        if finding:
            sentences.append(f"{', '.join(names)}: {finding}.")
        else:
            match = "matches" if len(names) == 1 else "match"
            sentences.append(f"{', '.join(names)} {match} every published property on record.")
    return sentences


def _file_finding(results: Results, record: FileRecord) -> str:
    """What was verified of a file and what was not; empty if everything on record was."""
    if record.identity == "verified":
        return ""
    matched = _listed([part for part in record.matched if part != "tensors"])
    recorded = " the variants file" if results.own_models else ""
    found = f"{matched} match{recorded}; " if matched else ""
    if record.identity == "contradicted":
        return f"{found}identity contradicted"
    open_parts = [part for part in ("epoch", "training record") if part not in record.matched]
    return f"{found}{_listed([*open_parts, 'identity'])} not verified ({record.identity_reason})"


def _listed(parts: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))


def trust_note(results: Results) -> str:
    """A warning if the run executed the user's code: a factory or a TorchScript file."""
    if results.network is None or results.network.endswith(ONNX_SUFFIX):
        return ""
    return (
        f"The evaluated network is the user's own, {results.network}. Its code ran in the same"
        " process: the verdict is only as trustworthy as that code."
    )


def first_failures(results: Results) -> list[tuple[CheckRecord, int]]:
    """The first failed check of each mistake, with the number of others that it failed."""
    more = Counter(check.told_by for check in results.failed)
    return [(check, more[check.test]) for check in results.failed if not check.told_by]


def counts(results: Results) -> dict[Outcome, int]:
    """The number of checks by outcome, without those that did not occur."""
    found = Counter(check.outcome for check in results.checks)
    return {outcome: found[outcome] for outcome in OUTCOMES if found[outcome]}


def warnings(results: Results) -> list[str]:
    """A sentence for each check that warns."""
    return [f"Warning: {check.message}." for check in results.checks if check.outcome == "warning"]


def uncertain(results: Results) -> list[str]:
    """The judged variants whose bootstrap interval lies on both sides of the gate.

    None of the synthetic ones: their recorded values hold for these very samples.
    """
    names: list[str] = []
    if results.subject == "miniature" or results.gate_mm is None:
        return names
    for name, record in results.variants.items():
        if record.verdict and record.interval_mm and record.reference_mm is not None:
            ends = [end - record.reference_mm for end in record.interval_mm]
            inside = [abs(end) < results.gate_mm for end in ends]
            if not all(inside) and (any(inside) or ends[0] * ends[1] < 0):
                names.append(name)
    return names


def terminal_lines(results: Results) -> list[str]:
    """The table of the variants, at most 80 columns wide; empty if nothing was evaluated."""
    if results.weights:
        return _weights_lines(results.weights)
    if not results.variants:
        return []
    width = max(map(len, results.variants))
    lines = [
        f"{'':{width}} {'params':>9} {'GMACs':>5} {results.metric:>8} {'expected':>8}"
        f" {'diff.':>8} {'95 % interval':>14}  verdict"
    ]
    for name, record in results.variants.items():
        lines.append(
            f"{name:{width}} {record.parameters:>9,} {record.gmacs:>5.2f} {record.error_mm:>8.3f}"
            f" {number(record.reference_mm, '8.3f')} {difference(record.difference_mm):>8}"
            f" {interval(record):>14}  {badge(record).text}"
        )
    speeds = (f"{name} {r.images_per_second:.1f}" for name, r in results.variants.items())
    return [*lines, *wrap(f"images/s: {', '.join(speeds)}", TERMINAL_COLUMNS)]


def _weights_lines(weights: Mapping[str, FileRecord]) -> list[str]:
    width = max(map(len, weights))
    heading = f"{'':{width}} {'params':>9} {'GMACs':>5} {'epoch':>5}  {'identity':12}"
    return [f"{heading}  {'sha256':12}  file"] + [
        f"{name:{width}} {record.parameters:>9,} {record.gmacs:>5.2f} {record.epoch:>5} "
        f" {record.identity:12}  {record.sha256[:12]}  {record.file}"
        for name, record in weights.items()
    ]


def interval(record: VariantResult, decimals: int = 1) -> str:
    """The bootstrap interval relative to the reference, absolute without one."""
    if record.interval_mm is None:
        return "-"
    shift_mm = record.reference_mm or 0.0
    signed = "+" if record.reference_mm is not None else ""
    low, high = (f"{end - shift_mm:{signed}.{decimals}f}" for end in record.interval_mm)
    return f"{low} to {high}"


def number(value: float | None, form: str) -> str:
    """A number, or a dash of the same width; ``form`` is such as ``+8.3f``."""
    width, decimals = form.lstrip("+").rstrip("f").split(".")
    # Adding zero turns a rounded negative zero into a plain one.
    return f"{'-':>{width}}" if value is None else f"{round(value, int(decimals)) + 0.0:{form}}"


def shown(value: str | float | None) -> str:
    """Format a recorded value: thousands separated, three decimals."""
    if value is None:
        return ""
    if isinstance(value, int):
        return f"{value:,}"
    return value if isinstance(value, str) else number(value, ".3f")
