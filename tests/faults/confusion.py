"""Measure which cause a diagnosis names first for each fault: ``python -m tests.faults.confusion``.

Every fault is put into the miniature as it is published, or into one of other people and rooms of
the same kind, and asked of each model. What the diagnosis says without the fault, by the chain as
it should be, is held against what the fault is. Writes the table in this folder's README.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from convnextpose_check.diagnosis.case import Case
from convnextpose_check.diagnosis.cause import Cause
from convnextpose_check.diagnosis.ranking import Obtained, causes_of
from convnextpose_check.diagnosis.reruns import Way, rerun
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.evaluation.measurements import Evaluation
from convnextpose_check.miniature.build import Miniature, cached_miniature
from convnextpose_check.network.fast import FastConvNeXtPose
from convnextpose_check.network.plain import ConvNeXtPose
from convnextpose_check.trial.diagnosis import known_causes
from tests.faults.fault import Fault, every_fault
from tests.faults.scene import Scene

MODELS = ("reference", "XS", "S", "M", "L")
MOVES_MM = 1.0
"""Faults that move the error by less are not asked about."""

RIGHT: dict[str, str] = {
    "another training of the same variant": "weights",
    "one tensor transposed": "weights",
    "one head layer left at its initial values": "weights",
    "trained further on other data": "weights",
    "32 depth bins": "own-network",
    "BatchNorm without buffers": "batch-statistics own-network",
    "BatchNorm's eps is 1e-3": "eps",
    "align_corners=False in both networks": "corners-not-aligned",
    "two upsamplings": "upsamplings",
    "three upsamplings": "upsamplings",
    "soft-argmax of the fast network counts from 1": "shifted-cells own-network",
    "every 63rd frame": "subset",
    "half of the samples": "subset",
    "joints of the next test frame": "other-frame",
    "one image replaced by another": "copied-image",
    "one image cut off": "subset",
    "EXIF orientation applied": "subset",
    "margin of 1.2": "box-margin box-scale",
    "box not squared": "box-not-squared",
    "RootNet's boxes grown once more": "box-margin box-scale",
    "pixels divided by 255": "divided-by-255",
    "blue first": "blue-first",
    "mean and std swapped": "mean-and-std",
    "cubic interpolation": "interpolation",
    "border repeated instead of black": "border",
    "left and right not swapped": "flip-not-swapped",
    "x becomes W - x, without - 1": "shifted-cells",
    "flip test left out": "flip-left-out",
    "shift of half a cell": "shifted-cells",
    "depth of 1.1 m before and behind the root": "depth-range",
    "roots not subtracted": "roots-kept",
    "thorax not dropped": "thorax-counted",
    "aligned with scale": "aligned-with-scale",
    "aligned under protocol 2": "aligned",
    "joints compared with their mirror images": "mirrored-joints",
    "mean of actions, not of samples": "mean-of-actions",
    "the root joint left out": "root-left-out",
    "summed in half precision": "half-precision-sum",
    "root of the mean square": "root-mean-square",
    "median instead of mean": "median",
    "weights rounded to half precision": "half-precision",
}
"""The causes that are right for each fault that may move the error, by its title."""


def is_held_out(fault: Fault) -> bool:
    """Whether it is one of the tenth that was not looked at while causes were written."""
    return hashlib.sha256(fault.title.encode()).digest()[0] % 10 == 0


@dataclass(frozen=True)
class Asked:
    """What was named of a fault, put into a model and a data set of this seed."""

    fault: str
    held_out: bool
    model: str
    seed: int
    moved_mm: float
    causes: tuple[Cause, ...]

    @property
    def is_right(self) -> bool:
        """Whether the first cause is right."""
        return bool(self.causes) and self.causes[0].name in RIGHT[self.fault].split()


@contextmanager
def remembered() -> Iterator[None]:
    """Have networks answer a crop that they have seen before from memory.

    A network is told by what it says of a crop of noise.
    """
    import torch

    answers: dict[bytes, Any] = {}
    noise = torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(0)) * 255

    def wrapped(forward: Any) -> Any:
        def ask(self: Any, crops: Any) -> Any:
            if any(getattr(m, "running_mean", 0) is None or m.training for m in self.modules()):
                return forward(self, crops)  # of which each answer depends on the others
            if "whose" not in self.__dict__:
                self.whose = forward(self, noise).numpy().tobytes() + repr(type(self)).encode()
            keys = [hashlib.sha256(self.whose + crop.numpy().tobytes()).digest() for crop in crops]
            new = [n for n, key in enumerate(keys) if key not in answers]
            if new:
                answers.update(
                    zip([keys[n] for n in new], forward(self, crops[new]).clone(), strict=True)
                )
            return torch.stack([answers[key] for key in keys])

        return ask

    with pytest.MonkeyPatch.context() as patch:
        for network in (FastConvNeXtPose, ConvNeXtPose):
            patch.setattr(network, "forward", wrapped(network.forward))
        yield


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


def measured(scene: Scene, fault: Fault | None) -> tuple[float, Evaluation, Any] | None:
    """Figure, evaluation and trial with the fault put in; None where nothing can be measured."""
    if fault is not None:
        fault.put_in(scene)
    trial, name = scene.trial(), scene.variant_name
    try:
        return trial.evaluation(name).error_mm, trial.evaluation(name), trial
    except ConvNeXtPoseCheckError:
        return None


@contextmanager
def scene_for(
    fault: Fault | None, model: str, fixtures: Path, miniature: Miniature, folder: Path
) -> Iterator[Scene]:
    """A scene about the model, otherwise as the fault asks."""
    import tempfile

    asked = {**(fault.asked if fault else {}), "variant_name": model}
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(dir=folder) as own:
        yield Scene(fixtures, miniature, Path(own), patch, **asked)


def diagnosed(
    scene: Scene, found: tuple[float, Evaluation, Any], reference_mm: float
) -> tuple[Cause, ...]:
    """What the sound chain says of what was measured with the fault."""
    error_mm, evaluation, trial = found
    name, dataset = scene.variant_name, trial.files.dataset()
    scene.patch.undo()
    sound = scene.trial()
    architecture = sound.catalogue[name].architecture
    case = Case.of(evaluation, dataset, architecture.grid_whd)
    by_id = {sample.image_id: sample for sample in dataset.samples}
    way = Way(
        [by_id[image_id] for image_id in evaluation.image_ids],
        dataset.protocol,
        sound.networks.judged(name) if scene.network is None else trial.networks.judged(name),
        sound.files.state(name),
        architecture,
        sound.networks.device(),
        sound.settings.flip,
    )
    obtained = Obtained(error_mm, evaluation.errors_mm, reference_mm)
    known = known_causes(evaluation, dataset, reference_mm)
    return causes_of(case, obtained, rerun(way, case, reference_mm), known=known)


def ask(
    models: tuple[str, ...], seeds: tuple[int, ...], fixtures: Path, folder: Path, titles: str = ""
) -> Iterator[Asked]:
    """Put every fault into every model and data set, and ask what it is."""
    done = set()
    for seed, model in product(seeds, models):
        miniature = miniature_of(seed, fixtures, folder)
        references: dict[str, float] = {}
        for fault in every_fault():
            key = (fault.title, seed, model)
            if fault.title not in RIGHT or titles not in fault.title or key in done:
                continue
            done.add(key)
            setting = str({k: v for k, v in fault.asked.items() if k != "variant_name"})
            if setting not in references:
                with scene_for(fault, model, fixtures, miniature, folder) as scene:
                    sound = measured(scene, None)
                    assert sound is not None
                    references[setting] = sound[0]
            with scene_for(fault, model, fixtures, miniature, folder) as scene:
                found = measured(scene, fault)
                if found is None or abs(found[0] - references[setting]) < MOVES_MM:
                    continue
                causes = diagnosed(scene, found, references[setting])
            moved_mm = found[0] - references[setting]
            yield Asked(fault.title, is_held_out(fault), model, seed, moved_mm, causes)


def main() -> None:
    """Ask, and print a line for each."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--seeds", nargs="+", type=int, default=(0, 1, 2))
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--fault", default="")
    given = parser.parse_args()
    fixtures = Path(__file__).parents[2] / "fixtures"
    with remembered():
        for each in ask(
            tuple(given.models), tuple(given.seeds), fixtures, given.folder, given.fault
        ):
            names = " ".join(f"{cause.name}:{cause.share:.2f}" for cause in each.causes)
            print(  # noqa: T201 - a command
                f"{'ok ' if each.is_right else 'BAD'} {'held out' if each.held_out else ''}"
                f" {each.fault} | {each.model} {each.seed} {each.moved_mm:+.2f} mm | {names}",
                flush=True,
            )


if __name__ == "__main__":
    main()
