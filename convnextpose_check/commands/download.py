"""Download missing checkpoints from the authors' Google Drive folder.

Existing files are kept, so delete a damaged one first. Each downloaded file is opened
and checked before it gets its final name. The exit code is 1 if a checkpoint is still missing.
"""

import argparse
import sys
from pathlib import Path

from convnextpose_check.commands.terminal import Arguments, print_lines
from convnextpose_check.drive.download import download_missing
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.settings.options import read_settings
from convnextpose_check.variants import read_catalogue

ARGUMENTS: Arguments = {
    "folder": {
        "metavar": "FOLDER",
        "nargs": "?",
        "type": Path,
        "default": Path("checkpoints"),
        "help": "folder of existing and downloaded checkpoints [default: checkpoints]",
    },
}
SETTINGS = ("variants", "variants_file")


def run(options: argparse.Namespace) -> int:
    """Print the path of each checkpoint, and an error for each that is missing."""
    settings = read_settings(vars(options))
    catalogue = read_catalogue(settings.variants_file)
    names = settings.variants or catalogue.names
    files = download_missing((), options.folder, catalogue, names, sys.stderr)
    for name in names:
        try:
            checkpoint = files.load(name)
        except ConvNeXtPoseCheckError as error:
            print_lines(*f"{name}: {error}".split("\n"), file=sys.stderr)
        else:
            print_lines(f"{name}: {checkpoint.path}", f"    sha256 {checkpoint.sha256}")
    return 1 if files.refused else 0
