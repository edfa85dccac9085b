"""The README's table is the variants file's."""

from __future__ import annotations

import re

import msgspec
import pytest

from convnextpose_check.figures import figures_table
from convnextpose_check.variants import Catalogue


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
