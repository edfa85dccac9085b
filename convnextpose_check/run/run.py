"""A run of one target: its files, models and evaluations, each made when first needed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

from convnextpose_check.checkpoints.find import GIVE_CHECKPOINTS, CheckpointFiles
from convnextpose_check.checkpoints.fingerprints import Fingerprint, read_fingerprints
from convnextpose_check.checkpoints.load import Checkpoint
from convnextpose_check.checks.archives import check_holds_variant
from convnextpose_check.drive.download import fetch_missing, folder_for
from convnextpose_check.errors import ConvNeXtPoseCheckError, ErrorCode
from convnextpose_check.evaluation.cache import evaluation_key
from convnextpose_check.evaluation.devices import use_exact_float32, working_devices
from convnextpose_check.evaluation.measurements import Entry, Evaluation
from convnextpose_check.evaluation.one_pass import Conditions, evaluate
from convnextpose_check.evaluation.predict import told_as_failure
from convnextpose_check.evaluation.verdict import Judgement, judge
from convnextpose_check.human36m.layout import GIVE_ROOT
from convnextpose_check.human36m.samples import Dataset, DatasetFacts, load_dataset, read_facts
from convnextpose_check.paths import kept_file
from convnextpose_check.progress import Screen
from convnextpose_check.results.schema import ReferenceKind
from convnextpose_check.run.models import VariantModels
from convnextpose_check.settings.options import Settings
from convnextpose_check.variants import Catalogue, Figure, Variant, read_catalogue

if TYPE_CHECKING:
    import torch

CUDA_BATCH_SIZE, CPU_BATCH_SIZE = 64, 4
"""Images in a batch; halved where the device's memory is too small."""


T = TypeVar("T")


class ByVariant(Generic[T]):
    """Values by variant; reading one that could not be made raises its error.

    The error of one variant does not affect the others, and many tests can read a value that took
    long to make.
    """

    def __init__(self, outcomes: Mapping[str, T | Exception]) -> None:
        self.outcomes = dict(outcomes)

    @classmethod
    def collect(cls, variants: Iterable[str], make: Callable[[str], T]) -> ByVariant[T]:
        """Make the value of each variant; a user's mistake is stored as its error."""
        outcomes: dict[str, T | Exception] = {}
        for variant in variants:
            try:
                outcomes[variant] = make(variant)
            except ConvNeXtPoseCheckError as error:
                outcomes[variant] = error.with_traceback(None)  # its frames may hold large arrays
        return cls(outcomes)

    def __getitem__(self, variant: str) -> T:
        outcome = self.outcomes[variant]
        if isinstance(outcome, ConvNeXtPoseCheckError):
            raise outcome.with_traceback(None)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    @property
    def available(self) -> dict[str, T]:
        """The values that could be made."""
        return {v: value for v, value in self.outcomes.items() if not isinstance(value, Exception)}

    @property
    def errors(self) -> dict[str, Exception]:
        """The errors of the others."""
        return {v: error for v, error in self.outcomes.items() if isinstance(error, Exception)}


TargetName = Literal["published", "miniature"]


@dataclass(frozen=True)
class Target:
    """The variants with their reported values, and what is known of their data and files.

    ``fingerprints`` holds the published hashes of each variant's file, where they are on record.
    """

    name: TargetName
    catalogue: Catalogue
    facts: DatasetFacts
    fingerprints: Mapping[str, Fingerprint] = field(default_factory=dict)

    def variants(self, settings: Settings) -> tuple[Variant, ...]:
        """The variants that the settings choose.

        Raises ``ConvNeXtPoseCheckError`` (``bad-option``) for a name that this target lacks.
        """
        names = settings.variants or self.catalogue.names
        return tuple(self.catalogue[name] for name in names)


@dataclass(frozen=True, eq=False)
class Run:
    """One run of one target under the given settings.

    ``human36m`` is the folder with Human3.6M, None if it was not given. ``evaluated`` names the
    variants that are evaluated together, so that every image is read once for all of them.
    """

    target: Target
    settings: Settings
    human36m: Path | None
    checkpoint_paths: tuple[Path, ...]
    evaluated: tuple[str, ...] = ()
    screen: Screen = field(default_factory=Screen)
    default_device: str = "cpu"

    @property
    def name(self) -> TargetName:
        """The target's name."""
        return self.target.name

    @property
    def catalogue(self) -> Catalogue:
        """The variants with their reported values."""
        return self.target.catalogue

    @property
    def facts(self) -> DatasetFacts:
        """What is known of the data set."""
        return self.target.facts

    @property
    def fingerprints(self) -> Mapping[str, Fingerprint]:
        """The published hashes of each variant's file."""
        return self.target.fingerprints

    @property
    def variants(self) -> tuple[str, ...]:
        """The names of the chosen variants."""
        return tuple(variant.name for variant in self.target.variants(self.settings))

    @property
    def is_weights_only(self) -> bool:
        """True if no error is measured."""
        return self.settings.weights_only and self.name == "published"

    @property
    def reference_kind(self) -> ReferenceKind:
        """The source of the values that errors are compared with."""
        if self.name == "miniature":
            return "recorded"
        return "own file" if self.settings.has_own_models else "paper"

    def reference(self, variant: str) -> Figure | None:
        """The reported error under the run's protocol, in mm."""
        return self.catalogue[variant].paper.error_mm(self.settings.protocol)

    @cached_property
    def checkpoints(self) -> ByVariant[Checkpoint]:
        """The checkpoint of each chosen variant, opened once."""
        try:
            files = self._checkpoint_files()
        except ConvNeXtPoseCheckError as error:
            return ByVariant(dict.fromkeys(self.variants, error))
        with self.screen.phase("opening checkpoints"):
            return ByVariant.collect(self.variants, files.load)

    def _checkpoint_files(self) -> CheckpointFiles:
        settings, paths = self.settings, self.checkpoint_paths
        if settings.download and self.name == "published":
            folder = folder_for(paths, settings.results_dir)
            return fetch_missing(paths, folder, self.catalogue, self.variants, self.screen.stream)
        if not paths:
            raise ConvNeXtPoseCheckError(
                ErrorCode.CHECKPOINT_NOT_FOUND,
                "no folder or file with checkpoints was given",
                GIVE_CHECKPOINTS,
            )
        return CheckpointFiles(paths, self.catalogue)

    @cached_property
    def devices(self) -> tuple[torch.device, ...]:
        """The devices of the run, each proved to run a kernel.

        Raises ``ConvNeXtPoseCheckError`` (``device-not-found``).
        """
        use_exact_float32()
        return working_devices(self.settings.device or self.default_device)

    @cached_property
    def models(self) -> ByVariant[VariantModels]:
        """The models of each chosen variant, with the checkpoint's weights."""
        return ByVariant.collect(self.variants, self._models_of)

    def _models_of(self, name: str) -> VariantModels:
        variant, checkpoint = self.catalogue[name], self.checkpoints[name]
        check_holds_variant(variant, checkpoint, self.catalogue)
        settings = self.settings
        return VariantModels(variant, checkpoint, self.devices, settings.network, settings.caller)

    @cached_property
    def dataset(self) -> Dataset:
        """The test samples of Human3.6M.

        Raises ``ConvNeXtPoseCheckError`` if they cannot be read; wrong values are left to the
        checks.
        """
        if self.human36m is None:
            raise ConvNeXtPoseCheckError(
                ErrorCode.DATA_NOT_FOUND, "no folder with Human3.6M was given", GIVE_ROOT
            )
        s = self.settings
        with self.screen.phase(f"reading Human3.6M below {self.human36m}"):
            return load_dataset(self.human36m, self.facts, s.protocol, s.bbox, s.limit)

    @cached_property
    def evaluations(self) -> ByVariant[Evaluation]:
        """The errors of all samples for each variant in ``evaluated``, measured in one pass."""
        try:
            dataset = self.dataset  # first, so that data that cannot be read are read only once
            with self.screen.phase("building the models"):
                entries = ByVariant.collect(self.evaluated, self._entry)
            outcomes: dict[str, Evaluation | Exception] = dict(entries.errors)
            if available := entries.available:
                outcomes |= evaluate(
                    available,
                    dataset,
                    Conditions(
                        (self.devices[0], *self.models[next(iter(available))].other_devices),
                        self.settings.flip,
                        self.batch_size,
                        workers=len(os.sched_getaffinity(0)),
                    ),
                    resume=self.settings.resume,
                    subject=self.name,
                    screen=self.screen,
                )
        except Exception as error:  # noqa: BLE001 - even a bug must not be repeated for each test
            outcomes = dict.fromkeys(self.evaluated, error)
        return ByVariant(outcomes)

    @property
    def outcomes(self) -> dict[str, Evaluation | Exception]:
        """The evaluations and errors so far; empty until ``evaluations`` is first read."""
        return self.evaluations.outcomes if "evaluations" in vars(self) else {}

    @property
    def finished_evaluations(self) -> dict[str, Evaluation]:
        """The evaluations that succeeded so far."""
        return self.evaluations.available if "evaluations" in vars(self) else {}

    def judgement(self, variant: str) -> Judgement:
        """The variant's error compared with its reported value."""
        return judge(self.evaluations[variant], self.reference(variant))

    @property
    def batch_size(self) -> int:
        """Images in a batch."""
        return CUDA_BATCH_SIZE if self.devices[0].type == "cuda" else CPU_BATCH_SIZE

    def _entry(self, variant: str) -> Entry:
        models, s = self.models[variant], self.settings
        with told_as_failure("building the network"):
            path = s.results_dir / kept_file(self.name, variant)
            return Entry(models.evaluated, self.cache_key(variant), path, models.replicas)

    def cache_key(self, variant: str) -> str | None:
        """The key of a cached evaluation: equal only for the same checkpoint, data and settings.

        None for a module of ``--network``, whose code may have changed.
        """
        models = self.models[variant]
        settings = models.cache_settings(flip=self.settings.flip)
        if settings is None:
            return None
        return evaluation_key(models.checkpoint.sha256, self.dataset, settings)


def published_target(settings: Settings, fixtures: Path | None = None) -> Target:
    """The published models, or the user's own if ``--variants-file`` describes them.

    ``fixtures`` is the folder with the published hashes. Raises ``ConvNeXtPoseCheckError`` if a
    file cannot be read.
    """
    catalogue = read_catalogue(settings.variants_file)
    known: Mapping[str, Fingerprint] = {}
    if fixtures is not None and not settings.has_own_models:
        known = read_fingerprints(fixtures, catalogue.names)
    return Target("published", catalogue, read_facts(), known)


def published_run(
    settings: Settings,
    target: Target,
    screen: Screen | None = None,
    evaluated: tuple[str, ...] = (),
) -> Run:
    """The run of the published models, or of the user's own, on the user's files."""
    return Run(
        target,
        settings,
        settings.h36m_root,
        settings.checkpoints,
        evaluated,
        screen or Screen(),
        "cpu" if settings.weights_only else "cuda",
    )
