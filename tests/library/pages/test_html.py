"""The pages show what the results say, and nothing that comes from outside becomes markup."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.pages import redraw, summary_of, update_report
from convnextpose_check.pages.html import judged_subject, page_html, summary_html, with_summary
from convnextpose_check.pages.markdown import markdown
from convnextpose_check.paths import Outputs
from convnextpose_check.results.baseline import Baseline, compare
from convnextpose_check.results.figures import derived
from convnextpose_check.results.results_file import write_results
from convnextpose_check.results.schema import CheckRecord, DatasetRecord, Results
from convnextpose_check.results.words import verdict_sentence
from tests.support.results import (
    example_cause,
    example_examples,
    example_results,
    example_variant,
)

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
            "XS": example_variant(
                57.0, 56.61, unreadable={"it is cut off": 2}, causes=(example_cause(),)
            ),
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
        "ConvNeXtPose_XS.tar", f"sha256 {'a' * 64} , epoch 68",
        "60 of them", "Directions", "R Wrist",
        "test_b[XS]", "[count] has 4: expected 3", "test_c[XS] was not run",
        "old.json", "not worse",
        "S: not judged: no figure to compare with.", "M: it could not be evaluated.",
        "12 test images are excluded: there is no such image.",
        "2 images could not be used for XS: it is cut off.",
        "All samples but 8695: a limit was asked for.",
        "The likeliest cause for XS: pixels are blue <first> .", "24 samples say so",
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
    html = rendered(markdown(hostile()))
    outline = Outline(html)

    tags = {tag for tag, _ in outline.tags}
    assert not tags & {"script", "a", "em"}
    assert not [a for tag, a in outline.tags if tag == "img"]
    headings = [tag for tag, _ in outline.tags if tag in ("h1", "h2")]
    assert headings == ["h1", "h2"]
    assert "<script>alert(1)</script>" in "".join(outline.texts)
    rows = html.split("<tr>")
    assert all(row.count("<td") == rows[2].count("<td") for row in rows[2:3])


def test_markdown_has_the_verdict_and_tables_that_fit_a_pull_request() -> None:
    text = markdown(rich())
    html = rendered(text)

    for said in ("57.000", "+0.390", "3,528,008", "3,534,140", "Directions", "no figure"):
        assert said in html
    widths = [len(re.findall("<t[hd][ >]", row)) for row in html.split("<tr>")[1:]]
    assert (html.count("<table>"), max(widths)) == (5, 7)
    assert html.count("<details>") == html.count("</details>") == 3
    assert "Reproduced: XS, S are within 5 mm of the paper.</strong>" in html


@pytest.mark.parametrize("page", [summary, markdown])
def test_resumed_result_is_marked_in_every_report(page: Callable[[Results], str]) -> None:
    fresh = example_results()
    record = replace(fresh.variants["XS"], resumed_samples=8695)
    resumed = replace(fresh, variants={**fresh.variants, "XS": record})
    resumed = replace(resumed, verdict=verdict_sentence(resumed))
    said = "earlier run's cache: XS; image contents were not read again."

    assert said in html.unescape(page(resumed))
    assert said not in html.unescape(page(fresh))


def test_backend_of_the_soft_argmax_is_in_the_provenance() -> None:
    fresh = example_results()
    record = replace(fresh.variants["XS"], soft_argmax="triton")
    results = replace(fresh, variants={**fresh.variants, "XS": record})

    assert summary(results).count("soft-argmax by triton") == 1
    assert "soft-argmax by" not in summary(fresh)


def test_markdown_of_many_variants_stays_narrow() -> None:
    variants = {f"V{i}": example_variant(50.0 + i, 50.0) for i in range(9)}
    html = rendered(markdown(example_results(variants=variants)))

    widths = [len(re.findall("<t[hd][ >]", row)) for row in html.split("<tr>")[1:]]
    assert max(widths) == 7
    assert html.count("<th>action</th>") == 2


@pytest.mark.parametrize("page", [markdown, lambda results: summary_html([(results, {})])])
def test_what_to_mend_comes_first_and_each_mistake_once(page: Callable[[Results], str]) -> None:
    tells = CheckRecord(test="test_a[XS]", outcome="failed", message="[no-data] no folder")
    others = tuple(
        CheckRecord(test=f"test_{x}[XS]", outcome="failed", message="-", told_by="test_a[XS]")
        for x in "bc"
    )
    text = page(example_results(checks=(tells, *others), variants={}, left_out=("x was left out",)))

    first = text.partition("<nav")[0]
    assert first.count("no folder") == 1
    assert "test_b" not in first
    assert text.index("What to mend") < text.index("no folder") < text.index("2 more tests failed")
    assert "x was left out" in first


def test_long_list_of_mistakes_is_folded() -> None:
    checks = tuple(CheckRecord(f"test_{i}", "failed", message=f"no {i}") for i in range(20))
    page = summary_html([(example_results(checks=checks), {})])

    assert "<summary>12 more</summary>" in page
    assert page.index("no 7") < page.index("12 more") < page.index("no 8")


def test_verdicts_look_as_different_as_they_are() -> None:
    variants = {
        "XS": example_variant(57.0, 56.61),
        "S": example_variant(55.0, 51.8, verdict="acceptable"),
        "M": example_variant(60.0, 51.05, verdict="review"),
        "L": example_variant(50.0, None, verdict="not judged: no figure"),
    }
    page = summary(example_results(variants=variants))

    chips = re.findall(r'class="chip (\w+)"><span aria-hidden="true">(.)</span> ([^<]*)<', page)
    assert chips == [
        ("good", "\N{CHECK MARK}", "excellent"),
        ("fair", "\N{ALMOST EQUAL TO}", "acceptable"),
        ("bad", "\N{BALLOT X}", "review"),
        ("none", "\N{WHITE CIRCLE}", "not judged: no figure"),
    ]


def miniature(**seeded_mm: float) -> Results:
    """The trained model and some with seeded weights, off their record by so much."""
    variants = {"reference": example_variant(29.96, 29.96001)}
    variants |= {n: example_variant(700 + mm, 700, verdict="x") for n, mm in seeded_mm.items()}
    return example_results("miniature", variants=variants)


def test_trained_model_of_the_miniature_stands_alone() -> None:
    page = summary(miniature(XS=0.001, S=-0.001))

    shown, _, folded = page.partition('<details class="seeded">')
    assert "XS, S have seeded weights and find nobody: as recorded (&plusmn;0.02 mm)" in folded
    assert "700.001" not in shown
    assert "700.001" in folded
    assert "excellent" not in page
    assert '<rect class="band-1" x="-50.0"' in page
    assert '<th scope="col">XS</th>' not in page  # of the heat tables
    for text in (markdown(miniature(XS=0.001)), page):
        assert "as recorded" in text


def test_seeded_model_that_is_not_as_recorded_is_open() -> None:
    page = summary(miniature(XS=0.03))

    assert '<details class="seeded" open>' in page
    assert "not all are as recorded" in page
    assert "not all are as recorded" in markdown(miniature(XS=0.03))


def test_grid_has_a_cell_for_each_check_that_opens_what_it_obtained() -> None:
    checks = (
        CheckRecord("test_preflight.py::test_memory_is_free[published]", "passed", "9 GB"),
        CheckRecord("test_counts.py::test_parameter_count[published-XS]", "passed", 3, 3, 0),
        CheckRecord(
            "test_mpjpe.py::test_mpjpe_is_near_the_paper[published-S-1mm]",
            "expected failure", 53.0, 51.8, 1.2, "mm", "off", tolerance_mm=1,
        ),
        CheckRecord("test_counts.py::test_parameter_count[published-S]", "failed", message="no"),
    )  # fmt: skip
    page = summary(example_results(checks=checks))
    outline = Outline(page)

    buttons = [a for tag, a in outline.tags if tag == "button"]
    assert [a["aria-label"] for a in buttons] == [
        "memory is free: passed",
        "parameter count, XS: passed",
        "parameter count, S: failed",
        "mpjpe is near the paper, within 1 mm, S: expected failure",
    ]
    told = {a["id"] for tag, a in outline.tags if "popover" in a}
    assert {a["popovertarget"] for a in buttons} == told
    logs = [a["data-test"] for tag, a in outline.tags if a.get("class") == "to-log"]
    assert sorted(map(str, logs)) == sorted(check.test for check in checks)
    assert "+1.200 mm" in page
    assert "2 passed" in page
    assert "1 expected failure<" in page


def test_contents_lead_to_what_is_there() -> None:
    for results in (rich(), example_results(variants={}), miniature(XS=0.0)):
        outline = Outline(summary_html([(results, {})]))
        ids = {a["id"] for _, a in outline.tags if "id" in a}
        links = [str(a["href"]) for tag, a in outline.tags if tag == "a" and a.get("href")]

        assert {link[1:] for link in links} - ids <= {"all-tests"}
        assert f"#{results.subject}-provenance" in links


def test_own_models_are_called_published_nowhere() -> None:
    own = example_variant(57.0, 56.61, reference_kind="own file", reference_source="paper")
    results = example_results(variants={"T": own}, own_models=True)
    page, text = summary(results), markdown(results)

    shown = [*Outline(page.partition('class="appendix')[0]).texts, text]
    assert not [line for line in shown if "published model" in line.lower()]
    assert "user's own models" in text
    assert not [
        value
        for tag, a in Outline(page).tags
        for name, value in a.items()
        if name == "aria-label" and "published" in str(value)
    ]
    assert "own model|T|protocol 2" in page
    assert "own model|T|protocol 2" in text
    assert "convnextpose|" not in page + text
    assert "Others, from" not in page


def test_figure_can_be_quoted_with_all_it_depends_on() -> None:
    said = "convnextpose|XS|protocol 2|gt boxes|flip|8695|OpenCV 1.0 = 57.00 mm"

    assert said in summary(example_results())
    assert said in markdown(example_results())


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

    assert "data:image/jpeg" not in summary(example_results())
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
    rows = [
        f"{name},s_09_act_02_subact_{i:02}_ca_01_000001.jpg,{50 + i * i + (name == 'XS')}"
        for name in ("XS", "S")
        for i in range(20)
    ]
    outputs.per_sample.write_text("\n".join(["variant,file_name,mean_mm", *rows]) + "\n")
    return outputs


def test_pages_are_drawn_again_from_the_files_alone(tmp_path: Path) -> None:
    results = rich()
    outputs = write_run(tmp_path, results)
    results = replace(derived(results), verdict=verdict_sentence(derived(results)))

    written = redraw(tmp_path)

    report = (tmp_path / "report.html").read_text()
    assert written == [tmp_path / "report.html", outputs.markdown, outputs.picture]
    assert all(path.stat().st_size for path in written)
    assert summary_of([(results, outputs)]) in report
    assert "Errors of single samples" in report
    assert report.startswith("<!DOCTYPE html>")


def test_verdict_is_drawn_from_the_figures_whatever_sentence_stands_beside_them(
    tmp_path: Path,
) -> None:
    variants = {"XS": example_variant(99.0, 56.61, verdict="excellent", difference_mm=0.1)}
    outputs = write_run(tmp_path, example_results(variants=variants))

    redraw(tmp_path)

    for page in ((tmp_path / "report.html").read_text(), outputs.markdown.read_text()):
        assert "Not reproduced: XS differs by 5 mm or more." in page
        assert "Reproduced: XS, S" not in page
        assert "+42.390" in page
        assert "excellent" not in page


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


def test_update_report_exchanges_the_summary_alone(tmp_path: Path) -> None:
    results = example_results()
    outputs, report = write_run(tmp_path, results), tmp_path / "report.html"
    report.write_text(page_html(summary_html([])).replace("</main>", "<p>tests</p></main>"))

    update_report(report, results, outputs)

    assert "57.000" in report.read_text()
    assert "<p>tests</p>" in report.read_text()
    assert "Nothing was evaluated" not in report.read_text()


def test_update_report_leaves_another_page_as_it_is(tmp_path: Path) -> None:
    results = example_results()
    outputs, report = write_run(tmp_path, results), tmp_path / "report.html"
    report.write_text("<html></html>")

    update_report(report, results, outputs)

    assert report.read_text() == "<html></html>"


def test_pages_end_with_a_line_break() -> None:
    assert markdown(example_results()).endswith("\n")
    assert page_html("").endswith("\n")
