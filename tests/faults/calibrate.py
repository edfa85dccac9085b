"""Measure what the diagnosis answers for each fault: ``python -m tests.faults.calibrate``.

Every fault is put into the synthetic data set and evaluated with the trained model, and the
finished run is diagnosed by the same functions as by the command. Writes ``calibration.json`` and
the tables in this folder's README.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import msgspec
import numpy as np
import pytest

from convnextpose_check.commands.diagnose import finished_runs, shown_samples
from convnextpose_check.diagnosis.diagnosing import LEAST_MM, Search
from convnextpose_check.diagnosis.finding import Diagnosis
from convnextpose_check.diagnosis.reading import FinishedRun, SavedSamples
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.files.whole import write_text
from convnextpose_check.network.optimized import OptimizedConvNeXtPose
from convnextpose_check.network.reference import ConvNeXtPose
from convnextpose_check.run.run import Run
from convnextpose_check.settings.options import read_settings
from convnextpose_check.synthetic.build import cached_synthetic_data
from convnextpose_check.variants import REFERENCE
from tests.faults.fault import every_fault
from tests.faults.scene import Scene
from tests.faults.unseen import UNSEEN
from tests.support.remembered import remembered
from tests.support.runs import written_results

HERE = Path(__file__).parent
CALIBRATION_FILE = HERE / "calibration.json"
BEGIN, END = "<!-- diagnoses: written by tests.faults.calibrate -->", "<!-- end of diagnoses -->"

LIMIT = 40
"""Samples for the faults that the diagnosis was built for, which are nearly all global."""

SHIFTS_MM = (-5.0, -3.0, -2.0, 2.0, 3.0, 5.0)
"""Distances of a reference from a sound run's error."""

Answer = Literal["right", "located", "not explained", "misleading"]

RIGHT: dict[str, str] = {
    "another training of the same variant": "weights are not",
    "one tensor transposed": "weights are not",
    "one head layer left at its initial values": "weights are not",
    "trained further on other data": "weights are not",
    "32 depth bins": "model of --network",
    "BatchNorm without buffers": "model of --network",
    "soft-argmax of the optimized model counts from 1": "shifted by .1.00 cells",
    "every 63rd frame": "samples were evaluated",
    "half of the samples": "samples were evaluated",
    "joints of the next test frame": "1 test frames on",
    "one image replaced by another": "copies of images",
    "margin of 1.2": "boxes grow by 1.2|box sides are multiplied by",
    "box not squared": "keep the sides",
    "RootNet's boxes grown once more": "boxes grow twice|box",
    "pixels divided by 255": "divided by 255",
    "blue first": "blue first",
    "mean and std swapped": "mean and std",
    "border repeated instead of black": "border",
    "left and right not swapped": "mirrored pass are not exchanged",
    "x becomes W - x, without - 1": "x is shifted",
    "flip test left out": "only the plain pass",
    "shift of half a cell": "shifted by 0.5 cells",
    "depth of 1.1 m before and behind the root": "depths are multiplied by 1.1",
    "roots not subtracted": "roots are not subtracted",
    "thorax not dropped": "Thorax",
    "aligned under protocol 2": "aligned rigidly",
    "joints compared with their mirror images": "left and right joints are exchanged",
    "the root joint left out": "without Pelvis",
    "root of the mean square": "root of the mean square",
    "median instead of mean": "median of all errors",
    "cameras of the other subject": "their boxes",
    "cameras as of before June 2020": "their boxes|June 2020",
    "two cameras swapped": "their boxes",
}
"""A pattern of the right first answer for each fault that the diagnosis was built for."""

LINKS = {
    "images": {"inputs"}, "annotations": {"inputs"}, "boxes": {"inputs"}, "depths": {"inputs"},
    "weights": {"weights"}, "prediction": {"prediction"}, "metric": {"mean", "comparison"},
}  # fmt: skip
PLACES = {"subject": "S{}", "camera": "camera {}"}


class Row(msgspec.Struct, frozen=True):
    """The answer for one fault."""

    kind: Literal["built for", "unseen"]
    fault: str
    effect_mm: float
    answer: Answer
    first: str


class Calibration(msgspec.Struct, frozen=True):
    """All answers; ``sound`` counts sound runs, with a cause and with a place, by setting."""

    rows: tuple[Row, ...] = ()
    sound: dict[str, tuple[int, int, int]] = {}


def answer_of(
    diagnosis: Diagnosis, words: str, links: set[str] | None, place: dict[str, str]
) -> Answer:
    """Grade the first finding."""
    if not diagnosis.findings or diagnosis.findings[0].grade == "possible":
        return "not explained"
    first = diagnosis.findings[0]
    labels = [PLACES.get(axis, "{}").format(value) for axis, value in place.items()]
    in_place = all(label in f"{first.what} {first.place}" for label in labels)
    if first.grade != "holds" and in_place and re.search(words, first.what):
        return "right"
    if links is not None and first.link in links and in_place and (labels or not first.place):
        return "located" if first.grade in ("holds", "fact") or labels else "misleading"
    return "misleading"


def diagnosed(finished: FinishedRun, run: Run) -> Diagnosis:
    """The diagnosis of a finished run, as by the command."""
    return Search(finished, lambda: shown_samples(finished, run)).diagnose()


class Bench:
    """Runs with faults, kept below ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.fixtures = HERE.parents[1] / "fixtures"
        self.synthetic = cached_synthetic_data(self.fixtures)

    @cache  # noqa: B019 - one bench per process
    def sound_mm(self, setting: tuple[tuple[str, Any], ...]) -> float:
        """The error of a sound run with this setting."""
        return self.finished("sound", dict(setting), None)[0].result_mm

    def finished(
        self, title: str, setting: dict[str, Any], put_in: Callable[[Scene], None] | None
    ) -> tuple[FinishedRun, Run]:
        """The finished run with the fault, evaluated unless it was kept."""
        name = re.sub(r"\W+", "-", f"{title} {sorted(setting.items())}")
        folder = self.folder / name
        about = folder / "about.json"
        if not about.exists():
            folder.mkdir(parents=True)
            with pytest.MonkeyPatch.context() as patch:
                scene = Scene(self.fixtures, self.synthetic, folder, patch, **setting)
                if put_in is not None:
                    put_in(scene)
                evaluated = scene.run()
                evaluated.evaluations[scene.variant.name]
                written_results(evaluated)
                places = {
                    "h36m_root": [str(scene.dataset_root)],
                    "checkpoints": [str(scene.checkpoints)],
                    "device": ["cpu"],
                }
            about.write_bytes(msgspec.json.encode(places))
        given = msgspec.json.decode(about.read_bytes())
        ((finished, run),) = finished_runs(folder / "out", read_settings(given, {}))
        limit = setting.get("limit")
        missing = finished.missing if limit is None else max(0, limit - len(finished.saved.samples))
        return replace(finished, missing=missing), run

    def row(
        self, kind: Literal["built for", "unseen"], title: str, setting: dict[str, Any],
        put_in: Callable[[Scene], None], words: str, links: set[str] | None, place: dict[str, str],
    ) -> Row | None:  # fmt: skip
        """The answer for a fault; None if it cannot be evaluated or moves less than 1 mm."""
        try:
            finished, run = self.finished(title, setting, put_in)
        except ConvNeXtPoseCheckError as error:
            sys.stdout.write(f"{title}: {error}\n")
            return None
        reference_mm = self.sound_mm(tuple(sorted(setting.items())))
        finished = replace(finished, reference_mm=reference_mm)
        excess_mm = finished.result_mm - reference_mm
        if not np.isfinite(excess_mm) or abs(excess_mm) < LEAST_MM:
            return None
        diagnosis = diagnosed(finished, run)
        first = next(iter(diagnosis.findings), None)
        text = "nothing" if first is None else f"{first.grade}: {first.what}"
        answer = answer_of(diagnosis, words, links, place)
        if first is not None and first.place:
            text += f" ({first.place})"
        return Row(kind, title, round(excess_mm, 2), answer, text)


def rows(bench: Bench) -> Iterator[Row]:
    """The answers for all faults, those that the diagnosis was built for first."""
    titles = set()
    for fault in every_fault():
        if fault.title in RIGHT and fault.title not in titles:
            titles.add(fault.title)
            setting = {"limit": LIMIT} | fault.asked | {"variant_name": REFERENCE}
            words = RIGHT[fault.title]
            if row := bench.row("built for", fault.title, setting, fault.put_in, words, None, {}):
                yield row
    for each in UNSEEN:
        links = LINKS[each.link]
        if row := bench.row("unseen", each.title, {}, each.put_in, each.words, links, each.place):
            yield row


def sound_counts(bench: Bench, repetitions: int) -> dict[str, tuple[int, int, int]]:
    """Sound runs, those with a named cause, and those with a place, by setting.

    Takes are drawn with replacement, and the reference is moved away from the error.
    """
    finished, _ = bench.finished("sound", {}, None)
    table, rng = finished.saved.table, np.random.default_rng(0)
    takes = [np.flatnonzero(group.mask) for group in table.groups_of("take")]
    found = []
    for number in range(repetitions):
        drawn = np.concatenate([takes[n] for n in rng.integers(len(takes), size=len(takes))])
        found.append(_without_cause(finished, drawn, SHIFTS_MM[number % len(SHIFTS_MM)]))
    counts = {"takes drawn anew": _counts(found)}
    settings: dict[str, dict[str, Any]] = {
        "protocol 1": {"protocol": 1},
        "RootNet's boxes": {"boxes": "rootnet"},
    }
    for title, setting in settings.items():
        finished, _ = bench.finished("sound", setting, None)
        every = np.arange(len(finished.saved.table))
        counts[title] = _counts([_without_cause(finished, every, mm) for mm in SHIFTS_MM])
    return counts


def _without_cause(finished: FinishedRun, drawn: Any, shift_mm: float) -> Diagnosis:
    table, errors_mm = finished.saved.table.select(drawn), finished.saved.errors_mm[drawn]
    saved = SavedSamples(table, errors_mm, [finished.saved.samples[n] for n in drawn])
    mean_mm = float(errors_mm.mean())
    moved = replace(
        finished, saved=saved, result_mm=mean_mm, reference_mm=mean_mm + shift_mm, missing=0
    )
    return Search(moved, lambda: None).diagnose()


def _counts(found: list[Diagnosis]) -> tuple[int, int, int]:
    causes = sum(each.is_explained for each in found)
    places = sum(any(f.grade == "holds" for f in each.findings) for each in found)
    return len(found), causes, places


def tables_markdown(calibration: Calibration) -> str:
    """The tables of the README."""
    lines = ["| faults of at least 1 mm | right | located | not explained | misleading | in all |",
             "|---|--:|--:|--:|--:|--:|"]  # fmt: skip
    for kind in ("built for", "unseen"):
        answers = Counter(row.answer for row in calibration.rows if row.kind == kind)
        counts = [answers[a] for a in ("right", "located", "not explained", "misleading")]
        total = sum(counts)
        cells = " | ".join(f"{n} ({n / max(total, 1):.0%})" for n in counts)
        lines.append(f"| {kind} | {cells} | {total} |")
    lines += ["", "| sound runs | with a cause | with a place | in all |", "|---|--:|--:|--:|"]
    lines += [f"| {t} | {c} | {p} | {n} |" for t, (n, c, p) in calibration.sound.items()]
    lines += ["", "| fault | effect | answer | first finding |", "|---|--:|---|---|"]
    for row in calibration.rows:
        title = row.fault if row.kind == "built for" else f"**{row.fault}**"
        lines.append(f"| {title} | {row.effect_mm:+.2f} mm | {row.answer} | {row.first} |")
    return "\n".join(lines) + "\n"


def read_calibration() -> Calibration:
    """What was measured last."""
    return msgspec.json.decode(CALIBRATION_FILE.read_bytes(), type=Calibration)


def with_tables(readme: str, calibration: Calibration) -> str:
    """The README with the tables between their marks."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{tables_markdown(calibration)}\n{END}{after}"


def main() -> None:
    """Measure everything and write it down."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, help="keep evaluated runs here, and use those kept")
    parser.add_argument("--sound", type=int, default=200, help="number of redrawn sound runs")
    given = parser.parse_args()
    with remembered(OptimizedConvNeXtPose, ConvNeXtPose), TemporaryDirectory() as folder:
        bench = Bench(given.folder or Path(folder))
        found: list[Row] = []
        for row in rows(bench):
            found.append(row)
            sys.stdout.write(f"{row}\n")
            sys.stdout.flush()
        calibration = Calibration(tuple(found), sound_counts(bench, given.sound))
    content = msgspec.json.format(msgspec.json.encode(calibration), indent=1).decode()
    write_text(CALIBRATION_FILE, content + "\n")
    readme = HERE / "README.md"
    write_text(readme, with_tables(readme.read_text(encoding="utf-8"), calibration))


if __name__ == "__main__":
    main()
