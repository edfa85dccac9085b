"""Print the sha256 of every tensor of a checkpoint.

As JSON, with the id that git gives the file, in the form of fixtures/published_tensors.json and
ready to be added there: files of the same training can then be told from all others, whatever they
are packed in. What the counters tell of the training goes to the error stream.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from convnextpose_check.commands.telling import tell
from convnextpose_check.settings.arguments import add_settings, settings_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which file."""
    parser.add_argument(
        "file", metavar="FILE", type=Path, help="a checkpoint, in any container or unpacked"
    )
    add_settings(parser, "variants_file")


def run(options: argparse.Namespace) -> int:
    """Print the fingerprint under the name of the variant that the file holds."""
    from convnextpose_check.checkpoints.find import CheckpointFiles
    from convnextpose_check.checkpoints.fingerprints import fingerprint, fingerprints_json
    from convnextpose_check.checkpoints.load import load_checkpoint
    from convnextpose_check.checkpoints.provenance import provenance
    from convnextpose_check.checks.archives import check_holds_variant
    from convnextpose_check.network.layout import identify, modern_state
    from convnextpose_check.variants import read_catalogue

    catalogue = read_catalogue(settings_of(options).variants_file)
    checkpoint = load_checkpoint(options.file)
    claimed = CheckpointFiles([options.file], catalogue).claim(options.file)
    held = identify(modern_state(checkpoint.network), catalogue)
    if claimed is not None:
        check_holds_variant(catalogue[claimed], checkpoint, catalogue)
    variant = claimed or (held[0] if len(held) == 1 else options.file.stem)
    source = f"{options.file.name}, epoch {checkpoint.epoch}, sha256 {checkpoint.sha256}"
    # As JSON is: with its own escapes, and on many lines.
    print(fingerprints_json({variant: fingerprint(checkpoint, source)}))
    tell(
        f"{options.file} holds {' or '.join(held) or 'none of the variants'}, epoch"
        f" {checkpoint.epoch}: {provenance(checkpoint).story}",
        file=sys.stderr,
    )
    return 0
