"""Refuse command lines that pytest misreads, and print the corrected one.

pytest looks for its configuration file before it loads any plugin. At that moment it does not know
the suite's options: in ``pytest --h36m-root /data`` it reads ``/data`` as a test path, and
looks for ``pytest.ini`` there. No plugin is loaded early enough to change that.

This module is an entry point, so every pytest run in the environment loads it. Outside a checkout
of this suite it only adds an explanation if one of the suite's options is used.
"""

import shlex
from collections.abc import Generator, Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from convnextpose_check.files.folders import path_exists
from convnextpose_check.text import format_suggestion


def join_options(arguments: Sequence[str]) -> list[str]:
    """Join every option of this suite to its value by ``=``."""
    from convnextpose_check.settings.options import OPTIONS

    valued = {option.flag for option in OPTIONS if not option.is_flag}
    result: list[str] = []
    for argument in arguments:
        if result and result[-1] in valued and not argument.startswith("-"):
            result[-1] += f"={argument}"
        else:
            result.append(argument)
    return result


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser, args: list[str]
) -> Generator[None, None, None]:
    """Refuse a path after a space, a misspelled option, and an option outside a checkout.

    Raises ``pytest.UsageError``.
    """
    checkout = _find_checkout(early_config.invocation_params.dir)
    if checkout is not None:
        _refuse_misread_paths(early_config.invocation_params, checkout)
    yield
    # conftest.py files have now declared every option.
    _, unknown = parser.parse_known_and_unknown_args(args)
    for argument in unknown:
        _refuse_unknown_option(argument.partition("=")[0], in_checkout=checkout is not None)


def _refuse_misread_paths(invocation: pytest.Config.InvocationParams, checkout: Path) -> None:
    """Refuse an existing path outside the checkout that a space separates from its option."""
    given = list(map(str, invocation.args))
    joined = join_options(given)
    for flag, value in pairwise(given):
        path = invocation.dir / value
        is_joined = f"{flag}={value}" in joined
        if is_joined and path_exists(path) and not path.resolve().is_relative_to(checkout):
            raise pytest.UsageError(
                f"pytest reads {value} as a test path, because a space separates it from its"
                f" option. Run:\n  {shlex.join(['python', '-m', 'pytest', *joined])}"
            )


def _refuse_unknown_option(flag: str, *, in_checkout: bool) -> None:
    """Refuse a misspelled option in a checkout, and elsewhere an option of this suite."""
    from convnextpose_check.settings.options import OPTIONS

    flags = [option.flag for option in OPTIONS]
    if in_checkout and (hint := format_suggestion(flag, flags, "--")):
        raise pytest.UsageError(f"unknown option {flag}{hint}.")
    if not in_checkout and flag in flags:
        raise pytest.UsageError(
            f"{flag} is an option of convnextpose-check, but its tests are not in this folder."
            " Start pytest in a checkout of convnextpose-check, or run: convnextpose-check gate."
        )


def _find_checkout(folder: Path) -> Path | None:
    """Return the checkout of this suite that contains the folder, or None."""
    for parent in (folder, *folder.parents):
        if (parent / "pytest.ini").is_file() and (parent / "convnextpose_check/plugin").is_dir():
            return parent
    return None
