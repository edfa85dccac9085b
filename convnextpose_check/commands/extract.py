"""Convert the authors' archives to .pth files and safetensors.

Reads archives in any form (.tar as downloaded, renamed, unpacked, zipped again) or
folders of them and checks them as a run does. Writes model_dump/snapshot_<epoch>.pth
below the results folder, the same file as .pth.tar, and snapshot_<epoch>.safetensors,
all with modern key names. If the file does not record its epoch, the variant's name
takes its place. No code in the archives is executed.

A file that cannot be used does not stop the others. The exit code is 0 if every file
was extracted, 1 otherwise.

  python -m convnextpose_check extract checkpoints/ --results-dir output
"""

import argparse
import sys
from pathlib import Path

from convnextpose_check.checkpoints.find import CheckpointFiles
from convnextpose_check.checkpoints.load import load_checkpoint
from convnextpose_check.checkpoints.snapshot import write_safetensors, write_snapshot
from convnextpose_check.checkpoints.training_record import format_epoch
from convnextpose_check.checks import archives
from convnextpose_check.commands.terminal import Arguments, long_phase, print_lines
from convnextpose_check.errors import CheckFailedError, ConvNeXtPoseCheckError, ErrorCode
from convnextpose_check.network.keymap import describe_keys, describe_prefix, detect_key_style
from convnextpose_check.network.layout import identify_variants
from convnextpose_check.paths import lock_directory
from convnextpose_check.settings.options import read_settings
from convnextpose_check.variants import read_catalogue

ARGUMENTS: Arguments = {
    "files": {
        "metavar": "FILE",
        "nargs": "+",
        "type": Path,
        "help": "a checkpoint, or a folder with checkpoints",
    },
}
SETTINGS = ("results_dir", "variants_file")


def run(options: argparse.Namespace) -> int:
    """Print what each file contains and which files were written."""
    settings = read_settings(vars(options))
    files = CheckpointFiles(options.files, read_catalogue(settings.variants_file))
    extracted = failed = 0
    with lock_directory(settings.results_dir), long_phase("extracting"):
        for path in files.candidates:
            try:
                print_lines(*_extract(path, files, settings.results_dir))
                extracted += 1
            except ConvNeXtPoseCheckError as error:
                is_expected = path in options.files or files.claimed_variant(path) is not None
                if is_expected or error.code == ErrorCode.CANNOT_WRITE:
                    failed += 1
                    print_lines(*str(error).split("\n"), file=sys.stderr)
                else:  # an unrelated file in a folder
                    print_lines(f"skipped {path}: {error.problem}.")
    print_lines(*(f"skipped: {reason}." for reason in files.found.skipped))
    print_lines("", f"{extracted} extracted" + (f", {failed} failed" if failed else ""))
    return 0 if extracted and not failed else 1


def _extract(path: Path, files: CheckpointFiles, folder: Path) -> list[str]:
    """Check a checkpoint, write it below ``folder``, and return lines that describe both.

    Raises ``ConvNeXtPoseCheckError`` like ``load_checkpoint``, the checks and ``write_snapshot``.
    """
    checkpoint, catalogue = load_checkpoint(path), files.catalogue
    state = checkpoint.state
    claimed = files.claimed_variant(path)
    names = (claimed,) if claimed else identify_variants(state, catalogue)
    if len(names) != 1:
        raise CheckFailedError(
            ErrorCode.WRONG_VARIANT if names else ErrorCode.WRONG_LAYOUT,
            f"{path} contains {' or '.join(names) or 'none of ' + ', '.join(catalogue.names)};"
            f" {describe_keys(checkpoint.network)}",
            "Rename the file after its variant, or describe your own model in a --variants-file",
        )
    variant = catalogue[names[0]]
    archives.check_holds_variant(variant, checkpoint, catalogue)
    archives.check_weights_are_finite(state, str(path))
    archives.check_batchnorm_variances(state, str(path))
    snapshot = write_snapshot(checkpoint, variant.name, folder)
    archives.check_snapshot(snapshot, checkpoint)
    return [
        str(path),
        f"  contains  {variant.name}, {format_epoch(variant.checkpoint.epoch, checkpoint.epoch)},"
        f" {len(checkpoint.network)} tensors, {detect_key_style(checkpoint.network)} head keys,"
        f" {describe_prefix(checkpoint.prefix)}, {checkpoint.form}",
        f"  sha256    {checkpoint.sha256}",
        f"  written   {snapshot}",
        f"  written   {write_safetensors(checkpoint, variant.name, snapshot)}",
    ]
