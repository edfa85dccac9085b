"""Measure how often the diagnosis is right: ``python -m tests.faults.calibrate``.

Inserts each fault into the synthetic data set, evaluates the trained model, and diagnoses the run
like the command ``diagnose``. Writes ``calibration.json`` after each fault, which ``--resume``
continues, and at the end the tables in this folder's README.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import msgspec
import numpy as np
import pytest

from convnextpose_check.commands.diagnose import open_replay, read_finished_runs
from convnextpose_check.diagnosis.finding import Diagnosis
from convnextpose_check.diagnosis.reading import FinishedRun, SavedSamples
from convnextpose_check.diagnosis.replay import Replay
from convnextpose_check.diagnosis.search import MIN_EXCESS_MM, Search
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.files.regular_files import write_text
from convnextpose_check.network.optimized import OptimizedConvNeXtPose
from convnextpose_check.network.reference import ConvNeXtPose
from convnextpose_check.run.run import Run
from convnextpose_check.settings.options import read_settings
from convnextpose_check.synthetic.build import cached_synthetic_data
from tests.faults.fault import all_faults
from tests.faults.scene import Scene
from tests.faults.unseen import UNSEEN
from tests.faults.unseen_later import LATER
from tests.faults.unseen_latest import LATEST
from tests.support.memoize import memoize_predictions
from tests.support.runs import write_results
from tests.support.texts import replace_marked_section

HERE = Path(__file__).parent
CALIBRATION_FILE = HERE / "calibration.json"

SHIFTS_MM = (-5.0, -3.0, -2.0, 2.0, 3.0, 5.0)
"""Differences of the reference from the error of a run without a fault."""

SOUND_SETTINGS: dict[str, dict[str, Any]] = {
    "protocol 2": {},
    "protocol 1": {"protocol": 1},
    "RootNet's boxes": {"boxes": "rootnet"},
    "no flip test": {"flip": False},
}
"""Settings of runs without a fault."""

Answer = Literal["right", "located", "not explained", "misleading"]
Kind = Literal["built for", "first", "later", "last"]

KINDS: dict[Kind, str] = {
    "built for": "built for",
    "first": "written before the rules, seen since",
    "later": "written later",
    "last": "written last",
}
"""Titles of the sets of faults in the table."""

SCORED_UNSEEN: tuple[Kind, ...] = ("later", "last")
"""The sets whose first answers, with the rules as they were, are recorded."""

RIGHT_LINKS = {
    "images": {"inputs"}, "annotations": {"inputs"}, "boxes": {"inputs"}, "depths": {"inputs"},
    "weights": {"weights"}, "prediction": {"prediction"}, "metric": {"mean", "comparison"},
}  # fmt: skip
PLACE_LABELS = {"subject": "S{}", "camera": "camera {}"}


class Row(msgspec.Struct, frozen=True):
    """The graded first finding for one fault.

    ``unseen_answer`` is the first recorded answer, for a fault of a set scored while unseen.
    """

    kind: Kind
    fault: str
    effect_mm: float
    answer: Answer
    first: str
    unseen_answer: Answer | None = None


class Calibration(msgspec.Struct):
    """The results for all faults.

    ``left_out`` has the reason why a fault has no row. ``sound`` has, by setting, the number of
    runs without a fault, of those with a cause, and of those with a group.
    """

    rows: list[Row] = []
    left_out: dict[str, str] = {}
    sound: dict[str, tuple[int, int, int]] = {}


def grade_answer(
    diagnosis: Diagnosis, words: str, links: set[str] | None, place: dict[str, str]
) -> Answer:
    """Grade the first finding of a diagnosis.

    ``words`` is the pattern of the cause, ``links`` are the steps with the fault, ``place`` is the
    affected group.
    """
    if not diagnosis.findings or diagnosis.findings[0].grade == "possible":
        return "not explained"
    first = diagnosis.findings[0]
    labels = [PLACE_LABELS.get(axis, "{}").format(value) for axis, value in place.items()]
    in_place = all(label in f"{first.what} {first.place}" for label in labels)
    is_elsewhere = first.place != "" and not (labels and in_place)
    if first.grade != "holds" and in_place and re.search(words, first.what):
        return "right"
    names_no_cause = first.grade in ("holds", "fact") or (labels and in_place)
    is_located = links is not None and first.link in links and not is_elsewhere and names_no_cause
    return "located" if is_located else "misleading"


class FaultRunner:
    """Evaluates faults and grades their diagnoses; keeps the runs in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.fixtures = HERE.parents[1] / "fixtures"
        self.synthetic = cached_synthetic_data(self.fixtures)

    @cache  # noqa: B019 - one runner per process
    def sound_mm(self, setting: tuple[tuple[str, Any], ...]) -> float:
        """Returns the error of a run without a fault, with this setting."""
        return self.evaluate("sound", dict(setting), None)[0].result_mm

    def evaluate(
        self, title: str, setting: dict[str, Any], insert: Callable[[Scene], None] | None
    ) -> tuple[FinishedRun, Run]:
        """Returns the finished run with the fault, evaluated unless it is in the folder."""
        name = re.sub(r"\W+", "-", f"{title} {sorted(setting.items())}")
        folder = self.folder / name
        about = folder / "about.json"
        if not about.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of an interrupted evaluation
            folder.mkdir(parents=True)
            with pytest.MonkeyPatch.context() as patch:
                scene = Scene(self.fixtures, self.synthetic, folder, patch, **setting)
                if insert is not None:
                    insert(scene)
                evaluated = scene.run()
                evaluated.evaluations[scene.variant.name]
                write_results(evaluated)
                places = {
                    "h36m_root": [str(scene.dataset_root)],
                    "checkpoints": [str(scene.checkpoints)],
                    "device": ["cpu"],
                }
            about.write_bytes(msgspec.json.encode(places))
        given = msgspec.json.decode(about.read_bytes())
        ((finished, run),) = read_finished_runs(folder / "out", read_settings(given, {}))
        return finished, run

    def grade_fault(
        self, kind: Kind, title: str, setting: dict[str, Any],
        insert: Callable[[Scene], None], words: str, links: set[str] | None, place: dict[str, str],
    ) -> Row | str:  # fmt: skip
        """Returns the row of a fault, or the reason why it has none."""
        try:
            finished, run = self.evaluate(title, setting, insert)
        except ConvNeXtPoseCheckError as error:
            return error.problem.replace(str(self.folder), "")
        reference_mm = self.sound_mm(tuple(sorted(setting.items())))
        finished = replace(finished, reference_mm=reference_mm)
        excess_mm = finished.result_mm - reference_mm
        if not np.isfinite(excess_mm) or abs(excess_mm) < MIN_EXCESS_MM:
            return f"it moves the error by {excess_mm:+.2f} mm"
        diagnosis = Search(finished, lambda: open_replay(finished, run)).diagnose()
        first = next(iter(diagnosis.findings), None)
        text = "nothing" if first is None else f"{first.grade}: {first.what}"
        answer = grade_answer(diagnosis, words, links, place)
        if first is not None and first.place:
            text += f" ({first.place})"
        return Row(kind, title, round(excess_mm, 2), answer, text)


def list_faults() -> Iterator[tuple[Any, ...]]:
    """Yields the arguments of ``grade_fault`` for all faults, unseen ones last."""
    for fault in (fault for fault in all_faults() if fault.words):
        setting = {name: v for name, v in fault.setting.items() if name != "variant_name"}
        yield "built for", fault.title, setting, fault.insert, fault.words, None, {}
    for kind, faults in (("first", UNSEEN), ("later", LATER), ("last", LATEST)):
        for each in faults:
            setting = {} if each.boxes == "gt" else {"boxes": each.boxes}
            links = RIGHT_LINKS[each.link]
            yield kind, each.title, setting, each.insert, each.words, links, each.place


def diagnose_sound_run(runner: FaultRunner, setting: dict[str, Any]) -> list[Diagnosis]:
    """Diagnose a run without a fault, against wrong references."""
    finished, run = runner.evaluate("sound", setting, None)
    every = np.arange(len(finished.saved.table))
    prepare_replay = partial(open_replay, finished, run)
    return [_diagnose_samples(finished, every, mm, prepare_replay) for mm in SHIFTS_MM]


def diagnose_bootstrap_samples(runner: FaultRunner, draws: int, seed: int) -> list[Diagnosis]:
    """Diagnose bootstrap samples of takes, without a checkpoint, against wrong references."""
    finished, _ = runner.evaluate("sound", {}, None)
    table, rng = finished.saved.table, np.random.default_rng(seed)
    takes = [np.flatnonzero(group.mask) for group in table.select_groups("take")]
    found = []
    for number in range(draws):
        drawn = np.concatenate([takes[n] for n in rng.integers(len(takes), size=len(takes))])
        shift_mm = SHIFTS_MM[number % len(SHIFTS_MM)]
        found.append(_diagnose_samples(finished, drawn, shift_mm, lambda: None))
    return found


def _diagnose_samples(
    finished: FinishedRun, chosen: Any, shift_mm: float, prepare_replay: Callable[[], Replay | None]
) -> Diagnosis:
    table, errors_mm = finished.saved.table.select(chosen), finished.saved.errors_mm[chosen]
    saved = SavedSamples(table, errors_mm, [finished.saved.samples[n] for n in chosen])
    mean_mm = float(errors_mm.mean())
    moved = replace(
        finished, saved=saved, result_mm=mean_mm, reference_mm=mean_mm + shift_mm, missing=0
    )
    return Search(moved, prepare_replay).diagnose()


def count_findings(found: list[Diagnosis]) -> tuple[int, int, int]:
    """Count diagnoses, those with a cause other than settings, and those with a group."""
    named = ("fact", "reproduces", "explains")
    causes = [any(f.grade in named and f.link != "settings" for f in d.findings) for d in found]
    places = [any(f.grade == "holds" for f in d.findings) for d in found]
    return len(found), sum(causes), sum(places)


def format_tables(calibration: Calibration) -> str:
    """Returns the generated tables of the README."""
    lines = ["| faults of at least 1 mm | right | located | not explained | misleading | in all |",
             "|---|--:|--:|--:|--:|--:|"]  # fmt: skip
    for kind, title in KINDS.items():
        rows = [row for row in calibration.rows if row.kind == kind]
        for when, given in (("", "answer"), (", when they were unseen", "unseen_answer")):
            answers = Counter(getattr(row, given) for row in rows)
            counts = [answers[a] for a in ("right", "located", "not explained", "misleading")]
            if total := sum(counts):
                cells = " | ".join(f"{n} ({n / total:.0%})" for n in counts)
                lines.append(f"| {title}{when} | {cells} | {total} |")
    lines += ["", "| sound runs | with a cause | with a group | in all |", "|---|--:|--:|--:|"]
    lines += [f"| {t} | {c} | {p} | {n} |" for t, (n, c, p) in calibration.sound.items()]
    for answer in ("misleading", "not explained"):
        wrong = "; ".join(row.fault for row in calibration.rows if row.answer == answer)
        lines += ["", f"{answer.capitalize()}: {wrong or 'none'}."]
        unseen = "; ".join(row.fault for row in calibration.rows if row.unseen_answer == answer)
        lines += ["", f"{answer.capitalize()} when they were unseen: {unseen or 'none'}."]
    lines += ["", "| fault | effect | answer | first finding |", "|---|--:|---|---|"]
    for row in calibration.rows:
        title = row.fault if row.kind == "built for" else f"**{row.fault}**"
        lines.append(f"| {title} | {row.effect_mm:+.2f} mm | {row.answer} | {row.first} |")
    lines += [f"| {title} | | no row | {why} |" for title, why in calibration.left_out.items()]
    return "\n".join(lines) + "\n"


def read_calibration() -> Calibration:
    """Read the recorded calibration."""
    return msgspec.json.decode(CALIBRATION_FILE.read_bytes(), type=Calibration)


def drop_sets(recorded: Calibration, sets: Collection[str]) -> Calibration:
    """Returns the calibration without the results of these sets, to score them again."""
    kinds = {title: kind for kind, title, *_ in list_faults()}
    rows = [row for row in recorded.rows if row.kind not in sets]
    left_out = {t: why for t, why in recorded.left_out.items() if kinds.get(t) not in sets}
    return Calibration(rows, left_out, {} if "sound" in sets else recorded.sound)


def insert_tables(readme: str, calibration: Calibration) -> str:
    """Returns the README with new tables between the marks."""
    return replace_marked_section(readme, "diagnoses", f"\n{format_tables(calibration)}\n")


def main() -> None:
    """Calibrate all faults and write the record and the README."""
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "--folder", type=Path, help="keep evaluated runs in this folder, and reuse them"
    )
    parser.add_argument("--resume", action="store_true", help="keep the recorded rows")
    parser.add_argument(
        "--redrawn", type=int, default=67, help="bootstrap samples of takes for each of 3 seeds"
    )
    parser.add_argument(
        "--sets", nargs="+", choices=[*KINDS, "sound"], default=[*KINDS, "sound"],
        help="score only these; the recorded rows of the others are kept",
    )  # fmt: skip
    given = parser.parse_args()
    recorded = read_calibration()
    calibration = recorded if given.resume else drop_sets(recorded, given.sets)
    unseen_answers = {row.fault: row.unseen_answer for row in recorded.rows}
    start = time.monotonic()

    def save(title: str, answer: object) -> None:
        content = msgspec.json.format(msgspec.json.encode(calibration), indent=1).decode()
        write_text(CALIBRATION_FILE, content + "\n")
        sys.stdout.write(f"{time.monotonic() - start:6.0f} s  {title}: {answer}\n")
        sys.stdout.flush()

    with memoize_predictions(OptimizedConvNeXtPose, ConvNeXtPose), TemporaryDirectory() as folder:
        runner = FaultRunner(given.folder or Path(folder))
        done = {row.fault for row in calibration.rows} | calibration.left_out.keys()
        for arguments in list_faults():
            kind, title, *_ = arguments
            if kind in given.sets and title not in done:
                answer = runner.grade_fault(*arguments)
                if isinstance(answer, Row):
                    if answer.kind in SCORED_UNSEEN:
                        first = unseen_answers.get(title) or answer.answer
                        answer = msgspec.structs.replace(answer, unseen_answer=first)
                    calibration.rows.append(answer)
                    calibration.rows.sort(key=lambda row: [*KINDS].index(row.kind))
                else:
                    calibration.left_out[title] = answer
                save(title, answer)
        diagnoses = {t: partial(diagnose_sound_run, runner, s) for t, s in SOUND_SETTINGS.items()}
        for seed in range(3):
            diagnose = partial(diagnose_bootstrap_samples, runner, given.redrawn, seed)
            diagnoses[f"bootstrap of takes, seed {seed}"] = diagnose
        for title, diagnose in diagnoses.items():
            if "sound" in given.sets and title not in calibration.sound:
                calibration.sound[title] = count_findings(diagnose())
                save(title, calibration.sound[title])
    readme = HERE / "README.md"
    write_text(readme, insert_tables(readme.read_text(encoding="utf-8"), calibration))


if __name__ == "__main__":
    main()
