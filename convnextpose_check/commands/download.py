"""Download missing checkpoints from the authors' Google Drive folder.

Sound files that exist are kept. Each downloaded file is opened and checked before it takes its
name. The exit code is 1 if a checkpoint is missing in the end.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from convnextpose_check.commands.terminal import print_lines
from convnextpose_check.drive.download import fetch_missing, folder_for
from convnextpose_check.settings.read import add_settings, settings_of
from convnextpose_check.variants import read_catalogue

FOLDER = Path("checkpoints")
"""The default folder."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the folder and the variants."""
    parser.add_argument(
        "checkpoints",
        metavar="FOLDER",
        nargs="?",
        help=f"folder of the checkpoints, new and existing [default: {FOLDER}]",
    )
    add_settings(parser, "variants", "variants_file", "results_dir")


def run(options: argparse.Namespace) -> int:
    """Print a line for each checkpoint, and an error for each that is missing."""
    settings = settings_of(options)
    catalogue = read_catalogue(settings.variants_file)
    names = settings.variants or catalogue.names
    places: tuple[Path, ...] = ()
    if options.checkpoints:
        folder = settings.checkpoints[0]
    elif "checkpoints" in settings.sources:  # the variable names the places of a run
        places = settings.checkpoints
        folder = folder_for(places, settings.results_dir)
    else:
        folder = FOLDER
    print_lines(f"looking for {', '.join(names)} in {folder}", file=sys.stderr)
    downloads = fetch_missing(places, folder, catalogue, names, sys.stderr)
    for name in names:
        if (checkpoint := downloads.obtained.get(name)) is not None:
            how = "downloaded" if name in downloads.fetched else "was there"
            print_lines(f"{name}: {how}, {checkpoint.path}", f"    sha256 {checkpoint.sha256}")
    for error in dict.fromkeys(downloads.failed.values()):
        missing = [name for name, other in downloads.failed.items() if other is error]
        print_lines(f"{', '.join(missing)}: {error}", file=sys.stderr)
    return 1 if downloads.failed else 0
