"""Ask each check of the suite as the validation tests ask it."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path

from convnextpose_check import checks
from convnextpose_check.counting import multiply_add_count, parameter_count
from convnextpose_check.crops import usable_input
from convnextpose_check.errors import CheckFailedError
from convnextpose_check.human36m import spread
from convnextpose_check.subjects import Subject
from convnextpose_check.variants import Variant
from tests.faults.scene import Scene

Ask = Callable[[Subject, Variant, Scene], object]

AGREEMENT_SAMPLES = 8


def _agrees(subject: Subject, variant: Variant, _: Scene) -> object:
    samples = spread(subject.dataset().samples, AGREEMENT_SAMPLES)
    crops, used = usable_input(samples, subject.device())
    network, plain = subject.judged_network(variant.name), subject.network(variant.name)
    return checks.check_agrees(network, plain, crops, used, variant.name)


ASKS: dict[str, Ask] = {
    "check_interpolation": lambda *_: checks.check_interpolation(),
    "check_holds_variant": lambda s, v, _: checks.check_holds_variant(
        v, s.checkpoint(v.name), s.catalogue
    ),
    "check_epoch": lambda s, v, _: checks.check_epoch(v, s.checkpoint(v.name)),
    "check_weights_are_finite": lambda s, v, _: checks.check_weights_are_finite(
        s.checkpoint(v.name).network, v.name
    ),
    "check_batchnorm_variances": lambda s, v, _: checks.check_batchnorm_variances(
        s.checkpoint(v.name).network, v.name
    ),
    "check_key_map_round_trip": lambda s, v, _: checks.check_key_map_round_trip(
        s.checkpoint(v.name)
    ),
    "check_snapshot": lambda s, v, _: checks.check_snapshot(
        s.snapshot(v.name), s.checkpoint(v.name)
    ),
    "check_parameter_count": lambda s, v, _: checks.check_parameter_count(v, s.module(v.name)),
    "check_state_element_count": lambda s, v, _: checks.check_state_element_count(
        v, s.module(v.name)
    ),
    "check_multiply_adds": lambda s, v, _: checks.check_multiply_adds(v, s.module(v.name)),
    "check_paper_gmacs": lambda s, v, _: checks.check_paper_gmacs(
        v, multiply_add_count(s.module(v.name))
    ),
    "check_paper_parameters": lambda s, v, _: checks.check_paper_parameters(
        v, parameter_count(s.module(v.name))
    ),
    "check_heatmap_grid": lambda s, v, _: checks.check_heatmap_grid(v, s.network(v.name)),
    "check_agrees": _agrees,
    "check_dataset_is_complete": lambda s, _v, _: checks.check_dataset_is_complete(s.dataset()),
    "check_evaluation_is_complete": lambda s, v, _: checks.check_evaluation_is_complete(
        s.evaluation(v.name), s.dataset()
    ),
    "check_images_are_distinct": lambda s, v, _: checks.check_images_are_distinct(
        s.evaluation(v.name)
    ),
    "check_error_is_within": lambda s, v, scene: checks.check_error_is_within(
        s.judgement(v.name), scene.tolerance_mm, v.name
    ),
}
"""Every check by its name."""


def ask(check: str, scene: Scene) -> object:
    """What the check returns about the scene's subject, or whatever it raises."""
    return ASKS[check](scene.subject(), scene.variant, scene)


def failed_check(error: CheckFailedError) -> str:
    """The name of the check that raised the error, of those in ``checks.py``."""
    frames = traceback.extract_tb(error.__traceback__)
    names = [f.name for f in frames if Path(f.filename) == Path(checks.__file__)]
    return next((name for name in names if name.startswith("check_")), "no check")
