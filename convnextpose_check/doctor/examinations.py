"""Whether a machine has what a run needs: every examination, in the order of the table."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from convnextpose_check.checkpoints.find import GIVE_CHECKPOINTS
from convnextpose_check.checkpoints.provenance import epoch_told
from convnextpose_check.checks.archives import check_epoch, check_holds_variant, check_provenance
from convnextpose_check.checks.identity import contradiction_told
from convnextpose_check.checks.machine import (
    ROOMY_DISK_GB,
    check_can_write,
    check_disk,
    check_interpolation,
    check_memory,
)
from convnextpose_check.doctor.finding import Examination, Finding, relative
from convnextpose_check.doctor.human36m import (
    annotations_found,
    images_found,
    rootnet_found,
    samples_found,
)
from convnextpose_check.environment import package_version
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.evaluation.devices import device_title
from convnextpose_check.network.keymap import key_style
from convnextpose_check.run.preflight import check_packages, check_python, find_checkpoint
from convnextpose_check.run.run import Run


def examinations(run: Run) -> list[tuple[str, Examination]]:
    """All that is looked at for a run of the trial, each with its title."""
    return [
        ("Python", partial(installed, check_python)),
        ("packages", partial(installed, check_packages)),
        ("torch", torch_build),
        ("device", partial(device, run)),
        ("memory", partial(memory, run)),
        ("disk", partial(disk, run)),
        ("results", partial(results_folder, run)),
        ("OpenCV", opencv),
        *([] if run.settings.weights_only else _of_human36m(run)),
        ("checkpoints", partial(checkpoint_files, run)),
        *((f"checkpoint {name}", partial(checkpoint, run, name)) for name in run.variants),
    ]


def _of_human36m(run: Run) -> list[tuple[str, Examination]]:
    return [
        ("annotations", partial(annotations_found, run)),
        ("images", partial(images_found, run)),
        ("RootNet boxes", partial(rootnet_found, run)),
        ("test samples", partial(samples_found, run)),
    ]


def installed(check: Callable[[], str]) -> Finding:
    """What a check of the installation found; a suite that runs from a mere checkout may do."""
    try:
        return Finding("ok", check())
    except ConvNeXtPoseCheckError as error:
        if error.code == "not-installed":
            return Finding("note", error.problem, error.remedy)
        raise


def torch_build() -> Finding:
    """Which torch, and what it was built for."""
    import torch

    built_for = f"CUDA {torch.version.cuda}" if torch.version.cuda else "no CUDA"
    return Finding("ok", f"{package_version('torch')}, built for {built_for}")


def device(run: Run) -> Finding:
    """Whether a kernel runs on the device."""
    working = run.devices
    if working[0].type == "cpu" and not run.settings.weights_only:
        return Finding("note", "the CPU runs a kernel; all four models take hours on it")
    return Finding("ok", f"{device_title(*working)}: a kernel runs")


def memory(run: Run) -> Finding:
    """Memory of the machine, and of the GPU where that works."""
    try:
        working = run.devices[0]
    except (ConvNeXtPoseCheckError, ImportError):
        working = None
    return Finding("ok", check_memory(working))


def disk(run: Run) -> Finding:
    """Room on the disk that the results go to."""
    free_gb = check_disk(run.settings.results_dir)
    if free_gb < ROOMY_DISK_GB:
        return Finding(
            "note",
            f"{free_gb:.1f} GB free: enough for a run, little with downloads and earlier results",
            f"{ROOMY_DISK_GB:g} GB are comfortable; --results-dir may name another disk",
        )
    return Finding("ok", f"{free_gb:.1f} GB free")


def results_folder(run: Run) -> Finding:
    """Whether the results can be written where they go."""
    return Finding("ok", f"{check_can_write(run.settings.results_dir)} can be written")


def opencv() -> Finding:
    """Whether OpenCV computes what it must."""
    return Finding("ok", f"{check_interpolation()} interpolates as for the paper")


def checkpoint_files(run: Run) -> Finding:
    """How many files may be checkpoints at all."""
    found = run.checkpoint_files
    if not found.candidates:
        places = ", ".join(map(str, found.places))
        return Finding("missing", f"nothing like a checkpoint in {places}", GIVE_CHECKPOINTS)
    return Finding("ok", f"{len(found.candidates)} files or folders that may be checkpoints")


def checkpoint(run: Run, variant: str) -> Finding:
    """The variant's file, and what it really holds."""
    facts = run.catalogue[variant]
    try:
        listed = run.checkpoint_files
        if not listed.candidates:
            return Finding("missing", "see the checkpoints above")
    except ConvNeXtPoseCheckError:
        return Finding("missing", "see the checkpoints above")
    try:
        found = find_checkpoint(run, variant)
        check_holds_variant(facts, found, run.catalogue)
        check_epoch(facts, found)
        told = check_provenance(facts, found)
    except ConvNeXtPoseCheckError as error:
        mend = error.remedy or f"Download {facts.checkpoint.file_name} again"
        return Finding("missing", error.problem, mend)
    told_by = "" if listed.claim(found.path) else ", told by its content"
    if told.contradiction:
        return Finding(
            "note",
            f"{relative(found.path, listed.places)} is {variant}:"
            f" {contradiction_told(facts, told)}",
        )
    return Finding(
        "ok",
        f"{relative(found.path, listed.places)} is {variant}{told_by}:"
        f" {epoch_told(facts.checkpoint.known_epoch, found.epoch)},"
        f" {_size(found.path) / 1e6:.1f} MB, {key_style(found.network)} head keys, {found.form};"
        f" {told.story}",
    )


def _size(path: Path) -> int:
    """Bytes of a file, or of all files of an unpacked folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
