"""``python -m convnextpose_check``: all that is done without a run of the tests."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from difflib import get_close_matches

from convnextpose_check.commands import (
    diagnose,
    doctor,
    download,
    export,
    extract,
    fingerprint,
    gate,
    link,
    report,
)
from convnextpose_check.commands.telling import tell
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
    "export": export,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code; a user's mistake is one sentence and code 2."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    parser = _parser()
    if not given:
        tell(parser.format_help())
        return 2
    if not given[0].startswith("-") and given[0] not in COMMANDS:
        near = get_close_matches(given[0], COMMANDS, n=1)
        meant = f"did you mean {near[0]}?" if near else f"choose from {', '.join(COMMANDS)}"
        parser.error(f"there is no command {printable(given[0])!r}: {meant}")
    options = parser.parse_args(given)
    try:
        code: int = options.run(options)
    except ConvNeXtPoseCheckError as error:
        tell(str(error), file=sys.stderr)
        return 2
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m convnextpose_check",
        description="Work on files. To judge models, run: python -m pytest -m gpu",
        epilog="Exit codes: 0 all is well; 1 something asked about is missing or wrong, and is"
        " named; 2 the command could not be carried out.",
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
