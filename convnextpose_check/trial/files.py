"""The files of a trial: its checkpoints and its data set, each found, opened and read once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from convnextpose_check.checkpoints.find import GIVE_CHECKPOINTS, CheckpointFiles
from convnextpose_check.checkpoints.load import Checkpoint
from convnextpose_check.checkpoints.snapshot import write_snapshot
from convnextpose_check.drive.download import Downloads, fetch_missing, folder_for
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.human36m.layout import GIVE_ROOT, Layout, annotation_names, survey
from convnextpose_check.human36m.samples import Dataset, DatasetFacts, load_dataset
from convnextpose_check.network.keymap import StateDict
from convnextpose_check.network.layout import modern_state
from convnextpose_check.progress import Screen
from convnextpose_check.settings.read import Settings
from convnextpose_check.trial.once import once
from convnextpose_check.variants import Catalogue


@dataclass(frozen=True)
class Sources:
    """Where a trial's files are; a place that was not given is None."""

    dataset_root: Path | None
    checkpoint_places: tuple[Path, ...]


@dataclass(frozen=True)
class Files:
    """Checkpoints and data set, read when they are first asked for.

    ``find_sources`` is called when a file is first needed. The files of a user, ``are_users``, may
    be downloaded.
    """

    settings: Settings
    catalogue: Catalogue
    facts: DatasetFacts
    find_sources: Callable[[], Sources]
    are_users: bool
    screen: Screen = field(default_factory=Screen)
    outcomes: dict[tuple[str, ...], Any] = field(default_factory=dict, init=False, repr=False)

    @property
    def chosen(self) -> tuple[str, ...]:
        """The variants that the settings choose, of those that there are."""
        names = self.settings.variants or self.catalogue.names
        return tuple(name for name in names if name in self.catalogue.names)

    @once
    def sources(self) -> Sources:
        """Where the files are."""
        return self.find_sources()

    @once
    def checkpoint_files(self) -> CheckpointFiles:
        """The files that may be checkpoints, with those that were to be downloaded."""
        downloads = self._downloads()
        if not downloads.places:
            raise ConvNeXtPoseCheckError(
                "no-checkpoints", "no place was given to look for checkpoints in", GIVE_CHECKPOINTS
            )
        return CheckpointFiles(downloads.places, self.catalogue, downloads.failed, downloads.opened)

    def _downloads(self) -> Downloads:
        s, places = self.settings, self.sources().checkpoint_places
        if not s.download or not self.are_users:
            return Downloads(places)
        folder = folder_for(places, s.results_dir)
        downloads = fetch_missing(places, folder, self.catalogue, self.chosen, self.screen.stream)
        for obtained in downloads.obtained.values():
            if obtained.warning:
                self.screen.say(f"warning: {obtained.warning}")
        return downloads

    @once
    def checkpoint(self, variant: str) -> Checkpoint:
        """The variant's checkpoint, loaded."""
        return self.checkpoint_files().load(variant)

    def state(self, variant: str) -> StateDict:
        """The variant's state dict under the network's own names."""
        return modern_state(self.checkpoint(variant).network)

    @once
    def snapshot(self, variant: str) -> Path:
        """The modern ``.pth`` written from the checkpoint."""
        return write_snapshot(self.checkpoint(variant), variant, self.settings.results_dir)

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
        """The test samples; checks report wrong annotations, and the evaluation goes on."""
        s = self.settings
        return load_dataset(self.dataset_root(), self.facts, s.protocol, s.bbox, s.limit)
