"""A local server that responds as Google Drive does, and redirects requests to it.

A file is requested at drive.google.com, which redirects to drive.usercontent.google.com. The
response is the file, or a form that warns of a missing virus scan. The pages are those that Drive
has sent since 2024.
"""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

pytest.importorskip("pytest_httpserver")

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

FILE_URL, DOWNLOAD_URL, SIGN_IN_URL = (
    "drive.google.com/uc",
    "drive.usercontent.google.com/download",
    "accounts.google.com/ServiceLogin",
)
UUID = "153b954f-b486-4de3-8fad-3b9d86bd6525"

QUOTA = """<!DOCTYPE html><html><head><title>Google Drive - Quota exceeded</title></head><body>
<p class="uc-error-caption">Sorry, you can't view or download this file at this time.</p>
<p class="uc-error-subcaption">Too many users have viewed or downloaded this file recently. Please
try accessing the file again later.</p> <a href="https://accounts.google.com/">Sign in</a>"""
PERMISSION = """<!DOCTYPE html><html><title>Google Drive - Access Denied</title>
<p>You need access</p><p>Request access, or switch to an account with access.</p>
<a href="https://accounts.google.com/ServiceLogin">Sign in</a>"""
SIGN_IN_PAGE = """<!DOCTYPE html><html lang="es"><title>Cuentas de Google</title>
<p>Accede: usa tu cuenta de Google</p>"""
MISSING = """<!DOCTYPE html><html lang=en><title>Error 404 (Not Found)!!1</title>
<p>Sorry, the file you have requested does not exist.</p>"""
SERVER_ERROR = """<!DOCTYPE html><html lang=en><title>Error 500 (Server Error)!!1</title>"""

Responder = Callable[[], Response]


class Drive:
    """The responses for each file id; the last one is repeated.

    ``unscanned`` ids get the virus scan form first. ``requests`` holds (host and path, query).
    """

    def __init__(self, server: HTTPServer) -> None:
        self.port = server.port
        self.responses: dict[str, list[Responder]] = {}
        self.unscanned: set[str] = set()
        self.requests: list[tuple[str, dict[str, str]]] = []
        server.expect_request(re.compile("/.*")).respond_with_handler(self._respond)

    def set_responses(self, file_id: str, *responses: Responder, unscanned: bool = False) -> None:
        self.responses[file_id] = list(responses)
        if unscanned:
            self.unscanned.add(file_id)

    def count_requests(self, url: str = DOWNLOAD_URL) -> int:
        return sum(requested == url for requested, _ in self.requests)

    def _respond(self, request: Request) -> Response:
        url, query = request.path.lstrip("/"), request.args.to_dict()
        self.requests.append((url, query))
        if url == SIGN_IN_URL:
            return html_response(SIGN_IN_PAGE)()
        file_id = query["id"]
        if url == FILE_URL:
            return _redirect(f"https://{DOWNLOAD_URL}?id={file_id}&export=download")
        if file_id in self.unscanned and query.get("uuid") != UUID:
            return html_response(_form(file_id))()
        responses = self.responses[file_id]
        return (responses.pop(0) if len(responses) > 1 else responses[0])()


def _form(file_id: str) -> str:
    fields = {"id": file_id, "export": "download", "confirm": "t", "uuid": UUID}
    inputs = "".join(f'<input type="hidden" name="{k}" value="{v}">' for k, v in fields.items())
    return (
        "<!DOCTYPE html><html><head><title>Google Drive - Virus scan warning</title></head><body>"
        '<p class="uc-warning-caption">Google Drive can\'t scan this file for viruses.</p>'
        f'<form id="download-form" action="https://{DOWNLOAD_URL}" method="get">'
        '<input type="submit" id="uc-download-link" value="Download anyway"/>'
        f"{inputs}</form></body></html>"
    )


def _redirect(url: str) -> Response:
    response = Response(status=303)
    response.headers["Location"] = url
    return response


def redirect_to_sign_in() -> Response:
    return _redirect(f"https://{SIGN_IN_URL}?service=wise")


def html_response(content: str, status: int = 200) -> Responder:
    return lambda: Response(content, status, mimetype="text/html")


def file_response(data: bytes, length: int | None = None) -> Responder:
    """A file; cut off if the announced ``length`` is larger."""

    def respond() -> Response:
        response = Response(data, mimetype="application/octet-stream")
        response.headers["Content-Disposition"] = 'attachment; filename="archive.tar"'
        response.headers["Content-Length"] = str(len(data) if length is None else length)
        return response

    return respond


def empty_response() -> Response:
    response = Response()
    del response.headers["Content-Type"]
    return response


def endless_response() -> Response:
    """64 MB without an announced length."""
    response = Response((bytes(1 << 20) for _ in range(64)), mimetype="application/octet-stream")
    response.headers["Content-Disposition"] = 'attachment; filename="archive.tar"'
    return response


def redirect_google_to(port: int, patch: pytest.MonkeyPatch) -> None:
    """Redirect requests to Google to a local port; fail on any other request."""
    import requests
    from requests.adapters import HTTPAdapter

    send = HTTPAdapter.send

    def send_here(self: HTTPAdapter, request: requests.PreparedRequest, **options: Any) -> Any:
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
