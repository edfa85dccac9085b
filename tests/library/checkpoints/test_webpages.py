from __future__ import annotations

from pathlib import Path

import pytest

from convnextpose_check.checkpoints.webpages import web_page


@pytest.mark.parametrize(
    ("words", "named", "remedy"),
    [
        ("Google Drive - Quota exceeded. Sign in", "quota page", "24 hours"),
        ("Sorry, too many users have viewed or downloaded this file", "quota page", "24 hours"),
        ("Sorry, the file you have requested does not exist. Sign in", "not exist", "link"),
        ("You need access. Request access, or sign in", "permission page", "may open it"),
        ("https://accounts.google.com/ServiceLogin", "sign-in page", "Sign in"),
        ("Google Drive - Virus scan warning", "virus scan page", "convnextpose_check download"),
        ("404", "web page", "browser"),
    ],
)
def test_web_page_is_named_with_a_remedy(words: str, named: str, remedy: str) -> None:
    error = web_page(f"<html><title>{words}</title></html>".encode(), Path("/data/L.tar"))

    assert error.code == "html-page"
    assert error.problem.startswith("/data/L.tar is a web page")
    assert named in error.problem
    assert remedy in error.remedy
