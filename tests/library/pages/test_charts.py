"""Charts show every variant and its values, without cropped or small texts."""

from __future__ import annotations

import base64
import re
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from convnextpose_check.pages.charts import draw_comparison, draw_distribution
from convnextpose_check.results.schema import Results
from tests.library.pages.test_html import TextFile
from tests.support.results import example_results, example_variant

pytest.importorskip("syrupy")

from syrupy.assertion import SnapshotAssertion

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


SINGLE = example_variant(52.2, 51.8, per_action_mm={"Eating": 52.2})
RECORDED = example_variant(52.2, 52.19, "recorded", 0.02)
PICTURES = {
    "published": example_results(
        verdict="Not reproduced: L.",
        variants={
            "XS": example_variant(55.81, 56.61),
            "S": example_variant(52.2, 51.8, "own file", interval_mm=None),
            "M": example_variant(55.95, None),
            "L": example_variant(70.0, 49.75),
        },
    ),
    "long": example_results(
        verdict="Not judged: " + "no reproduction, " * 40,
        variants=dict.fromkeys(LONG_NAMES, example_variant(50.0, 50.0)),
    ),
    "no chart of one point": example_results(variants={"S": SINGLE}),
    "one action": example_results(variants={"S": SINGLE, "XS": SINGLE}),
    "one variant": ONE,
    "no intervals of recorded errors": example_results(
        "synthetic", variants={"S": RECORDED, "XS": RECORDED}
    ),
}


def describe_figure(figure: Any) -> str:
    """All texts of the figure, and the colors and coordinates of its lines and bands."""
    from matplotlib.colors import to_hex

    lines = [figure.get_suptitle()]
    for axes in figure.axes:
        lines.append(f"{axes.get_xlabel()}; {tuple(map(float, axes.get_ylim()))}")
        lines += [text.get_text() for text in (*axes.get_yticklabels(), *axes.texts)]
        for line in axes.lines:
            points = np.round(line.get_xydata(), 2).tolist()
            lines.append(f"{line.get_marker()} {line.get_color()} {points}")
        for bar in axes.patches:
            color = to_hex(bar.get_facecolor())
            lines.append(f"band {bar.get_x()} {bar.get_width()} {color} {bar.get_label()}")
    lines += [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    return "\n".join(lines)


@pytest.mark.parametrize("results", PICTURES.values(), ids=PICTURES)
def test_draw_comparison_is_the_golden_one_without_cropped_texts(
    results: Results, snapshot: SnapshotAssertion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matplotlib.figure import Figure
    from matplotlib.text import Text

    figures: list[Figure] = []
    save = Figure.savefig

    def keep(figure: Figure, *given: Any, **named: Any) -> None:
        save(figure, *given, **named)
        figures.append(figure)

    monkeypatch.setattr(Figure, "savefig", keep)

    draw_comparison(results, tmp_path / "new" / "picture.png")

    (figure,) = figures
    assert describe_figure(figure) == snapshot(extension_class=TextFile)
    with Image.open(tmp_path / "new" / "picture.png") as picture:
        assert picture.size == (1040, int(figure.bbox.height))
    drawn, whole = figure.get_tightbbox(), figure.bbox_inches
    assert 0 <= drawn.x0 <= drawn.x1 <= whole.x1
    assert 0 <= drawn.y0 <= drawn.y1 <= whole.y1
    texts: list[Any] = figure.findobj(Text)
    assert {text.get_fontsize() for text in texts} == {15}  # CSS pixels at a width of 520
