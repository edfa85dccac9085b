"""Runs each check through its validation test."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable
from typing import Any

from convnextpose_check.checks import archives, dataset, error, machine, network
from convnextpose_check.errors import CheckFailedError
from tests.faults.scene import Scene
from tests.validation import (
    test_checkpoints,
    test_counts,
    test_mpjpe,
    test_networks,
    test_preflight,
)

CHECK_MODULES = (archives, dataset, error, machine, network)
Test = Callable[..., None]
TESTS: dict[str, Test | tuple[Test, ...]] = {
    "check_interpolation": test_preflight.test_opencv_interpolates_as_in_the_paper,
    "check_memory": test_preflight.test_memory_is_free,
    "check_disk": test_preflight.test_disk_has_room_for_the_results,
    "check_can_write": test_preflight.test_results_folder_can_be_written,
    "check_joints_lie_in_boxes": test_preflight.test_joints_lie_in_their_boxes,
    "check_rootnet_file": test_preflight.test_rootnet_file_is_the_one_for_the_protocol,
    "check_holds_variant": test_checkpoints.test_archive_holds_the_variant,
    "check_epoch": test_checkpoints.test_epoch_is_the_expected_one,
    "check_training_record": test_checkpoints.test_training_record_is_consistent,
    "check_published_tensors": test_checkpoints.test_tensors_are_the_published_ones,
    "check_weights_are_finite": test_checkpoints.test_weights_are_finite,
    "check_batchnorm_variances": test_checkpoints.test_batchnorm_variances_are_plausible,
    "check_key_map_round_trip": test_checkpoints.test_key_map_round_trip,
    "check_snapshot": test_checkpoints.test_snapshot_loads_with_modern_keys,
    "check_count": (
        test_counts.test_parameter_count,
        test_counts.test_state_element_count,
        test_counts.test_multiply_adds,
    ),
    "check_reported_value": (
        test_counts.test_reported_parameters,
        test_counts.test_reported_state_elements,
        test_counts.test_reported_gmacs,
    ),
    "check_heatmap_grid": test_counts.test_heatmap_grid,
    "check_networks_agree": test_networks.test_evaluated_model_agrees_with_reference_model,
    "check_flip_is_symmetric": test_networks.test_flip_test_is_symmetric,
    "check_dataset_is_complete": test_mpjpe.test_dataset_is_complete,
    "check_evaluation_is_complete": test_mpjpe.test_every_sample_is_measured,
    "check_images_are_undamaged": test_mpjpe.test_no_image_is_damaged,
    "check_images_are_distinct": test_mpjpe.test_images_are_distinct,
    "check_error_is_within": test_mpjpe.test_mpjpe_is_the_recorded_value,
}


def run_check(check: str, scene: Scene) -> None:
    """Run the check's validation tests on the scene."""
    run = scene.run()
    fixtures: dict[str, Callable[[], Any]] = {
        "run": lambda: run,
        "variant": lambda: scene.variant,
        "human36m": lambda: run.dataset,
        "checkpoints": lambda: run.checkpoints,
        "models": lambda: run.models,
        "evaluations": lambda: run.evaluations,
        "crops": lambda: test_networks.comparison_crops(run.dataset, run.devices[0]),
        "record": lambda: lambda *_, **__: None,
    }
    tests = TESTS[check]
    for test in tests if isinstance(tests, tuple) else (tests,):
        test(**{name: fixtures[name]() for name in inspect.signature(test).parameters})


def failed_check(failure: CheckFailedError) -> str:
    """The name of the check that raised the error."""
    files = {module.__file__ for module in CHECK_MODULES}
    frames = traceback.extract_tb(failure.__traceback__)
    names = [f.name for f in frames if f.filename in files]
    return next((name for name in names if name.startswith("check_")), "no check")
