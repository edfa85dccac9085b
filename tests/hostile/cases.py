"""The hostile collection: named cases, each made from a good checkpoint, and what must come out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

LOADS = "loads"


@dataclass(frozen=True)
class Good:
    """A good checkpoint's bytes, and where a case may try to leave its mark."""

    archive: bytes
    folder: Path
    port: int
    variable: str

    @property
    def canary(self) -> Path:
        """The file that code would write."""
        return self.folder / "canary"


Builder = Callable[[Good], bytes]


@dataclass(frozen=True)
class Case:
    """A file's name and content, and the codes that it may be refused with."""

    name: str
    build: Builder
    codes: tuple[str, ...]
    file_name: str = "ConvNeXtPose_L.tar"


CASES: dict[str, Case] = {}


def case(
    name: str, *codes: str, file_name: str = "ConvNeXtPose_L.tar"
) -> Callable[[Builder], Builder]:
    """Register what a function builds."""

    def register(build: Builder) -> Builder:
        add(name, build, *codes, file_name=file_name)
        return build

    return register


def add(name: str, build: Builder, *codes: str, file_name: str = "ConvNeXtPose_L.tar") -> None:
    """Register one case under a name of its own."""
    assert name not in CASES
    assert codes
    CASES[name] = Case(name, build, codes, file_name)
