"""Turn the authors' archives into .pth files and safetensors.

Takes archives in any form (.tar as downloaded, renamed, unpacked, zipped
again) or a folder of them, checks that each is whole and holds the variant that
its name says, and writes model_dump/snapshot_<epoch>.pth below the results
folder, also under the name .pth.tar, and snapshot_<epoch>.safetensors beside
it, whose metadata name variant, epoch and the archive's sha256. Keys are modern
in all of them. The archives are only read, and nothing in them is run.

A file that cannot be used does not stop the others. The exit code is 0 if every
file was extracted, 1 otherwise.

  python -m convnextpose_check extract checkpoints/ --results-dir output
  python -m convnextpose_check extract "ConvNeXtPose_L (1).tar"
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from convnextpose_check.commands.telling import tell
from convnextpose_check.settings.arguments import add_settings, settings_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to extract, and where to."""
    parser.add_argument(
        "files",
        metavar="FILE",
        type=Path,
        nargs="+",
        help="a checkpoint, or a folder: every checkpoint below it",
    )
    add_settings(parser, "results_dir", "variants_file")


def run(options: argparse.Namespace) -> int:
    """Tell of each file what it holds and where it went."""
    from convnextpose_check.checkpoints.provenance import epoch_told, provenance
    from convnextpose_check.commands.extraction import Refused, extract_all
    from convnextpose_check.network.keymap import key_style
    from convnextpose_check.paths import hold_folder
    from convnextpose_check.variants import read_catalogue

    settings = settings_of(options)
    catalogue = read_catalogue(settings.variants_file)
    extracted = failed = 0
    with hold_folder(settings.results_dir):
        for outcome in extract_all(options.files, catalogue, settings.results_dir):
            if isinstance(outcome, Refused):
                if outcome.meant:
                    failed += 1
                    tell(str(outcome.error), file=sys.stderr)
                else:
                    tell(f"passed over {outcome.path}: {outcome.error.problem}")
                continue
            extracted += 1
            checkpoint, facts = outcome.checkpoint, catalogue[outcome.variant].checkpoint
            epoch = epoch_told(facts.known_epoch, checkpoint.epoch)
            tell(
                str(checkpoint.path),
                f"  holds   {outcome.variant}, {epoch}, {len(checkpoint.network)} tensors,"
                f" {key_style(checkpoint.network)} head keys, {checkpoint.form}",
                f"  trained {provenance(checkpoint).story}",
                f"  sha256  {checkpoint.sha256}",
                f"  went to {outcome.path}",
                f"  and to  {outcome.safetensors}",
            )
    tell("", f"{extracted} extracted" + (f", {failed} not" if failed else ""))
    return 1 if failed else 0
