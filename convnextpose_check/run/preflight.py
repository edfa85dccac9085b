"""What a run needs before it starts: the validation tests and ``doctor`` ask the same here.

Each function returns what it found or raises ``ConvNeXtPoseCheckError`` with the way to mend it;
what the machine has to spare is in ``machine``.
"""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, metadata, requires

from convnextpose_check.checkpoints.load import Checkpoint
from convnextpose_check.environment import package_version
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.network.layout import identify, modern_state
from convnextpose_check.run.run import Run

DISTRIBUTION = "convnextpose-check"
INSTALL = "Install this suite with what it needs, in its folder: python -m pip install -e ."


def check_python(version: str = platform.python_version()) -> str:
    """The interpreter is one that the suite is made for; returns its version.

    Raises ``ConvNeXtPoseCheckError`` (``python``, ``not-installed``).
    """
    from packaging.specifiers import SpecifierSet

    try:
        wanted = metadata(DISTRIBUTION)["Requires-Python"]
    except PackageNotFoundError:
        raise _not_installed() from None
    if not SpecifierSet(wanted).contains(version, prereleases=True):
        raise ConvNeXtPoseCheckError(
            "python",
            f"this is Python {version}: expected {wanted}",
            f"Install a Python {wanted} and this suite in it",
        )
    return version


def check_packages() -> str:
    """Every package that the suite asks for is there in a version that it asks for.

    OpenCV has packages of several names: it is judged by what it computes, in
    ``check_interpolation``. Raises ``ConvNeXtPoseCheckError`` (``packages``, ``not-installed``).
    """
    from packaging.requirements import Requirement

    try:
        wanted = [Requirement(text) for text in requires(DISTRIBUTION) or ()]
    except PackageNotFoundError:
        raise _not_installed() from None
    right: list[str] = []
    wrong: list[str] = []
    for requirement in wanted:
        optional = requirement.marker and not requirement.marker.evaluate({"extra": ""})
        if optional or requirement.name.startswith("opencv"):
            continue
        version = package_version(requirement.name)
        if version[0].isdigit() and requirement.specifier.contains(version, prereleases=True):
            right.append(f"{requirement.name} {version}")
        else:
            wrong.append(f"{requirement.name} {version} (expected {requirement})")
    if wrong:
        raise ConvNeXtPoseCheckError("packages", ", ".join(wrong), INSTALL)
    return ", ".join(right)


def find_checkpoint(run: Run, variant: str) -> Checkpoint:
    """The one checkpoint that is used as this variant, loaded.

    Raises what loading raises. Where there is none, the error names a file that holds the variant
    under another variant's name.
    """
    try:
        return run.checkpoints[variant]
    except ConvNeXtPoseCheckError as error:
        if error.code != "no-checkpoints" or not (found := _misnamed(run, variant)):
            raise
        raise ConvNeXtPoseCheckError(
            error.code,
            f"there is no checkpoint of {variant} under its name, but {found.path} holds {variant}",
            f"Rename that file to {run.catalogue[variant].checkpoint.file_name}",
        ) from None


def _misnamed(run: Run, variant: str) -> Checkpoint | None:
    """A file that holds this variant and claims to be another."""
    for other in run.catalogue.names:
        try:
            checkpoint = run.checkpoint_files.load(other)
            held = identify(modern_state(checkpoint.network), run.catalogue)
        except ConvNeXtPoseCheckError:
            continue
        if variant in held and other not in held:
            return checkpoint
    return None


def _not_installed() -> ConvNeXtPoseCheckError:
    return ConvNeXtPoseCheckError(
        "not-installed",
        "this suite was not installed: nothing says which versions it needs",
        INSTALL,
    )
