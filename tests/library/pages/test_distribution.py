"""The distribution of single samples: its numbers, its description, and a safe image."""

from __future__ import annotations

import base64
import itertools
import re
from html import unescape
from xml.etree import ElementTree

import numpy as np
import pytest

from convnextpose_check.pages.distribution import distribution_image
from convnextpose_check.results.schema import Results
from tests.support.charted import LONG_NAMES, errors, results, variant

SVG = "{http://www.w3.org/2000/svg}"
IMAGE = re.compile(r'<img alt="([^"]+)" src="data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)">')


def distribution(of: Results) -> str:
    return distribution_image(of, errors(of))


def description(image: str) -> str:
    match = IMAGE.fullmatch(image)
    assert match
    return unescape(match[1])


def document(image: str) -> ElementTree.Element:
    """The SVG inside the image."""
    match = IMAGE.fullmatch(image)
    assert match
    return ElementTree.fromstring(base64.b64decode(match[2]))


def texts(image: str) -> list[str]:
    """All texts in the chart."""
    return ["".join(t.itertext()) for t in document(image).iter(f"{SVG}text")]


def test_description_has_the_numbers() -> None:
    run = results({"S": variant()})
    samples = np.r_[np.full(996, 40.0), np.full(4, 9000.0)]

    assert (
        "S: median 40.0 mm, mean 75.8 mm, 5 to 95 % 40.0 to 40.0 mm, 1,000 samples, 4 beyond"
        in description(distribution_image(run, {"S": samples}))
    )


def test_hostile_name_is_escaped_in_image_and_description() -> None:
    image = distribution(results({'<script>"&\x00$x_1$</script>': variant()}))

    assert "<script" not in image
    assert '<script>"& $x_1$</script>: median' in description(image)
    assert any('<script>"& $x_1$</script>' in text for text in texts(image))


def test_same_results_give_the_same_bytes_with_any_matplotlib_style() -> None:
    import matplotlib

    before = distribution(results())
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red", "svg.fonttype": "path"}):
        assert distribution(results()) == before
        assert matplotlib.rcParams["font.size"] == 30


def test_every_variant_is_shown_with_its_numbers() -> None:
    run = results()
    shown = texts(distribution(run))

    for name, samples in errors(run).items():
        low, median, high = np.quantile(samples, (0.05, 0.5, 0.95))
        numbers = [f"5 % {low:.1f}", f"median {median:.1f}", f"mean {samples.mean():.1f}"]
        assert name in shown
        assert " \N{MIDDLE DOT} ".join([*numbers, f"95 % {high:.1f} mm"]) in shown


def test_long_tail_is_counted_and_does_not_stretch_the_axis() -> None:
    run = results({"S": variant()})
    samples = {"S": np.r_[np.linspace(20, 100, 997), [5000.0, 6000.0, 7000.0]]}
    shown = texts(distribution_image(run, samples))
    ticks = [float(text) for text in shown if re.fullmatch(r"\d+", text)]

    assert "3 beyond 100 mm, up to 7000 \N{RIGHTWARDS ARROW}" in shown
    assert max(ticks) == 100


def test_nothing_to_draw_is_no_image() -> None:
    assert distribution_image(results({}), {}) == ""
    assert distribution_image(results(), {"S": np.array([np.nan])}) == ""


@pytest.mark.parametrize(
    "run",
    [
        results(),
        results({name: variant(782.568438, reference_mm=782.568428) for name in LONG_NAMES}),
    ],
    ids=["published", "long names"],
)
def test_text_stays_inside_and_apart_even_in_a_wider_font(run: Results) -> None:
    root = document(distribution(run))
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


def test_image_of_four_variants_stays_small() -> None:
    assert len(distribution(results())) < 150_000
