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

Insert = Callable[[Scene], None]


@dataclass(frozen=True)
class Fault:
    """An error in one link of the chain, and the check that has to fail.

    ``setting`` has the fields of the scene that choose the model and the setting.
    """

    title: str
    link: str
    check: str
    setting: dict[str, Any]
    insert: Insert

    @property
    def subject(self) -> str:
        """The model and the setting, in words."""
        name = str(self.setting.get("variant_name", REFERENCE))
        if "protocol" in self.setting:
            name += f", protocol {self.setting['protocol']}"
        if "boxes" in self.setting:
            name += ", RootNet's boxes"
        return name


_FAULTS: list[Fault] = []


def fault(title: str, link: str, check: str, **setting: Any) -> Callable[[Insert], Insert]:
    """Decorator that registers a function as a fault."""

    def register(insert: Insert) -> Insert:
        _FAULTS.append(Fault(title, link, check, setting, insert))
        return insert

    return register


def all_faults() -> list[Fault]:
    """All faults, in the order of the chain."""
    # Importing these modules registers their faults.
    from tests.faults import in_arithmetic, in_data, in_files, in_networks  # noqa: F401

    return sorted(_FAULTS, key=lambda each: CHAIN.index(each.link))
