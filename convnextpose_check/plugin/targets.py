"""The one target of a session, and its run."""

from __future__ import annotations

from pathlib import Path

from _pytest.mark.expression import Expression

from convnextpose_check.human36m.samples import Dataset, load_dataset
from convnextpose_check.miniature.build import cached_miniature
from convnextpose_check.miniature.record import read_record
from convnextpose_check.miniature.reference import miniature_catalogue
from convnextpose_check.progress import Screen
from convnextpose_check.run.run import Run, published_run
from convnextpose_check.run.target import Target, TargetName, published_target
from convnextpose_check.settings.options import Settings
from convnextpose_check.variants import read_catalogue


def selected_targets(settings: Settings, marker_expression: str) -> list[TargetName]:
    """The targets whose tests ``-m`` selects: one, unless it selects with and without ``gpu``."""
    if settings.weights_only or settings.has_own_models:
        return ["published"]
    try:
        expression = Expression.compile(marker_expression or "gpu or not gpu")
        selects_gpu = expression.evaluate(lambda name, /, **_arguments: name == "gpu")
        selects_others = expression.evaluate(lambda _name, /, **_arguments: False)
    except Exception:  # noqa: BLE001 - differs between versions of pytest, which reports it itself
        return ["miniature"]
    if selects_gpu:
        return ["published", "miniature"] if selects_others else ["published"]
    return ["miniature"]


def open_target(name: TargetName, settings: Settings, fixtures: Path) -> Target:
    """Read the reported values of a target; its data and checkpoints are not read yet.

    Raises ``ConvNeXtPoseCheckError`` if they cannot be read or lack a chosen variant.
    """
    target = (
        published_target(settings, fixtures)
        if name == "published"
        else _synthetic_target(settings, fixtures)
    )
    target.variants(settings)
    return target


def open_run(
    target: Target,
    settings: Settings,
    fixtures: Path,
    screen: Screen,
    evaluated: tuple[str, ...],
) -> Run:
    """The run of a target, in which the variants ``evaluated`` are evaluated."""
    if target.name == "published":
        return published_run(settings, target, screen, evaluated)
    files = cached_miniature(fixtures, screen.stream)
    return Run(target, settings, files.dataset, (files.checkpoints,), evaluated, screen)


def synthetic_dataset(fixtures: Path, screen: Screen) -> Dataset:
    """The synthetic data set, on which models are compared if Human3.6M is not needed."""
    root = cached_miniature(fixtures, screen.stream).dataset
    return load_dataset(root, read_record(fixtures).dataset)


def _synthetic_target(settings: Settings, fixtures: Path) -> Target:
    """The synthetic models with their recorded errors under this run's settings."""
    record = read_record(fixtures)
    # A model of --network is built for the published variants and cannot be the trained one.
    catalogue = read_catalogue() if settings.network else miniature_catalogue()
    catalogue = record.add_to(catalogue, settings.protocol, settings.bbox, flip=settings.flip)
    return Target("miniature", catalogue, record.dataset)
