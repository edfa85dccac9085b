"""Check whether a run has everything it needs.

Makes the checks that a run makes first, without pytest: of the device, OpenCV, memory and disk,
Human3.6M, and each checkpoint. Prints a line for each: ok, failed with the way to fix it, or n/a if
it does not apply. The options, their defaults and variables are those of a run. No file is written.
The exit code is 0 if every check passed, 1 otherwise.

  python -m convnextpose_check doctor --h36m-root DIR --checkpoints DIR
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from convnextpose_check.checkpoints.load import Checkpoint
from convnextpose_check.checks import archives, dataset, identity, machine
from convnextpose_check.commands.look_alikes import RENAME, look_alikes
from convnextpose_check.commands.terminal import long_phase, print_lines
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.evaluation.devices import device_title
from convnextpose_check.human36m.layout import annotation_names
from convnextpose_check.run.preflight import find_checkpoint
from convnextpose_check.run.run import Run, published_run
from convnextpose_check.run.target import published_target
from convnextpose_check.settings.read import add_settings, settings_of
from convnextpose_check.variants import Variant

Group = dict[str, Callable[[], object]]
"""Checks by title; if the first fails, the others cannot be made."""

TAKEN = (
    "h36m_root", "checkpoints", "variants", "variants_file", "weights_only", "require_identity",
    "protocol", "bbox", "device", "results_dir",
)  # fmt: skip
MAX_LOOK_ALIKES = 4
FIXTURES = Path(__file__).parents[2] / "fixtures"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the settings of a run that decide what it needs."""
    add_settings(parser, *TAKEN)


def run(options: argparse.Namespace) -> int:
    """Print a line for each check."""
    settings = replace(settings_of(options), download=False, limit=None)
    target = published_target(settings, FIXTURES if FIXTURES.is_dir() else None)
    checked, variants = published_run(settings, target), target.variants(settings)
    print_lines(*(f"read: {line}" for line in settings.lines()))
    passed = [_passes(group) for group in _machine_checks(checked)]
    if settings.weights_only:
        _print_row("n/a", "Human3.6M", "--weights-only does not read it")
    else:
        passed.append(_passes(_human36m_checks(checked)))
    passed += [_passes(_checkpoint_checks(checked, variant)) for variant in variants]
    print_lines("All checks passed." if all(passed) else "Not all checks passed.")
    return 0 if all(passed) else 1


def _passes(group: Group) -> bool:
    """Make the checks and print a line for each; True if all passed."""
    failed = 0
    for number, (title, check) in enumerate(group.items()):
        try:
            with long_phase(title):
                found = check()
            _print_row("ok", title, str(found))
        except (ConvNeXtPoseCheckError, ImportError) as error:
            _print_row("failed", title, str(error))
            failed += 1
        if number == 0 and failed:
            break
    return not failed


def _print_row(state: str, title: str, text: str) -> None:
    print_lines(f"{state:<8}{title:<24}{text}")


def _machine_checks(run: Run) -> Iterator[Group]:
    results_dir = run.settings.results_dir
    yield {
        "device": lambda: device_title(*run.devices),
        "memory": lambda: machine.check_memory(run.devices[0]),
    }
    yield {"OpenCV": machine.check_interpolation}
    yield {"disk": lambda: f"{machine.check_disk(results_dir):.1f} GB free"}
    yield {"results folder": lambda: machine.check_can_write(results_dir)}


def _human36m_checks(run: Run) -> Group:
    return {
        "Human3.6M": lambda: _with_hints(run, lambda: f"{len(run.dataset.samples):,} samples"),
        "joints in boxes": lambda: dataset.check_joints_lie_in_boxes(run.dataset),
        "all samples": lambda: _with_hints(
            run, lambda: dataset.check_dataset_is_complete(run.dataset)
        ),
        "boxes": lambda: dataset.check_rootnet_file(run.dataset),
    }


def _with_hints(run: Run, check: Callable[[], object]) -> object:
    """Make the check; its error also names files that are probably the missing ones."""
    try:
        return check()
    except ConvNeXtPoseCheckError as error:
        root = run.settings.h36m_root
        found = look_alikes(root, annotation_names(run.test_subjects)) if root else []
        if not found:
            raise
        problem = "; ".join([error.problem, *found[:MAX_LOOK_ALIKES]])
        raise ConvNeXtPoseCheckError(error.code, problem, RENAME) from None


def _checkpoint_checks(run: Run, variant: Variant) -> Group:
    name, known = variant.name, run.fingerprints.get(variant.name)

    def load() -> Checkpoint:
        return run.checkpoints[name]

    def training() -> str:
        record = archives.check_provenance(variant, load())
        return (
            identity.contradiction_told(variant, record) if record.contradiction else record.story
        )

    def tensors() -> str:
        required = run.settings.require_identity
        return identity.check_identity(known, load(), required=required) or identity.NO_TENSORS

    def weights() -> str:
        return f"{archives.check_weights_are_finite(load().network, name):,} finite numbers"

    def variances() -> str:
        low, high = archives.check_batchnorm_variances(load().network, name)
        return f"{low:.3g} to {high:.3g}"

    return {
        f"{name} file": lambda: find_checkpoint(run, name).path,
        f"{name} variant": lambda: archives.check_holds_variant(variant, load(), run.catalogue),
        f"{name} epoch": lambda: archives.check_epoch(variant, load()),
        f"{name} training record": training,
        f"{name} tensors": tensors,
        f"{name} weights": weights,
        f"{name} BatchNorm": variances,
        f"{name} key map": lambda: archives.check_key_map_round_trip(load()),
    }
