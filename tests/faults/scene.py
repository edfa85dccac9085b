"""The whole chain on the miniature, with a place in each of its links to put a fault into."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from convnextpose_check.checkpoints.fingerprints import Fingerprint, fingerprint
from convnextpose_check.checkpoints.load import load_checkpoint
from convnextpose_check.files.whole import link_or_copy
from convnextpose_check.human36m.samples import BoxSource
from convnextpose_check.miniature.archives import (
    snapshot_content,
    snapshot_folder,
    write_archive,
    write_container,
)
from convnextpose_check.miniature.build import Miniature
from convnextpose_check.miniature.record import Record, read_record
from convnextpose_check.miniature.reference import miniature_catalogue
from convnextpose_check.network.keymap import StateDict
from convnextpose_check.network.layout import modern_state
from convnextpose_check.run.run import Run
from convnextpose_check.variants import REFERENCE, Catalogue, Protocol, Variant
from tests.support.runs import run_of


@dataclass
class Scene:
    """A subject to be: its files, figures and settings, each free to be changed before it is made.

    ``patch`` undoes what is changed in the suite itself. Files are changed in copies below
    ``folder``.
    """

    fixtures: Path
    miniature: Miniature
    folder: Path
    patch: pytest.MonkeyPatch
    variant_name: str = REFERENCE
    protocol: Protocol = 2
    boxes: BoxSource = "gt"
    network: str | None = None
    limit: int | None = None
    catalogue: Catalogue = field(default_factory=miniature_catalogue)

    def __post_init__(self) -> None:
        """Begin with the files as they are."""
        self.checkpoints = self.miniature.checkpoints
        self.dataset_root = self.miniature.dataset
        self.record: Record = read_record(self.fixtures)

    @property
    def variant(self) -> Variant:
        """The model that is asked about, as the variants file has it now."""
        return self.catalogue[self.variant_name]

    def run(self) -> Run:
        """The run as the validation tests have it."""
        given = {
            "protocol": str(self.protocol),
            "bbox": self.boxes,
            "results_dir": str(self.folder / "out"),
        }
        given |= {"network": self.network} if self.network else {}
        given |= {"limit": str(self.limit)} if self.limit else {}
        return run_of(
            given,
            self.record.add_to(self.catalogue, self.protocol, self.boxes, flip=True),
            self.record.dataset,
            self.dataset_root,
            self.checkpoints,
            fingerprints=_Fingerprints(self),
        )

    def set_weights(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Put an archive with changed weights in the place of the variant's own."""
        state = dict(self.weights(self.variant_name))
        change(state)
        write_archive(self.variant, state, self._own_checkpoints() / self._file_name)

    def set_content(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Put an archive in the place of the variant's own that says something else of itself."""
        content = snapshot_content(self.variant, self.weights(self.variant_name))
        change(content)
        path = self._own_checkpoints() / self._file_name
        write_container(content, snapshot_folder(self.variant), path)

    def weights(self, name: str) -> StateDict:
        """A variant's weights as the miniature has them, under the network's own names."""
        path = self.miniature.checkpoints / self.catalogue[name].checkpoint.file_name
        return modern_state(load_checkpoint(path).network)

    def take_archive_of(self, other: str) -> None:
        """Put another variant's archive in the place of the variant's own."""
        source = self.miniature.checkpoints / self.catalogue[other].checkpoint.file_name
        shutil.copyfile(source, self._own_checkpoints() / self._file_name)

    def set_architecture(self, **changes: int) -> None:
        """Change the variant's architecture, and leave its figures as they are."""
        changed = replace(self.variant, architecture=replace(self.variant.architecture, **changes))
        self.catalogue = replace(
            self.catalogue,
            variants=tuple(
                changed if v.name == changed.name else v for v in self.catalogue.variants
            ),
        )

    def own_dataset(self) -> Path:
        """A copy of the data set, whose files can be replaced."""
        copy = self.folder / "Human36M"
        shutil.copytree(self.miniature.dataset, copy, copy_function=link_or_copy)
        self.dataset_root = copy
        return copy

    def set_json(self, name: str, change: Callable[[Any], Any]) -> None:
        """Replace the content of a JSON file of the data set, whose path is below its root."""
        path = self.own_dataset() / name
        content = json.loads(path.read_text())
        replace_file(path, json.dumps(change(content)).encode())

    @property
    def _file_name(self) -> str:
        return self.variant.checkpoint.file_name

    def _own_checkpoints(self) -> Path:
        self.checkpoints = self.folder / "checkpoints"
        self.checkpoints.mkdir()
        return self.checkpoints


class _Fingerprints(dict[str, Fingerprint]):
    """The miniature's archives as the published ones; their bits are read when asked for."""

    def __init__(self, scene: Scene) -> None:
        super().__init__()
        self.scene = scene

    def __missing__(self, name: str) -> Fingerprint:
        file_name = self.scene.catalogue[name].checkpoint.file_name
        archive = load_checkpoint(self.scene.miniature.checkpoints / file_name)
        return fingerprint(archive, "the miniature")

    def get(self, name: str, _default: object = None) -> Fingerprint:
        return self[name]


def replace_file(path: Path, content: bytes) -> None:
    """Give the path new content, and leave the file that it was linked to as it is."""
    path.unlink()
    path.write_bytes(content)
