"""What one pytest session shares: settings, the two benchmarks and the gate."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import pytest

from convnextpose_check.benchmark import Benchmark
from convnextpose_check.gate import Gate
from convnextpose_check.settings import Settings
from convnextpose_check.subjects import SubjectName
from convnextpose_check.variants import PUBLISHED_FILE, Variant


@dataclass
class Session:
    """The state that hooks and fixtures work on.

    ``problems`` is what the gate objects to, ``mistakes`` counts the tests that each message
    failed.
    """

    settings: Settings
    benchmarks: dict[SubjectName, Benchmark]
    gate: Gate = field(default_factory=Gate)
    problems: list[str] = field(default_factory=list)
    mistakes: Counter[str] = field(default_factory=Counter)

    def subject_names(self) -> list[SubjectName]:
        """The subjects to ask about: a user's own figures say nothing about the miniature."""
        own_figures = self.settings.variants_file != PUBLISHED_FILE
        return ["published"] if own_figures else ["published", "miniature"]

    def variants(self, subject: SubjectName) -> list[Variant]:
        """The variants of a subject that the settings choose."""
        catalogue = self.benchmarks[subject].subject.catalogue
        return [catalogue[name] for name in self.settings.variants or catalogue.names]


SESSION = pytest.StashKey[Session]()
"""Where pytest's config holds the session."""
