"""The search, from cheap to expensive: facts, links, regression, places; ended once explained."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import cast

import msgspec
import numpy as np

from convnextpose_check.diagnosis.comparing import explain_errors, explain_figure, smallest_group
from convnextpose_check.diagnosis.facts import NO_FLIP, facts_of, subset_of
from convnextpose_check.diagnosis.finding import (
    EXPLAINS,
    REPRODUCES,
    Diagnosis,
    Finding,
    Grade,
    Part,
)
from convnextpose_check.diagnosis.images import differing_images
from convnextpose_check.diagnosis.locating import (
    hot_spots,
    locate_alternative,
    locate_difference,
    locate_excess,
    locate_joint,
)
from convnextpose_check.diagnosis.reading import FinishedRun
from convnextpose_check.diagnosis.regression import (
    SAME_CELLS,
    Fit,
    distance_cells,
    fit_positions,
)
from convnextpose_check.diagnosis.replay import TRIED, Passes, Replay, combine, try_conditions
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


@dataclass(frozen=True)
class Shown:
    """The replayed samples: ``indices`` in the run's table, and the checkpoint's name."""

    replay: Replay
    indices: Array
    checkpoint: str
    has_own_network: bool = False


@dataclass
class Search:
    """One search; ``say`` prints each step, ``advance`` moves the bar of the conditions.

    ``show`` prepares the samples to predict again, None without the checkpoint. ``deltas_mm`` (N,)
    are the differences from a baseline.
    """

    run: FinishedRun
    dataset: Dataset
    show: Callable[[], Shown | None]
    deltas_mm: Array | None = None
    say: Callable[[str], None] = lambda _: None
    advance: Callable[[int], object] = lambda _: None
    link: str = "the error is within 1 mm of its reference, or has none"
    findings: list[Finding] = field(default_factory=list)
    ruled_out: list[str] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)

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
        excess_mm = run.excess_mm
        return Diagnosis(
            run.variant, run.figure_mm, run.reference_mm, self.link, tuple(self.parts),
            tuple(sorted(self.findings, key=lambda each: _rank(each, excess_mm))),
            tuple(self.ruled_out), hot_spots(run.table),
        )  # fmt: skip

    def _search(self, reference_mm: float) -> None:
        """Compare the figure, the errors and the positions; search before them if needed."""
        run, table = self.run, self.run.table
        self.say("figure, errors and positions")
        mean_mm = float(run.errors_mm.mean())
        behind = [
            explain_figure(run.figure_mm, run.errors_mm, table),
            explain_errors(table, run.errors_mm),
        ]
        self.parts += [
            Part("the figure minus the mean of the run's errors", run.figure_mm - mean_mm),
            Part("the run's errors minus those of its positions", mean_mm - table.error_mm),
        ]
        agreements = ("the figure is the mean of the run's errors",
                      "the run's errors are those of its positions")  # fmt: skip
        for found, agreement in zip(behind, agreements, strict=True):
            self.findings += found
            self.ruled_out += [] if found else [agreement]
        excess_mm = table.error_mm - reference_mm
        self.link = "behind the positions: their own error is within 1 mm of the reference"
        if self.deltas_mm is not None:
            self.findings += locate_difference(table, self.deltas_mm)
        if abs(excess_mm) < LEAST_MM:
            self.parts.append(Part("the error of the positions minus the reference", excess_mm))
            return
        shown = self.show()
        if shown is None or not len(shown.indices):
            self.link = "not decided: no sample was predicted again (--checkpoints)"
            self._locate(excess_mm, agrees=False)
        else:
            self.say(f"{len(shown.indices)} samples predicted again with {shown.checkpoint}")
            self._compare_positions(shown, excess_mm)

    def _compare_positions(self, shown: Shown, excess_mm: float) -> None:
        """Compare the run's positions with the verified ones of the same images."""
        few = self.run.table.select(shown.indices)
        passes = shown.replay.predict()
        flip = self.run.results is None or self.run.results.flip
        bases = combine(passes, flip=flip)
        if not flip:
            self._add_effect_of_flip(few, passes)
        middle = (np.array(few.grid_whd) - (1, 1, 0)) / 2
        scale = np.array(few.grid_whd) / shown.replay.architecture.grid_whd

        def comparable(cells_xyz: Array) -> Array:
            """About the pelvis if its place is unknown."""
            known = few.has_pelvis
            return cells_xyz if known else cells_xyz - cells_xyz[:, :1] + middle

        bases = {text: comparable(cells * scale) for text, cells in bases.items()}
        run_xyz = comparable(few.cells_xyz)
        distances = distance_cells(run_xyz, bases[""])
        if distances.max() <= SAME_CELLS:
            self.link = (
                f"images, annotations, boxes, depths or weights: {shown.checkpoint} predicts the"
                f" run's positions for {len(few)} samples"
            )
            self.ruled_out.append("the verified pipeline predicts the run's positions")
            self._locate(excess_mm, agrees=True)
            return
        self.link = (
            f"between image and position: {shown.checkpoint} predicts other positions, on average"
            f" {distances.mean():.2f} cells away, for {(distances > SAME_CELLS).sum()} of"
            f" {len(few)} samples"
        )
        verified = replace(few, cells_xyz=combine(passes, flip=flip)[""] * scale)
        moved_mm = (few.errors_mm - verified.errors_mm).mean(axis=1)
        effect_mm = _estimate(moved_mm, excess_mm)
        self.parts += [
            Part("the run's positions minus the verified ones (estimated)", effect_mm),
            Part("the verified positions minus the reference", excess_mm - effect_mm),
        ]
        if verified.error_mm > verified.guess_mm > few.error_mm:
            self.findings.append(_not_its_weights(shown.checkpoint, verified))
        self.findings.append(self._explain_positions(shown, run_xyz, bases, few, effect_mm))

    def _add_effect_of_flip(self, few: SampleTable, passes: Passes) -> None:
        tables = (replace(few, cells_xyz=c) for c in list(combine(passes, flip=True).values())[:2])
        both, plain = (table.errors_mm.mean(axis=1) for table in tables)
        effect_mm = _estimate(plain - both, self.run.excess_mm)
        for index, finding in enumerate(self.findings):
            if finding.name == NO_FLIP:
                self.findings[index] = msgspec.structs.replace(finding, explained_mm=effect_mm)

    def _explain_positions(
        self,
        shown: Shown,
        run_xyz: Array,
        bases: dict[str, Array],
        few: SampleTable,
        effect_mm: float,
    ) -> Finding:
        """What gives the run's positions: a regression, a condition, or the user's network."""
        if shown.has_own_network:
            return Finding(
                "reproduces", "prediction", "own network",
                "the model of --network predicts other positions",
                "this suite's model with the same weights does not give the run's",
                "Compare it with this suite's model, layer by layer", effect_mm,
            )  # fmt: skip
        fit = fit_positions(run_xyz, bases, few.grid_whd)
        if fit.complexity and fit.left_share <= REPRODUCES:
            return _fitted(fit, "reproduces", effect_mm)
        if fit.follows.mean() >= EXPLAINS:
            return _partial(fit, run_xyz, bases, few, effect_mm)
        self.say("replay under other conditions")
        left, condition = try_conditions(shown.replay, run_xyz, self.advance)
        share = left / max(float(distance_cells(run_xyz[:TRIED], bases[""][:TRIED]).mean()), 1e-9)
        if share <= MOSTLY and share <= fit.left_share:
            grade: Grade = "reproduces" if share <= REPRODUCES else "explains"
            return Finding(
                grade, "prediction", condition.name, condition.what,
                f"so predicted, {TRIED} samples are {left:.3f} cells from the run's positions,"
                f" {share:.1%} of the difference", condition.remedy,
                effect_mm if share <= REPRODUCES else effect_mm * (1 - share),
            )  # fmt: skip
        if fit.complexity and fit.left_share <= MOSTLY:
            return _fitted(fit, "explains", effect_mm * (1 - fit.left_share))
        self.ruled_out.append("a linear change of positions, and conditions of the prediction")
        return Finding(
            "holds", "prediction", "prediction", "the fault lies between image and position",
            f"nothing that was tried gives the run's positions, {fit.apart_cells:.2f} cells from"
            " the verified ones", COMPARE, effect_mm,
        )  # fmt: skip

    def _locate(self, excess_mm: float, *, agrees: bool) -> None:
        """Search for the samples, joints and images that hold the excess."""
        self.parts.append(Part("the error of the positions minus the reference", excess_mm))
        self.say("places of the excess")
        table, rng = self.run.table, np.random.default_rng(SEED)
        found = []
        if excess_mm > 0:
            found = locate_alternative(table, excess_mm, rng)
            found = found or [
                *locate_joint(table, excess_mm), *locate_excess(table, excess_mm, rng),
            ]  # fmt: skip
        self.findings += found
        if not found:
            self.ruled_out.append("no group of samples and no joint holds the excess")
        if not any(each.grade == "explains" for each in found):
            self.say("statistics of the images")
            self.findings += differing_images(table, self.run.samples)
            self.findings += self._possible(agrees=agrees)

    def _possible(self, *, agrees: bool) -> Iterator[Finding]:
        """What could not be ruled out, with how to check it."""
        record = self.run.record
        if record is not None and record.identity == "not verified":
            yield Finding(
                "possible", "weights", "weights", "the weights are not the published ones",
                record.identity_reason, "Compare the sha256 with that of a fresh download",
            )  # fmt: skip
        yield Finding(
            "possible", "inputs", "images", "the images are not the original ones",
            "a replay reads the same files", "Compare some with another copy of Human3.6M",
        )  # fmt: skip
        if not agrees:
            yield Finding(
                "possible", "prediction", "prediction", "the prediction differs",
                "no sample was predicted again", "Run this command again with --checkpoints",
            )  # fmt: skip


def _rank(finding: Finding, excess_mm: float) -> tuple[int, float]:
    """Facts, then named causes, places and possible causes, each by what they leave."""
    order: dict[Grade, int] = {"fact": 0, "reproduces": 1, "explains": 1, "holds": 2, "possible": 3}
    return order[finding.grade], abs(excess_mm - (finding.explained_mm or 0.0))


def _estimate(values_mm: Array, expected_mm: float) -> float:
    """The mean of a few samples' values, or the expected value if they agree."""
    error_mm = float(values_mm.std()) / max(len(values_mm) - 1, 1) ** 0.5
    mean_mm = float(values_mm.mean())
    return expected_mm if abs(mean_mm - expected_mm) <= CERTAIN * error_mm else mean_mm


def _not_its_weights(checkpoint: str, verified: SampleTable) -> Finding:
    return Finding(
        "fact", "weights", "other checkpoint", f"{checkpoint} does not hold the run's weights",
        f"its own error is {verified.error_mm:.0f} mm, that of the mean pose"
        f" {verified.guess_mm:.0f} mm",
        "Pass the checkpoint of the run",
    )  # fmt: skip


def _fitted(fit: Fit, grade: Grade, effect_mm: float) -> Finding:
    return Finding(
        grade, "prediction", fit.describe(), f"compared with verified positions, {fit.describe()}",
        f"so changed, {len(fit.follows)} samples are {fit.left_cells:.3f} cells from the run's"
        f" positions, {fit.left_share:.1%} of the difference",
        "Compare this step of the prediction with this suite's", effect_mm,
    )  # fmt: skip


def _partial(
    fit: Fit, run_xyz: Array, bases: dict[str, Array], few: SampleTable, effect_mm: float
) -> Finding:
    """Some samples follow a fit and others do not: the place of these, and their own fit."""
    others, grade, does = ~fit.follows, "holds", "positions are not the verified ones"
    if others.sum() >= 3:
        rest = {text: cells[others] for text, cells in bases.items()}
        own = fit_positions(run_xyz[others], rest, few.grid_whd)
        if own.complexity and own.left_share <= REPRODUCES:
            grade, does = "reproduces", own.describe()
    return Finding(
        cast("Grade", grade), "prediction", does,
        f"compared with verified positions, in {others.sum()} of {len(few)} samples {does}",
        f"of the others, {fit.describe()}" if fit.complexity else "the others agree",
        COMPARE, effect_mm, smallest_group(few, 1.0 * others),
    )  # fmt: skip
