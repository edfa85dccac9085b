"""Fetch the checkpoints that are missing from Google Drive, and nothing that is there.

A checkpoint is there when it opens and holds its variant. What is fetched is opened before it takes
its name, so that nothing half or wrong ever stands under it.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from glob import escape
from pathlib import Path
from typing import TextIO

from convnextpose_check.checkpoints.find import CHECKPOINT_SUFFIXES, CheckpointFiles, Opened
from convnextpose_check.checkpoints.load import Checkpoint, load_checkpoint
from convnextpose_check.checks.archives import check_holds_variant
from convnextpose_check.drive.transfer import DAMAGED, DRIVE, MAKE_ROOM, DriveFile, fetch
from convnextpose_check.errors import Code, ConvNeXtPoseCheckError
from convnextpose_check.files.folders import is_file, is_there
from convnextpose_check.files.whole import is_writable, lock_file, remove_left_over, written_whole
from convnextpose_check.progress import progress_bar
from convnextpose_check.variants import Catalogue, Variant
from convnextpose_check.wording import printable

FOLDER_NAME = "checkpoints"
DOWNLOAD_LOCK = ".download.lock"
SET_ASIDE = ".damaged"
"""Added to the name of a damaged file when a whole one takes its place."""

SIZE_TOLERANCE = 0.005
DISK_SLACK_BYTES = 64 << 20
WAIT_SECONDS = 0.2
MAX_WAIT_SECONDS = 1800
"""How long a run waits for the download of another: ten times what all files usually take."""

HOPELESS: tuple[Code, ...] = ("no-internet", "disk-full", "cannot-write")
"""What fails for one file would fail for the next."""


@dataclass(frozen=True)
class Obtained:
    """A checkpoint that is there now; ``warning`` says that its size is odd.

    ``bytes`` is None for an unpacked folder.
    """

    variant: str
    path: Path
    sha256: str
    bytes: int | None
    fetched: bool
    warning: str | None


@dataclass
class Downloads:
    """What is there and what is not, by variant, and the places in which to look for it.

    ``opened`` are the files that were opened to know that.
    """

    places: tuple[Path, ...]
    opened: Opened = field(default_factory=Opened)
    obtained: dict[str, Obtained] = field(default_factory=dict)
    failed: dict[str, ConvNeXtPoseCheckError] = field(default_factory=dict)


def fetch_missing(
    places: Sequence[Path],
    folder: Path,
    catalogue: Catalogue,
    names: Sequence[str],
    stream: TextIO | None = None,
) -> Downloads:
    """Look for the named variants in ``places`` and ``folder``; fetch what is missing into it.

    What keeps a variant from being there is in ``failed``, with the codes of ``drive.fetch``,
    ``load_checkpoint`` and ``check_holds_variant``, and ``no-drive-id``. ``stream`` shows progress.

    Raises ``ConvNeXtPoseCheckError``: ``no-checkpoints`` for a place that is not there,
    ``unknown-variant``, ``cannot-write``, ``in-use`` if another run does not end its download.
    """
    variants = [catalogue[name] for name in names]
    everywhere = dict.fromkeys([*places, folder])

    def to_look_in() -> tuple[Path, ...]:
        return tuple(place for place in everywhere if place != folder or is_there(place))

    work = _Work(catalogue, folder, stream)
    missing = work.look_for(variants, to_look_in())
    if missing:
        with work.alone():
            work.fetch(work.look_for(missing, [folder]))  # another run may have been at it
    return Downloads(to_look_in(), work.opened, work.obtained, work.failed)


def folder_for(places: Sequence[Path], results_dir: Path) -> Path:
    """The first of the places that is a folder and can be written, else one for the results."""
    return next((place for place in places if _can_hold(place)), results_dir / FOLDER_NAME)


def _can_hold(place: Path) -> bool:
    """Whether what is fetched into this place would be found there."""
    names_a_file = is_file(place) or place.suffix.lower() in CHECKPOINT_SUFFIXES
    return not names_a_file and not is_file(place / "data.pkl") and is_writable(place)


@dataclass
class _Work:
    catalogue: Catalogue
    folder: Path
    stream: TextIO | None
    opened: Opened = field(default_factory=Opened)
    obtained: dict[str, Obtained] = field(default_factory=dict)
    failed: dict[str, ConvNeXtPoseCheckError] = field(default_factory=dict)

    def look_for(self, variants: Sequence[Variant], places: Sequence[Path]) -> list[Variant]:
        """Sort into what is there, what cannot be used, and, returned, what is missing."""
        files = CheckpointFiles(places, self.catalogue, opened=self.opened)
        found = files.candidates
        missing = []
        for variant in variants:
            try:
                checkpoint = self._present(files, variant) if found else None
                if checkpoint is None:
                    missing.append(variant)
                else:
                    self.obtained[variant.name] = _describe(variant, checkpoint)
            except ConvNeXtPoseCheckError as error:
                self.failed[variant.name] = error
        return missing

    def _present(self, files: CheckpointFiles, variant: Variant) -> Checkpoint | None:
        target = self.folder / variant.checkpoint.file_name
        try:
            checkpoint = files.load(variant.name)
        except ConvNeXtPoseCheckError as error:
            claimed = [path for path in files.candidates if files.claim(path) == variant.name]
            worthless = claimed == [target] and error.code in (*DAMAGED, "html-page")
            if error.code == "no-checkpoints" or worthless:
                return None
            raise
        check_holds_variant(variant, checkpoint, self.catalogue)
        return checkpoint

    def fetch(self, variants: Sequence[Variant]) -> None:
        """Fetch each; what would fail again is not tried again."""
        hopeless = self._disk_is_full(variants)
        for variant in variants:
            try:
                if hopeless is not None:
                    raise hopeless
                self._fetch_one(variant)
            except ConvNeXtPoseCheckError as error:
                self.failed[variant.name] = error
                if error.code in HOPELESS:
                    hopeless = error

    def _disk_is_full(self, variants: Sequence[Variant]) -> ConvNeXtPoseCheckError | None:
        needed = sum(v.checkpoint.bytes or 0 for v in variants) + DISK_SLACK_BYTES
        free = shutil.disk_usage(self.folder).free
        if free >= needed:
            return None
        names = ", ".join(variant.name for variant in variants)
        problem = (
            f"the disk of {self.folder} has {free >> 20:,} MB left: expected {needed >> 20:,} MB"
            f" for {names}"
        )
        return ConvNeXtPoseCheckError("disk-full", problem, MAKE_ROOM)

    def _fetch_one(self, variant: Variant) -> None:
        facts, target = variant.checkpoint, self.folder / variant.checkpoint.file_name
        if facts.drive_id is None:
            raise ConvNeXtPoseCheckError(
                "no-drive-id",
                f"the variants file does not say where on Drive {variant.name} is",
                f"Give it a drive_id, or put {facts.file_name} into {self.folder}",
            )
        file = DriveFile(facts.drive_id, facts.file_name, facts.bytes, self._by_hand(variant))
        with written_whole(target) as temporary:

            def accept(path: Path) -> Checkpoint:
                try:
                    checkpoint = load_checkpoint(path)
                    check_holds_variant(variant, checkpoint, self.catalogue)
                except ConvNeXtPoseCheckError as error:
                    sent = f"what Drive sent as {facts.file_name}"
                    problem = error.problem.replace(printable(str(path)), sent)
                    raise ConvNeXtPoseCheckError(error.code, problem, error.remedy) from None
                return checkpoint

            shown = 0
            title, size = facts.file_name, facts.bytes or 0
            with progress_bar(self.stream, title, size, unit="B") as advance:

                def on_bytes(so_far: int) -> None:
                    nonlocal shown
                    advance(so_far - shown)
                    shown = so_far

                checkpoint = fetch(file, temporary, accept, on_bytes, self._say)
            checkpoint = replace(checkpoint, path=target)
            obtained = _describe(variant, checkpoint, fetched_to=temporary)
            if is_there(target):
                target.replace(target.with_name(target.name + SET_ASIDE))
        self.opened.put(checkpoint)
        self.obtained[variant.name] = obtained

    def _by_hand(self, variant: Variant) -> str:
        facts = variant.checkpoint
        link = f"{DRIVE}/file/d/{facts.drive_id}/view"
        if self.catalogue.drive_folder is not None:
            link = f"{DRIVE}/drive/folders/{self.catalogue.drive_folder}"
        return (
            f"open {link} in a browser, signed in to Google, download {facts.file_name} and put it"
            f" into {self.folder}"
        )

    def _say(self, text: str) -> None:
        if self.stream is not None:
            self.stream.write(f"\n{printable(text)}\n")

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Wait until no other run downloads into the folder, and keep others waiting.

        Raises ``ConvNeXtPoseCheckError``: ``in-use`` after ``MAX_WAIT_SECONDS``, ``cannot-write``.
        """
        path = self.folder / DOWNLOAD_LOCK
        if (lock := lock_file(path)) is None:
            minutes = f"{MAX_WAIT_SECONDS / 60:g} minutes"
            self._say(f"another run is downloading into {self.folder}: waiting up to {minutes}")
            deadline = time.monotonic() + MAX_WAIT_SECONDS
            while (lock := lock_file(path)) is None:
                if time.monotonic() >= deadline:
                    raise ConvNeXtPoseCheckError(
                        "in-use",
                        f"another run is still downloading into {self.folder} after {minutes}:"
                        f" it holds {path}",
                        "End that run, or download into another folder",
                    )
                time.sleep(WAIT_SECONDS)
        with lock:
            own = [escape(v.checkpoint.file_name) for v in self.catalogue.variants]
            remove_left_over(self.folder, own)
            yield


def _describe(variant: Variant, checkpoint: Checkpoint, fetched_to: Path | None = None) -> Obtained:
    """Describe a checkpoint; one that was just fetched is still at ``fetched_to``."""
    file = fetched_to or checkpoint.path
    size = file.stat().st_size if is_file(file) else None
    return Obtained(
        variant.name,
        checkpoint.path,
        checkpoint.sha256,
        size,
        fetched_to is not None,
        _odd_size(variant, checkpoint, size),
    )


def _odd_size(variant: Variant, checkpoint: Checkpoint, size: int | None) -> str | None:
    """A warning about an archive, as downloaded, of an unexpected size."""
    expected = variant.checkpoint.bytes
    if expected is None or size is None or checkpoint.form != "zip":
        return None
    if abs(size - expected) <= SIZE_TOLERANCE * expected:
        return None
    return (
        f"{checkpoint.path} has {size:,} bytes: expected {expected:,} +/- {SIZE_TOLERANCE:.1%};"
        f" it opens and holds {variant.name}"
    )
