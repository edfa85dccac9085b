"""The report says where each checkpoint comes from, in a row."""

from __future__ import annotations

from html import unescape

import pytest

from convnextpose_check.pages.html import summary_html
from convnextpose_check.pages.markdown import markdown
from convnextpose_check.results.schema import ProvenanceRecord
from tests.support.results import example_results, example_variant

ORIGIN = ProvenanceRecord(
    epoch="epoch 69 (70, claimed by somebody)",
    story="70 x 19,512 iterations: five subjects",
    iterations=19_512,
    tensors="183 of 183 known tensors are the published ones",
    copy="",
)


@pytest.mark.parametrize("recorded", [ORIGIN, None])
def test_origin_of_a_checkpoint_is_a_row_where_it_is_recorded(
    recorded: ProvenanceRecord | None,
) -> None:
    variant = example_variant(56.0, 56.61, provenance=recorded)
    results = example_results(variants={"XS": variant})

    for page in (unescape(summary_html([(results, {})])), markdown(results)):
        shown = page.replace("\\", "").lower()
        assert ("origin of xs" in shown) == (recorded is not None)
        if recorded is not None:
            assert recorded.told.lower() in shown
            assert recorded.told.count("; ") == 2
