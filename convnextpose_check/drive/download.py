"""Download missing checkpoints from Google Drive; existing files are not changed.

A downloaded file is checked before it is moved to its final name.
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from convnextpose_check.checkpoints.find import CheckpointFiles
from convnextpose_check.checkpoints.load import load_checkpoint
from convnextpose_check.checkpoints.unpack import CHECKPOINT_SUFFIXES, recognize_page
from convnextpose_check.checks.archives import check_holds_variant
from convnextpose_check.errors import ConvNeXtPoseCheckError, ErrorCode
from convnextpose_check.files.folders import is_file, path_exists
from convnextpose_check.files.regular_files import lock_file, remove_partial_files, write_atomically
from convnextpose_check.progress import ProgressDisplay, progress_bar
from convnextpose_check.variants import Catalogue, Variant

DRIVE = "https://drive.google.com"
DOWNLOAD_LOCK = ".download.lock"
TIMEOUT_SECONDS = 15.0, 30.0
"""Limits for connecting and for each read."""
ATTEMPTS = 3
BACK_OFF_SECONDS = 2.0
"""Wait before the second attempt; doubled for each further one, plus up to 2 s at random."""
GDOWN_PARSE_ERRORS = (LookupError, ValueError, TypeError, AttributeError, AssertionError)
"""Exceptions that gdown raises for a response that it cannot parse."""


def download_missing(
    paths: Sequence[Path],
    folder: Path,
    catalogue: Catalogue,
    names: Sequence[str],
    stream: TextIO | None = None,
) -> CheckpointFiles:
    """Find the variants in ``paths`` and ``folder``; download others to ``folder``.

    The result's ``refused`` has the error of each variant whose file is wrong or whose download
    failed. Raises ``ConvNeXtPoseCheckError``: ``in-use`` or ``cannot-write`` for ``folder``.
    """
    others = [path for path in paths if path != folder]
    files = CheckpointFiles([*others, folder] if path_exists(folder) else others, catalogue)
    files.found  # noqa: B018 - raises for a path that does not exist
    missing = []
    for name in names:
        try:
            check_holds_variant(catalogue[name], files.load(name), catalogue)
        except ConvNeXtPoseCheckError as error:
            if error.code == ErrorCode.CHECKPOINT_NOT_FOUND:
                missing.append(catalogue[name])
            else:
                files.refused[name] = error
    if not missing:
        return files
    with lock_file(folder / DOWNLOAD_LOCK, option=""):
        remove_partial_files(folder)
        for variant in missing:
            try:
                _download(variant, folder, catalogue, ProgressDisplay(stream))
            except ConvNeXtPoseCheckError as error:
                files.refused[variant.name] = error
    return replace(files, paths=[*others, folder])


def choose_download_folder(paths: Sequence[Path], results_dir: Path) -> Path:
    """The first of the paths that is a writable folder, or a new one; else below the results."""
    for path in paths:
        is_named_as_file = is_file(path) or path.suffix.lower() in CHECKPOINT_SUFFIXES
        existing = next(parent for parent in (path, *path.parents) if path_exists(parent))
        if not is_named_as_file and os.access(existing, os.W_OK | os.X_OK, effective_ids=True):
            return path
    return results_dir / "checkpoints"


def _download(
    variant: Variant, folder: Path, catalogue: Catalogue, display: ProgressDisplay
) -> None:
    """Download and check a file; every error explains how to download it by hand."""
    import tenacity

    name, drive_id = variant.checkpoint.file_name, variant.checkpoint.drive_id
    folder_id = catalogue.drive_folder
    link = f"{DRIVE}/drive/folders/{folder_id}" if folder_id else f"{DRIVE}/file/d/{drive_id}/view"

    def download_once(path: Path) -> None:
        _download_bytes(variant, path, display)
        check_holds_variant(variant, load_checkpoint(path), catalogue)

    retry = tenacity.Retrying(
        retry=tenacity.retry_if_exception(
            lambda error: (
                getattr(error, "code", "") in (ErrorCode.DAMAGED, ErrorCode.DOWNLOAD_FAILED)
            )
        ),
        stop=tenacity.stop_after_attempt(ATTEMPTS),
        wait=tenacity.wait_exponential(BACK_OFF_SECONDS)
        + tenacity.wait_random(0, BACK_OFF_SECONDS),
        before_sleep=lambda state: display.write_line(
            f"{name} was not downloaded; next attempt in {state.upcoming_sleep:.0f} s"
        ),
        reraise=True,
    )
    with write_atomically(folder / name, option="") as temporary:
        try:
            retry(download_once, temporary)
        except ConvNeXtPoseCheckError as error:
            problem = error.problem.replace(str(temporary), "the received file")
            raise ConvNeXtPoseCheckError(
                error.code,
                f"{name} was not downloaded: {problem}",
                f"{error.remedy}. To download it by hand, open {link} and save {name} in {folder}",
            ) from None


def _download_bytes(variant: Variant, path: Path, display: ProgressDisplay) -> None:
    """Download a file with gdown; raises ``ConvNeXtPoseCheckError``."""
    import gdown
    import requests

    facts = variant.checkpoint
    if facts.drive_id is None:
        raise ConvNeXtPoseCheckError(
            ErrorCode.DOWNLOAD_FAILED,
            f"the variants file has no drive_id for {variant.name}",
            "Add the file's id on Google Drive to the variants file",
        )
    limit = 2 * facts.bytes if facts.bytes else 1 << 30
    shown_bytes = 0

    def progress(received_bytes: int, _total: int | None) -> None:
        nonlocal shown_bytes
        if received_bytes > limit:
            raise ConvNeXtPoseCheckError(
                ErrorCode.DOWNLOAD_FAILED,
                f"Google Drive sent more than the allowed {limit:,} bytes",
                "Check the drive_id in the variants file",
            )
        advance(received_bytes - shown_bytes)
        shown_bytes = received_bytes

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
    except (requests.RequestException, gdown.DownloadError, *GDOWN_PARSE_ERRORS) as error:
        raise ConvNeXtPoseCheckError(
            ErrorCode.DOWNLOAD_FAILED,
            f"the connection to Google Drive failed ({type(error).__name__})",
            "Check the internet connection (on Kaggle: Settings, Internet on), or try again later",
        ) from None


def _explain_refusal(file_id: str, gdown_message: str) -> ConvNeXtPoseCheckError:
    """Explain the page that Google sent: request it again, since gdown does not return it."""
    import requests

    with requests.get(f"{DRIVE}/uc?id={file_id}", stream=True, timeout=TIMEOUT_SECONDS) as response:
        status, text = response.status_code, ""
        if status < 429 and "Content-Disposition" not in response.headers:
            # The sign-in page is recognized by its address in every language.
            text = " ".join(f"{gdown_message} {response.text} {response.url}".split())
    if (page := recognize_page(text.encode())) is not None:
        return ConvNeXtPoseCheckError(page.code, f"Google sent {page.description}", page.remedy)
    return ConvNeXtPoseCheckError(
        ErrorCode.FILE_NOT_FOUND if status == 404 else ErrorCode.DOWNLOAD_FAILED,
        f"Google Drive did not send the file (HTTP {status})",
        "Try again later, or check the drive_id in the variants file",
    )
