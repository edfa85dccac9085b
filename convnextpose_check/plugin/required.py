"""Every validation test, and for which target, variants and tolerances it is required.

The gate needs this list: a list taken from pytest's collection would shrink together with the
collection, for example under ``-o python_functions=...``, and a run of a part would look complete.
``tests/library/plugin/test_required.py`` compares it with what pytest collects.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from convnextpose_check.checkpoints.fingerprints import Fingerprint
from convnextpose_check.evaluation.verdict import TOLERANCES_MM
from convnextpose_check.run.target import Target, TargetName
from convnextpose_check.settings.options import Settings
from convnextpose_check.variants import Variant

Applies = Callable[[Variant, Fingerprint | None], bool]


def has_paper_parameters(variant: Variant, _known: Fingerprint | None) -> bool:
    """True if a parameter count is reported."""
    return variant.paper.parameters_millions is not None


def has_guide_parameters(variant: Variant, _known: Fingerprint | None) -> bool:
    """True if a size of the state dict is reported."""
    return variant.guide is not None


def has_paper_gmacs(variant: Variant, _known: Fingerprint | None) -> bool:
    """True if a multiply-add count is reported."""
    return variant.paper.gmacs is not None


def is_published(_variant: Variant, known: Fingerprint | None) -> bool:
    """True for a published model, not for the synthetic ones or those of the user's."""
    return known is not None


@dataclass(frozen=True)
class ValidationTest:
    """A test function in ``tests/validation``, and what it is repeated over.

    ``tolerance`` means each variant and each of ``TOLERANCES_MM``, which the test itself names.
    ``applies`` selects variants. ``target`` limits the test to one target.
    """

    file: str
    function: str
    over: Literal["target", "variant", "tolerance"] = "variant"
    needs_human36m: bool = False
    applies: Applies = lambda _variant, _known: True
    target: TargetName | None = None

    @property
    def name(self) -> str:
        """File and function, as pytest and the results write them."""
        return f"{self.file}::{self.function}"


_PREFLIGHT, _CHECKPOINTS = "test_preflight.py", "test_checkpoints.py"
_COUNTS, _MPJPE = "test_counts.py", "test_mpjpe.py"
_NETWORKS, _THROUGHPUT = "test_networks.py", "test_throughput.py"

VALIDATION_TESTS = (
    ValidationTest(_PREFLIGHT, "test_device_runs_a_kernel", "target"),
    ValidationTest(_PREFLIGHT, "test_opencv_interpolates_as_in_the_paper", "target"),
    ValidationTest(_PREFLIGHT, "test_memory_is_free", "target"),
    ValidationTest(_PREFLIGHT, "test_disk_has_room_for_the_results", "target"),
    ValidationTest(_PREFLIGHT, "test_results_folder_can_be_written", "target"),
    ValidationTest(_PREFLIGHT, "test_human36m_is_found", "target", True),
    ValidationTest(_PREFLIGHT, "test_joints_lie_in_their_boxes", "target", True),
    ValidationTest(_PREFLIGHT, "test_rootnet_file_is_the_one_for_the_protocol", "target", True),
    ValidationTest(_PREFLIGHT, "test_checkpoint_is_found"),
    ValidationTest(_CHECKPOINTS, "test_archive_holds_the_variant"),
    ValidationTest(_CHECKPOINTS, "test_epoch_is_the_expected_one"),
    ValidationTest(_CHECKPOINTS, "test_counters_tell_one_training"),
    ValidationTest(_CHECKPOINTS, "test_tensors_are_the_published_ones", applies=is_published),
    ValidationTest(_CHECKPOINTS, "test_weights_are_finite"),
    ValidationTest(_CHECKPOINTS, "test_batchnorm_variances_are_plausible"),
    ValidationTest(_CHECKPOINTS, "test_key_map_round_trip"),
    ValidationTest(_CHECKPOINTS, "test_snapshot_loads_with_modern_keys"),
    ValidationTest(_COUNTS, "test_parameter_count"),
    ValidationTest(_COUNTS, "test_state_element_count"),
    ValidationTest(_COUNTS, "test_multiply_adds"),
    ValidationTest(_COUNTS, "test_heatmap_grid"),
    ValidationTest(_COUNTS, "test_reported_parameters", applies=has_paper_parameters),
    ValidationTest(_COUNTS, "test_reported_state_elements", applies=has_guide_parameters),
    ValidationTest(_COUNTS, "test_reported_gmacs", applies=has_paper_gmacs),
    ValidationTest(_MPJPE, "test_dataset_is_complete", "target", True),
    ValidationTest(_MPJPE, "test_every_sample_is_measured", "variant", True),
    ValidationTest(_MPJPE, "test_no_image_is_damaged", "variant", True),
    ValidationTest(_MPJPE, "test_no_image_stands_for_another", "variant", True),
    ValidationTest(
        _MPJPE,
        "test_mpjpe_is_within_tolerance_of_reported_value",
        "tolerance",
        True,
        target="published",
    ),
    ValidationTest(_MPJPE, "test_mpjpe_is_the_recorded_value", "variant", True, target="miniature"),
    ValidationTest(_NETWORKS, "test_judged_network_agrees_with_the_plain_one"),
    ValidationTest(_NETWORKS, "test_flip_test_is_symmetric"),
    ValidationTest(_THROUGHPUT, "test_throughput", "variant", True),
)


@dataclass(frozen=True)
class Case:
    """What a validation test is about: a target or a variant of it, by its id."""

    case_id: str
    variant: Variant | None = None


def cases_of(test: ValidationTest, target: Target, settings: Settings) -> list[Case]:
    """The target, or its variants, that a test is about; none if it does not apply to it."""
    if test.target not in (None, target.name):
        return []
    if settings.weights_only and test.needs_human36m:
        return []
    if test.over == "target":
        return [Case(target.name)]
    return [
        Case(f"{target.name}-{variant.name}", variant)
        for variant in target.variants(settings)
        if test.applies(variant, target.fingerprints.get(variant.name))
    ]


def required_tests(target: Target, settings: Settings) -> tuple[str, ...]:
    """Names of all tests that a run of the target must finish."""
    names: list[str] = []
    for test in VALIDATION_TESTS:
        for case in cases_of(test, target, settings):
            claims = [f"-{mm}mm" for mm in TOLERANCES_MM] if test.over == "tolerance" else [""]
            names += (f"{test.name}[{case.case_id}{claim}]" for claim in claims)
    return tuple(names)
