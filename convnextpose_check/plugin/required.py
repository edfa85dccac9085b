"""The list of all validation tests, with the targets and variants that require them.

The gate cannot take the list from pytest's collection: a collection that is reduced, for example
by ``-o python_functions=...``, would make an incomplete run look complete.
``tests/library/plugin/test_required.py`` compares the list with the collected tests.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from convnextpose_check.checkpoints.fingerprints import Fingerprint
from convnextpose_check.evaluation.verdict import TOLERANCES_MM
from convnextpose_check.run.run import Run, TargetName
from convnextpose_check.variants import Variant

Applies = Callable[[Variant, Fingerprint | None], bool]


@dataclass(frozen=True)
class ValidationTest:
    """A test function in ``tests/validation`` and its parametrization.

    The test runs once ``per`` target, once per variant, or, with "tolerance", once per variant and
    tolerance in ``TOLERANCES_MM``. ``applies`` selects variants by their properties and recorded
    hashes. ``target`` restricts the test to one target.
    """

    file: str
    function: str
    per: Literal["target", "variant", "tolerance"] = "variant"
    needs_human36m: bool = False
    applies: Applies = lambda _variant, _fingerprint: True
    target: TargetName | None = None


PREFLIGHT, CHECKPOINTS, COUNTS = "test_preflight.py", "test_checkpoints.py", "test_counts.py"
MPJPE, NETWORKS, THROUGHPUT = "test_mpjpe.py", "test_networks.py", "test_throughput.py"

VALIDATION_TESTS = (
    ValidationTest(PREFLIGHT, "test_device_runs_a_kernel", "target"),
    ValidationTest(PREFLIGHT, "test_opencv_interpolates_as_in_the_paper", "target"),
    ValidationTest(PREFLIGHT, "test_memory_is_free", "target"),
    ValidationTest(PREFLIGHT, "test_disk_has_room_for_the_results", "target"),
    ValidationTest(PREFLIGHT, "test_results_folder_can_be_written", "target"),
    ValidationTest(PREFLIGHT, "test_human36m_is_found", "target", True),
    ValidationTest(PREFLIGHT, "test_joints_lie_in_their_boxes", "target", True),
    ValidationTest(PREFLIGHT, "test_rootnet_file_is_the_one_for_the_protocol", "target", True),
    ValidationTest(PREFLIGHT, "test_checkpoint_is_found"),
    ValidationTest(CHECKPOINTS, "test_archive_holds_the_variant"),
    ValidationTest(CHECKPOINTS, "test_epoch_is_the_expected_one"),
    ValidationTest(CHECKPOINTS, "test_training_record_is_consistent"),
    ValidationTest(
        CHECKPOINTS,
        "test_tensors_are_the_published_ones",
        applies=lambda _variant, fingerprint: fingerprint is not None,
    ),
    ValidationTest(CHECKPOINTS, "test_weights_are_finite"),
    ValidationTest(CHECKPOINTS, "test_batchnorm_variances_are_plausible"),
    ValidationTest(CHECKPOINTS, "test_key_map_round_trip"),
    ValidationTest(CHECKPOINTS, "test_snapshot_loads_with_modern_keys"),
    ValidationTest(COUNTS, "test_parameter_count"),
    ValidationTest(COUNTS, "test_state_element_count"),
    ValidationTest(COUNTS, "test_multiply_adds"),
    ValidationTest(COUNTS, "test_heatmap_grid"),
    ValidationTest(
        COUNTS,
        "test_reported_parameters",
        applies=lambda variant, _: variant.paper.parameters_millions is not None,
    ),
    ValidationTest(
        COUNTS, "test_reported_state_elements", applies=lambda variant, _: variant.guide is not None
    ),
    ValidationTest(
        COUNTS, "test_reported_gmacs", applies=lambda variant, _: variant.paper.gmacs is not None
    ),
    ValidationTest(MPJPE, "test_dataset_is_complete", "target", True),
    ValidationTest(MPJPE, "test_every_sample_is_measured", "variant", True),
    ValidationTest(MPJPE, "test_no_image_is_damaged", "variant", True),
    ValidationTest(MPJPE, "test_images_are_distinct", "variant", True),
    ValidationTest(
        MPJPE,
        "test_mpjpe_is_within_tolerance_of_reported_value",
        "tolerance",
        True,
        target="published",
    ),
    ValidationTest(MPJPE, "test_mpjpe_is_the_recorded_value", "variant", True, target="synthetic"),
    ValidationTest(NETWORKS, "test_evaluated_model_agrees_with_reference_model"),
    ValidationTest(NETWORKS, "test_flip_test_is_symmetric"),
    ValidationTest(THROUGHPUT, "test_throughput", "variant", True),
)


def list_cases(test: ValidationTest, run: Run) -> dict[str, Variant | None]:
    """Map parameter ids to variants, or to None if once per target; empty if none applies."""
    if test.target not in (None, run.target) or (run.settings.weights_only and test.needs_human36m):
        return {}
    if test.per == "target":
        return {run.target: None}
    return {
        f"{run.target}-{name}": variant
        for name, variant in run.variants.items()
        if test.applies(variant, run.fingerprints.get(name))
    }


def list_required_tests(run: Run) -> tuple[str, ...]:
    """Return the names of all tests that a run must finish."""
    names: list[str] = []
    for test in VALIDATION_TESTS:
        suffixes = [f"-{mm}mm" for mm in TOLERANCES_MM] if test.per == "tolerance" else [""]
        for case_id in list_cases(test, run):
            names += [f"{test.file}::{test.function}[{case_id}{suffix}]" for suffix in suffixes]
    return tuple(names)
