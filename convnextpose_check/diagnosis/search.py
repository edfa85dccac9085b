"""The search for the cause, cheapest steps first, until the excess is explained."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from convnextpose_check.diagnosis import alternatives, locating
from convnextpose_check.diagnosis.finding import MAX_LEFT, RANKS, Diagnosis, Finding, grade_change
from convnextpose_check.diagnosis.reading import FinishedRun, find_subset, list_facts
from convnextpose_check.diagnosis.replay import (
    SAME_CELLS,
    Replay,
    compute_distances,
    fit_positions,
)
from convnextpose_check.evaluation.verdict import TOLERANCES_MM
from convnextpose_check.human36m.geometry import Array

MIN_EXCESS_MM = min(TOLERANCES_MM)
"""Least difference from the reference that is searched for a cause."""


@dataclass
class Search:
    """The search in one finished run, with differences (N,) from a baseline in ``deltas_mm``.

    ``prepare_replay`` reads the samples to predict again, and returns None without a checkpoint.
    """

    run: FinishedRun
    prepare_replay: Callable[[], Replay | None]
    deltas_mm: Array | None = None
    print_step: Callable[[str], None] = lambda _: None

    def diagnose(self) -> Diagnosis:
        """Run the steps until the excess is explained."""
        answer = Diagnosis(self.run.variant, self.run.result_mm, self.run.reference_mm)
        answer.hot_spots = locating.find_hot_spots(self.run.saved.table)
        self.answer = answer
        if (subset := find_subset(self.run)) is not None:
            answer.reference_mm = None
            answer.findings.append(subset)
            answer.link = "settings: a subset is not compared with the reference"
        elif abs(answer.excess_mm) >= MIN_EXCESS_MM:
            self.print_step(f"{answer.variant}: facts, result, errors and positions")
            answer.findings += list_facts(self.run)
            self._compare_errors()
        answer.findings.sort(key=partial(_rank_finding, answer.excess_mm))
        return answer

    def _compare_errors(self) -> None:
        answer, table, errors_mm = self.answer, self.run.saved.table, self.run.saved.errors_mm
        mean_mm = float(errors_mm.mean())
        answer.parts["the result minus the mean of the run's errors"] = answer.result_mm - mean_mm
        answer.parts["the run's errors minus those of its positions"] = mean_mm - table.error_mm
        found = {
            "another mean of the errors": alternatives.explain_result(
                answer.result_mm, errors_mm, table
            ),
            "another conversion or comparison of the positions": alternatives.explain_errors(
                table, errors_mm
            ),
        }
        answer.findings += filter(None, found.values())
        answer.ruled_out += [text for text, finding in found.items() if finding is None]
        if self.deltas_mm is not None:
            answer.findings.append(locating.locate_difference(table, self.deltas_mm))
        excess_mm = answer.excess_mm - answer.result_mm + table.error_mm
        if abs(excess_mm) < MIN_EXCESS_MM:
            answer.link = "behind the positions: their error is within 1 mm of the reference"
            answer.parts["the error of the positions minus the reference"] = excess_mm
            return
        replay = self.prepare_replay()
        if replay is None or not len(replay.table):
            answer.link = "unknown: no sample was predicted again; pass --checkpoints"
            self._locate_excess(excess_mm)
        else:
            self.print_step(f"{len(replay.table)} samples predicted again with {replay.checkpoint}")
            self._compare_positions(replay, excess_mm)

    def _compare_positions(self, replay: Replay, excess_mm: float) -> None:
        answer, few, passes = self.answer, replay.table, replay.predict()
        bases = {text: few.make_comparable(cells_xyz) for text, cells_xyz in passes.items()}
        errors_mm = {t: replace(few, cells_xyz=c).errors_mm.mean(axis=1) for t, c in passes.items()}
        run_xyz, verified_mm = few.make_comparable(few.cells_xyz), errors_mm[""]
        if not replay.flip:
            both_mm = errors_mm["the mirrored pass is averaged"]
            answer.findings.append(Finding(
                "explains", "settings", "the flip test was left out",
                f"its effect was measured on {len(few)} samples", "Run again without --no-flip",
                _estimate_effect(verified_mm - both_mm, answer.excess_mm),
            ))  # fmt: skip
        distances = compute_distances(run_xyz, bases[""])
        differ = distances > SAME_CELLS
        if distances.max() <= SAME_CELLS:
            answer.link = (
                f"images, annotations, boxes, depths or weights: {replay.checkpoint} predicts the"
                f" run's positions for {len(few)} samples"
            )
            answer.ruled_out.append("a fault between image and position")
            self._locate_excess(excess_mm, replay)
            return
        answer.link = (
            f"between image and position: {replay.checkpoint} predicts other positions, on average"
            f" {distances.mean():.2f} cells away, for {differ.sum()} of {len(few)} samples"
        )
        effect_mm = _estimate_effect(few.errors_mm.mean(axis=1) - verified_mm, excess_mm)
        answer.parts["the run's positions minus the verified ones (estimated)"] = effect_mm
        answer.parts["the verified positions minus the reference"] = excess_mm - effect_mm
        if verified_mm.mean() > few.mean_pose_mm > few.error_mm:
            answer.findings.append(Finding(
                "fact", "weights", f"{replay.checkpoint} does not contain the run's weights",
                f"its error is {verified_mm.mean():.0f} mm, that of the mean pose"
                f" {few.mean_pose_mm:.0f} mm", "Pass the checkpoint of the run",
            ))  # fmt: skip
        departures, left = fit_positions(run_xyz, bases, few.middle_xyz)
        left, remedy = left if departures else 1.0, alternatives.COMPARE
        what = f"compared with verified positions, {', '.join(departures)}"
        if self.run.results is not None and self.run.results.network is not None:
            left, what = 0.0, "the model of --network predicts other positions"
        elif left > MAX_LEFT:
            tried = replay.try_conditions(bases[""], self.print_step)
            left, what, remedy = min((left, what, remedy), tried)
        grade, explained_mm = grade_change(left, effect_mm)
        place = few.find_smallest_group(1.0 * differ).place if differ.sum() > 1 else ""
        evidence = f"{left:.1%} of the distance from the run's positions is left"
        if grade == "holds":
            answer.ruled_out.append("linear changes of positions, known faults of prediction")
            evidence += f" after the best change that was tried: {what}"
            what, remedy = "the fault lies between image and position", alternatives.COMPARE
        found = Finding(grade, "prediction", what, evidence, remedy, explained_mm, place)
        answer.findings.append(found)

    def _locate_excess(self, excess_mm: float, replay: Replay | None = None) -> None:
        """Find a correction of the data, the group with the excess, or the step with the fault.

        ``replay`` predicts the run's positions.
        """
        answer, record = self.answer, self.run.record
        answer.parts["the error of the positions minus the reference"] = excess_mm
        self.print_step("groups of samples")
        found = self._explain_excess(excess_mm, replay) if excess_mm > 0 else None
        answer.findings += filter(None, [found])
        if found is None:
            answer.ruled_out.append("a group of samples that contains the excess")
        elif found.grade == "explains":
            return
        if record is not None and record.identity == "not verified":
            answer.findings.append(Finding(
                "possible", "weights", "the weights are not the published ones",
                record.identity_reason, "Compare the sha256 with that of a fresh download",
            ))  # fmt: skip
        answer.findings.append(Finding(
            "possible", "inputs", "the images are not the original ones",
            "new predictions read the same files", alternatives.IMAGE_FILES,
        ))  # fmt: skip
        if replay is None:
            answer.findings.append(Finding(
                "possible", "prediction", "the prediction differs", "no sample was predicted again",
                "Run this command again with --checkpoints",
            ))  # fmt: skip

    def _explain_excess(self, excess_mm: float, replay: Replay | None) -> Finding | None:
        table, record = self.run.saved.table, self.run.record
        corrections = [*alternatives.CONVERSIONS, *alternatives.find_joint_orders(table)]
        found = alternatives.locate_alternative(table, corrections, table.groups, excess_mm)
        differences = locating.find_differences(
            table, locating.measure_samples(table, self.run.saved.samples)
        )
        if found is None or found.grade != "explains":
            located = filter(None, (found, locating.locate_excess(table, differences, excess_mm)))
            found = min(located, key=partial(_rank_finding, excess_mm), default=None)
        if found is None and replay is not None:
            few = replace(replay.table, cells_xyz=replay.predict(is_plain=True)[""])
            few_mm = excess_mm * few.error_mm / table.error_mm
            corrections = replay.list_corrections(self.print_step)
            found = alternatives.locate_alternative(few, corrections, few.groups[:1], few_mm)
        if found is not None or replay is None or record is None or record.identity != "verified":
            return found
        # A sound run may differ by the largest tolerance; the margin is for rounding.
        if excess_mm <= 1.05 * max(TOLERANCES_MM) and "" not in differences:
            return None
        texts = ["the fault lies in images, annotations, boxes or depths"]
        return Finding(
            "holds", "inputs", ", ".join([*texts, *differences.get("", [])][:3]),
            f"the published weights predict the run's positions for {len(replay.table)} samples",
            alternatives.DATA, excess_mm,
        )  # fmt: skip


def _rank_finding(excess_mm: float, finding: Finding) -> tuple[int, float]:
    return RANKS[finding.grade], abs(excess_mm - (finding.explained_mm or 0.0))


def _estimate_effect(values_mm: Array, expected_mm: float) -> float:
    """Returns the mean of a few values, or the expected value within 3 standard errors of it."""
    error_mm = float(values_mm.std()) / max(len(values_mm) - 1, 1) ** 0.5
    mean_mm = float(values_mm.mean())
    return expected_mm if abs(mean_mm - expected_mm) <= 3.0 * error_mm else mean_mm
