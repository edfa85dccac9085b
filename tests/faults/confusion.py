"""Measure which cause a diagnosis names first for each fault: ``python -m tests.faults.confusion``.

Every fault is put into the miniature as it is published, or into one of other people and rooms of
the same kind, and asked of each model that is named. What the diagnosis says, by the chain as it
should be, is held against what the fault is. Writes the table in this folder's README.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import combinations, product
from math import isfinite
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from convnextpose_check.diagnosis.case import Case
from convnextpose_check.diagnosis.cause import Cause, Obtained
from convnextpose_check.diagnosis.conditions import CONDITIONS
from convnextpose_check.diagnosis.finished_run import is_part, known_causes
from convnextpose_check.diagnosis.ranking import causes_of
from convnextpose_check.diagnosis.reruns import SAMPLES, Rerun, Reruns, Way, rerun
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.evaluation.measurements import Evaluation
from convnextpose_check.miniature.build import Miniature, cached_miniature
from convnextpose_check.network.fast import FastConvNeXtPose
from convnextpose_check.network.plain import ConvNeXtPose
from tests.faults.fault import Fault, every_fault
from tests.faults.named import (
    MODELS,
    MOVES_MM,
    RIGHT,
    Pair,
    Row,
    read_confusion,
    with_row,
    write_confusion,
)
from tests.faults.scene import Scene
from tests.support.remembered import remembered


def miniature_of(seed: int, fixtures: Path, folder: Path) -> Miniature:
    """The miniature as it is for seed 0, else with other performances in other rooms."""
    found = cached_miniature(fixtures)
    if seed == 0:
        return found
    import json

    from convnextpose_check.miniature import dataset, poses

    other = Miniature(folder / f"seed-{seed}")
    if other.folder.is_dir():
        return other
    chances, name_seed = poses._chances, vars(dataset.Sequence)["seed"].fget
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(poses, "_chances", lambda s, a, b: chances(s + 100 * seed, a, b))
        shifted = property(lambda sequence: name_seed(sequence) + 10_000_000 * seed)
        patch.setattr(dataset.Sequence, "seed", shifted)
        other.folder.mkdir(parents=True)
        cameras = json.loads((fixtures / "h36m_cameras.json").read_text())
        dataset.write_dataset(other.dataset, cameras)
    other.checkpoints.symlink_to(found.checkpoints)
    return other


def measured(scene: Scene, *faults: Fault) -> tuple[float, Evaluation, Any] | None:
    """Figure, evaluation and run with the faults put in; None where nothing can be measured."""
    for fault in faults:
        fault.put_in(scene)
    run, name = scene.run(), scene.variant_name
    try:
        return run.evaluations[name].error_mm, run.evaluations[name], run
    except ConvNeXtPoseCheckError:
        return None


@contextmanager
def scene_for(
    fault: Fault | None, model: str, fixtures: Path, miniature: Miniature, folder: Path
) -> Iterator[Scene]:
    """A scene about the model, otherwise as the fault asks."""
    asked = {**(fault.asked if fault else {}), "variant_name": model}
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory(dir=folder) as own:
        yield Scene(fixtures, miniature, Path(own), patch, **asked)


def asked_of(
    scene: Scene, found: tuple[float, Evaluation, Any], reference_mm: float
) -> tuple[Case, Obtained, Way]:
    """What a diagnosis by the chain as it should be is given, of what was measured with a fault.

    Positions are where the run had them, by its own boxes; the chain shows pictures by those that
    it finds itself. Annotations are as the run read them.
    """
    error_mm, evaluation, run = found
    name, dataset = scene.variant_name, run.dataset
    samples = dataset.samples_of(evaluation.image_ids)
    scene.patch.undo()
    sound = scene.run()
    architecture = sound.catalogue[name].architecture
    case = Case.at(samples, evaluation.cells_xyz, architecture.grid_whd, dataset.protocol)
    boxes = {sample.image_id: sample.box_xywh_px for sample in sound.dataset.samples}
    way = Way(
        [dataclasses.replace(s, box_xywh_px=boxes[s.image_id]) for s in samples],
        dataset.protocol,
        sound.models[name].evaluated if scene.network is None else run.models[name].evaluated,
        sound.models[name].state,
        architecture,
        sound.devices[0],
        sound.settings.flip,
    )
    return case, Obtained(error_mm, evaluation.errors_mm, reference_mm), way


def diagnosed(
    scene: Scene, found: tuple[float, Evaluation, Any], reference_mm: float
) -> tuple[Cause, ...]:
    """The causes that are named of what was measured with a fault."""
    evaluation, dataset = found[1], found[2].files.dataset()
    known = known_causes(len(evaluation.image_ids), evaluation.error_mm - reference_mm, dataset)
    of_part = is_part(len(evaluation.image_ids), dataset)
    case, obtained, way = asked_of(scene, found, reference_mm)
    again = rerun(way, case, reference_mm)
    return causes_of(case, obtained, again, known=known, is_part=of_part)


def named(causes: Iterable[Cause]) -> tuple[str, ...]:
    """The names of causes, the likeliest first."""
    return tuple(cause.name for cause in causes)


def ask(
    models: Sequence[str], seeds: Sequence[int], fixtures: Path, folder: Path, titles: str = ""
) -> Iterator[Row]:
    """Put every fault into every model and data set, and ask what it is."""
    faults = {fault.title: fault for fault in every_fault() if titles in fault.title}
    for seed, model in product(seeds, models):
        miniature = miniature_of(seed, fixtures, folder)
        references: dict[str, float] = {}
        for title, fault in faults.items():
            if title not in RIGHT:
                continue
            setting = str({k: v for k, v in fault.asked.items() if k != "variant_name"})
            if setting not in references:
                with scene_for(fault, model, fixtures, miniature, folder) as scene:
                    sound = measured(scene)
                    assert sound is not None
                    references[setting] = sound[0]
            with scene_for(fault, model, fixtures, miniature, folder) as scene:
                found = measured(scene, fault)
                if found is None or not isfinite(found[0]):
                    continue
                if abs(found[0] - references[setting]) < MOVES_MM:
                    continue
                causes = diagnosed(scene, found, references[setting])
            moved_mm = round(found[0] - references[setting], 2)
            yield Row(title, model, seed, moved_mm, named(causes))


def ask_pairs(count: int, fixtures: Path, folder: Path) -> Iterator[Pair]:
    """Put two faults at once into the reference, of pairs drawn by chance, and ask what they are.

    Both have to move the error alone, and each the error with the other.
    """
    miniature, rows = cached_miniature(fixtures), read_confusion().rows
    faults = {fault.title: fault for fault in every_fault()}
    alone = {r.fault: r.moved_mm for r in rows if r.model == "reference" and r.seed == 0}
    pairs = list(combinations([title for title in alone if not faults[title].asked], 2))
    np.random.default_rng(0).shuffle(pairs)
    with scene_for(None, "reference", fixtures, miniature, folder) as scene:
        sound = measured(scene)
        assert sound is not None
    found_pairs = 0
    for one, two in pairs:
        with scene_for(None, "reference", fixtures, miniature, folder) as scene:
            try:
                found = measured(scene, faults[one], faults[two])
            except FileExistsError:  # both want a data set of their own
                continue
            if found is None:
                continue
            moved_mm = round(found[0] - sound[0], 2)
            if min(abs(moved_mm - alone[one]), abs(moved_mm - alone[two])) < MOVES_MM:
                continue
            causes = diagnosed(scene, found, sound[0])
        yield Pair(one, two, moved_mm, named(causes))
        found_pairs += 1
        if found_pairs == count:
            return


def ask_sound(repetitions: int, fixtures: Path, folder: Path) -> int:
    """Of how many sound runs a cause is named, whose performances are drawn anew."""
    with scene_for(None, "reference", fixtures, cached_miniature(fixtures), folder) as scene:
        sound = measured(scene)
        assert sound is not None
        case, _, way = asked_of(scene, sound, sound[0])
    again, chance = way.gone(SAMPLES, CONDITIONS), np.random.default_rng(0)
    of_take = [np.flatnonzero(case.takes == take) for take in np.unique(case.takes)]
    wrong = 0
    for _ in range(repetitions):
        chosen = np.concatenate(
            [of_take[take] for take in chance.integers(len(of_take), size=len(of_take))]
        )
        drawn = case.take(chosen)
        # Of the samples that were shown again those that were drawn, where they stand now.
        places = {number: place for place, number in enumerate(chosen)}
        there = np.array([n in places for n in again.numbers])
        assert again.plain is not None
        shown = Reruns(
            np.array([places[n] for n in again.numbers[there]]),
            again.plain.take(there),
            tuple(Rerun(each.condition, each.case.take(there)) for each in again.others),
        )
        obtained = Obtained(drawn.error_mm, drawn.errors_mm, sound[0])
        wrong += bool(causes_of(drawn, obtained, shown))
    return wrong


def main() -> None:
    """Ask, and write down what was named; what was asked before stays, unless asked again."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--titles", default="", help="ask of faults alone whose title holds this")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=("reference",))
    parser.add_argument("--seeds", nargs="+", type=int, default=(0, 1, 2))
    parser.add_argument("--pairs", type=int, default=24)
    parser.add_argument("--sound", type=int, default=200)
    given = parser.parse_args()
    fixtures = Path(__file__).parents[2] / "fixtures"
    with remembered(FastConvNeXtPose, ConvNeXtPose), TemporaryDirectory() as folder:
        for row in ask(given.models, given.seeds, fixtures, Path(folder), given.titles):
            sys.stdout.write(f"{row}\n")
            write_confusion(with_row(read_confusion(), row))
        if given.pairs:
            pairs: tuple[Pair, ...] = ()
            for pair in ask_pairs(given.pairs, fixtures, Path(folder)):
                sys.stdout.write(f"{pair}\n")
                pairs = (*pairs, pair)
                write_confusion(replace(read_confusion(), pairs=pairs))
        if given.sound:
            named_of = ask_sound(given.sound, fixtures, Path(folder))
            sound = (given.sound, named_of)
            write_confusion(replace(read_confusion(), sound=sound))


if __name__ == "__main__":
    main()
