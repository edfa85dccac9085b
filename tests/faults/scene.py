"""A run on the synthetic data set into which a fault can be put."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from convnextpose_check.checkpoints import find
from convnextpose_check.checkpoints.fingerprints import Fingerprint, fingerprint
from convnextpose_check.checkpoints.load import Checkpoint, load_checkpoint
from convnextpose_check.human36m.samples import BoxSource
from convnextpose_check.network.keymap import StateDict
from convnextpose_check.network.layout import normalize_keys
from convnextpose_check.run.run import Run
from convnextpose_check.synthetic.archives import (
    snapshot_content,
    snapshot_folder,
    write_archive,
    write_container,
)
from convnextpose_check.synthetic.build import SyntheticData
from convnextpose_check.synthetic.record import Record, read_record
from convnextpose_check.synthetic.reference import synthetic_catalogue
from convnextpose_check.variants import REFERENCE, Catalogue, Protocol, Variant
from tests.support.runs import make_run

loaded_once = cache(load_checkpoint)


@cache
def known_fingerprint(archive: Path) -> Fingerprint:
    """The fingerprint of an archive, as if it were the published one."""
    return fingerprint(loaded_once(archive), "the synthetic data set")


@dataclasses.dataclass
class Scene:
    """The files, catalogue and settings of a run, free to be changed before it is made.

    ``patch`` undoes changes to the package. Files are changed in copies below ``folder``.
    """

    fixtures: Path
    synthetic: SyntheticData
    folder: Path
    patch: pytest.MonkeyPatch
    variant_name: str = REFERENCE
    protocol: Protocol = 2
    boxes: BoxSource = "gt"
    network: str | None = None
    flip: bool = True
    limit: int | None = None
    catalogue: Catalogue = dataclasses.field(default_factory=synthetic_catalogue)

    def __post_init__(self) -> None:
        """Start with the files of the synthetic data set."""
        self.checkpoints = self.synthetic.checkpoints
        self.dataset_root = self.synthetic.dataset
        self.record: Record = read_record(self.fixtures)
        archive = self.synthetic.checkpoints / self.variant.checkpoint.file_name
        self.fingerprint = known_fingerprint(archive)
        self.patch.setattr(find, "load_checkpoint", self._load)

    def _load(self, path: Path) -> Checkpoint:
        """Load a checkpoint; the generated ones, of which faults change copies, only once.

        A copy computes its state dict anew, so that a fault of the key map has an effect.
        """
        is_generated = path.is_relative_to(self.synthetic.folder)
        return dataclasses.replace(loaded_once(path)) if is_generated else load_checkpoint(path)

    @property
    def variant(self) -> Variant:
        """The evaluated model, as the catalogue has it now."""
        return self.catalogue[self.variant_name]

    def run(self) -> Run:
        """A run with these files and settings."""
        given = {
            "protocol": str(self.protocol),
            "bbox": self.boxes,
            "results_dir": str(self.folder / "out"),
        }
        given |= {"network": self.network} if self.network else {}
        given |= {"limit": str(self.limit)} if self.limit else {}
        given |= {} if self.flip else {"no_flip": "1"}
        return make_run(
            given,
            self.record.add_to(self.catalogue, self.protocol, self.boxes, flip=self.flip),
            self.record.dataset,
            self.dataset_root,
            self.checkpoints,
            evaluated=(self.variant_name,),
            fingerprints={self.variant_name: self.fingerprint},
        )

    def set_weights(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Replace the variant's archive by one with changed weights."""
        state = dict(self.weights(self.variant_name))
        change(state)
        write_archive(self.variant, state, self._own_archive())

    def set_content(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Replace the variant's archive by one with other epoch, counters or optimizer."""
        content = snapshot_content(self.variant, self.weights(self.variant_name))
        change(content)
        write_container(content, snapshot_folder(self.variant), self._own_archive())

    def weights(self, name: str) -> StateDict:
        """A variant's weights in the synthetic data set, with modern keys."""
        path = self.synthetic.checkpoints / self.catalogue[name].checkpoint.file_name
        return normalize_keys(loaded_once(path).network)

    def take_archive_of(self, other: str) -> None:
        """Replace the variant's archive by another variant's."""
        source = self.synthetic.checkpoints / self.catalogue[other].checkpoint.file_name
        shutil.copyfile(source, self._own_archive())

    def set_architecture(self, **changes: int) -> None:
        """Change the variant's architecture, but not its reported values."""
        changed = replace(self.variant, architecture=replace(self.variant.architecture, **changes))
        variants = tuple(changed if v.name == changed.name else v for v in self.catalogue.variants)
        self.catalogue = replace(self.catalogue, variants=variants)

    def own_dataset(self) -> Path:
        """Copy the data set once, so that its files can be changed."""
        copy = self.folder / "Human36M"
        if not copy.exists():
            shutil.copytree(self.synthetic.dataset, copy)
        self.dataset_root = copy
        return copy

    def set_json(self, name: str, change: Callable[[Any], Any]) -> None:
        """Change the content of a JSON file of the data set; ``name`` is its path there."""
        path = self.own_dataset() / name
        content = json.loads(path.read_text())
        path.write_text(json.dumps(change(content)))

    def _own_archive(self) -> Path:
        self.checkpoints = self.folder / "checkpoints"
        self.checkpoints.mkdir()
        return self.checkpoints / self.variant.checkpoint.file_name
