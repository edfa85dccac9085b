"""Download the missing checkpoints from Google Drive; existing ones are not touched.

A checkpoint exists if it opens and contains its variant. A download is checked before it is moved
to its final name.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TextIO

from convnextpose_check.checkpoints.find import CHECKPOINT_SUFFIXES, CheckpointFiles
from convnextpose_check.checkpoints.load import Checkpoint, load_checkpoint
from convnextpose_check.checkpoints.unpack import recognize_page
from convnextpose_check.checks.archives import check_holds_variant
from convnextpose_check.errors import ConvNeXtPoseCheckError, ErrorCode
from convnextpose_check.files.folders import is_file, path_exists
from convnextpose_check.files.regular_files import lock_file, remove_partial_files, write_atomically
from convnextpose_check.progress import ProgressDisplay, progress_bar
from convnextpose_check.variants import Catalogue, Variant

DRIVE = "https://drive.google.com"
DOWNLOAD_LOCK = ".download.lock"
TIMEOUT_SECONDS = 15.0, 30.0
"""To connect, and between two reads."""
ATTEMPTS = 4
BACK_OFF_SECONDS = 2.0
"""Wait before the second attempt; doubled after each, plus up to as much at random."""
MAX_BYTES = 1 << 30
"""Limit for a file of unknown size; otherwise the limit is twice the expected size."""
UNEXPECTED_ANSWER = (LookupError, ValueError, TypeError, AttributeError, AssertionError)
"""Raised by gdown for an answer that it does not expect."""


class TransientError(ConvNeXtPoseCheckError):
    """A failure that the next attempt may not have."""

    def __init__(self, problem: str, remedy: str = "Try again later") -> None:
        super().__init__(ErrorCode.DOWNLOAD_FAILED, problem, remedy)


class UnreachableError(TransientError):
    """Google Drive cannot be reached, for this file or any other."""


@dataclass
class Downloads(CheckpointFiles):
    """The checkpoints after a download; ``downloaded`` names the downloaded variants."""

    downloaded: set[str] = field(default_factory=set)


def download_missing(
    paths: Sequence[Path],
    folder: Path,
    catalogue: Catalogue,
    names: Sequence[str],
    stream: TextIO | None = None,
) -> Downloads:
    """Look for the variants in ``paths`` and ``folder``; download the missing into ``folder``.

    The files that are returned refuse a variant that is wrong or could not be downloaded.
    """
    variants = [catalogue[name] for name in names]
    others = [path for path in paths if path != folder]
    downloads = Downloads([*others, folder] if path_exists(folder) else others, catalogue)
    if not (missing := _find_missing(downloads, variants, folder)):
        return downloads
    with lock_file(folder / DOWNLOAD_LOCK):
        remove_partial_files(folder)
        # Another run may have downloaded them before it released the lock.
        downloads = replace(downloads, paths=[*others, folder])
        missing = _find_missing(downloads, missing, folder)
        for number, variant in enumerate(missing):
            try:
                checkpoint = _download(variant, folder, catalogue, ProgressDisplay(stream))
            except ConvNeXtPoseCheckError as error:
                downloads.refused[variant.name] = error
                if isinstance(error.__cause__, UnreachableError):
                    downloads.refused |= {other.name: error for other in missing[number:]}
                    break
            else:
                downloads.loaded_files[checkpoint.path] = checkpoint
                downloads.downloaded.add(variant.name)
    return replace(downloads)  # which looks for the files again


def choose_download_folder(paths: Sequence[Path], results_dir: Path) -> Path:
    """The first place to which files can be downloaded, else a folder below the results."""
    return next((path for path in paths if _is_download_folder(path)), results_dir / "checkpoints")


def _is_download_folder(place: Path) -> bool:
    names_a_file = is_file(place) or place.suffix.lower() in CHECKPOINT_SUFFIXES
    existing = next(path for path in (place, *place.parents) if path_exists(path))
    may_write = os.access(existing, os.W_OK | os.X_OK, effective_ids=True)
    return may_write and not names_a_file and not is_file(place / "data.pkl")


def _find_missing(
    files: CheckpointFiles, variants: Sequence[Variant], folder: Path
) -> list[Variant]:
    """Open existing checkpoints, refuse wrong ones, and return the missing variants."""
    missing = []
    for variant in variants:
        try:
            check_holds_variant(variant, files.load(variant.name), files.catalogue)
        except ConvNeXtPoseCheckError as error:
            claimed = [
                path for path in files.candidates if files.claimed_variant(path) == variant.name
            ]
            is_ours = claimed == [folder / variant.checkpoint.file_name]
            is_damaged = error.code in (ErrorCode.DAMAGED, ErrorCode.HTML_PAGE)
            if error.code == ErrorCode.CHECKPOINT_NOT_FOUND or (is_ours and is_damaged):
                missing.append(variant)
            else:
                files.refused[variant.name] = error
    return missing


def _download(
    variant: Variant, folder: Path, catalogue: Catalogue, display: ProgressDisplay
) -> Checkpoint:
    """Download one checkpoint; every error says how to download the file by hand."""
    import tenacity

    name, target = variant.checkpoint.file_name, folder / variant.checkpoint.file_name
    folder_id, file_id = catalogue.drive_folder, variant.checkpoint.drive_id
    link = f"{DRIVE}/drive/folders/{folder_id}" if folder_id else f"{DRIVE}/file/d/{file_id}/view"

    def announce(state: tenacity.RetryCallState) -> None:
        problem = getattr(state.outcome and state.outcome.exception(), "problem", "it failed")
        display.write_line(f"{name}: {problem}; trying again in {state.upcoming_sleep:.0f} s")

    retry = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(TransientError),
        stop=tenacity.stop_after_attempt(ATTEMPTS),
        wait=tenacity.wait_exponential(BACK_OFF_SECONDS)
        + tenacity.wait_random(0, BACK_OFF_SECONDS),
        before_sleep=announce,
        reraise=True,
    )
    with write_atomically(target) as temporary:
        try:
            checkpoint = retry(_download_once, variant, temporary, catalogue, display)
        except ConvNeXtPoseCheckError as error:
            problem = error.problem.replace(str(temporary), "the received file")
            raise ConvNeXtPoseCheckError(
                error.code,
                f"{name} was not downloaded: {problem}",
                f"{error.remedy}. To download it by hand, open {link} and save {name} in {folder}",
            ) from error
        if path_exists(target):  # a damaged file
            target.replace(target.with_name(f"{name}.damaged"))
    return replace(checkpoint, path=target)


def _download_once(
    variant: Variant, path: Path, catalogue: Catalogue, display: ProgressDisplay
) -> Checkpoint:
    _download_bytes(variant, path, display)
    try:
        checkpoint = load_checkpoint(path)
    except ConvNeXtPoseCheckError as error:
        if error.code == ErrorCode.DAMAGED:
            raise TransientError("the received file is damaged") from None
        raise
    check_holds_variant(variant, checkpoint, catalogue)
    return checkpoint


def _download_bytes(variant: Variant, path: Path, display: ProgressDisplay) -> None:
    import gdown
    import requests

    facts, shown = variant.checkpoint, 0
    if facts.drive_id is None:
        raise ConvNeXtPoseCheckError(
            ErrorCode.DOWNLOAD_FAILED,
            "the variants file has no drive_id for it",
            "Add its drive_id",
        )
    limit = 2 * facts.bytes if facts.bytes else MAX_BYTES

    def progress(so_far: int, _total: int | None) -> None:
        nonlocal shown
        if so_far > limit:
            raise ConvNeXtPoseCheckError(
                ErrorCode.DOWNLOAD_FAILED,
                f"Google Drive sends more than {limit:,} bytes, twice the expected size",
                "Check the drive_id",
            )
        advance(so_far - shown)
        shown = so_far

    bar = progress_bar(display.stream, facts.file_name, facts.bytes or 0, "B")
    try:
        with path.open("wb") as stream, bar as advance:
            try:
                gdown.download(
                    id=facts.drive_id,
                    output=stream,
                    quiet=True,
                    use_cookies=False,
                    progress=progress,
                    timeout=TIMEOUT_SECONDS,
                )
            except gdown.FileURLRetrievalError as error:
                raise _explain_refusal(facts.drive_id, str(error)) from None
    except (requests.ConnectionError, requests.Timeout) as error:
        raise UnreachableError(
            f"the connection to Google Drive failed ({type(error).__name__})",
            "Check the connection; on Kaggle, switch Settings, Internet on",
        ) from None
    except (requests.RequestException, gdown.DownloadError, *UNEXPECTED_ANSWER) as error:
        raise TransientError(f"gdown failed ({type(error).__name__}: {error})") from None


def _explain_refusal(file_id: str, gdown_message: str) -> ConvNeXtPoseCheckError:
    """Find out why Drive sent a page, which gdown does not return, by requesting it again."""
    import requests

    with requests.get(f"{DRIVE}/uc?id={file_id}", stream=True, timeout=TIMEOUT_SECONDS) as response:
        status = response.status_code
        if status == 429 or status >= 500 or "Content-Disposition" in response.headers:
            return TransientError(f"Google Drive does not send the file (HTTP {status})")
        # The sign-in page is recognized by its address, whatever its language.
        text = " ".join(f"{gdown_message} {response.text} {response.url}".split())
    page = recognize_page(text.encode())
    if page is None:
        return ConvNeXtPoseCheckError(
            ErrorCode.FILE_NOT_FOUND if status == 404 else ErrorCode.DOWNLOAD_FAILED,
            f"Google sent an unknown page (HTTP {status})",
            "Check the link",
        )
    return ConvNeXtPoseCheckError(page.code, f"Google sent {page.what}", page.remedy)
