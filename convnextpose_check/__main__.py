"""``convnextpose-check``, or ``python -m convnextpose_check``: everything but running the tests."""

from __future__ import annotations

import argparse
import platform
import re
import sys
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from textwrap import fill

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
from convnextpose_check.wording import printable

COMMANDS = {
    "gate": gate,
    "doctor": doctor,
    "download": download,
    "link": link,
    "extract": extract,
    "fingerprint": fingerprint,
    "diagnose": diagnose,
    "report": report,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code; a user's mistake is one sentence and code 2."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    parser = _parser()
    if not given:
        parser.print_help()
        return 2
    if not given[0].startswith("-") and given[0] not in COMMANDS:
        meant = _suggestion(given[0], COMMANDS) or f"choose from {', '.join(COMMANDS)}"
        parser.error(f"there is no command '{printable(given[0])}': {meant}")
    options, unknown = parser.parse_known_args(given)
    if unknown:
        known = re.findall(r"--[\w-]+", options.parser.format_usage())
        meant = _suggestion(unknown[0].partition("=")[0], known) or "--help lists the options"
        options.parser.error(f"there is no option '{printable(unknown[0])}': {meant}")
    try:
        code: int = options.run(options)
    except ConvNeXtPoseCheckError as error:
        print_lines(str(error), file=sys.stderr)
        return 2
    return code


def _suggestion(text: str, known: Iterable[str]) -> str:
    near = get_close_matches(text, list(known), n=1)
    return f"did you mean {near[0]}?" if near else ""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m convnextpose_check",
        description="Work on files. To evaluate models, run: python -m pytest -m gpu",
        epilog="Exit codes: 0 success; 1 something is missing or wrong, and is named;\n"
        "2 the command could not be carried out.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    versions = {name: package_version(name) for name in ("torch", "numpy")}
    versions |= {"OpenCV": opencv_version(), "Python": platform.python_version()}
    parser.add_argument(
        "--version",
        action="version",
        version=f"convnextpose-check {__version__} with "
        + ", ".join(f"{name} {version}" for name, version in versions.items()),
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, module in COMMANDS.items():
        text = (module.__doc__ or "").replace("%", "%%")
        command = commands.add_parser(
            name,
            help=text.split("\n")[0],
            description=_wrapped(text),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run, parser=command)
    return parser


def _wrapped(text: str) -> str:
    """The text with its paragraphs in lines of 80 columns; indented ones are kept."""
    return "\n\n".join(
        paragraph if paragraph.startswith(" ") else fill(paragraph, 80)
        for paragraph in text.split("\n\n")
    )


if __name__ == "__main__":
    sys.exit(main())
