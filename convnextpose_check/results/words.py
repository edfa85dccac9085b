"""What a person reads first: the verdict in a sentence, and the terminal's table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from textwrap import wrap

from msgspec.structs import replace

from convnextpose_check.network.users import ONNX_SUFFIX
from convnextpose_check.results.figures import Chip, chip, difference
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


def verdict_sentence(results: Results) -> str:
    """The run's verdict. A sentence about the miniature never speaks of the published models."""
    if results.weights_only:
        return _of_weights(results)
    sentence = _finding(results) + _resumed(results)
    if results.variants and (problems := len(results.failed) + len(results.left_out)):
        checks = "1 check" if problems == 1 else f"{problems} checks"
        sentence += f" The run did not pass: {checks} failed or left out."
    return " ".join([sentence, *warnings(results)])


def is_reproduced(results: Results) -> bool:
    """Whether every variant asked for was measured whole and is within the gate."""
    gate_mm, variants = results.gate_mm, results.variants
    return (
        gate_mm is not None
        and results.complete
        and len(variants) > 0
        and set(results.expected_variants) <= variants.keys()
        and all(
            record.is_judged
            and record.difference_mm is not None
            and abs(record.difference_mm) < gate_mm
            for record in variants.values()
        )
    )


def decided(results: Results, problems: Iterable[str], run_id: str) -> Results:
    """The results of a finished run with its decision and verdict."""
    results = replace(results, finished=True, left_out=tuple(problems), run_id=run_id)
    return replace(results, verdict=verdict_sentence(results), passed=is_passed(results))


def is_passed(results: Results) -> bool:
    """The decision of the gate, which exit code, terminal, results and report follow.

    A run of the synthetic target passes if none of its tests failed: parts of it may be run alone.
    """
    if not results.finished or results.failed or results.left_out:
        return False
    if results.subject == "miniature":
        return True
    if results.weights_only:
        return weights_hold(results)
    if results.gate_mm is None:
        return results.complete
    return is_reproduced(results)


def weights_hold(results: Results) -> bool:
    """Whether weights alone were judged, of every variant asked for, and all of it passed."""
    return (
        results.weights_only
        and len(results.checks) > 0
        and all(check.holds for check in results.checks)
        and not results.left_out
        and set(results.expected_variants) <= results.weights.keys()
    )


def trust_note(results: Results) -> str:
    """A warning where the run executed code of the user's: a factory or a TorchScript file."""
    if results.network is None or results.network.endswith(ONNX_SUFFIX):
        return ""
    return (
        f"The evaluated network is the user's own, {results.network}. Its code ran in the same"
        " process: the verdict is only as trustworthy as that code."
    )


def to_mend(results: Results) -> list[tuple[CheckRecord, int]]:
    """The failed checks that tell their own mistake, each with how many more it failed."""
    more = Counter(check.told_by for check in results.failed)
    return [(check, more[check.test]) for check in results.failed if not check.told_by]


def counts(results: Results) -> dict[Outcome, int]:
    """How many checks came out how, the good first, none that did not occur."""
    found = Counter(check.outcome for check in results.checks)
    return {outcome: found[outcome] for outcome in OUTCOMES if found[outcome]}


def warnings(results: Results) -> list[str]:
    """A sentence for each check that warns."""
    return [f"Warning: {check.message}." for check in results.checks if check.outcome == "warning"]


def verdict_chip(results: Results) -> Chip:
    """The run's verdict with its colour and sign: none of either where none was asked for."""
    if results.failed or results.left_out:
        return Chip("bad", "\N{BALLOT X}", results.verdict)
    if weights_hold(results) and warnings(results):
        return Chip("fair", "\N{WARNING SIGN}", results.verdict)
    if weights_hold(results) or (results.gate_mm is None and results.variants):
        return Chip("none", "\N{WHITE CIRCLE}", results.verdict)
    if is_reproduced(results):
        return Chip("good", "\N{CHECK MARK}", results.verdict)
    return Chip("bad", "\N{BALLOT X}", results.verdict)


def _finding(results: Results) -> str:
    variants = results.variants
    alone = len(variants) == 1
    if not variants:
        return NOTHING_EVALUATED
    if missing := [name for name in results.expected_variants if name not in variants]:
        return f"Not judged: {', '.join(missing)} could not be evaluated."
    if not results.complete:
        return (
            f"Not judged: subset, {results.samples:,} of {results.expected_samples:,} samples are"
            " no reproduction."
        )
    if results.gate_mm is None:
        return f"No verdict on {', '.join(variants)}: none was asked for (--gate none)."
    if is_reproduced(results):
        if results.subject == "miniature":
            has = "has its recorded error" if alone else "have their recorded errors"
            return (
                f"The suite works here: {', '.join(variants)} of the miniature {has}."
                " No published model was judged."
            )
        figures = "its figure" if alone else "their figures"
        if are_the_papers(variants.values()):
            figures = "the paper"
        are = "is" if alone else "are"
        return f"Reproduced: {', '.join(variants)} {are} within {results.gate_mm} mm of {figures}."
    unjudged = [name for name, record in variants.items() if not record.is_judged]
    beyond = [
        name
        for name, record in variants.items()
        if record.is_judged and not abs(record.difference_mm or 0.0) < results.gate_mm
    ]
    if beyond:
        differ = "differs" if len(beyond) == 1 else "differ"
        return f"Not reproduced: {', '.join(beyond)} {differ} by {results.gate_mm} mm or more."
    reason = variants[unjudged[0]].verdict.removeprefix("not judged: ")
    return f"No verdict on {', '.join(unjudged)}: {reason}."


def _resumed(results: Results) -> str:
    """Which variants were not, or not entirely, measured by this run; empty where all were."""
    resumed = {n: record for n, record in results.variants.items() if record.resumed_samples}
    if not resumed:
        return ""
    parts = [
        name
        if record.resumed_samples == record.samples
        else f"{record.resumed_samples:,} of {record.samples:,} samples of {name}"
        for name, record in resumed.items()
    ]
    return (
        f" Taken from an earlier run's cache: {', '.join(parts)};"
        " image contents were not read again."
    )


def _of_weights(results: Results) -> str:
    """The verdict where no error was measured; it never has the words of one where it was."""
    if weights_hold(results):
        found = _of_files(results)
    else:
        wrong = len(results.failed) + len(results.left_out)
        found = [f"not passed, {wrong} check{'s' * (wrong != 1)} failed or left out."]
    return " ".join(["Weights only:", *found, *warnings(results), "MPJPE was not measured."])


def _of_files(results: Results) -> list[str]:
    """What was verified of the files and what was not, a sentence for all that are alike."""
    alike: dict[str, list[str]] = {}
    for name, record in results.weights.items():
        alike.setdefault(_of_file(results, record), []).append(name)
    sentences = []
    for finding, names in alike.items():
        if finding:
            sentences.append(f"{', '.join(names)}: {finding}.")
        else:
            match = "matches" if len(names) == 1 else "match"
            sentences.append(f"{', '.join(names)} {match} every published property on record.")
    return sentences


def _of_file(results: Results, record: FileRecord) -> str:
    """What was verified of a file and what was not; empty where everything on record was."""
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


def are_the_papers(records: Iterable[VariantResult]) -> bool:
    """Whether every figure that the variants are held against is the paper's."""
    return all(record.is_held_to_paper for record in records)


def uncertain(results: Results) -> list[str]:
    """The judged variants whose bootstrap interval lies on both sides of the gate.

    None of the miniature's: what was recorded of it holds for these very samples.
    """
    names: list[str] = []
    if results.subject == "miniature" or results.gate_mm is None:
        return names
    for name, record in results.variants.items():
        if record.is_judged and record.interval_mm and record.reference_mm is not None:
            ends = [end - record.reference_mm for end in record.interval_mm]
            inside = [abs(end) < results.gate_mm for end in ends]
            crosses = not all(inside) and (any(inside) or ends[0] * ends[1] < 0)
            if crosses:
                names.append(name)
    return names


def terminal_lines(results: Results) -> list[str]:
    """The table of the variants, at most 80 columns wide; none where nothing was evaluated."""
    if results.weights:
        return _weights_lines(results.weights)
    if not results.variants:
        return []
    width = max((len(name) for name in results.variants), default=0)
    lines = [
        f"{'':{width}} {'params':>9} {'GMACs':>5} {results.metric:>8} {'expected':>8}"
        f" {'diff.':>8} {'95 % interval':>14}  verdict"
    ]
    for name, record in results.variants.items():
        lines.append(
            f"{name:{width}} {record.parameters:>9,} {record.gmacs:>5.2f} {record.error_mm:>8.3f}"
            f" {number(record.reference_mm, '8.3f')} {difference(record.difference_mm):>8}"
            f" {interval(record):>14}  {_brief(chip(results, record))}"
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


def _brief(verdict: Chip) -> str:
    """The verdict without what it is held to, for 80 columns."""
    return verdict.text.partition(" (")[0]


def interval(record: VariantResult, decimals: int = 1) -> str:
    """The bootstrap interval as it is shown beside the difference: relative to the reference."""
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
    """A recorded value as a person reads it."""
    if value is None:
        return ""
    if isinstance(value, int):
        return f"{value:,}"
    return value if isinstance(value, str) else number(value, ".3f")
