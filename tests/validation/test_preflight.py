"""Preflight: requirements of a long run, checked before it starts."""

from __future__ import annotations

from convnextpose_check.checks.dataset import check_joints_lie_in_boxes, check_rootnet_file
from convnextpose_check.checks.machine import (
    check_can_write,
    check_disk,
    check_interpolation,
    check_memory,
)
from convnextpose_check.evaluation.devices import format_devices
from convnextpose_check.human36m.samples import Dataset
from convnextpose_check.plugin.gate import Recorder
from convnextpose_check.run.run import Run
from convnextpose_check.variants import Variant


def test_device_runs_a_kernel(run: Run, record: Recorder) -> None:
    record(format_devices(*run.devices))


def test_opencv_interpolates_as_in_the_paper(record: Recorder) -> None:
    record(f"OpenCV {check_interpolation()}")


def test_memory_is_free(run: Run, record: Recorder) -> None:
    record(check_memory(run.devices[0]))


def test_disk_has_room_for_the_results(run: Run, record: Recorder) -> None:
    record(check_disk(run.settings.results_dir), unit="GB")


def test_results_folder_can_be_written(run: Run, record: Recorder) -> None:
    record(check_can_write(run.settings.results_dir))


def test_human36m_is_found(human36m: Dataset, record: Recorder) -> None:
    record(len(human36m.samples), human36m.facts.samples, "samples")


def test_joints_lie_in_their_boxes(human36m: Dataset, record: Recorder) -> None:
    """Mismatched annotations fail the run, but the error is still measured."""
    record(check_joints_lie_in_boxes(human36m))


def test_rootnet_file_is_the_one_for_the_protocol(human36m: Dataset, record: Recorder) -> None:
    record(check_rootnet_file(human36m), human36m.facts.rootnet if human36m.rootnet else None)


def test_checkpoint_is_found(run: Run, variant: Variant, record: Recorder) -> None:
    record(run.checkpoints[variant.name].path.name, variant.checkpoint.file_name)
