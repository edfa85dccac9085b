"""A run of one target: its files, models and evaluations, computed on first use."""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Generic, Literal, TypeVar

import torch

from convnextpose_check.checkpoints.find import DOWNLOAD, PASS_CHECKPOINTS, CheckpointFiles
from convnextpose_check.checkpoints.fingerprints import Fingerprint, read_fingerprints
from convnextpose_check.checkpoints.load import Checkpoint
from convnextpose_check.checks.archives import check_holds_variant
from convnextpose_check.drive.download import choose_download_folder, download_missing
from convnextpose_check.errors import ConvNeXtPoseCheckError, ErrorCode
from convnextpose_check.evaluation.devices import get_working_devices, use_exact_float32
from convnextpose_check.evaluation.measurements import Evaluation, ModelEntry
from convnextpose_check.evaluation.one_pass import Conditions, evaluate
from convnextpose_check.evaluation.predict import wrap_network_errors
from convnextpose_check.evaluation.verdict import Judgment, judge
from convnextpose_check.human36m.layout import PASS_ROOT
from convnextpose_check.human36m.samples import Dataset, DatasetFacts, load_dataset, read_facts
from convnextpose_check.network.users import is_factory
from convnextpose_check.paths import FIXTURES, Outputs, cache_file_path
from convnextpose_check.progress import ProgressDisplay
from convnextpose_check.run.models import VariantModels
from convnextpose_check.settings.options import Settings
from convnextpose_check.variants import Catalogue, ReportedValue, Variant, read_catalogue

_CHECKPOINT = " checkpoint"
"""Added to a variant, names the checkpoint's own model beside the model of ``--network``."""

T = TypeVar("T")


@dataclass(frozen=True)
class ByVariant(Generic[T]):
    """A value or an error for each variant; reading a failed value raises its error.

    An error of one variant does not affect the others. Each value is computed once, for all tests.
    """

    outcomes: dict[str, T | Exception]

    @classmethod
    def collect(cls, variants: Iterable[str], make: Callable[[str], T]) -> "ByVariant[T]":
        """Compute the value of each variant; store a ``ConvNeXtPoseCheckError`` instead."""
        outcomes: dict[str, T | Exception] = {}
        for variant in variants:
            try:
                outcomes[variant] = make(variant)
            except ConvNeXtPoseCheckError as error:
                outcomes[variant] = error.with_traceback(None)  # its frames may hold large arrays
        return cls(outcomes)

    def __getitem__(self, variant: str) -> T:
        outcome = self.outcomes[variant]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    @property
    def available(self) -> dict[str, T]:
        """The values without those that failed."""
        return {v: value for v, value in self.outcomes.items() if not isinstance(value, Exception)}


TargetName = Literal["published", "synthetic"]


@dataclass(frozen=True, eq=False)
class Run:
    """One run of one target with the given settings.

    ``catalogue`` has the variants and their reported values, ``facts`` the expected properties of
    the data set, and ``fingerprints`` the recorded hashes of published tensors, by variant.
    ``evaluated`` names the variants to evaluate, in one pass that reads each image once.
    """

    target: TargetName
    settings: Settings
    catalogue: Catalogue
    facts: DatasetFacts
    fingerprints: Mapping[str, Fingerprint] = field(default_factory=dict)
    evaluated: tuple[str, ...] = ()
    display: ProgressDisplay = field(default_factory=ProgressDisplay)

    @cached_property
    def variants(self) -> dict[str, Variant]:
        """The chosen variants by name.

        Raises ``ConvNeXtPoseCheckError`` (``bad-option``) for an unknown name.
        """
        return {n: self.catalogue[n] for n in self.settings.variants or self.catalogue.names}

    @property
    def outputs(self) -> Outputs:
        """The files that the run writes."""
        return Outputs(self.settings.results_dir)

    def reported_error(self, variant: str) -> ReportedValue | None:
        """The reported error in mm under the run's protocol; None if not reported."""
        return self.catalogue[variant].paper.error_mm(self.settings.protocol)

    @cached_property
    def checkpoints(self) -> ByVariant[Checkpoint]:
        """The checkpoint of each chosen variant, loaded once."""
        try:
            files = self._checkpoint_files()
        except ConvNeXtPoseCheckError as error:
            return ByVariant(dict.fromkeys(self.variants, error))
        with self.display.phase("opening checkpoints"):
            return ByVariant.collect(self.variants, files.load)

    @property
    def found_no_checkpoint(self) -> bool:
        """True if checkpoints were searched for and not a single one was found."""
        outcomes = self.checkpoints.outcomes.values() if "checkpoints" in vars(self) else ()
        codes = {getattr(outcome, "code", None) for outcome in outcomes}
        return codes == {ErrorCode.CHECKPOINT_NOT_FOUND}

    def _checkpoint_files(self) -> CheckpointFiles:
        settings, paths = self.settings, self.settings.checkpoints
        if settings.download and self.target == "published":
            folder = choose_download_folder(paths, settings.results_dir)
            names, stream = tuple(self.variants), self.display.stream
            return download_missing(paths, folder, self.catalogue, names, stream)
        if not paths:
            raise ConvNeXtPoseCheckError(
                ErrorCode.CHECKPOINT_NOT_FOUND,
                "no folder or file with checkpoints was given",
                PASS_CHECKPOINTS,
                command=DOWNLOAD,
            )
        return CheckpointFiles(paths, self.catalogue)

    @cached_property
    def devices(self) -> tuple[torch.device, ...]:
        """The devices of the run, each tested with a convolution.

        Only one if ``--network`` is a function: its module cannot be copied to other devices.
        Raises ``ConvNeXtPoseCheckError`` (``device-not-found``).
        """
        use_exact_float32()
        settings = self.settings
        needs_gpu = self.target == "published" and not settings.weights_only
        devices = get_working_devices(settings.device or ("cuda" if needs_gpu else "cpu"))
        return devices[:1] if is_factory(settings.network) else devices

    @cached_property
    def models(self) -> ByVariant[VariantModels]:
        """The models of each chosen variant, with the checkpoint's weights."""
        return ByVariant.collect(self.variants, self._build_models)

    def _build_models(self, name: str) -> VariantModels:
        variant, checkpoint = self.variants[name], self.checkpoints[name]
        check_holds_variant(variant, checkpoint, self.catalogue)
        settings = self.settings
        return VariantModels(variant, checkpoint, self.devices, settings.network, settings.caller)

    @cached_property
    def dataset(self) -> Dataset:
        """The test samples of Human3.6M.

        Raises ``ConvNeXtPoseCheckError`` if they cannot be read; the checks compare their values.
        """
        s = self.settings
        if s.h36m_root is None:
            raise ConvNeXtPoseCheckError(
                ErrorCode.DATA_NOT_FOUND, "no folder with Human3.6M was given", PASS_ROOT
            )
        with self.display.phase(f"reading Human3.6M below {s.h36m_root}"):
            return load_dataset(s.h36m_root, self.facts, s.protocol, s.bbox, s.limit)

    @cached_property
    def evaluations(self) -> ByVariant[Evaluation]:
        """The evaluation of each variant in ``evaluated``, all measured in one pass."""
        return ByVariant({variant: self._outcomes[variant] for variant in self.evaluated})

    @property
    def checkpoint_evaluations(self) -> ByVariant[Evaluation]:
        """With ``--network``, the evaluations of the checkpoints' own models in the same pass."""
        outcomes = {} if self.settings.network is None else self._outcomes
        names = {v: f"{v}{_CHECKPOINT}" for v in self.evaluated}
        return ByVariant({v: outcomes[name] for v, name in names.items() if name in outcomes})

    @cached_property
    def _outcomes(self) -> dict[str, Any]:
        """The evaluation or error of each model, by variant, also with ``_CHECKPOINT`` added."""
        names = list(self.evaluated)
        if self.settings.network is not None:
            names += [f"{variant}{_CHECKPOINT}" for variant in self.evaluated]
        try:
            dataset = self.dataset  # here, so that unreadable data is not read for each variant
            with self.display.phase("building the models"):
                entries = ByVariant.collect(names, self._build_entry)
            outcomes: dict[str, Any] = dict(entries.outcomes)
            if available := entries.available:
                cores = len(os.sched_getaffinity(0))
                outcomes |= evaluate(
                    available,
                    dataset,
                    Conditions(self.devices, self.settings.flip, self.batch_size, cores),
                    resume=self.settings.resume,
                    display=self.display,
                )
        except Exception as error:  # noqa: BLE001 - else each test would repeat the failing pass
            outcomes = dict.fromkeys(self.evaluated, error)
        return outcomes

    @property
    def finished_evaluations(self) -> ByVariant[Evaluation]:
        """The evaluations, empty if ``evaluations`` has not been read yet."""
        return self.evaluations if "evaluations" in vars(self) else ByVariant({})

    def judgment(self, variant: str) -> Judgment:
        """The variant's error compared with its reported value."""
        return judge(self.evaluations[variant], self.reported_error(variant))

    @property
    def batch_size(self) -> int:
        """Images per batch on the run's devices; halved if a device is out of memory."""
        return 64 if self.devices[0].type == "cuda" else 4

    def _build_entry(self, name: str) -> ModelEntry:
        models = self.models[name.removesuffix(_CHECKPOINT)]
        if name.endswith(_CHECKPOINT):
            models = replace(models, specification=None)
        models.size  # noqa: B018 - the report needs it, and users' code may raise an exception
        with wrap_network_errors("building the network"):
            path = self.settings.results_dir / cache_file_path(self.target, name)
            key = models.cache_key(self.dataset, flip=self.settings.flip)
            return ModelEntry(models.evaluated, key, path, models.replicas)


def open_published_run(settings: Settings) -> Run:
    """Open the run of the published models, or of those in ``--variants-file``.

    Raises ``ConvNeXtPoseCheckError`` if the reported values or hashes cannot be read.
    """
    catalogue = read_catalogue(settings.variants_file)
    fingerprints: Mapping[str, Fingerprint] = {}
    if not settings.has_own_models:
        fingerprints = read_fingerprints(FIXTURES, catalogue.names)
    return Run("published", settings, catalogue, read_facts(), fingerprints)
