"""One version everywhere: what others pin is the one that the package says."""

from __future__ import annotations

import re

import pytest

from convnextpose_check import __version__
from tests.support.texts import ROOT

PINNED = {
    "README.md": 3,
    ".github/CONTRIBUTING.md": 3,
    ".github/actions/weights/action.yml": 1,
    ".github/workflows/gate.yml": 2,
}
"""How often each file names the tag."""


@pytest.mark.parametrize("name", PINNED)
def test_tag_that_is_named_is_the_versions(name: str) -> None:
    """Those of others' actions stand behind their commits."""
    tags = re.findall(r"(?<!# )\bv(\d+\.\d+\.\d+)\b", (ROOT / name).read_text("utf-8"))

    assert tags == [__version__] * PINNED[name]


def test_changes_begin_with_the_version_or_the_one_in_preparation() -> None:
    versions = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.M)

    assert __version__ in versions[:2]
    assert versions == sorted(versions, key=lambda v: [int(n) for n in v.split(".")], reverse=True)
