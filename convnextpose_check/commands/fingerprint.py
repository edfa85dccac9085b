"""Print the sha256 of every tensor of a checkpoint.

Prints JSON in the format of fixtures/published_tensors.json. An entry in that file
identifies the published weights in any container.
"""

import argparse
from pathlib import Path

import msgspec

from convnextpose_check.checkpoints.fingerprints import fingerprint
from convnextpose_check.checkpoints.load import load_checkpoint
from convnextpose_check.checkpoints.training_record import format_epoch
from convnextpose_check.commands.terminal import Arguments, long_phase
from convnextpose_check.network.layout import identify_variants
from convnextpose_check.settings.options import read_settings
from convnextpose_check.variants import read_catalogue

ARGUMENTS: Arguments = {
    "file": {
        "metavar": "FILE",
        "type": Path,
        "help": "a checkpoint, in any container or unpacked",
    },
}
SETTINGS = ("variants_file",)


def run(options: argparse.Namespace) -> int:
    """Print the fingerprint, with the name of the variant as its key, or else of the file."""
    file, catalogue = options.file, read_catalogue(read_settings(vars(options)).variants_file)
    with long_phase(f"reading {file}"):
        checkpoint = load_checkpoint(file)
        found = identify_variants(checkpoint.state, catalogue)
        epoch = format_epoch(None, checkpoint.epoch)
        source = f"{file.name}, {epoch}, sha256 {checkpoint.sha256}"
        content = {found[0] if len(found) == 1 else file.stem: fingerprint(checkpoint, source)}
    encoded = msgspec.json.format(msgspec.json.encode(content), indent=2)
    print(encoded.decode())  # JSON escapes control characters itself
    return 0
