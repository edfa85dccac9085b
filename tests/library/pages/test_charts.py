"""Charts show every variant and its values, without cropped or small texts."""

from __future__ import annotations

import base64
import re
import struct
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np
import pytest

from convnextpose_check.human36m.skeleton import ACTIONS
from convnextpose_check.pages.charts import draw_comparison, draw_distribution
from convnextpose_check.results.schema import Results
from tests.support.results import example_results, example_variant

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LONG_NAMES = ("convnextpose-extra-small-v2.1+em", "my.very_own.model_of_last_summer", "M")
IMAGE = re.compile(r'<img alt="([^"]+)" src="data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)">')
ONE = example_results(variants={"S": example_variant(52.2, 51.8)})


def description_and_texts(image: str) -> tuple[str, list[str]]:
    """The alternative text and all texts inside the SVG."""
    match = IMAGE.fullmatch(image)
    assert match
    svg = ElementTree.fromstring(base64.b64decode(match[2]))
    texts = svg.iter("{http://www.w3.org/2000/svg}text")
    return unescape(match[1]), ["".join(text.itertext()) for text in texts]


def test_draw_distribution_has_values_in_chart_and_description() -> None:
    values = np.r_[np.linspace(20, 100, 997), [5000.0, 6000.0, 7000.0]]
    numbers = "median 60.1, mean 77.8", "5 to 95 %: 24.0 to 96.2"
    above = "5 samples above the axis, up to 7000 mm"

    description, texts = description_and_texts(draw_distribution(ONE, {"S": values}))

    assert "(MPJPE). S: {}\n{}\n{}.".format(*numbers, above) in description
    assert {"S", *numbers, above} <= set(texts)
    assert max(float(text) for text in texts if re.fullmatch(r"\d+", text)) <= 100
    assert draw_distribution(ONE, {"other": values}) == ""
    assert draw_distribution(ONE, {"S": values[:1]}) == ""
    assert "1 sample above the axis, up to 5000 mm" in draw_distribution(ONE, {"S": values[800:-2]})


def test_draw_distribution_escapes_names_and_ignores_user_style() -> None:
    import matplotlib

    name = '<script>"&\x00$x_1$</script>'
    run = example_results(variants={name: example_variant(52.2, 51.8)})
    values = {name: np.linspace(20, 90, 50)}
    image = draw_distribution(run, values)

    description, texts = description_and_texts(image)

    assert "<script" not in image
    assert '<script>"&\\x00$x_1$</script>: median ' in description
    assert '<script>"&\\x00$x_1$</script>' in texts
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red", "svg.fonttype": "path"}):
        assert draw_distribution(run, values) == image
        assert matplotlib.rcParams["font.size"] == 30


PUBLISHED = example_results(
    verdict="Not reproduced: L.",
    variants={
        "XS": example_variant(55.81, 56.61),
        "S": example_variant(52.2, 51.8, "own file", interval_mm=None),
        "M": example_variant(55.95, None),
        "L": example_variant(70.0, 49.75),
    },
)
PICTURES = {
    "published": PUBLISHED,
    "long texts": example_results(
        verdict="Not judged: " + "no reproduction, " * 40,
        variants=dict.fromkeys(LONG_NAMES, example_variant(50.0, 50.0)),
    ),
}


def keep_figures(patch: pytest.MonkeyPatch) -> list[Figure]:
    """The list to which each figure is added when it is saved."""
    from matplotlib.figure import Figure

    figures: list[Figure] = []
    save = Figure.savefig

    def keep(figure: Figure, *given: Any, **named: Any) -> None:
        save(figure, *given, **named)
        figures.append(figure)

    patch.setattr(Figure, "savefig", keep)
    return figures


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Figure, bytes]]:
    """The matplotlib figure and the PNG content of each picture."""
    folder, contents = tmp_path_factory.mktemp("drawn") / "new", []
    with pytest.MonkeyPatch.context() as patch:
        figures = keep_figures(patch)
        for results in PICTURES.values():
            draw_comparison(results, folder / "picture.png")
            contents.append((folder / "picture.png").read_bytes())
    assert [file.name for file in folder.iterdir()] == ["picture.png"]
    return dict(zip(PICTURES, zip(figures, contents, strict=True), strict=True))


def texts_of(figure: Figure) -> dict[str, Any]:
    from matplotlib.text import Text

    found: list[Any] = figure.findobj(Text)
    outside = [
        tick.label1
        for axes in figure.axes
        for tick in axes.xaxis.get_major_ticks()
        if not axes.get_xlim()[0] <= tick.get_loc() <= axes.get_xlim()[1]
    ]
    shown = [text for text in found if text.get_visible() and text not in outside]
    return {text.get_text(): text for text in shown if text.get_text()}


@pytest.mark.parametrize("name", PICTURES)
def test_draw_comparison_crops_no_text(name: str, drawn: dict[str, tuple[Figure, bytes]]) -> None:
    figure, content = drawn[name]
    width, height = struct.unpack(">II", content[16:24])
    texts = texts_of(figure)

    assert width == 1040
    assert set(PICTURES[name].featured) <= {text.replace("\n", "") for text in texts}
    for text in texts.values():
        box = text.get_window_extent()
        assert 0 <= box.x0 <= box.x1 <= width, text
        assert 0 <= box.y0 <= box.y1 <= height, text
        assert text.get_fontsize() == 15  # CSS pixels at a display width of 520


def test_draw_comparison_has_each_value(drawn: dict[str, tuple[Figure, bytes]]) -> None:
    assert {
        "\n".join([
            "ConvNeXtPose, published models:", "MPJPE, protocol 2", "Not reproduced: L.",
            "XS: 55.81 mm, paper 56.61, -0.800, excellent",
            "S: 52.20 mm, expected 51.80, +0.400, excellent",
            "M: 55.95 mm, no reference, not judged",
            "L: 70.00 mm, paper 49.75, +20.250, review",
        ]),
        "\u00b11", "\u00b11 mm: excellent", "\u00b12", "\u00b12 mm: very good",
        "\u00b15", "\u00b15 mm: acceptable",
        "obtained minus expected, mm\n(line: 95 % interval; 5 mm or more: review)",
        *ACTIONS.values(),
    } <= texts_of(drawn["published"][0]).keys()  # fmt: skip


def test_draw_comparison_has_correct_coordinates(drawn: dict[str, tuple[Figure, bytes]]) -> None:
    differences, actions = drawn["published"][0].axes

    points = {
        (round(x, 2), y, line.get_marker())
        for line in differences.lines
        for x, y in np.asarray(line.get_xydata()).tolist()
    }
    names = [label.get_text() for label in differences.get_yticklabels()]
    assert names == ["XS", "S", "M", "L"]
    assert differences.get_ylim() == (3.5, -0.5)
    drawn_points = {(-0.8, 0.0, "o"), (0.4, 1.0, "s"), (6.5, 3.0, ">")}
    assert {point for point in points if point[2] not in ("None", "|")} == drawn_points
    assert {(-2.8, 0.0, "|"), (1.2, 0.0, "|")} <= points
    bands = [(patch.get_x(), patch.get_width()) for patch in differences.patches]  # type: ignore[attr-defined]
    assert bands == [(-5, 10), (-2, 4), (-1, 2)]
    first = actions.lines[0]
    assert first.get_xdata()[0] == PUBLISHED.variants["XS"].per_action_mm["Directions"]  # type: ignore[index]
    assert [label.get_text() for label in actions.get_yticklabels()] == list(ACTIONS.values())


SINGLE = example_variant(52.2, 51.8, per_action_mm={"Eating": 52.2})
RECORDED = example_variant(52.2, 52.19, "recorded", 0.02)


@pytest.mark.parametrize(
    ("results", "axes", "intervals"),
    [
        (example_results(variants={"S": SINGLE}), 0, 0),
        (example_results(variants={"S": SINGLE, "XS": SINGLE}), 2, 2),
        (ONE, 1, 0),
        (example_results("synthetic", variants={"S": RECORDED, "XS": RECORDED}), 2, 0),
    ],
)
def test_draw_comparison_omits_charts_of_one_point_and_intervals_of_recorded_values(
    results: Results, axes: int, intervals: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = keep_figures(monkeypatch)

    draw_comparison(results, tmp_path / "picture.png")

    (figure,) = figures
    texts = "\n".join(texts_of(figure))
    lines = [line for each in figure.axes for line in each.lines if line.get_marker() == "|"]
    assert (len(figure.axes), len(lines), texts.count("95 %")) == (axes, intervals, intervals // 2)
    assert all(f"{name}: 52.20 mm" in texts for name in results.variants)
