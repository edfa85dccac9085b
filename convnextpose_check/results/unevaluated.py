"""The results of a run that could not judge: no figures, and why."""

from __future__ import annotations

from typing import Literal

from convnextpose_check.environment import environment
from convnextpose_check.results.schema import DatasetRecord, Results
from convnextpose_check.results.words import NOTHING_EVALUATED
from convnextpose_check.settings.read import Settings


def unevaluated(
    subject: Literal["published", "miniature"],
    settings: Settings,
    expected_samples: int,
    expected_variants: tuple[str, ...],
) -> Results:
    """The results before anything was evaluated and any check has run."""
    weights_only = settings.weights_only and subject == "published"
    return Results(
        subject=subject,
        finished=True,
        verdict=NOTHING_EVALUATED,
        protocol=settings.protocol,
        bbox=settings.bbox,
        flip=settings.flip,
        device=settings.device or "",
        samples=0,
        expected_samples=expected_samples,
        expected_variants=expected_variants,
        complete=False,
        gate_mm=None if weights_only else settings.gate,
        environment=environment(),
        settings=tuple(settings.lines()),
        dataset=DatasetRecord("", "", {}, limited=settings.limit is not None),
        variants={},
        checks=(),
        left_out=(),
        baseline=None,
        weights_only=weights_only,
        own_models=settings.has_own_models and subject == "published",
        network=settings.network,
    )
