"""A subject of the checks: its checkpoints, its data set, and what was made of them.

There are two: the ``published`` files of the user, and the generated ``miniature``. Everything is
loaded when first asked for, once. A failure is remembered as well, so that many tests of one long
evaluation that fails do not repeat it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TextIO

import msgspec

from convnextpose_check.checkpoints.find import GIVE_CHECKPOINTS, CheckpointFiles
from convnextpose_check.checkpoints.fingerprints import Fingerprint
from convnextpose_check.checkpoints.load import Checkpoint
from convnextpose_check.checkpoints.lock import hold_to_hash
from convnextpose_check.checkpoints.snapshot import write_snapshot
from convnextpose_check.checks.archives import check_holds_variant
from convnextpose_check.checks.dataset import check_joints_lie_in_boxes
from convnextpose_check.drive.download import Downloads, fetch_missing, folder_for
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.evaluation.devices import (
    check_precision,
    device_title,
    use_exact_float32,
    working_device,
)
from convnextpose_check.evaluation.evaluate import Candidate, JointEvaluation, Outcomes
from convnextpose_check.evaluation.failures import told_as_failure
from convnextpose_check.evaluation.kept import evaluation_key
from convnextpose_check.evaluation.predict import Evaluation
from convnextpose_check.evaluation.ranks import Answers, Order, Ranks
from convnextpose_check.evaluation.verdict import Judgement, judge
from convnextpose_check.human36m.layout import GIVE_ROOT, Layout, annotation_names, survey
from convnextpose_check.human36m.samples import Dataset, DatasetFacts, load_dataset
from convnextpose_check.network import Network
from convnextpose_check.network.keymap import StateDict
from convnextpose_check.network.layout import build_network, modern_state
from convnextpose_check.network.users import (
    ForeignNetwork,
    bad_network,
    built_module,
    exported_digest,
    exported_network,
    is_exported,
    load_weights,
    takes_weights,
)
from convnextpose_check.paths import KEPT_FOLDER
from convnextpose_check.progress import progress_bar
from convnextpose_check.settings.read import Settings
from convnextpose_check.trial.once import Failed, once
from convnextpose_check.variants import Catalogue, Figure
from convnextpose_check.wording import printable

if TYPE_CHECKING:
    import torch
    from torch.nn import Module

    from convnextpose_check.network.plain import ConvNeXtPose

SubjectName = Literal["published", "miniature"]


@dataclass(frozen=True)
class Sources:
    """Where a subject comes from; a place that was not given is None."""

    dataset_root: Path | None
    checkpoint_places: tuple[Path, ...]


class Subject:
    """Checkpoints and data set of one subject under the run's settings.

    ``find_sources`` is called when a file is first needed, ``reference`` gives the figure that a
    variant's error is held against. ``wanted`` are the variants to evaluate in one pass. Without
    ``remembers_hashes`` files are compared with what is remembered, and nothing is written.
    ``fingerprints`` is what is known of the bits of each variant's file.
    """

    def __init__(
        self,
        name: SubjectName,
        settings: Settings,
        catalogue: Catalogue,
        facts: DatasetFacts,
        find_sources: Callable[[], Sources],
        reference: Callable[[str], Figure | None],
        progress_stream: TextIO | None = None,
        ranks: Ranks | None = None,
        fingerprints: Mapping[str, Fingerprint] = MappingProxyType({}),
    ) -> None:
        self.fingerprints = fingerprints
        self.name = name
        self.settings = settings
        self.catalogue = catalogue
        self.facts = facts
        self.reference = reference
        self._find_sources = find_sources
        self._progress_stream = progress_stream
        self._ranks = ranks or Ranks()
        self.outcomes: dict[tuple[str, ...], Any] = {}
        self._evaluations: dict[str, Evaluation | Failed] = {}
        self.wanted: tuple[str, ...] = ()
        self.remembers_hashes = True

    @property
    def chosen(self) -> tuple[str, ...]:
        """The variants that the settings choose, of those that the subject has."""
        names = self.settings.variants or self.catalogue.names
        return tuple(name for name in names if name in self.catalogue.names)

    @once
    def sources(self) -> Sources:
        """Where the files are."""
        return self._find_sources()

    @once
    def device(self) -> torch.device:
        """The device that the settings name, proved to work."""
        use_exact_float32()
        default = "cuda" if self.name == "published" else "cpu"
        name = self._ranks.device_name(self.settings.device or default)
        device = working_device(name)
        check_precision(self.settings.precision, device)
        return device

    @once
    def checkpoint_files(self) -> CheckpointFiles:
        """The user's files that may be checkpoints, with those that were to be downloaded."""
        downloads = self._downloads()
        if not downloads.places:
            raise ConvNeXtPoseCheckError(
                "no-checkpoints", "no place was given to look for checkpoints in", GIVE_CHECKPOINTS
            )
        return CheckpointFiles(downloads.places, self.catalogue, downloads.failed)

    def _downloads(self) -> Downloads:
        s, places = self.settings, self.sources().checkpoint_places
        if not s.download or self.name != "published":
            return Downloads(places)
        folder = folder_for(places, s.results_dir)
        downloads = fetch_missing(
            places, folder, self.catalogue, self.chosen, s.results_dir, self._progress_stream
        )
        for obtained in downloads.obtained.values():
            if obtained.warning:
                self._say(f"warning: {obtained.warning}")
        return downloads

    @once
    def checkpoint(self, variant: str) -> Checkpoint:
        """The variant's checkpoint, loaded; a user's file has to be what it was before."""
        checkpoint = self.checkpoint_files().load(variant)
        if self.name == "published":
            hold_to_hash(
                checkpoint, variant, self.catalogue, self.settings.results_dir,
                remember=self.remembers_hashes,
            )  # fmt: skip
        return checkpoint

    def state(self, variant: str) -> StateDict:
        """The variant's state dict under the network's own names."""
        return modern_state(self.checkpoint(variant).network)

    @once
    def snapshot(self, variant: str) -> Path:
        """The modern ``.pth`` written from the checkpoint."""
        return write_snapshot(self.checkpoint(variant), variant, self.settings.results_dir)

    @once
    def network(self, variant: str) -> ConvNeXtPose:
        """The variant's network with the checkpoint's weights, loaded strictly, on the device."""
        check_holds_variant(self.catalogue[variant], self.checkpoint(variant), self.catalogue)
        architecture = self.catalogue[variant].architecture
        return build_network(architecture, self.state(variant), self.device())

    @once
    def module(self, variant: str) -> Module:
        """What parameters and multiply-adds are counted on: the network, or the user's own."""
        specification = self.settings.network
        if specification is None or is_exported(specification):
            return self.network(variant)
        architecture = self.catalogue[variant].architecture
        module = built_module(specification, variant).to(self.device()).eval()
        if takes_weights(module, architecture):
            check_holds_variant(self.catalogue[variant], self.checkpoint(variant), self.catalogue)
            load_weights(module, self.state(variant))
        return module

    @once
    def judged_network(self, variant: str) -> Network:
        """What is evaluated: the network rearranged for speed, or the one of ``--network``."""
        from convnextpose_check.network.fast import FastConvNeXtPose

        specification = self.settings.network
        if specification is None:
            return FastConvNeXtPose(self.network(variant))
        architecture = self.catalogue[variant].architecture
        if is_exported(specification):
            return exported_network(specification, variant, architecture, self.device())
        return ForeignNetwork(self.module(variant), architecture, specification)

    @once
    def dataset_root(self) -> Path:
        """The folder that the data set is somewhere below."""
        root = self.sources().dataset_root
        if root is None:
            raise ConvNeXtPoseCheckError(
                "no-data", "no folder was given to look for Human3.6M in", GIVE_ROOT
            )
        return root

    @property
    def test_subjects(self) -> tuple[int, ...]:
        """The people of Human3.6M that the protocol tests."""
        return self.facts.protocols[self.settings.protocol].subjects

    @once
    def data_found(self) -> Layout:
        """Where the parts of the data set are, however many are missing."""
        return survey(self.dataset_root(), annotation_names(self.test_subjects))

    @once
    def dataset(self) -> Dataset:
        """The test samples, of annotations that belong together: nothing is measured on others."""
        s = self.settings
        dataset = load_dataset(self.dataset_root(), self.facts, s.protocol, s.bbox, s.limit)
        check_joints_lie_in_boxes(dataset)
        return dataset

    def evaluation(self, variant: str) -> Evaluation:
        """The variant's network over the whole data set.

        The first one asked for brings the others that are ``wanted`` with it: every image is then
        read once for all of them.
        """
        if variant not in self._evaluations:
            together = dict.fromkeys([*self.wanted, variant])
            new = [name for name in together if name not in self._evaluations]
            try:
                outcomes: Mapping[str, Evaluation | Exception] = self._evaluated(new)
            except Exception as error:  # noqa: BLE001 - no bug is worth an hour for each test
                outcomes = dict.fromkeys(new, error)
            self._evaluations |= {
                name: Failed(outcome) if isinstance(outcome, Exception) else outcome
                for name, outcome in outcomes.items()
            }
        evaluation = self._evaluations[variant]
        if isinstance(evaluation, Failed):
            raise evaluation.again()
        return evaluation

    def _evaluated(self, variants: Sequence[str]) -> Outcomes:
        """Evaluations of the variants; one that cannot be loaded fails alone."""
        candidates, errors = self._candidates(variants)
        if not candidates:
            return {**errors}
        return errors | self.joint_evaluation(list(candidates)).outcomes(candidates)

    def help(self, order: Order) -> Answers:
        """Measure this process's share of what rank 0 has ordered."""
        candidates, errors = self._candidates(order.done)
        if not candidates:
            return {**errors}
        return errors | self.joint_evaluation(list(candidates)).help(candidates, order)

    def _candidates(
        self, variants: Iterable[str]
    ) -> tuple[dict[str, Candidate], dict[str, ConvNeXtPoseCheckError]]:
        """The variants that can be loaded, and why the others cannot."""
        candidates: dict[str, Candidate] = {}
        errors: dict[str, ConvNeXtPoseCheckError] = {}
        for variant in variants:
            try:
                candidates[variant] = self._candidate(variant)
            except ConvNeXtPoseCheckError as error:
                errors[variant] = error
        return candidates, errors

    def joint_evaluation(self, variants: Sequence[str]) -> JointEvaluation:
        """How variants are evaluated under the run's settings."""
        device, settings = self.device(), self.settings
        title = f"{self.name} {' '.join(variants)}"
        return JointEvaluation(
            self.dataset(),
            device,
            settings.precision,
            settings.flip,
            settings.batch_size or (64 if device.type == "cuda" else 4),
            settings.workers,
            settings.resume,
            lambda images: progress_bar(self._progress_stream, title, images),
            self._say,
            self._ranks,
            self.name,
        )

    def _candidate(self, variant: str) -> Candidate:
        import torch

        from convnextpose_check.network.fast import FastConvNeXtPose

        if self.settings.precision == "fp16" and self.settings.network is not None:
            raise bad_network(self.settings.network, "it cannot be judged in fp16")
        with told_as_failure("building the network"):  # then this variant fails alone
            network = exact = self.judged_network(variant)
            if self.settings.precision == "fp16":
                network = FastConvNeXtPose(self.network(variant), torch.half)
        return Candidate(
            network,
            None if self.settings.precision == "fp32" else exact,
            self._key(variant),
            self.settings.results_dir / KEPT_FOLDER / f"{self.name}_{variant}.npz",
        )

    def _key(self, variant: str) -> str | None:
        """What the evaluation is kept under; None for a network of code, never twice the same."""
        foreign = self.settings.network
        if foreign is not None and not is_exported(foreign):
            return None
        settings = {
            "flip": self.settings.flip,
            "device": device_title(self.device()),
            "network": msgspec.to_builtins(self.catalogue[variant].architecture),
            "precision": self.settings.precision,
            "exported": foreign and exported_digest(foreign, variant),
        }
        return evaluation_key(self.checkpoint(variant).sha256, self.dataset(), settings)

    def _say(self, text: str) -> None:
        if self._progress_stream is not None:
            self._progress_stream.write(f"\n{printable(text)}\n")

    def judgement(self, variant: str) -> Judgement:
        """The variant's error held against its reference."""
        return judge(self.evaluation(variant), self.reference(variant))
