"""Fetch the checkpoints that are missing from the authors' Drive folder.

What is there and whole stays as it is. Each file is opened and checked before it takes its name.
Exit code 1 if a checkpoint is not there in the end.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from convnextpose_check.commands.telling import tell
from convnextpose_check.settings.arguments import add_place, add_settings, settings_of

FOLDER = Path("checkpoints")
"""Where nothing else is named."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where to, and which."""
    does = "where the checkpoints are, or go to"
    add_place(parser, "checkpoints", "FOLDER", does=does, default=str(FOLDER))
    add_settings(parser, "variants", "variants_file", "results_dir")


def run(options: argparse.Namespace) -> int:
    """Print a line for each checkpoint, and an error for each that is not there."""
    from convnextpose_check.drive.download import fetch_missing, folder_for
    from convnextpose_check.variants import read_catalogue

    settings = settings_of(options)
    catalogue = read_catalogue(settings.variants_file)
    names = settings.variants or catalogue.names
    source, places = settings.sources.get("checkpoints"), settings.checkpoints
    if source == "environment":  # these are the places of a run, and so is the one to write to
        folder = folder_for(places, settings.results_dir)
    else:
        folder, places = places[0] if source else FOLDER, ()
    downloads = fetch_missing(places, folder, catalogue, names, sys.stderr)
    for name in names:
        if (checkpoint := downloads.obtained.get(name)) is not None:
            how = "downloaded" if name in downloads.fetched else "was there"
            tell(f"{name}: {how}, {checkpoint.path}", f"    sha256 {checkpoint.sha256}")
    for error in dict.fromkeys(downloads.failed.values()):
        missing = [name for name, other in downloads.failed.items() if other is error]
        tell(f"{', '.join(missing)}: {error}", file=sys.stderr)
    return 1 if downloads.failed else 0
