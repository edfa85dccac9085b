"""One file from Google Drive, fetched with gdown until it is what it should be or cannot be had.

gdown knows Drive's redirects and its "can't scan for viruses" form. It does not know what the file
should hold, does not try again when Drive answers 500, and waits forever unless told otherwise.
Its ``resume`` is not used: it takes over whatever lies there.
"""

from __future__ import annotations

import errno
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from convnextpose_check.checkpoints.webpages import known_page
from convnextpose_check.errors import Code, ConvNeXtPoseCheckError

DRIVE = "https://drive.google.com"

CONNECT_SECONDS = 15.0
SILENCE_SECONDS = 30.0
"""So long may Drive send nothing at all."""
STALL_SECONDS = 120.0
"""So long may gdown take for half a megabyte: a trickle is never silent and never ends."""

ATTEMPTS = 4
BACK_OFF_SECONDS = 2.0
"""The first wait, doubled each time, give or take half of it."""

MOST_TIMES_EXPECTED = 2
MOST_BYTES = 1 << 30
"""Where the size to expect is not known."""

PAGE_BYTES = 64 << 10

MAKE_ROOM = "Make room, or name a folder on another disk"

DAMAGED: tuple[Code, ...] = ("empty", "truncated", "bad-crc", "damaged", "not-an-archive")
"""What ``load_checkpoint`` says of a file that another download may mend."""

T = TypeVar("T")
Say = Callable[[str], None]


@dataclass(frozen=True)
class DriveFile:
    """A file on Drive: its id, the name it shall have, the size to expect, and the way by hand."""

    file_id: str
    name: str
    bytes: int | None
    by_hand: str

    def not_downloaded(self, code: Code, problem: str, remedy: str = "") -> ConvNeXtPoseCheckError:
        """An error about this file, with the way by hand."""
        way_out = remedy + self.by_hand if remedy else self.by_hand[0].upper() + self.by_hand[1:]
        return ConvNeXtPoseCheckError(code, f"{self.name} was not downloaded: {problem}", way_out)


class _PassingError(Exception):
    """Something that may be better next time; ``code`` is for when it was not."""

    def __init__(self, reason: str, code: Code = "download-failed") -> None:
        super().__init__(reason)
        self.code = code


def fetch(
    file: DriveFile,
    path: Path,
    accept: Callable[[Path], T],
    on_bytes: Callable[[int], None],
    say: Say,
) -> T:
    """Download to ``path`` and return what ``accept`` makes of it; it raises what is wrong with it.

    ``on_bytes`` gets the number of bytes that are there. Raises ``ConvNeXtPoseCheckError``:
    ``drive-quota``, ``drive-permission``, ``drive-sign-in``, ``drive-missing`` and ``html-page``
    for Drive's pages, ``no-internet``, ``disk-full``, ``wrong-size``, ``download-failed``, and what
    ``accept`` raises.
    """
    seconds = BACK_OFF_SECONDS
    for left in reversed(range(ATTEMPTS)):
        try:
            _transfer(file, path, on_bytes)
            return _accepted(file, path, accept)
        except _PassingError as error:
            if not left:
                raise _given_up(file, error) from None
            wait = seconds * random.uniform(0.5, 1.5)
            say(f"{file.name}: {error}; trying again in {wait:.0f} s, {left} more times at most")
            time.sleep(wait)
            seconds *= 2
    raise AssertionError("the last attempt returns or raises")


def _given_up(file: DriveFile, error: _PassingError) -> ConvNeXtPoseCheckError:
    if error.code == "no-internet":
        remedy = "Check the connection; on Kaggle, switch Settings, Internet on. Without internet, "
    else:
        remedy = "Try again later, or "
    return file.not_downloaded(error.code, f"{error} (tried {ATTEMPTS} times)", remedy)


def _accepted(file: DriveFile, path: Path, accept: Callable[[Path], T]) -> T:
    try:
        return accept(path)
    except ConvNeXtPoseCheckError as error:
        if error.code in DAMAGED:
            raise _PassingError(f"what Drive sent is {error.code}") from None
        if error.code == "html-page":
            with path.open("rb") as stream:
                raise _page_error(file, stream.read(PAGE_BYTES)) from None
        raise


def _transfer(file: DriveFile, path: Path, on_bytes: Callable[[int], None]) -> None:
    """One attempt with gdown, from the first byte on."""
    import gdown
    import requests

    try:
        _download(file, path, on_bytes)
    except gdown.DownloadCancelled:
        raise _PassingError(f"Drive sent next to nothing for {STALL_SECONDS:g} s") from None
    except gdown.FileURLRetrievalError as error:
        said = " ".join(str(error).split()).encode()
        if known_page(said):
            raise _page_error(file, said) from None
        _ask_why(file)
    except gdown.DownloadError:
        raise _PassingError("the connection broke off") from None
    except requests.RequestException as error:
        raise _connection_error(error) from None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            problem = f"{file.name} was not downloaded: the disk is full"
            raise ConvNeXtPoseCheckError("disk-full", problem, MAKE_ROOM) from None
        raise
    except (LookupError, ValueError, TypeError, AttributeError, AssertionError) as error:
        # Such as a KeyError for an answer without Content-Type.
        raise _PassingError(f"gdown cannot read Drive's answer ({error!r})") from None


def _download(file: DriveFile, path: Path, on_bytes: Callable[[int], None]) -> None:
    import gdown

    most = MOST_TIMES_EXPECTED * file.bytes if file.bytes else MOST_BYTES

    with path.open("wb") as stream, _watched() as (stalled, moved):

        def progress(so_far: int, _total: int | None) -> None:
            moved()
            if so_far > most:
                problem = f"Drive sends more than {most:,} bytes, far more than it should have"
                raise file.not_downloaded("wrong-size", problem)
            on_bytes(so_far)

        gdown.download(
            id=file.file_id,
            output=stream,
            quiet=True,
            use_cookies=False,
            progress=progress,
            timeout=(CONNECT_SECONDS, SILENCE_SECONDS),
            cancel=stalled,
        )


@contextmanager
def _watched() -> Iterator[tuple[threading.Event, Callable[[], None]]]:
    """An event that is set when the function beside it was not called for too long."""
    stalled, over = threading.Event(), threading.Event()
    last = time.monotonic()

    def moved() -> None:
        nonlocal last
        last = time.monotonic()

    def watch() -> None:
        while not over.wait(max(0.0, last + STALL_SECONDS - time.monotonic())):
            if time.monotonic() - last >= STALL_SECONDS:
                stalled.set()
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield stalled, moved
    finally:
        over.set()
        watcher.join()


def _ask_why(file: DriveFile) -> None:
    """Look at the page for which gdown had no use, and raise what it says."""
    import requests

    try:
        with requests.get(
            f"{DRIVE}/uc",
            params={"id": file.file_id},
            stream=True,
            timeout=(CONNECT_SECONDS, SILENCE_SECONDS),
        ) as answer:
            status = answer.status_code
            if status == 429 or status >= 500:
                raise _PassingError(f"Drive answers with HTTP {status}")
            if "Content-Disposition" in answer.headers:
                raise _PassingError("Drive did not give the file at once")
            page = b""
            until = time.monotonic() + SILENCE_SECONDS
            for chunk in answer.iter_content(512):
                page += chunk
                if len(page) > PAGE_BYTES or time.monotonic() > until:
                    break
            # Google's sign-in page is told by its address, in whatever language it is.
            raise _page_error(file, page + answer.url.encode(), status)
    except requests.RequestException as error:
        raise _connection_error(error) from None


def _page_error(file: DriveFile, content: bytes, status: int = 200) -> Exception:
    page = known_page(content)
    if page is None:
        problem = f"Google answered with a page that is not known (HTTP {status})"
        return file.not_downloaded("drive-missing" if status == 404 else "html-page", problem)
    if page.code == "download-failed":  # gdown confirmed it, and then did not get the file
        return _PassingError("Drive did not give the file after its virus scan page")
    remedy = f"{page.remedy}. Or " if page.code == "drive-quota" else ""
    return file.not_downloaded(page.code, f"Google answered with {page.what}", remedy)


def _connection_error(error: Exception) -> _PassingError:
    """What became of the connection, in words without Python's."""
    import requests
    from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

    reason = getattr(error.args[0] if error.args else None, "reason", None)
    if isinstance(error, requests.exceptions.ProxyError):
        return _PassingError("the proxy cannot be reached or refuses", "no-internet")
    if isinstance(reason, (ConnectTimeoutError, NewConnectionError)):
        return _PassingError("Drive cannot be reached", "no-internet")
    if isinstance(error, requests.exceptions.SSLError):
        return _PassingError(f"no secure connection could be made ({type(reason).__name__})")
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return _PassingError(f"Drive answers with HTTP {error.response.status_code}")
    if isinstance(error, requests.Timeout) or "ReadTimeoutError" in repr(error.args):
        return _PassingError(f"Drive sent nothing for {SILENCE_SECONDS:g} s")
    return _PassingError("the connection broke off")
