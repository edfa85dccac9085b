"""The table of hostile files: name, content made from a good checkpoint, and expected outcome."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

LOADS = "loads"
CANARY = Path(tempfile.gettempdir()) / f"convnextpose-canary-{os.getpid()}"
"""The file that hostile code would create."""

Builder = Callable[[bytes], bytes]
"""Builds the bytes of a hostile file from those of a good checkpoint."""


@dataclass(frozen=True)
class Case:
    """A file, the error codes of which one is expected, and a part of the message."""

    build: Builder
    codes: tuple[str, ...]
    fragment: str


CASES: dict[str, Case] = {}


def add(name: str, build: Builder | bytes, *codes: str, fragment: str = "") -> None:
    """Add one case; without codes, ``unsafe-archive`` is expected.

    With ``LOADS`` among the codes, the file may also load, with the good tensors.
    """
    assert name not in CASES
    make = build if callable(build) else lambda _: build
    CASES[name] = Case(make, codes or ("unsafe-archive",), fragment)
