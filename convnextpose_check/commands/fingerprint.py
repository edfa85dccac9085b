"""Print the sha256 of every tensor of a checkpoint.

Prints JSON in the format of fixtures/published_tensors.json. An entry in that file
identifies the published weights in any container. The training record is printed to
stderr.
"""

import argparse
import sys

import msgspec

from convnextpose_check.checkpoints.find import CheckpointFiles
from convnextpose_check.checkpoints.fingerprints import fingerprint
from convnextpose_check.checkpoints.load import load_checkpoint
from convnextpose_check.checkpoints.training_record import format_epoch, read_training_record
from convnextpose_check.checks.archives import check_holds_variant
from convnextpose_check.commands.terminal import Arguments, long_phase, path_argument, print_lines
from convnextpose_check.network.layout import identify_variants
from convnextpose_check.settings.options import read_settings
from convnextpose_check.variants import read_catalogue

ARGUMENTS: Arguments = {
    "file": {
        "metavar": "FILE",
        "type": path_argument,
        "help": "a checkpoint, in any container or unpacked",
    },
}
SETTINGS = ("variants_file",)


def run(options: argparse.Namespace) -> int:
    """Print the fingerprint, with the name of the variant as its key."""
    file, catalogue = options.file, read_catalogue(read_settings(vars(options)).variants_file)
    with long_phase(f"reading {file}"):
        checkpoint = load_checkpoint(file)
        claimed = CheckpointFiles([file], catalogue).claimed_variant(file)
        found = identify_variants(checkpoint.state, catalogue)
        if claimed is not None:
            check_holds_variant(catalogue[claimed], checkpoint, catalogue)
        variant = claimed or (found[0] if len(found) == 1 else file.stem)
        epoch = format_epoch(None, checkpoint.epoch)
        source = f"{file.name}, {epoch}, sha256 {checkpoint.sha256}"
        content = msgspec.json.encode({variant: fingerprint(checkpoint, source)})
    print(msgspec.json.format(content, indent=2).decode())  # JSON escapes control characters itself
    print_lines(
        f"{file} contains {' or '.join(found) or 'none of the variants'}, {epoch}:"
        f" {read_training_record(checkpoint).description}",
        file=sys.stderr,
    )
    return 0
