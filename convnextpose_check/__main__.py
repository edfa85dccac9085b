"""The program ``convnextpose-check``, also started as ``python -m convnextpose_check``."""

import argparse
import platform
import re
import sys
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType

from convnextpose_check import __version__
from convnextpose_check.commands.terminal import print_lines
from convnextpose_check.environment import opencv_version, package_version
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.text import escape_control_chars, format_suggestion

COMMANDS = ("doctor", "download", "gate", "diagnose", "report", "extract", "fingerprint", "link")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code; a user error prints its message and returns 2."""
    parser = argparse.ArgumentParser(
        prog="convnextpose-check",
        description="Commands around an evaluation. To evaluate models, run:\n"
        "  python -m pytest -m gpu",
        epilog="Exit codes: 0 success; 1 something is missing or wrong, see the output;\n"
        "2 the command could not run.",
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
    given = list(sys.argv[1:] if arguments is None else arguments)
    # Only the commands that are needed, since they import torch.
    needed = () if given == ["--version"] else set(given[:1]).intersection(COMMANDS) or COMMANDS
    for name in needed:
        module = import_command(name)
        text = (module.__doc__ or "").replace("%", "%%")
        command = commands.add_parser(
            name,
            help=text.split("\n")[0],
            description=text,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        add_arguments(command, module)
        command.set_defaults(run=module.run, parser=command)
    if not given:
        parser.print_help()
        return 2
    if not given[0].startswith("-") and given[0] not in COMMANDS:
        hint = format_suggestion(given[0], COMMANDS) or f". Choose from {', '.join(COMMANDS)}"
        parser.error(f"unknown command '{escape_control_chars(given[0])}'{hint}.")
    options, unknown = parser.parse_known_args(given)
    if unknown:
        known = re.findall(r"--[\w-]+", options.parser.format_usage())
        hint = format_suggestion(unknown[0].partition("=")[0], known, "--")
        options.parser.error(f"unknown option '{escape_control_chars(unknown[0])}'{hint}.")
    try:
        return int(options.run(options))
    except ConvNeXtPoseCheckError as error:
        print_lines(*str(error).split("\n"), file=sys.stderr)
        return 2


def import_command(name: str) -> ModuleType:
    """Import the module of a command."""
    return import_module(f"convnextpose_check.commands.{name}")


def add_arguments(parser: argparse.ArgumentParser, command: ModuleType) -> None:
    """Declare the arguments and options of a command module."""
    from convnextpose_check.settings.options import add_settings

    for name, keywords in getattr(command, "ARGUMENTS", {}).items():
        parser.add_argument(name, **keywords)
    add_settings(parser, *getattr(command, "SETTINGS", ()))


if __name__ == "__main__":
    sys.exit(main())
