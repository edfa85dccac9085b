"""``convnextpose-check``, or ``python -m convnextpose_check``: everything but running the tests."""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Sequence

from convnextpose_check import __version__
from convnextpose_check.commands import (
    diagnose,
    doctor,
    download,
    extract,
    fingerprint,
    gate,
    link,
    report,
)
from convnextpose_check.commands.terminal import print_lines
from convnextpose_check.environment import opencv_version, package_version
from convnextpose_check.errors import ConvNeXtPoseCheckError

COMMANDS = {
    "doctor": doctor,
    "download": download,
    "gate": gate,
    "diagnose": diagnose,
    "report": report,
    "extract": extract,
    "fingerprint": fingerprint,
    "link": link,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code; a user's mistake is one sentence and code 2."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.run(options)
    except ConvNeXtPoseCheckError as error:
        print_lines(str(error), file=sys.stderr)
        return 2
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="convnextpose-check",
        description="Work on files. To evaluate models, run: python -m pytest -m gpu",
        epilog="Exit codes: 0 success; 1 something is missing or wrong, and is named;\n"
        "2 the command could not be carried out.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--version",
        action="version",
        version=f"convnextpose-check {__version__} with torch {package_version('torch')},"
        f" numpy {package_version('numpy')}, OpenCV {opencv_version()},"
        f" Python {platform.python_version()}",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, module in COMMANDS.items():
        text = (module.__doc__ or "").replace("%", "%%")
        command = commands.add_parser(
            name,
            help=text.split("\n")[0],
            description=text,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser


if __name__ == "__main__":
    sys.exit(main())
