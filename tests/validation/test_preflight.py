"""Preflight: what a long run needs, before it starts."""

from __future__ import annotations

from convnextpose_check.checks.dataset import check_joints_lie_in_boxes, check_rootnet_file
from convnextpose_check.checks.machine import (
    check_can_write,
    check_disk,
    check_interpolation,
    check_memory,
)
from convnextpose_check.evaluation.devices import device_title
from convnextpose_check.human36m.samples import Dataset
from convnextpose_check.plugin.recording import Obtained
from convnextpose_check.trial.networks import Networks
from convnextpose_check.trial.preflight import find_checkpoint
from convnextpose_check.trial.trial import Trial
from convnextpose_check.variants import Variant


def test_device_runs_a_kernel(networks: Networks, obtained: Obtained) -> None:
    obtained(device_title(*networks.devices()))


def test_opencv_interpolates_as_in_the_paper(
    trial: Trial,  # noqa: ARG001 - asked about each
    obtained: Obtained,
) -> None:
    obtained(f"OpenCV {check_interpolation()}")


def test_memory_is_free(trial: Trial, obtained: Obtained) -> None:
    obtained(check_memory(trial.networks.device()))


def test_disk_has_room_for_the_results(trial: Trial, obtained: Obtained) -> None:
    obtained(check_disk(trial.settings.results_dir), unit="GB")


def test_results_folder_can_be_written(trial: Trial, obtained: Obtained) -> None:
    obtained(check_can_write(trial.settings.results_dir))


def test_human36m_is_found(human36m: Dataset, obtained: Obtained) -> None:
    obtained(len(human36m.samples), human36m.facts.samples, "samples")


def test_joints_lie_in_their_boxes(human36m: Dataset, obtained: Obtained) -> None:
    """Annotations that do not belong together fail the run; the error is measured all the same."""
    obtained(check_joints_lie_in_boxes(human36m))


def test_rootnet_file_is_the_one_for_the_protocol(human36m: Dataset, obtained: Obtained) -> None:
    obtained(check_rootnet_file(human36m), human36m.rootnet and human36m.facts.rootnet)


def test_checkpoint_is_found(trial: Trial, variant: Variant, obtained: Obtained) -> None:
    obtained(find_checkpoint(trial.files, variant.name).path.name, variant.checkpoint.file_name)
