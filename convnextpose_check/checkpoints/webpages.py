"""Recognize Google Drive's web pages that were saved instead of a file."""

from __future__ import annotations

from typing import NamedTuple

from convnextpose_check.errors import ErrorCode

BY_HAND = "Open the Drive folder in a browser and download the file there"


class Page(NamedTuple):
    """A page of Drive with a text that it contains.

    ``code`` is that of the error if Drive sends only this page.
    """

    words: tuple[bytes, ...]
    code: ErrorCode
    what: str
    remedy: str


PAGES = (
    Page(
        (b"quota exceeded", b"too many users have viewed", b"download quota"),
        ErrorCode.DOWNLOAD_REFUSED,
        "Drive's quota page: too many people have downloaded the file",
        "Try again after 24 hours, or copy the file to your own Drive and download the copy",
    ),
    Page(
        (b"virus scan warning", b"scan this file for viruses"),
        ErrorCode.DOWNLOAD_FAILED,
        "Drive's virus scan page: the file is too large for Drive to scan",
        f"{BY_HAND}, confirming the warning, or run: python -m convnextpose_check download",
    ),
    Page(
        (b"file you have requested does not exist", b"error 404 (not found)"),
        ErrorCode.FILE_NOT_FOUND,
        "Drive's page for a file that does not exist",
        "Check the link",
    ),
    Page(
        (b"need access", b"request access", b"access denied", b"need permission"),
        ErrorCode.DOWNLOAD_REFUSED,
        "Drive's permission page: the file is not shared with you",
        "Check the link, and download while signed in to an account that may open it",
    ),
    Page(
        (b"accounts.google.com", b"servicelogin", b"sign in", b"sign-in"),
        ErrorCode.DOWNLOAD_REFUSED,
        "Google's sign-in page: the download was made without an account",
        f"Sign in. {BY_HAND}",
    ),
)
"""In order: permission pages have a link to sign in, and quota pages have both."""


def known_page(content: bytes) -> Page | None:
    """The first page of Drive that fits the content."""
    lower = content.lower()
    return next((page for page in PAGES if any(word in lower for word in page.words)), None)
