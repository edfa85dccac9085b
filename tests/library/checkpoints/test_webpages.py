"""Which of Drive's pages was saved is told in words, with what helps."""

from __future__ import annotations

from pathlib import Path

import pytest

from convnextpose_check.checkpoints.load import load_checkpoint
from convnextpose_check.errors import ConvNeXtPoseCheckError


@pytest.mark.parametrize(
    ("words", "told", "remedy"),
    [
        ("Google Drive - Quota exceeded. Sign in", "quota page", "24 hours"),
        ("Sorry, too many users have viewed or downloaded this file", "quota page", "24 hours"),
        ("Sorry, the file you have requested does not exist. Sign in", "not there", "link"),
        ("You need access. Request access, or sign in", "permission page", "may open it"),
        ("https://accounts.google.com/ServiceLogin", "sign-in page", "Sign in"),
        ("Google Drive - Virus scan warning", "virus scan page", "convnextpose_check download"),
        ("404", "web page", "browser"),
    ],
)
def test_page_is_named_with_its_way_out(words: str, told: str, remedy: str, tmp_path: Path) -> None:
    path = tmp_path / "ConvNeXtPose_L.tar"
    path.write_text(f"<!DOCTYPE html><html><title>{words}</title></html>")

    with pytest.raises(ConvNeXtPoseCheckError) as caught:
        load_checkpoint(path)

    assert caught.value.code == "html-page"
    assert told in str(caught.value)
    assert remedy in caught.value.remedy
    assert str(path) in str(caught.value)
