"""Charts say what was measured, in pictures and in words, and harm no page they stand on."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from convnextpose_check.pages.charts import (
    PALETTE,
    comparison_png,
    distribution_svg,
    size_svg,
)
from convnextpose_check.pages.neighbours import read_neighbours
from convnextpose_check.pages.palette import series_of
from convnextpose_check.pages.sizes import points
from convnextpose_check.results.schema import Results
from tests.support.charted import LONG_NAMES, errors, results, variant

SVG = "{http://www.w3.org/2000/svg}"
Chart = Callable[[Results], str]


def distribution(of: Results) -> str:
    return distribution_svg(of, errors(of), prefix=of.subject)


def size(of: Results) -> str:
    return size_svg(of, prefix=of.subject)


both = pytest.mark.parametrize("chart", [distribution, size])


def texts(svg: str) -> list[str]:
    """All that can be read in the chart."""
    return ["".join(t.itertext()) for t in ElementTree.fromstring(svg).iter(f"{SVG}text")]


@both
def test_chart_is_an_image_with_a_title_and_nothing_that_speaks_for_the_page(chart: Chart) -> None:
    svg = chart(results())
    root = ElementTree.fromstring(svg)

    assert svg.startswith("<svg ")
    assert root.attrib["role"] == "img"
    assert root.attrib["width"] == "100%"
    assert root.attrib["viewBox"].startswith("0 0 400 ")
    assert root[0].tag == f"{SVG}title"
    assert root[0].text
    tags = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert tags <= {"svg", "title", "g", "defs", "path", "use", "text", "tspan", "clipPath", "rect"}


def test_alternative_text_tells_the_distribution() -> None:
    run = results({"S": variant()})
    samples = np.r_[np.full(996, 40.0), np.full(4, 9000.0)]
    root = ElementTree.fromstring(distribution_svg(run, {"S": samples}, prefix="a"))

    assert (
        "S: median 40.0 mm, mean 75.8 mm, 5 to 95 % 40.0 to 40.0 mm, 1,000 samples, 4 beyond"
        in (root.attrib["aria-label"])
    )


def test_alternative_text_tells_errors_and_sizes() -> None:
    root = ElementTree.fromstring(size(results({"S": variant()})))

    assert (
        "S: 52.20 mm at 1.74 GMACs and 7.44 million parameters (95 % interval 50.10 to 54.10 mm),"
        " paper 51.80 mm." in root.attrib["aria-label"]
    )


def test_charts_of_two_subjects_on_one_page_share_no_id() -> None:
    svgs = [
        chart(results(subject=subject))
        for chart in (distribution, size)
        for subject in ("published", "miniature")
    ]
    ids = [re.findall(r'\bid="([^"]*)"', svg) for svg in svgs]
    links = [set(re.findall(r'(?:href="|url\()#([^")]*)', svg)) for svg in svgs]
    every = list(itertools.chain(*ids))

    assert every
    assert len(set(every)) == len(every)
    assert [set(i) for i in ids] == links
    assert all(i.startswith(("published-", "miniature-")) for i in every)


@both
def test_nothing_is_fetched(chart: Chart) -> None:
    svg = chart(results())

    assert svg.count("://") == 1
    assert 'xmlns="http://www.w3.org/2000/svg"' in svg
    assert not re.search(r"url\((?!#)|href=\"(?!#)|@import", svg)


@both
def test_what_comes_from_outside_is_escaped(chart: Chart) -> None:
    name = '<script>"&\x00$x_1$</script>'
    svg = chart(results({name: variant()}))

    assert "<script" not in svg
    assert any('<script>"& $x_1$</script>' in text for text in texts(svg))


@both
def test_same_results_give_the_same_bytes_whatever_the_style_of_the_user(chart: Chart) -> None:
    import matplotlib

    before = chart(results())
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red", "svg.fonttype": "path"}):
        assert chart(results()) == before
        assert matplotlib.rcParams["font.size"] == 30


@both
def test_every_colour_can_be_themed(chart: Chart) -> None:
    svg = chart(results())
    used = set(re.findall(r"var\(--([\w-]+), (#[0-9a-f]{6})\)", svg))

    assert used <= set(PALETTE.items())
    assert {"ink", "series-1", "series-2", "series-3", "series-4"} <= {name for name, _ in used}
    assert not re.search(r"#[0-9a-f]{6}|rgb|black|white", re.sub(r"var\([^)]*\)", "", svg))


def test_distribution_shows_every_variant_with_its_numbers() -> None:
    run = results()
    shown = texts(distribution(run))

    for name, samples in errors(run).items():
        low, median, high = np.quantile(samples, (0.05, 0.5, 0.95))
        numbers = [f"5 % {low:.1f}", f"median {median:.1f}", f"mean {samples.mean():.1f}"]
        assert name in shown
        assert " \N{MIDDLE DOT} ".join([*numbers, f"95 % {high:.1f} mm"]) in shown


def test_long_tail_is_counted_and_squashes_nothing() -> None:
    run = results({"S": variant()})
    samples = {"S": np.r_[np.linspace(20, 100, 997), [5000.0, 6000.0, 7000.0]]}
    shown = texts(distribution_svg(run, samples, prefix="a"))
    ticks = [float(text) for text in shown if re.fullmatch(r"\d+", text)]

    assert "3 beyond 100 mm, up to 7000 \N{RIGHTWARDS ARROW}" in shown
    assert max(ticks) == 100


def test_size_shows_every_variant_with_its_numbers() -> None:
    run = results()
    shown = texts(size(run))

    for name, record in run.variants.items():
        assert f"{name}: {record.error_mm:.2f} mm, paper {record.reference_mm:.2f}" in shown


@pytest.mark.parametrize(
    ("sources", "word"),
    [
        pytest.param(["paper, table 5"], "paper", id="paper"),
        pytest.param(["previous run"], "expected", id="recorded"),
        pytest.param(["paper", "measured here"], "paper or expected", id="both"),
    ],
)
def test_reference_is_called_what_it_is(sources: list[str], word: str) -> None:
    run = results({f"V{i}": variant(reference_source=s) for i, s in enumerate(sources)})

    assert word in texts(size(run))


@pytest.mark.parametrize(
    "missing",
    [
        {"reference_mm": None, "reference_source": None, "verdict": "not judged: no figure"},
        {"interval_mm": None},
        {"paper_gmacs": None, "paper_parameters_millions": None},
        {"per_action_mm": {}},
    ],
    ids=lambda missing: next(iter(missing)),
)
def test_what_is_missing_is_left_out(missing: dict[str, Any], tmp_path: Path) -> None:
    run = results({"S": variant(protocol=1, **missing)}, protocol=1)
    comparison_png(run, tmp_path / "picture.png")
    shown = texts(size(run))

    assert bool({"paper", "expected"} & set(shown)) == ("reference_mm" not in missing)
    assert ("obtained, 95 % interval" in shown) == ("interval_mm" not in missing)
    assert "PA-MPJPE, mm" in shown


def test_reference_without_a_cost_stands_at_the_counted_one() -> None:
    variants = {"S": variant(paper_gmacs=None), "M": variant(paper_gmacs=2.82)}
    shown = points(variants, series_of(variants), "GMACs")

    assert [point.reference for point in shown] == [(1.737998336, 51.8), (2.82, 51.8)]


def test_nothing_to_draw_is_no_chart() -> None:
    assert distribution_svg(results({}), {}, prefix="a") == ""
    assert distribution_svg(results(), {"S": np.array([np.nan])}, prefix="a") == ""
    assert size_svg(results({}), prefix="a") == ""


@pytest.mark.parametrize("prefix", ["", "1st", 'a"b', "a b"])
def test_prefix_that_cannot_begin_an_id_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match="cannot begin an id"):
        size_svg(results(), prefix=prefix)


@pytest.mark.parametrize(
    "run",
    [
        results(),
        results({name: variant(782.568438, reference_mm=782.568428) for name in LONG_NAMES}),
    ],
    ids=["published", "long names"],
)
@both
def test_text_stays_inside_and_apart_even_in_a_wider_font(chart: Chart, run: Results) -> None:
    root = ElementTree.fromstring(chart(run))
    width_px, height_px = map(float, root.attrib["viewBox"].split()[2:])
    upright = (
        text for text in root.iter(f"{SVG}text")
        if "rotate" not in text.attrib.get("transform", "")
    )  # fmt: skip
    boxes = [_box(text) for text in upright]

    for left, top, right, bottom in boxes:
        assert left >= 0
        assert top >= 0
        assert right <= width_px
        assert bottom <= height_px
    for one, other in itertools.combinations(boxes, 2):
        assert (
            one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
        ), (one, other)


def _box(text: ElementTree.Element) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of the text if it were 6 % wider."""
    from matplotlib.textpath import TextPath

    style = text.attrib["style"]
    size_px = float(re.findall(r"([\d.]+)px", style)[0])
    words = "".join(text.itertext())
    width = 1.06 * TextPath((0, 0), words, size=size_px).get_extents().width
    x, y = _place(text)
    left = x - (0.5 * width if "middle" in style else width if "anchor: end" in style else 0)
    return left, y - 0.75 * size_px, left + width, y + 0.2 * size_px


def _place(text: ElementTree.Element) -> tuple[float, float]:
    if "x" in text.attrib:
        return float(text.attrib["x"]), float(text.attrib["y"])
    x, y = re.findall(r"translate\(([-\d.]+) ([-\d.]+)", text.attrib["transform"])[0]
    return float(x), float(y)


def test_both_charts_of_four_variants_stay_small() -> None:
    assert len(distribution(results())) + len(size(results())) < 150_000


def test_papers_neighbours_stand_beside_the_published_models_alone() -> None:
    described = ElementTree.fromstring(size(results())).attrib["aria-label"]

    assert "Others, from the paper, tables 4 and 5: Chen 47.3 mm at 14.1 GMACs" in described
    assert "others" in texts(size(results()))
    own = results({"S": variant(reference_source="our last run")})
    for run in (results(subject="miniature"), own):
        assert "others" not in texts(size(run))


def test_neighbours_have_the_error_of_the_protocol() -> None:
    assert "Sun 40.6 mm at 14.1 GMACs" in read_neighbours().told("PA-MPJPE")
    assert "Sun 49.6 mm at 14.1 GMACs" in read_neighbours().told("MPJPE")
