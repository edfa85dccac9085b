"""The README's table is the variants file's."""

from __future__ import annotations

import re

import msgspec
import pytest

from convnextpose_check.checkpoints import find as discovery
from convnextpose_check.checkpoints import lock as hashes
from convnextpose_check.checkpoints import members
from convnextpose_check.checkpoints import pickle_check as pickles
from convnextpose_check.checkpoints import unpack as containers
from convnextpose_check.files import folders
from convnextpose_check.variants import Catalogue
from tests.support.figures_table import figures_table


def test_readme_shows_the_figures_of_the_variants_file(
    pytestconfig: pytest.Config, catalogue: Catalogue
) -> None:
    """When the figures change, put the expected table into the README."""
    readme = (pytestconfig.rootpath / "README.md").read_text(encoding="utf-8")

    found = re.search(r"<!-- figures: .*?-->\n(.*?)<!-- end of figures -->", readme, re.DOTALL)

    assert found is not None
    assert found[1] == figures_table(catalogue)


def test_figure_that_the_paper_does_not_give_is_a_dash(catalogue: Catalogue) -> None:
    bare = msgspec.structs.replace(
        catalogue["M"], paper=msgspec.structs.replace(catalogue["M"].paper, gmacs=None)
    )
    table = figures_table(msgspec.structs.replace(catalogue, variants=(bare,)))

    assert "| multiply-adds, says the paper | - G |" in table


def test_readme_repeats_no_figure_wrongly(
    pytestconfig: pytest.Config, catalogue: Catalogue
) -> None:
    """What the README says of the guide's errors and of Drive, held against the data."""
    readme = (pytestconfig.rootpath / "README.md").read_text(encoding="utf-8")
    gmacs = {name: f"{catalogue[name].multiply_adds / 1e9:.2f}" for name in ("M", "L")}
    paper = [catalogue[name].paper.gmacs for name in ("M", "L")]

    assert f"with three they have {gmacs['M']} and {gmacs['L']}" in readme
    assert f"paper says {' and '.join(f'{figure.value:.2f}' for figure in paper if figure)}" in (
        readme.replace("\n", " ").replace("   ", " ")
    )
    assert f"https://drive.google.com/drive/folders/{catalogue.drive_folder})" in readme


def test_readme_names_each_bound_as_it_is(pytestconfig: pytest.Config) -> None:
    """The rows about opening files, by what they begin with."""
    readme = (pytestconfig.rootpath / "README.md").read_text(encoding="utf-8")
    bounds = {
        "a checkpoint's file, or": f"{containers.MAX_FILE_BYTES >> 30} GiB",
        "what it unpacks to": f"{containers.MAX_UNPACKED_RATIO:g} times the file's size and"
        f" {containers.UNPACKED_SLACK_BYTES >> 20} MiB",
        "archives inside archives": f"{containers.MAX_NESTING}",
        "files in an archive or": f"{members.MAX_MEMBERS:,}",
        "a zip's directory": f"{members.MAX_DIRECTORY_BYTES >> 20} MiB",
        "a tar's extended headers": f"{members.MAX_TAR_HEADER_BYTES >> 10} KiB each,"
        f" {members.MAX_TAR_HEADERS_BYTES >> 20} MiB together",
        "`data.pkl`": f"{containers.MAX_PICKLE_BYTES >> 20} MiB, {pickles.MAX_OPCODES:,} opcodes",
        "files that may be checkpoints": f"{discovery.MAX_CANDIDATES:,}",
        "folders that are looked": f"{folders.MAX_FOLDERS:,} in each place,"
        f" {folders.MAX_DEPTH} deep",
        "`checkpoints.lock`": f"{hashes.MAX_LOCK_BYTES >> 20} MiB",
    }
    for row, bound in bounds.items():
        assert re.search(
            rf"^ +\| {re.escape(row)}[^|]*\| {re.escape(bound)}\b", readme, re.MULTILINE
        )
