"""What a fault is, and all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from convnextpose_check.variants import REFERENCE
from tests.faults.scene import Scene

CHAIN = (
    "machine",
    "archive",
    "key map",
    "snapshot",
    "network",
    "annotations",
    "images",
    "boxes",
    "crops",
    "flip test",
    "geometry",
    "metrics",
    "mean",
)
"""The links, in the order in which the data passes them."""

PutIn = Callable[[Scene], None]


@dataclass(frozen=True)
class Fault:
    """An error in one link of the chain, and the check that has to fail.

    ``asked`` are the fields of the scene that choose the model and the setting.
    """

    title: str
    link: str
    check: str
    asked: dict[str, Any]
    put_in: PutIn

    @property
    def subject(self) -> str:
        """The model and the setting, in words."""
        name = str(self.asked.get("variant_name", REFERENCE))
        if "protocol" in self.asked:
            name += f", protocol {self.asked['protocol']}"
        if "boxes" in self.asked:
            name += ", RootNet's boxes"
        return name


_EVERY: list[Fault] = []


def fault(title: str, link: str, check: str, **asked: Any) -> Callable[[PutIn], PutIn]:
    """Decorator that registers a function as a fault."""

    def register(put_in: PutIn) -> PutIn:
        _EVERY.append(Fault(title, link, check, asked, put_in))
        return put_in

    return register


def every_fault() -> list[Fault]:
    """All faults, in the order of the chain."""
    # Importing these modules registers their faults.
    from tests.faults import in_arithmetic, in_data, in_files, in_networks  # noqa: F401

    return sorted(_EVERY, key=lambda each: CHAIN.index(each.link))
