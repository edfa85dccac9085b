"""``convnextpose-check``, or ``python -m convnextpose_check``: everything but running the tests."""

from __future__ import annotations

import argparse
import platform
import re
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
from convnextpose_check.wording import printable, suggestion

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
    parser = _parser()
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given:
        parser.print_help()
        return 2
    if not given[0].startswith("-") and given[0] not in COMMANDS:
        parser.error(f"there is no command '{printable(given[0])}'{suggestion(given[0], COMMANDS)}")
    options, unknown = parser.parse_known_args(given)
    if unknown:
        usage: str = options.parser.format_usage()
        hint = suggestion(unknown[0].partition("=")[0], re.findall(r"--[\w-]+", usage))
        options.parser.error(f"there is no option '{printable(unknown[0])}'{hint}")
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
        command.set_defaults(run=module.run, parser=command)
    return parser


if __name__ == "__main__":
    sys.exit(main())
