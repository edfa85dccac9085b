"""Modules that are imported when a test first uses them, so that collecting tests stays quick.

A type checker sees the module itself::

    if TYPE_CHECKING:
        import torch
    else:
        torch = Deferred("torch")
"""

from __future__ import annotations

from importlib import import_module
from typing import Any


class Deferred:
    """Stands for a module; its attributes are those of the module, imported at the first one.

    What is set on it would not reach the module, and is refused: patch by name, "torch.load".
    """

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("_") and attribute != "__version__":
            raise AttributeError(attribute)  # collecting asks everything for a few of these
        return getattr(import_module(self._name), attribute)
