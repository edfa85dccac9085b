"""The search, from cheap to expensive: facts, links, regression, places; ended once explained."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import get_args

import msgspec
import numpy as np

from convnextpose_check.diagnosis.comparing import explain_errors, explain_figure
from convnextpose_check.diagnosis.facts import NO_FLIP, facts_of, subset_of
from convnextpose_check.diagnosis.finding import REPRODUCES, Diagnosis, Finding, Grade, graded
from convnextpose_check.diagnosis.locating import (
    hot_spots,
    locate_alternative,
    locate_difference,
    locate_excess,
    smallest_group,
)
from convnextpose_check.diagnosis.reading import FinishedRun
from convnextpose_check.diagnosis.regression import SAME_CELLS, distance_cells, fit_positions
from convnextpose_check.diagnosis.replay import Replay, combine
from convnextpose_check.diagnosis.table import SampleTable
from convnextpose_check.evaluation.verdict import TOLERANCES_MM
from convnextpose_check.human36m.geometry import Array
from convnextpose_check.human36m.samples import Dataset

SEED = 0

LEAST_MM = min(TOLERANCES_MM)
"""Smaller differences need no explanation."""

MOSTLY = 0.25
"""Largest share of positions' difference that is left if a change explains most of it."""

CERTAIN = 3.0
"""A mean over a few samples agrees with a value within so many standard errors."""

COMPARE = "Compare crop, normalization, network and soft-argmax with this suite's, for one sample"


@dataclass
class Search:
    """One search; ``say`` prints each step.

    ``show`` prepares the samples to predict again, None without the checkpoint. ``deltas_mm`` (N,)
    are the differences from a baseline.
    """

    run: FinishedRun
    dataset: Dataset
    show: Callable[[], Replay | None]
    deltas_mm: Array | None = None
    say: Callable[[str], None] = lambda _: None
    link: str = "the error is within 1 mm of its reference, or has none"
    findings: list[Finding] = field(default_factory=list)
    ruled_out: list[str] = field(default_factory=list)
    parts: dict[str, float] = field(default_factory=dict)

    def diagnose(self) -> Diagnosis:
        """Run the steps until the difference is explained."""
        run = self.run
        if run.reference_mm is not None and abs(run.excess_mm) >= LEAST_MM:
            self.say("facts of the run")
            if (subset := subset_of(run)) is not None:
                self.findings.append(subset)
                self.link = "settings: a subset is not compared in millimeters"
            else:
                self.findings += facts_of(run, self.dataset)
                self._search(run.reference_mm)
        return Diagnosis(
            run.variant, run.figure_mm, run.reference_mm, self.link, self.parts,
            tuple(sorted(self.findings, key=self._rank)), tuple(self.ruled_out),
            hot_spots(run.saved.table),
        )  # fmt: skip

    def _rank(self, finding: Finding) -> tuple[int, float]:
        """Facts, then named causes, places and possible causes, each by what they leave."""
        grade = "explains" if finding.grade == "reproduces" else finding.grade
        left_mm = abs(self.run.excess_mm - (finding.explained_mm or 0.0))
        return get_args(Grade).index(grade), left_mm

    def _search(self, reference_mm: float) -> None:
        """Compare the figure, the errors and the positions; search before them if needed."""
        run, table, errors_mm = self.run, self.run.saved.table, self.run.saved.errors_mm
        self.say("figure, errors and positions")
        mean_mm = float(errors_mm.mean())
        self.parts["the figure minus the mean of the run's errors"] = run.figure_mm - mean_mm
        self.parts["the run's errors minus those of its positions"] = mean_mm - table.error_mm
        for agreement, found in {
            "the figure is the mean of the run's errors":
                explain_figure(run.figure_mm, errors_mm, table),
            "the run's errors are those of its positions": explain_errors(table, errors_mm),
        }.items():  # fmt: skip
            self.findings += found
            self.ruled_out += [] if found else [agreement]
        if self.deltas_mm is not None:
            self.findings.append(locate_difference(table, self.deltas_mm))
        excess_mm = table.error_mm - reference_mm
        if abs(excess_mm) < LEAST_MM:
            self.link = "behind the positions: their own error is within 1 mm of the reference"
            self.parts["the error of the positions minus the reference"] = excess_mm
            return
        replay = self.show()
        if replay is None or not len(replay.indices):
            self.link = "not decided: no sample was predicted again (--checkpoints)"
            self._locate(excess_mm, agrees=False)
        else:
            self.say(f"{len(replay.indices)} samples predicted again with {replay.checkpoint}")
            self._compare_positions(replay, excess_mm)

    def _compare_positions(self, replay: Replay, excess_mm: float) -> None:
        """Compare the run's positions with the verified ones of the same images."""
        run, passes = self.run, replay.predict()
        few, flip = run.saved.table.select(replay.indices), run.results is None or run.results.flip
        middle = (np.array(few.grid_whd) - (1, 1, 0)) / 2
        scale = np.array(few.grid_whd) / replay.architecture.grid_whd

        def comparable(cells_xyz: Array) -> Array:
            """About the pelvis if its place is unknown."""
            return cells_xyz if few.has_pelvis else cells_xyz - cells_xyz[:, :1] + middle

        cells = {text: each * scale for text, each in combine(passes, flip=flip).items()}
        bases = {text: comparable(each) for text, each in cells.items()}
        run_xyz = comparable(few.cells_xyz)
        if not flip:
            plain, both = (replace(few, cells_xyz=each) for each in cells.values())
            added_mm = _estimate((plain.errors_mm - both.errors_mm).mean(axis=1), run.excess_mm)
            self.findings = [
                msgspec.structs.replace(each, explained_mm=added_mm)
                if each.what == NO_FLIP
                else each
                for each in self.findings
            ]
        distances = distance_cells(run_xyz, bases[""])
        if distances.max() <= SAME_CELLS:
            self.link = (
                f"images, annotations, boxes, depths or weights: {replay.checkpoint} predicts the"
                f" run's positions for {len(few)} samples"
            )
            self.ruled_out.append("the verified pipeline predicts the run's positions")
            self._locate(excess_mm, agrees=True)
            return
        self.link = (
            f"between image and position: {replay.checkpoint} predicts other positions, on average"
            f" {distances.mean():.2f} cells away, for {(distances > SAME_CELLS).sum()} of"
            f" {len(few)} samples"
        )
        verified = replace(few, cells_xyz=cells[""])
        effect_mm = _estimate((few.errors_mm - verified.errors_mm).mean(axis=1), excess_mm)
        self.parts["the run's positions minus the verified ones (estimated)"] = effect_mm
        self.parts["the verified positions minus the reference"] = excess_mm - effect_mm
        if verified.error_mm > verified.guess_mm > few.error_mm:
            self.findings.append(Finding(
                "fact", "weights", f"{replay.checkpoint} does not hold the run's weights",
                f"its own error is {verified.error_mm:.0f} mm, that of the mean pose"
                f" {verified.guess_mm:.0f} mm", "Pass the checkpoint of the run",
            ))  # fmt: skip
        self.findings.append(self._explain_positions(replay, run_xyz, bases, few, effect_mm))

    def _explain_positions(
        self,
        replay: Replay,
        run_xyz: Array,
        bases: dict[str, Array],
        few: SampleTable,
        effect_mm: float,
    ) -> Finding:
        """What gives the run's positions: a regression, a condition, or the user's network."""

        def changed(what: str, left: float, remedy: str) -> Finding:
            grade, explained_mm = graded(left, effect_mm)
            evidence = f"so changed, {left:.1%} of the difference from the run's positions are left"
            return Finding(grade, "prediction", what, evidence, remedy, explained_mm)

        if replay.has_own_network:
            return changed("the model of --network predicts other positions", 0.0, COMPARE)
        fit = fit_positions(run_xyz, bases, few.grid_whd)
        departure = f"compared with verified positions, {', '.join(fit.departures)}"
        fitted = changed(departure, fit.left_share, COMPARE)
        if fit.departures and fit.left_share <= REPRODUCES:
            return fitted
        left, condition = replay.try_conditions(run_xyz, bases[""], self.say)
        if left <= min(MOSTLY, fit.left_share):
            return changed(condition.what, left, condition.remedy)
        if fit.departures and fit.left_share <= MOSTLY:
            return fitted
        self.ruled_out.append("a linear change of positions, and conditions of the prediction")
        others = ~fit.follows
        return Finding(
            "holds", "prediction", "the fault lies between image and position",
            f"nothing that was tried gives the run's positions for {others.sum()} of {len(few)}"
            " samples", COMPARE, effect_mm, smallest_group(few, 1.0 * others).place,
        )  # fmt: skip

    def _locate(self, excess_mm: float, *, agrees: bool) -> None:
        """Search for the samples that hold the excess."""
        self.parts["the error of the positions minus the reference"] = excess_mm
        self.say("places of the excess")
        table, rng = self.run.saved.table, np.random.default_rng(SEED)
        found = []
        if excess_mm > 0:
            found = locate_alternative(table, excess_mm, rng)
            found = found or locate_excess(table, excess_mm, rng)
        self.findings += found
        if not found:
            self.ruled_out.append("no group of samples holds the excess")
        if not any(each.grade == "explains" for each in found):
            self.findings += self._possible(agrees=agrees)

    def _possible(self, *, agrees: bool) -> Iterator[Finding]:
        """What could not be ruled out, with how to check it."""
        record = self.run.record
        if record is not None and record.identity == "not verified":
            yield Finding(
                "possible", "weights", "the weights are not the published ones",
                record.identity_reason, "Compare the sha256 with that of a fresh download",
            )  # fmt: skip
        yield Finding(
            "possible", "inputs", "the images are not the original ones",
            "a replay reads the same files", "Compare some with another copy of Human3.6M",
        )  # fmt: skip
        if not agrees:
            yield Finding(
                "possible", "prediction", "the prediction differs",
                "no sample was predicted again", "Run this command again with --checkpoints",
            )  # fmt: skip


def _estimate(values_mm: Array, expected_mm: float) -> float:
    """The mean of a few samples' values, or the expected value if they agree."""
    error_mm = float(values_mm.std()) / max(len(values_mm) - 1, 1) ** 0.5
    mean_mm = float(values_mm.mean())
    return expected_mm if abs(mean_mm - expected_mm) <= CERTAIN * error_mm else mean_mm
