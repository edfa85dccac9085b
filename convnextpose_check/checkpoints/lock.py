"""The sha256 of every checkpoint, remembered when it is first used and compared ever after.

They stand in ``checkpoints.lock`` beside the files, by file name. Where that folder cannot be
written, as Kaggle's input cannot, they stand in the results folder, by the file's whole path. A
lock that came with a folder, such as in a data set, counts though it cannot be written.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from convnextpose_check.checkpoints.load import Checkpoint
from convnextpose_check.errors import CheckFailedError, ConvNeXtPoseCheckError
from convnextpose_check.files.folders import is_there
from convnextpose_check.files.opening import open_regular
from convnextpose_check.files.whole import write_text
from convnextpose_check.network.layout import identify, modern_state
from convnextpose_check.variants import Catalogue
from convnextpose_check.wording import as_utf8

LOCK_NAME = "checkpoints.lock"
MAX_LOCK_BYTES = 1 << 20
"""Room for some thousand entries; what is cut off is no JSON."""

ABOUT = (
    "The checkpoints as they were when convnextpose-check first used them. Delete an entry, or the"
    " file, to let it remember anew."
)


class Remembered(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one file was; the sha256 is ``Checkpoint.sha256``."""

    variant: str
    sha256: str


class Lock(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of a lock, by file name or path."""

    about: str = ABOUT
    files: dict[str, Remembered] = msgspec.field(default_factory=dict)


def hold_to_hash(
    checkpoint: Checkpoint,
    variant: str,
    catalogue: Catalogue,
    results_dir: Path,
    *,
    remember: bool = True,
) -> Path | None:
    """Compare the file with what it was when it was first used; this may be the first time.

    Returns the lock in which it stands. None, and nothing is remembered, without ``remember`` or
    where the file does not hold the variant: a mistake that is put right later is no swap.

    Raises ``CheckFailedError`` (``changed-file``), ``ConvNeXtPoseCheckError`` (``bad-lock``,
    ``cannot-write``).
    """
    path = checkpoint.path
    places = {
        path.parent / LOCK_NAME: as_utf8(path.name),
        results_dir / LOCK_NAME: as_utf8(str(path.absolute())),
    }
    for lock_path, name in places.items():
        files = _read(lock_path).files
        key = name if name in files else _renamed(files, variant, path.parent)
        if key in files:
            if files[key].sha256 != checkpoint.sha256:
                raise _changed(checkpoint, files[key], lock_path, key)
            return lock_path
    if not remember or variant not in identify(modern_state(checkpoint.network), catalogue):
        return None
    beside, far = places
    remembered = Remembered(variant, checkpoint.sha256)
    try:
        _add(beside, places[beside], remembered)
    except ConvNeXtPoseCheckError:
        _add(far, places[far], remembered)
        return far
    return beside


def _renamed(files: dict[str, Remembered], variant: str, folder: Path) -> str | None:
    """The entry of a file of the variant that is gone: the one that is there took its place.

    Not so in the results folder, where entries are paths: other paths are other data sets.
    """
    candidates = (
        name
        for name, known in files.items()
        if known.variant == variant and not Path(name).is_absolute() and not is_there(folder / name)
    )
    return next((name for name in candidates if name not in _names(folder)), None)


def _names(folder: Path) -> set[str]:
    """What lies in the folder, as the lock names it."""
    try:
        return {as_utf8(path.name) for path in folder.iterdir()}
    except OSError:
        return set()


def _changed(
    checkpoint: Checkpoint, known: Remembered, lock_path: Path, key: str
) -> CheckFailedError:
    return CheckFailedError(
        "changed-file",
        f"{checkpoint.path} has the sha256 {checkpoint.sha256}: expected {known.sha256}, which"
        f" {lock_path} remembers of its first use as {key}",
        f"If the change was meant, delete that entry of {lock_path}, or the whole lock, and run"
        " again; if not, put the file back that was there",
        checkpoint.sha256,
        known.sha256,
    )


def _read(path: Path) -> Lock:
    try:
        with open_regular(path) as stream:
            content = stream.read(MAX_LOCK_BYTES)
        return msgspec.json.decode(content, type=Lock)
    except (FileNotFoundError, NotADirectoryError):
        return Lock()
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConvNeXtPoseCheckError(
            "bad-lock",
            f"cannot read the hashes in {path}: {error}",
            "Restore the file, or delete it to have the checkpoints remembered anew",
        ) from None


def _add(path: Path, name: str, remembered: Remembered) -> None:
    # Of two runs that add at the same moment one may win; the other's file is then remembered
    # when it is next used.
    lock = Lock(files={**_read(path).files, name: remembered})
    content = msgspec.json.format(msgspec.json.encode(lock), indent=2)
    write_text(path, content.decode() + "\n")
