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
from convnextpose_check.trial.preflight import find_checkpoint
from convnextpose_check.trial.subjects import Subject
from convnextpose_check.variants import Variant
from tests.validation.recording import Obtained


def test_device_runs_a_kernel(subject: Subject, obtained: Obtained) -> None:
    obtained(device_title(subject.device()))


def test_opencv_interpolates_as_in_the_paper(subject: Subject, obtained: Obtained) -> None:
    obtained(f"OpenCV {check_interpolation()} for {subject.name}")


def test_memory_is_free(subject: Subject, obtained: Obtained) -> None:
    obtained(check_memory(subject.device()))


def test_disk_has_room_for_the_results(subject: Subject, obtained: Obtained) -> None:
    obtained(check_disk(subject.settings.results_dir), unit="GB")


def test_results_folder_can_be_written(subject: Subject, obtained: Obtained) -> None:
    obtained(check_can_write(subject.settings.results_dir))


def test_human36m_is_found(subject: Subject, obtained: Obtained) -> None:
    dataset = subject.dataset()
    obtained(len(dataset.samples), dataset.facts.samples, "samples")


def test_joints_lie_in_their_boxes(subject: Subject, obtained: Obtained) -> None:
    """Annotations that do not belong together end the run here, not after minutes of measuring."""
    obtained(check_joints_lie_in_boxes(subject.dataset()))


def test_rootnet_file_is_the_one_for_the_protocol(subject: Subject, obtained: Obtained) -> None:
    dataset = subject.dataset()
    obtained(check_rootnet_file(dataset), dataset.rootnet and dataset.facts.rootnet)


def test_checkpoint_is_found(subject: Subject, variant: Variant, obtained: Obtained) -> None:
    obtained(find_checkpoint(subject, variant.name).path.name, variant.checkpoint.file_name)
