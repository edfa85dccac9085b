"""The pages show what the results say, and nothing that comes from outside becomes markup."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.pages import redraw, summary_of
from convnextpose_check.pages.html import judged_subject, page_html, summary_html, with_summary
from convnextpose_check.pages.markdown import markdown
from convnextpose_check.paths import Outputs
from convnextpose_check.results.baseline import Baseline, compare
from convnextpose_check.results.schema import CheckRecord, DatasetRecord, Results, write_results
from tests.library.results import example_examples, example_results, example_variant

HOSTILE = '"><script>alert(1)</script>|`*_\n# [x](javascript:y)'


class Outline(HTMLParser):
    """The tags, ids and texts of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def summary(results: Results) -> str:
    errors_mm = {name: np.linspace(20, 90, 200) for name in results.variants}
    return summary_html([(results, errors_mm)])


def rich() -> Results:
    """Results with everything that a page can show."""
    results = example_results(
        checks=(
            CheckRecord(test="test_a[XS]", outcome="passed", obtained=3, expected=3, difference=0),
            CheckRecord(test="test_b[XS]", outcome="failed", message="[count] has 4: expected 3"),
        ),
        left_out=("test_c[XS] was not run",),
        dataset=DatasetRecord("/data", "0" * 64, {"there is no such image": 12}, True),
        variants={
            "XS": example_variant(57.0, 56.61, unreadable={"it is cut off": 2}),
            "S": example_variant(51.0, None, verdict="not judged: no figure to compare with"),
        },
        expected_variants=("XS", "S", "M"),
    )
    earlier = replace(results, checks=(), left_out=())
    baseline = compare(results, Baseline(Path("old.json"), earlier, 0.05))
    return replace(results, baseline=baseline)


@pytest.fixture(scope="module")
def rich_summary() -> str:
    return summary(rich())


@pytest.mark.parametrize(
    "said",
    [
        "Reproduced: XS, S are within 5 mm of the paper.",
        "57.000", "56.610", "+0.390", "-1.61 to +2.39", "excellent",
        "3,528,008", "3,534,140 in the state dict", "0.815", "695.6", "12.5",
        "ConvNeXtPose_XS.tar", "sha256 aaaaaaaaaaaa, epoch 68",
        "60 of them", "Directions", "R Wrist",
        "test_b[XS]", "[count] has 4: expected 3", "test_c[XS] was not run",
        "old.json", "not worse",
        "S: not judged: no figure to compare with.", "M: it could not be evaluated.",
        "12 test images are excluded: there is no such image.",
        "2 images could not be used for XS: it is cut off.",
        "All samples but 8695: a limit was asked for.",
        "--workers 2", "Human3.6M may not be redistributed",
    ],
)  # fmt: skip
def test_summary_says_what_a_reviewer_asks(said: str, rich_summary: str) -> None:
    text = " ".join(" ".join(Outline(rich_summary).texts).split())

    assert said in text


def test_every_picture_has_an_alternative_text_and_every_id_is_there_once() -> None:
    page = summary_html([(rich(), {}), (example_results("miniature"), {})])
    outline = Outline(page)

    pictures = [attributes for tag, attributes in outline.tags if tag in ("svg", "img")]
    ids = [attributes["id"] for _, attributes in outline.tags if "id" in attributes]
    assert len(pictures) > 20
    assert all(p.get("aria-label") or p.get("alt") for p in pictures)
    assert len(set(ids)) == len(ids)


def test_page_asks_for_nothing_from_elsewhere(rich_summary: str) -> None:
    page = page_html(rich_summary)

    for tag, attributes in Outline(page).tags:
        for name in ("src", "href", "xlink:href", "action"):
            value = attributes.get(name) or ""
            assert value.startswith(("#", "data:")) or not value, (tag, name, value)
    assert "@import" not in page
    assert set(re.findall(r"url\(([^)]*)\)", page)) <= set(re.findall(r"url\((#[^)]*)\)", page))


def rendered(text: str) -> str:
    """Markdown as GitHub shows it, but that HTML in it is not made harmless."""
    import markdown_it

    parser = markdown_it.MarkdownIt("gfm-like", {"linkify": False, "html": True})
    return str(parser.render(text))


def hostile() -> Results:
    """Results in which every text from outside tries to be markup."""
    return example_results(
        verdict=HOSTILE,
        device=HOSTILE,
        environment={"command": HOSTILE},
        settings=(HOSTILE,),
        dataset=DatasetRecord(HOSTILE, HOSTILE, {HOSTILE: 1}, False),
        checks=(CheckRecord(test=HOSTILE, outcome="failed", obtained=HOSTILE, message=HOSTILE),),
        left_out=(HOSTILE,),
        variants={
            "XS": example_variant(
                57.0,
                56.61,
                file=HOSTILE,
                sha256=HOSTILE,
                form=HOSTILE,
                verdict=HOSTILE,
                reference_source=HOSTILE,
                per_action_mm={HOSTILE: 1.0, "b": 2.0},
                per_joint_mm={HOSTILE: 1.0, "b": 2.0},
                unreadable={HOSTILE: 1},
                examples=tuple(
                    replace(e, file_name=HOSTILE, action=HOSTILE, crop_jpeg=HOSTILE)
                    for e in example_examples()
                ),
            )
        },
    )  # fmt: skip


def test_html_shows_hostile_texts_as_texts() -> None:
    outline = Outline(summary(hostile()))

    assert not [tag for tag, _ in outline.tags if tag == "script"]
    assert " ".join(outline.texts).count("<script>alert(1)</script>") >= 15


def test_markdown_shows_hostile_texts_as_texts() -> None:
    """Judged by a parser of the Markdown that GitHub shows."""
    html = rendered(markdown(hostile(), "picture.png"))
    outline = Outline(html)

    tags = {tag for tag, _ in outline.tags}
    assert not tags & {"script", "a", "em"}
    assert [a for tag, a in outline.tags if tag == "img"] == [
        {"src": "picture.png", "alt": "MPJPE obtained and expected"}
    ]
    headings = [tag for tag, _ in outline.tags if tag in ("h1", "h2")]
    assert headings == ["h1", "h2", "h2", "h2"]
    assert "<script>alert(1)</script>" in "".join(outline.texts)
    rows = html.split("<tr>")
    assert all(row.count("<td") == rows[2].count("<td") for row in rows[2:3])


def test_markdown_has_the_table_the_verdict_and_the_picture() -> None:
    text = markdown(rich(), "benchmark_comparison.png")
    html = rendered(text)

    for said in ("57.000", "+0.390", "3,528,008", "3,534,140", "Directions", "no figure"):
        assert said in html
    assert html.count("<table>") == 4
    assert '<img src="benchmark_comparison.png"' in html
    assert "<strong>Reproduced: XS, S are within 5 mm of the paper.</strong>" in html


@pytest.mark.parametrize(
    ("difference_mm", "place"), [(0.0, "0.0"), (5.0, "50.0"), (-5.0, "-50.0"), (1.0, "10.0")]
)
def test_difference_is_drawn_to_scale(difference_mm: float, place: str) -> None:
    page = summary(example_results(variants={"XS": example_variant(50 + difference_mm, 50.0)}))

    assert f'<circle class="point" cx="{place}"' in page
    assert '<rect class="band-5" x="-50.0" y="-9" width="100.0"' in page


@pytest.mark.parametrize(("difference_mm", "arrow"), [(900.0, "M60.0 0l-6"), (-7.0, "M-60.0 0l6")])
def test_difference_beyond_the_scale_is_an_arrow(difference_mm: float, arrow: str) -> None:
    page = summary(example_results(variants={"XS": example_variant(950 + difference_mm, 950.0)}))

    assert f'<path class="point" d="{arrow}' in page


def test_frames_are_shown_only_where_they_were_kept() -> None:
    with_picture = tuple(replace(e, crop_jpeg="/9j/4AAQ") for e in example_examples())
    shown = example_results(variants={"XS": example_variant(57.0, 56.61, examples=with_picture)})

    assert "data:image" not in summary(example_results())
    assert "licence forbids passing them on" in summary(example_results())
    assert summary(shown).count("data:image/jpeg;base64,/9j/4AAQ") == 3


def test_verdict_that_is_no_success_does_not_look_like_one(rich_summary: str) -> None:
    assert '<p class="verdict good">' in summary(example_results())
    assert '<p class="verdict bad">' in rich_summary
    assert '<p class="verdict bad">Nothing was evaluated' in summary_html([])


def test_report_remembers_whom_it_judged() -> None:
    assert judged_subject(summary(example_results("miniature"))) == "miniature"
    assert judged_subject(summary_html([])) is None


def write_run(folder: Path, results: Results) -> Outputs:
    outputs = Outputs(folder)
    write_results(results, outputs.results)
    rows = [f"XS,{50 + i}" for i in range(20)]
    outputs.per_sample.write_text("\n".join(["variant,mean_mm", *rows]) + "\n")
    return outputs


def test_pages_are_drawn_again_from_the_files_alone(tmp_path: Path) -> None:
    results = rich()
    outputs = write_run(tmp_path, results)

    written = redraw(tmp_path)

    report = (tmp_path / "report.html").read_text()
    assert written == [tmp_path / "report.html", outputs.markdown, outputs.picture]
    assert all(path.stat().st_size for path in written)
    assert summary_of([(results, outputs)]) in report
    assert "Errors of single samples" in report
    assert report.startswith("<!DOCTYPE html>")


def test_drawing_again_keeps_the_table_of_tests(tmp_path: Path) -> None:
    write_run(tmp_path, example_results())
    before = page_html(summary_html([])).replace("</main>", "<p>the table of tests</p></main>")
    (tmp_path / "report.html").write_text(before)

    redraw(tmp_path)

    after = (tmp_path / "report.html").read_text()
    assert "the table of tests" in after
    assert "57.000" in after
    assert "Nothing was evaluated" not in after


def test_page_of_something_else_has_no_summary_to_exchange() -> None:
    assert with_summary("<html></html>", "new") is None


def test_without_the_per_sample_file_the_rest_is_drawn(tmp_path: Path) -> None:
    outputs = write_run(tmp_path, example_results())
    outputs.per_sample.unlink()

    redraw(tmp_path)

    report = (tmp_path / "report.html").read_text()
    assert "57.000" in report
    assert "Errors of single samples" not in report


def test_folder_without_results_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConvNeXtPoseCheckError, match="cannot read the results"):
        redraw(tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_a_page_with_four_variants_stays_small() -> None:
    picture = "A" * 20_000
    examples = tuple(replace(e, crop_jpeg=picture) for e in example_examples())
    variants: dict[str, Any] = {
        name: example_variant(50.0 + i, 50.0, examples=examples) for i, name in enumerate("ABCD")
    }

    assert len(page_html(summary(example_results(variants=variants)))) < 1_000_000
