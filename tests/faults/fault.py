"""What a fault is, and all of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from convnextpose_check.variants import REFERENCE
from tests.faults.change import Insert

CHAIN = (
    "machine", "archive", "key map", "snapshot", "network", "annotations", "images", "boxes",
    "crops", "flip test", "geometry", "metrics", "mean",
)  # fmt: skip
"""The links, in the order in which the data passes them."""


@dataclass(frozen=True)
class Fault:
    """An error in one link of the chain, and the check that has to fail.

    ``setting`` has the fields of the scene that choose the model and the setting. ``words`` is the
    pattern of the right diagnosis, if the diagnosis was built for the fault.
    """

    title: str
    link: str
    insert: Insert
    check: str = "check_error_is_within"
    setting: dict[str, Any] = field(default_factory=dict)
    words: str = ""

    @property
    def subject(self) -> str:
        """The model and the setting, in words."""
        name = str(self.setting.get("variant_name", REFERENCE))
        if "protocol" in self.setting:
            name += f", protocol {self.setting['protocol']}"
        if "boxes" in self.setting:
            name += ", RootNet's boxes"
        return name


def all_faults() -> list[Fault]:
    """All faults, in the order of the chain."""
    from tests.faults import in_arithmetic, in_data, in_files, in_networks  # they import Fault

    modules = (in_arithmetic, in_data, in_files, in_networks)
    faults = [fault for module in modules for fault in module.FAULTS]
    return sorted(faults, key=lambda each: CHAIN.index(each.link))
