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
"""From the good checkpoint's archive to the bytes of the hostile file."""


@dataclass(frozen=True)
class Case:
    """A file, the codes that it may be refused with, and a part of the message."""

    build: Builder
    codes: tuple[str, ...]
    fragment: str


CASES: dict[str, Case] = {}


def add(name: str, build: Builder | bytes, *codes: str, fragment: str = "") -> None:
    """Add one case, by default of an unsafe archive.

    ``LOADS`` among the codes allows the file to load with the good tensors.
    """
    assert name not in CASES
    make = build if callable(build) else lambda _: build
    CASES[name] = Case(make, codes or ("unsafe-archive",), fragment)
