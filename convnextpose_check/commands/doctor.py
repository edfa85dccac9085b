"""Check whether a run has everything it needs.

Performs the checks at the start of a run, without pytest: device, OpenCV, memory
and disk, Human3.6M, and each checkpoint. Prints one line per check: ok, warning,
n/a if there is nothing to compare, or failed with the remedy. Options, defaults
and environment variables are those of a run. Writes no file.

  python -m convnextpose_check doctor --h36m-root DIR --checkpoints DIR
"""

import argparse
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from convnextpose_check.checkpoints.load import Checkpoint
from convnextpose_check.checkpoints.training_record import NOT_RECORDED, TrainingRecord
from convnextpose_check.checks import archives, dataset, machine
from convnextpose_check.commands.terminal import long_phase, print_lines
from convnextpose_check.errors import CheckFailedError, ConvNeXtPoseCheckError, ErrorCode
from convnextpose_check.evaluation.devices import format_devices
from convnextpose_check.files.folders import SEQUENCE_FOLDER, walk
from convnextpose_check.human36m.crops import read_crop
from convnextpose_check.human36m.layout import annotation_names
from convnextpose_check.human36m.samples import Dataset
from convnextpose_check.run.run import Run, open_published_run
from convnextpose_check.settings.options import read_settings
from convnextpose_check.variants import Variant

Group = dict[str, Callable[[], object]]
"""Maps titles to checks. If the first fails, the others, which need it, are skipped."""

SETTINGS = (
    "h36m_root", "checkpoints", "variants", "variants_file", "weights_only", "require_identity",
    "protocol", "bbox", "device", "results_dir",
)  # fmt: skip
_PACKED = re.compile(r"(annot|images|h(uman)?36m|s_?0?9|s_?11).*\.(zip|tar|tgz|gz|7z|rar)\w*", re.I)


def run(options: argparse.Namespace) -> int:
    """Print one line per check, and hints if Human3.6M is incomplete."""
    settings = replace(read_settings(vars(options)), download=False, limit=None)
    checked = open_published_run(settings)
    print_lines(*(f"read: {line}" for line in settings.given.values()))
    reasons: dict[str, str] = {}
    for group in _list_checks(checked):
        _run_checks(group, reasons)
    if settings.h36m_root is not None and {"Human3.6M", "all samples"} & {*reasons.values()}:
        print_lines(*_find_misnamed(checked, settings.h36m_root))
    print_lines("Not all checks passed." if reasons else "No check failed.")
    return 1 if reasons else 0


def _run_checks(group: Group, reasons: dict[str, str]) -> None:
    """Run the checks and print one line each.

    ``reasons`` maps each message to the first check that failed with it, and is extended. A message
    is printed only once.
    """
    for title, check in group.items():
        try:
            with long_phase(title):
                value = check()
            print_lines(f"{_status(value):<8}{title:<24}{value}")
        except (ConvNeXtPoseCheckError, ImportError) as error:
            first = reasons.setdefault(str(error), title)
            text = str(error) if first == title else f"for the same reason as {first}"
            print_lines(*f"failed  {title:<24}{text}".split("\n"))
            if title == next(iter(group)):
                break


def _status(value: object) -> str:
    """``n/a`` if the file or the record lacks what the check compares."""
    if isinstance(value, TrainingRecord):
        return "warning" if value.is_contradictory else "ok" if value.is_recorded else "n/a"
    return "n/a" if value in (NOT_RECORDED, archives.NO_TENSORS) else "ok"


def _list_checks(run: Run) -> list[Group]:
    """Return the checks at the start of a run, in the run's order."""
    groups: list[Group] = [
        {
            "device": lambda: format_devices(*run.devices),
            "memory": lambda: machine.check_memory(run.devices[0]),
        },
        {"OpenCV": machine.check_interpolation},
        {"disk": lambda: f"{machine.check_disk(run.settings.results_dir):.1f} GB free"},
        {"results folder": lambda: machine.check_can_write(run.settings.results_dir)},
    ]
    if not run.settings.weights_only:
        groups.append(
            {
                "Human3.6M": lambda: f"{len(run.dataset.samples):,} samples",
                "joints in boxes": lambda: dataset.check_joints_lie_in_boxes(run.dataset),
                "all samples": lambda: dataset.check_dataset_is_complete(run.dataset),
                "boxes": lambda: dataset.check_rootnet_file(run.dataset),
                "images": lambda: _read_one_image_per_camera(run.dataset),
            }
        )
    return groups + [_checkpoint_checks(run, variant) for variant in run.variants.values()]


def _read_one_image_per_camera(dataset: Dataset) -> str:
    """Check that one image of each subject and camera is readable and has the annotated size.

    A run reads all images instead. Raises ``CheckFailedError`` (``incomplete``).
    """
    images = {(sample.subject, sample.sequence[-2:]): sample for sample in dataset.samples}
    crops = [read_crop(sample) for sample in images.values()]
    problems = [f"{crop.problem}: {crop.sample.path}" for crop in crops if crop.problem]
    if problems:
        raise CheckFailedError(
            ErrorCode.INCOMPLETE,
            f"{len(problems)} of {len(crops)} images, one of each camera and subject, cannot be"
            f" used, the first because {problems[0]}",
            "Use the original images: boxes and cameras refer to their pixels",
        )
    return f"{len(crops)} images, one of each camera and subject"


def _find_misnamed(run: Run, root: Path) -> list[str]:
    """Return hints about files and folders below ``root`` that are misnamed or still packed."""
    content = list(walk(root))
    present = {name for _, _, files in content for name in files}
    needed = annotation_names(run.facts.protocols[run.settings.protocol].subjects)
    missing = {name.lower(): name for name in needed if name not in present}
    hints = []
    for folder, folders, files in content:
        for name in (*folders, *files):
            normalized = re.sub(r" ?\(\d+\)", "", name).lower()
            is_misnamed_sequence = normalized != name and SEQUENCE_FOLDER.fullmatch(normalized)
            if expected := missing.get(normalized) or (is_misnamed_sequence and normalized):
                hints.append(f"hint: {folder / name} should be named {expected}")
            elif _PACKED.fullmatch(name):
                hints.append(f"hint: {folder / name} is still packed")
    remedy = (
        "Rename or unpack it. If its folder is read-only, such as /kaggle/input, make links (ln -s)"
        " with the right names in another folder and pass that with --h36m-root."
    )
    return [*hints[:4], remedy] if hints else []


def _checkpoint_checks(run: Run, variant: Variant) -> Group:
    name, fingerprint = variant.name, run.fingerprints.get(variant.name)

    def load() -> Checkpoint:
        return run.checkpoints[name]

    return {
        f"{name} file": lambda: load().path,
        f"{name} variant": lambda: archives.check_holds_variant(variant, load(), run.catalogue),
        f"{name} epoch": lambda: archives.check_epoch(variant, load()),
        f"{name} training record": lambda: archives.check_training_record(variant, load()),
        f"{name} tensors": lambda: (
            archives.check_published_tensors(
                fingerprint, load(), is_required=run.settings.require_identity
            )
            or archives.NO_TENSORS
        ),
        f"{name} weights": lambda: (
            f"{archives.check_weights_are_finite(load().network, name):,} finite numbers"
        ),
        f"{name} BatchNorm": lambda: "variances from {:.2g} to {:.2g}".format(
            *archives.check_batchnorm_variances(load().network, name)
        ),
        f"{name} key map": lambda: archives.check_key_map_round_trip(load()),
    }
