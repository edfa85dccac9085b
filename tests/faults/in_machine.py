"""Faults of the machine: too little of what a run takes, told before it begins."""

from __future__ import annotations

from convnextpose_check.checks import machine
from tests.faults.fault import fault
from tests.faults.scene import Scene


@fault("half a gigabyte of memory free", "machine", "check_memory")
def no_memory(scene: Scene) -> None:
    scene.patch.setattr(machine, "free_ram_gb", lambda: 0.5)


@fault("half a gigabyte of the disk free", "machine", "check_disk")
def no_space(scene: Scene) -> None:
    scene.patch.setattr(machine, "free_disk_gb", lambda _folder: 0.5)


@fault("a file where the results folder should be", "machine", "check_can_write")
def file_for_a_folder(scene: Scene) -> None:
    (scene.folder / "out").write_bytes(b"")
