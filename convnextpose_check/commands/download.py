"""Fetch the checkpoints that are missing from the authors' Drive folder.

What is there and whole stays as it is. Each file is opened and checked before it takes its name;
its sha256 is remembered in checkpoints.lock, and a file that changes later is reported. Exit code 1
if a checkpoint is not there in the end.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from convnextpose_check.commands.telling import tell
from convnextpose_check.variants import PUBLISHED_FILE, read_catalogue


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where to, and which."""
    parser.add_argument(
        "folder",
        metavar="FOLDER",
        type=Path,
        nargs="?",
        default=Path("checkpoints"),
        help="where the checkpoints are, or go to [default: checkpoints]",
    )
    parser.add_argument(
        "--variants", metavar="NAMES", help="these only, such as XS,S [default: all]"
    )
    parser.add_argument(
        "--variants-file",
        metavar="FILE",
        type=Path,
        default=PUBLISHED_FILE,
        help="describes models of your own [default: the published ones]",
    )
    parser.add_argument(
        "--results-dir",
        metavar="DIR",
        type=Path,
        default=Path("output"),
        help="where hashes are remembered if FOLDER cannot be written [default: output]",
    )


def run(options: argparse.Namespace) -> int:
    """Print a line for each checkpoint, and an error for each that is not there."""
    from convnextpose_check.drive.download import fetch_missing

    catalogue = read_catalogue(options.variants_file)
    names = options.variants.split(",") if options.variants is not None else catalogue.names
    names = list(dict.fromkeys(name.strip() for name in names))
    downloads = fetch_missing([], options.folder, catalogue, names, options.results_dir, sys.stderr)
    for name in names:
        if (got := downloads.obtained.get(name)) is not None:
            size = "a folder" if got.bytes is None else f"{got.bytes:,} bytes"
            tell(f"{name}: {'fetched' if got.fetched else 'was there'}, {got.path}, {size}")
            tell(f"    sha256 {got.sha256}, remembered in {got.remembered_in}")
            if got.warning:
                tell(f"warning: {got.warning}", file=sys.stderr)
    for error in dict.fromkeys(downloads.failed.values()):
        missing = [name for name, other in downloads.failed.items() if other is error]
        tell(f"{', '.join(missing)}: {error}", file=sys.stderr)
    return 1 if downloads.failed else 0
