"""What the texts say in figures is what the data says."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from convnextpose_check.checkpoints import find as discovery
from convnextpose_check.checkpoints import members
from convnextpose_check.checkpoints import pickle_check as pickles
from convnextpose_check.checkpoints import unpack as containers
from convnextpose_check.checkpoints.fingerprints import read_fingerprints
from convnextpose_check.files import folders
from convnextpose_check.human36m import jpegs
from convnextpose_check.variants import Catalogue
from tests.support.figures_table import answers_table, figures_table
from tests.support.texts import ROOT, marked


@pytest.mark.parametrize(
    ("marks", "table"), [("figures", figures_table), ("answers", answers_table)]
)
def test_texts_show_the_figures_of_the_variants_file(
    marks: str, table: Callable[[Catalogue], str], catalogue: Catalogue
) -> None:
    """When the figures change, put the expected table between the marks."""
    assert marked(marks) == table(catalogue)


def test_figure_that_the_paper_does_not_give_is_a_dash(catalogue: Catalogue) -> None:
    bare = msgspec.structs.replace(
        catalogue["M"], paper=msgspec.structs.replace(catalogue["M"].paper, gmacs=None)
    )
    table = figures_table(msgspec.structs.replace(catalogue, variants=(bare,)))

    assert "| multiply-adds, says the paper | - G |" in table


def test_texts_repeat_no_figure_wrongly(catalogue: Catalogue, fixtures: Path) -> None:
    """What they say of the guide's errors, of the counts, of the file of XS and of Drive."""
    readme, checks = read("README.md"), read("convnextpose_check/checks/README.md")
    gmacs = {name: f"{catalogue[name].multiply_adds / 1e9:.2f}" for name in ("M", "L")}
    papers = [catalogue[name].paper.gmacs for name in ("M", "L")]
    paper = " and ".join(f"{figure.value:.2f}" for figure in papers if figure)
    known = read_fingerprints(fixtures, catalogue)["XS"].tensors
    assert known is not None
    off = max(
        abs(variant.multiply_adds / 1e9 - variant.paper.gmacs.value)
        for variant in catalogue.variants
        if variant.paper.gmacs
    )

    assert f"with three they have {gmacs['M']} and {gmacs['L']}" in checks
    assert f"paper says {paper}" in checks
    assert f"its multiply-adds to {math.ceil(off * 100) / 100} G" in readme
    assert f"XS {len(known.sha256)} of 194 tensors are known to the bit" in readme
    assert f"https://drive.google.com/drive/folders/{catalogue.drive_folder})" in readme


def test_promise_names_each_bound_as_it_is() -> None:
    """The rows about opening files, by what they begin with, and the images."""
    promise = read("tests/hostile/README.md")
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
    }
    for row, bound in bounds.items():
        assert re.search(rf"\| {re.escape(row)}[^|]*\| {re.escape(bound)}\b", promise)
    megapixels = f"{jpegs.MAX_PIXELS >> 20} megapixels and {jpegs.MAX_SCANS} scans"
    assert f"of at most {jpegs.MAX_FILE_BYTES >> 20} MB, {megapixels}" in promise


def read(name: str) -> str:
    """A text as one line."""
    return " ".join((ROOT / name).read_text(encoding="utf-8").split())
