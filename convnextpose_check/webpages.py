"""Drive's pages that are saved in the place of a file, told apart by their words."""

from __future__ import annotations

from pathlib import Path

from convnextpose_check.errors import ConvNeXtPoseCheckError

BY_HAND = "Open the Drive folder in a browser and download the file there"

PAGES: tuple[tuple[tuple[bytes, ...], str, str], ...] = (
    (
        (b"quota exceeded", b"too many users have viewed", b"download quota"),
        "Drive's quota page: too many people have downloaded the file",
        "Try again after 24 hours, or copy the file to a Drive of your own and download the copy",
    ),
    (
        (b"virus scan warning", b"scan this file for viruses"),
        "Drive's virus scan page: the file is too large for Drive to scan",
        f"{BY_HAND}, confirming the warning, or use gdown",
    ),
    (
        (b"need access", b"request access", b"access denied", b"need permission"),
        "Drive's permission page: the file is not shared with you",
        "Check the link, and download while signed in to an account that may open it",
    ),
    (
        (b"accounts.google.com", b"servicelogin", b"sign in", b"sign-in"),
        "Google's sign-in page: the download was made without an account",
        f"Sign in. {BY_HAND}",
    ),
)
"""The words of each page, what it is, and what helps. The first that fits counts: permission pages
have a link to sign in, and quota pages have both."""


def web_page(content: bytes, path: Path) -> ConvNeXtPoseCheckError:
    """Say which of Drive's pages was saved instead of a checkpoint."""
    lower = content.lower()
    known = (rest for words, *rest in PAGES if any(word in lower for word in words))
    page, remedy = next(known, ["none of the pages of Drive that are known", BY_HAND])
    return ConvNeXtPoseCheckError(
        "html-page", f"{path} is a web page, not a checkpoint: {page}", remedy
    )
