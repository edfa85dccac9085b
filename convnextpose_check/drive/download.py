"""Download missing checkpoints from Google Drive; existing ones are not changed.

A checkpoint is missing if no file that can be opened contains its variant. A downloaded file is
checked before it is moved to its final name.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TextIO

from convnextpose_check.checkpoints.find import CheckpointFiles
from convnextpose_check.checkpoints.load import Checkpoint, load_checkpoint
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
ATTEMPTS = 4
BACK_OFF_SECONDS = 2.0
"""Wait before the second attempt; doubled for each further one, plus up to 2 s at random."""
MAX_BYTES = 1 << 30
"""Limit for a file of unknown size; for others, it is twice the expected size."""
GDOWN_PARSE_ERRORS = (LookupError, ValueError, TypeError, AttributeError, AssertionError)
"""Exceptions that gdown raises for a response that it cannot parse."""


class TransientError(ConvNeXtPoseCheckError):
    """A failure that may not recur: the download is tried again."""

    def __init__(self, problem: str, remedy: str = "Try again later") -> None:
        super().__init__(ErrorCode.DOWNLOAD_FAILED, problem, remedy)


class UnreachableError(TransientError):
    """Google Drive cannot be reached: other files are not tried."""


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
    """Find the variants in ``paths`` and ``folder``; download others to ``folder``.

    The result's ``refused`` has the error of each variant whose file is wrong or whose download
    failed. Raises ``ConvNeXtPoseCheckError``: ``in-use`` or ``cannot-write`` for ``folder``.
    """
    variants = [catalogue[name] for name in names]
    others = [path for path in paths if path != folder]
    downloads = Downloads([*others, folder] if path_exists(folder) else others, catalogue)
    if not (missing := _find_missing(downloads, variants, folder)):
        return downloads
    with lock_file(folder / DOWNLOAD_LOCK, option=""):
        remove_partial_files(folder)
        # Search again: another run may have downloaded them before it released the lock.
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
    return replace(downloads)  # without cached properties: the candidates include the new files


def choose_download_folder(paths: Sequence[Path], results_dir: Path) -> Path:
    """The first of the paths that can be written, else ``results_dir/checkpoints``."""
    return next((path for path in paths if _is_download_folder(path)), results_dir / "checkpoints")


def _is_download_folder(path: Path) -> bool:
    """True for a writable folder, existing or new, that is not an unpacked checkpoint."""
    is_named_as_file = is_file(path) or path.suffix.lower() in CHECKPOINT_SUFFIXES
    existing = next(parent for parent in (path, *path.parents) if path_exists(parent))
    is_writable = os.access(existing, os.W_OK | os.X_OK, effective_ids=True)
    return is_writable and not is_named_as_file and not is_file(path / "data.pkl")


def _find_missing(
    files: CheckpointFiles, variants: Sequence[Variant], folder: Path
) -> list[Variant]:
    """The missing variants; errors of other existing files go to ``files.refused``.

    A damaged file under the name of a download counts as missing.
    """
    missing = []
    for variant in variants:
        try:
            check_holds_variant(variant, files.load(variant.name), files.catalogue)
        except ConvNeXtPoseCheckError as error:
            claimed = [p for p in files.candidates if files.claimed_variant(p) == variant.name]
            is_download = claimed == [folder / variant.checkpoint.file_name]
            is_damaged = error.code in (ErrorCode.DAMAGED, ErrorCode.HTML_PAGE)
            if error.code == ErrorCode.CHECKPOINT_NOT_FOUND or (is_download and is_damaged):
                missing.append(variant)
            else:
                files.refused[variant.name] = error
    return missing


def _download(
    variant: Variant, folder: Path, catalogue: Catalogue, display: ProgressDisplay
) -> Checkpoint:
    """Download one checkpoint; every error explains how to download the file by hand."""
    import tenacity

    name, target = variant.checkpoint.file_name, folder / variant.checkpoint.file_name
    folder_id, file_id = catalogue.drive_folder, variant.checkpoint.drive_id
    link = f"{DRIVE}/drive/folders/{folder_id}" if folder_id else f"{DRIVE}/file/d/{file_id}/view"

    def announce(state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        problem = error.problem if isinstance(error, TransientError) else "download failed"
        display.write_line(f"{name}: {problem}; next attempt in {state.upcoming_sleep:.0f} s")

    retry = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(TransientError),
        stop=tenacity.stop_after_attempt(ATTEMPTS),
        wait=tenacity.wait_exponential(BACK_OFF_SECONDS)
        + tenacity.wait_random(0, BACK_OFF_SECONDS),
        before_sleep=announce,
        reraise=True,
    )
    with write_atomically(target, option="") as temporary:
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
    """Download and check a file; raises ``TransientError`` if it is damaged."""
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
    limit = 2 * facts.bytes if facts.bytes else MAX_BYTES
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
    except (requests.ConnectionError, requests.Timeout) as error:
        raise UnreachableError(
            f"the connection to Google Drive failed ({type(error).__name__})",
            "Check the internet connection (on Kaggle: Settings, Internet on)",
        ) from None
    except (requests.RequestException, gdown.DownloadError, *GDOWN_PARSE_ERRORS) as error:
        raise TransientError(f"gdown failed ({type(error).__name__}: {error})") from None


def _explain_refusal(file_id: str, gdown_message: str) -> ConvNeXtPoseCheckError:
    """Explain the page that Google sent: request it again, since gdown does not return it."""
    import requests

    with requests.get(f"{DRIVE}/uc?id={file_id}", stream=True, timeout=TIMEOUT_SECONDS) as response:
        status = response.status_code
        if status == 429 or status >= 500 or "Content-Disposition" in response.headers:
            return TransientError(f"Google Drive did not send the file (HTTP {status})")
        # The sign-in page is recognized by its address in every language.
        text = " ".join(f"{gdown_message} {response.text} {response.url}".split())
    page = recognize_page(text.encode())
    if page is None:
        return ConvNeXtPoseCheckError(
            ErrorCode.FILE_NOT_FOUND if status == 404 else ErrorCode.DOWNLOAD_FAILED,
            f"Google sent an unknown page (HTTP {status})",
            "Check the drive_id in the variants file",
        )
    return ConvNeXtPoseCheckError(page.code, f"Google sent {page.description}", page.remedy)
