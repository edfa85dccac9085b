"""A subject of the checks: its checkpoints, its data set, and what was made of them.

There are two: the ``published`` files of the user, and the generated ``miniature``. Everything is
loaded when first asked for, once. A failure is remembered as well, so that many tests of one long
evaluation that fails do not repeat it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TextIO, TypeVar

import msgspec

from convnextpose_check.checkpoint import Checkpoint, StateDict
from convnextpose_check.checks import check_holds_variant
from convnextpose_check.devices import use_exact_float32, working_device
from convnextpose_check.discovery import GIVE_CHECKPOINTS, CheckpointFiles
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.evaluation import Evaluation, evaluate
from convnextpose_check.human36m import Dataset, DatasetFacts, load_dataset, read_facts
from convnextpose_check.layout import GIVE_ROOT, Layout, annotation_names, survey
from convnextpose_check.models import build_network, modern_state
from convnextpose_check.outputs import KEPT_FOLDER
from convnextpose_check.progress import progress_bar
from convnextpose_check.resume import evaluation_key, keep_evaluation, kept_evaluation
from convnextpose_check.settings import Settings
from convnextpose_check.snapshots import write_snapshot
from convnextpose_check.variants import Catalogue, Figure, read_catalogue
from convnextpose_check.verdicts import Judgement, judge

if TYPE_CHECKING:
    import torch

    from convnextpose_check.network import ConvNeXtPose

SubjectName = Literal["published", "miniature"]
F = TypeVar("F", bound=Callable[..., Any])


def _once(method: F) -> F:
    """Call the method once for each argument; afterwards return or raise the same again."""

    @wraps(method)
    def remembering(self: Subject, *arguments: str) -> Any:
        key = (method.__name__, *arguments)
        if key not in self._outcomes:
            try:
                self._outcomes[key] = method(self, *arguments)
            except ConvNeXtPoseCheckError as error:
                self._outcomes[key] = error
        outcome = self._outcomes[key]
        if isinstance(outcome, ConvNeXtPoseCheckError):
            raise outcome.with_traceback(None)
        return outcome

    return remembering  # type: ignore[return-value]  # same signature as the method


@dataclass(frozen=True)
class Sources:
    """Where a subject comes from; a place that was not given is None."""

    dataset_root: Path | None
    checkpoint_places: tuple[Path, ...]


class Subject:
    """Checkpoints and data set of one subject under the run's settings.

    ``find_sources`` is called when a file is first needed, ``reference`` gives the figure that a
    variant's error is held against.
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
    ) -> None:
        self.name = name
        self.settings = settings
        self.catalogue = catalogue
        self.facts = facts
        self.reference = reference
        self._find_sources = find_sources
        self._progress_stream = progress_stream
        self._outcomes: dict[tuple[str, ...], Any] = {}

    @_once
    def sources(self) -> Sources:
        """Where the files are."""
        return self._find_sources()

    @_once
    def device(self) -> torch.device:
        """The device that the settings name, proved to work."""
        use_exact_float32()
        default = "cuda" if self.name == "published" else "cpu"
        return working_device(self.settings.device or default)

    @_once
    def checkpoint_files(self) -> CheckpointFiles:
        """The user's files that may be checkpoints: the folders are walked through once."""
        places = self.sources().checkpoint_places
        if not places:
            raise ConvNeXtPoseCheckError(
                "no-checkpoints", "no place was given to look for checkpoints in", GIVE_CHECKPOINTS
            )
        return CheckpointFiles(places, self.catalogue)

    @_once
    def checkpoint(self, variant: str) -> Checkpoint:
        """The variant's checkpoint, loaded."""
        return self.checkpoint_files().load(variant)

    def state(self, variant: str) -> StateDict:
        """The variant's state dict under the network's own names."""
        return modern_state(self.checkpoint(variant).network)

    @_once
    def snapshot(self, variant: str) -> Path:
        """The modern ``.pth`` written from the checkpoint."""
        return write_snapshot(self.checkpoint(variant), variant, self.settings.results_dir)

    @_once
    def network(self, variant: str) -> ConvNeXtPose:
        """The variant's network with the checkpoint's weights, loaded strictly, on the device."""
        check_holds_variant(self.catalogue[variant], self.checkpoint(variant), self.catalogue)
        architecture = self.catalogue[variant].architecture
        return build_network(architecture, self.state(variant), self.device())

    @_once
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

    @_once
    def data_found(self) -> Layout:
        """Where the parts of the data set are, however many are missing."""
        return survey(self.dataset_root(), annotation_names(self.test_subjects))

    @_once
    def dataset(self) -> Dataset:
        """The test samples."""
        s = self.settings
        return load_dataset(self.dataset_root(), self.facts, s.protocol, s.bbox, s.limit)

    @_once
    def evaluation(self, variant: str) -> Evaluation:
        """The variant's network over the whole data set."""
        dataset, device, network = self.dataset(), self.device(), self.network(variant)
        title = f"{self.name} {variant}"
        kept_file = self.settings.results_dir / KEPT_FOLDER / f"{self.name}_{variant}.npz"
        architecture = msgspec.to_builtins(self.catalogue[variant].architecture)
        settings = {"flip": self.settings.flip, "device": str(device), "network": architecture}
        key = evaluation_key(self.checkpoint(variant).sha256, dataset, settings)
        if self.settings.resume and (kept := kept_evaluation(key, kept_file)):
            self._say(f"{title}: taken from {kept_file}")
            return kept
        with progress_bar(self._progress_stream, title, len(dataset.samples)) as advance:
            evaluation = evaluate(
                network,
                dataset,
                device,
                flip=self.settings.flip,
                batch_size=self.settings.batch_size or (64 if device.type == "cuda" else 4),
                workers=self.settings.workers,
                on_progress=advance,
                on_note=self._say,
            )
        keep_evaluation(evaluation, key, kept_file)
        return evaluation

    def _say(self, text: str) -> None:
        if self._progress_stream is not None:
            self._progress_stream.write(f"\n{text}\n")

    def judgement(self, variant: str) -> Judgement:
        """The variant's error held against its reference."""
        return judge(self.evaluation(variant), self.reference(variant))


def published_subject(settings: Settings, progress_stream: TextIO | None = None) -> Subject:
    """The user's own files, held against the figures that the settings name.

    Raises ``ConvNeXtPoseCheckError`` where those cannot be read or lack a chosen variant.
    """
    catalogue = read_catalogue(settings.variants_file)
    for name in settings.variants or ():
        catalogue[name]

    def reference(variant: str) -> Figure | None:
        return catalogue[variant].paper.error_mm(settings.protocol)

    sources = Sources(settings.h36m_root, settings.checkpoints)
    return Subject(
        "published", settings, catalogue, read_facts(), lambda: sources, reference, progress_stream
    )
