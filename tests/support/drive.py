"""A server on this machine that answers as Google Drive does, and the way there.

Requests to Google's hosts are sent to it in plain HTTP; a request to any other host is an error, so
that nothing leaves the machine. What it says was taken from Drive's pages of 2024 and later: a file
is asked for at drive.google.com, which sends the caller on to drive.usercontent.google.com, and
there the file comes, or a form to confirm that it was not scanned for viruses.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

ASKED, GIVEN, SIGN_IN = (
    "drive.google.com/uc",
    "drive.usercontent.google.com/download",
    "accounts.google.com/ServiceLogin",
)
UUID = "153b954f-b486-4de3-8fad-3b9d86bd6525"

QUOTA = """<!DOCTYPE html><html><head><title>Google Drive - Quota exceeded</title></head><body>
<p class="uc-error-caption">Sorry, you can't view or download this file at this time.</p>
<p class="uc-error-subcaption">Too many users have viewed or downloaded this file recently. Please
try accessing the file again later.</p> <a href="https://accounts.google.com/">Sign in</a>"""
QUOTA_IN_ONE_LINE = QUOTA.replace("Please\n", "Please ")
PERMISSION = """<!DOCTYPE html><html><title>Google Drive - Access Denied</title>
<p>You need access</p><p>Request access, or switch to an account with access.</p>
<a href="https://accounts.google.com/ServiceLogin">Sign in</a>"""
SIGN_IN_PAGE = """<!DOCTYPE html><html lang="es"><title>Cuentas de Google</title>
<p>Accede: usa tu cuenta de Google</p>"""
MISSING = """<!DOCTYPE html><html lang=en><title>Error 404 (Not Found)!!1</title>
<p>Sorry, the file you have requested does not exist.</p>"""
SERVER_ERROR = """<!DOCTYPE html><html lang=en><title>Error 500 (Server Error)!!1</title>"""

Answer = Callable[["Handler"], None]


class Drive:
    """What each file's id is answered with; the last answer is given again and again.

    ``unscanned`` ids first get the form. ``requests`` has (host and path, query) of each request.
    """

    def __init__(self, port: int = 0) -> None:
        self.answers: dict[str, list[Answer]] = defaultdict(list)
        self.unscanned: set[str] = set()
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.over = threading.Event()
        """Set when the test is over: nobody waits any longer."""
        self.server = ThreadingHTTPServer(("127.0.0.1", port), partial(Handler, self))
        self.server.daemon_threads = True

    def answer(self, file_id: str, *answers: Answer, unscanned: bool = False) -> None:
        """Have a file answered so, from now on."""
        self.answers[file_id] = list(answers)
        if unscanned:
            self.unscanned.add(file_id)

    def asked(self, where: str = GIVEN) -> int:
        """How often this place was asked."""
        return sum(asked == where for asked, _ in self.requests)

    @contextmanager
    def open(self) -> Iterator[Drive]:
        """Serve until the end of the block."""
        thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.over.set()
            self.server.shutdown()
            self.server.server_close()
            thread.join()


class Handler(BaseHTTPRequestHandler):
    """One request."""

    def __init__(self, drive: Drive, *args: Any) -> None:
        self.drive = drive
        super().__init__(*args)

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        where = parts.path.lstrip("/")
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.drive.requests.append((where, query))
        with suppress(BrokenPipeError, ConnectionResetError):  # the caller has heard enough
            if where == ASKED:
                at = self.drive.answers[query["id"]][0]
                if getattr(at, "at_once", False):
                    self._next(query["id"])
                else:
                    redirect(self, f"https://{GIVEN}?id={query['id']}&export=download")
            elif where == GIVEN:
                file_id = query["id"]
                if file_id in self.drive.unscanned and query.get("uuid") != UUID:
                    page(_form(file_id))(self)
                else:
                    self._next(file_id)
            elif where == SIGN_IN:
                page(SIGN_IN_PAGE)(self)
            else:
                self.send_error(404)

    def _next(self, file_id: str) -> None:
        answers = self.drive.answers[file_id]
        (answers.pop(0) if len(answers) > 1 else answers[0])(self)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


def _form(file_id: str) -> str:
    fields = {"id": file_id, "export": "download", "confirm": "t", "uuid": UUID}
    inputs = "".join(f'<input type="hidden" name="{k}" value="{v}">' for k, v in fields.items())
    return (
        "<!DOCTYPE html><html><head><title>Google Drive - Virus scan warning</title></head><body>"
        '<p class="uc-warning-caption">Google Drive can\'t scan this file for viruses.</p>'
        f'<form id="download-form" action="https://{GIVEN}" method="get">'
        '<input type="submit" id="uc-download-link" value="Download anyway"/>'
        f"{inputs}</form></body></html>"
    )


def redirect(handler: Handler, url: str) -> None:
    """Send the caller elsewhere, as Drive does."""
    handler.send_response(303)
    handler.send_header("Location", url)
    handler.end_headers()


def sent_to_sign_in(handler: Handler) -> None:
    """The answer for a file that is not shared with everybody."""
    redirect(handler, f"https://{SIGN_IN}?service=wise")


sent_to_sign_in.at_once = True  # type: ignore[attr-defined]  # before the file's own host is asked


def page(content: str, status: int = 200) -> Answer:
    """A web page."""

    def answer(handler: Handler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", "text/html; charset=utf-8")
        handler.end_headers()
        handler.wfile.write(content.encode())

    return answer


def head(handler: Handler, length: int) -> None:
    """Announce a file."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/octet-stream")
    handler.send_header("Content-Disposition", 'attachment; filename="archive.tar"')
    handler.send_header("Content-Length", str(length))
    handler.end_headers()


def bare(handler: Handler) -> None:
    """An answer that does not say what it is."""
    handler.send_response(200)
    handler.end_headers()


def whole(data: bytes) -> Answer:
    """The file."""

    def answer(handler: Handler) -> None:
        head(handler, len(data))
        handler.wfile.write(data)

    return answer


def cut_off(data: bytes) -> Answer:
    """Half of the file, and the end of the connection."""

    def answer(handler: Handler) -> None:
        head(handler, len(data))
        handler.wfile.write(data[: len(data) // 2])

    return answer


def stalled(data: bytes, seconds: float) -> Answer:
    """Half of the file, and the rest when nobody should be waiting any longer."""

    def answer(handler: Handler) -> None:
        head(handler, len(data))
        handler.wfile.write(data[: len(data) // 2])
        handler.wfile.flush()
        handler.drive.over.wait(seconds)
        handler.wfile.write(data[len(data) // 2 :])

    return answer


def trickling(data: bytes, seconds: float, pause: float = 0.02) -> Answer:
    """The file, byte by byte at first: never silent, and whole in the end."""

    def answer(handler: Handler) -> None:
        head(handler, len(data))
        count = int(seconds / pause)
        for at in range(count):
            handler.wfile.write(data[at : at + 1])
            handler.wfile.flush()
            if handler.drive.over.wait(pause):
                return
        handler.wfile.write(data[count:])

    return answer


def slow(data: bytes, pause: float) -> Answer:
    """The file, in pieces of half a megabyte."""

    def answer(handler: Handler) -> None:
        head(handler, len(data))
        for at in range(0, len(data), 1 << 19):
            handler.wfile.write(data[at : at + (1 << 19)])
            handler.wfile.flush()
            handler.drive.over.wait(pause)

    return answer


def endless(handler: Handler) -> None:
    """More and more, of no announced length, up to what a disk can take."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/octet-stream")
    handler.send_header("Content-Disposition", 'attachment; filename="archive.tar"')
    handler.end_headers()
    for _ in range(64):
        handler.wfile.write(bytes(1 << 20))


def send_google_to(port: int, patch: pytest.MonkeyPatch) -> None:
    """Have requests to Google answered by the server at this port, and no other sent at all."""
    import requests
    from requests.adapters import HTTPAdapter

    send = HTTPAdapter.send

    def send_here(
        self: HTTPAdapter, request: requests.PreparedRequest, **options: Any
    ) -> requests.Response:
        url = str(request.url)
        parts = urlsplit(url)
        assert parts.scheme == "https"
        assert str(parts.hostname).endswith(".google.com"), f"{url} would leave this machine"
        request.url = f"http://127.0.0.1:{port}/{parts.hostname}{parts.path}?{parts.query}"
        try:
            response = send(self, request, **{**options, "proxies": {}})
        finally:
            request.url = url
        response.url = url
        return response

    patch.setattr(HTTPAdapter, "send", send_here)
