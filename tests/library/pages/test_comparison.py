"""The picture to pass on shows every variant, whole and legible, and lies about none."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from convnextpose_check.human36m.skeleton import ACTIONS
from convnextpose_check.pages.comparison import comparison_png
from convnextpose_check.pages.drawing import write_picture
from convnextpose_check.results.schema import Results
from tests.support.charted import LONG_NAMES, results, variant

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.text import Text


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that were written as pictures."""
    written: list[Figure] = []

    def keep(figure: Figure, path: Path) -> None:
        write_picture(figure, path)
        written.append(figure)

    monkeypatch.setattr("convnextpose_check.pages.comparison.write_picture", keep)
    return written


def texts(figure: Figure) -> dict[str, Text]:
    """All that can be read in the picture."""
    from matplotlib.text import Text

    found = (artist for artist in figure.findobj(Text) if isinstance(artist, Text))
    return {text.get_text(): text for text in found if text.get_text() and text.get_visible()}


CASES = {
    "published": results(),
    "miniature": results(
        {n: variant(782.568438, reference_mm=782.568428) for n in "ABCD"}, subject="miniature"
    ),
    "one": results({"S": variant()}),
    "long names": results({name: variant() for name in (*LONG_NAMES, "S", "reference")}),
    "long verdict": results(verdict="Not judged: " + "no reproduction of the paper, " * 20),
    "none": results({}),
}


@pytest.mark.parametrize("run", CASES.values(), ids=CASES)
def test_picture_is_1600_wide_and_crops_no_text(
    run: Results, tmp_path: Path, figures: list[Figure]
) -> None:
    comparison_png(run, tmp_path / "new" / "picture.png")
    content = (tmp_path / "new" / "picture.png").read_bytes()
    width, height = struct.unpack(">II", content[16:24])

    assert width == 1600
    assert content.startswith(b"\x89PNG")
    (figure,) = figures
    extents = [text.get_window_extent() for part in figure.subfigs for text in part.texts]
    extents += [key.get_window_extent() for part in figure.subfigs for key in part.legends]
    for axes in figure.axes:
        box = axes.get_tightbbox()
        assert box is not None
        extents.append(box)
    assert len(extents) == (8 if run.variants else 2)
    for box in extents:
        assert 0 <= box.x0 < box.x1 <= width
        assert 0 <= box.y0 < box.y1 <= height
    # In CSS pixels where the picture is 800 wide.
    assert min(float(text.get_fontsize()) for text in texts(figure).values()) >= 11


def test_long_names_leave_room_for_the_differences(tmp_path: Path, figures: list[Figure]) -> None:
    comparison_png(CASES["long names"], tmp_path / "picture.png")

    assert figures[0].axes[0].get_window_extent().width > 1600 / 2


def test_long_verdict_is_whole(tmp_path: Path, figures: list[Figure]) -> None:
    verdict = "Not judged: " + "no reproduction of the paper, " * 6 + "as the last word says."
    comparison_png(results(verdict=verdict), tmp_path / "picture.png")

    assert verdict in [words.replace("\n", " ") for words in texts(figures[0])]


def test_picture_says_all(tmp_path: Path, figures: list[Figure]) -> None:
    comparison_png(results(), tmp_path / "picture.png")
    shown = texts(figures[0])

    assert "The published ConvNeXtPose models: MPJPE, protocol 2" in shown
    assert "Not reproduced: L." in shown
    assert {"XS", "S", "M", "L"} <= shown.keys()
    assert {"-0.800 mm, excellent", "+0.400 mm, excellent", "+4.900 mm, acceptable"} <= shown.keys()
    assert "55.81, paper 56.61; 95 %: -2.90 to +1.10" in shown
    assert set(ACTIONS.values()) <= shown.keys()
    assert {"below 1 mm: excellent", "below 5 mm: acceptable"} <= shown.keys()
    assert "from 5 mm on: review" in shown


@pytest.mark.parametrize(
    ("error_mm", "shown_beyond"), [(56.6, False), (58.2, False), (59.0, True), (21.8, True)]
)
def test_difference_beyond_the_scale_stands_at_its_edge_with_its_number(
    error_mm: float, shown_beyond: bool, tmp_path: Path, figures: list[Figure]
) -> None:
    comparison_png(results({"S": variant(error_mm)}), tmp_path / "picture.png")

    assert (f"{error_mm - 51.8:+.3f} mm" in texts(figures[0])) == shown_beyond


@pytest.mark.parametrize(
    ("verdict", "changes", "said"),
    [
        ("not judged: subset of 100 samples", {}, "+0.400 mm, not judged"),
        ("not judged: no figure", {"reference_mm": None}, "not judged, no figure"),
    ],
)
def test_what_was_not_judged_has_no_word_of_praise(
    verdict: str, changes: dict[str, Any], said: str, tmp_path: Path, figures: list[Figure]
) -> None:
    comparison_png(results({"S": variant(verdict=verdict, **changes)}), tmp_path / "picture.png")

    assert said in texts(figures[0])


@pytest.mark.parametrize(
    ("sources", "word"),
    [
        pytest.param(["paper, table 5"], "paper", id="paper"),
        pytest.param(["previous run"], "expected", id="recorded"),
        pytest.param(["paper", "measured here"], "paper or expected", id="both"),
    ],
)
def test_reference_is_called_what_it_is(
    sources: list[str], word: str, tmp_path: Path, figures: list[Figure]
) -> None:
    run = results({f"V{i}": variant(reference_source=s) for i, s in enumerate(sources)})
    comparison_png(run, tmp_path / "picture.png")

    assert f"obtained minus {word}, mm" in texts(figures[0])


@pytest.mark.parametrize(
    ("missing", "shown_instead"),
    [
        ({"reference_mm": None, "reference_source": None}, "52.20; 95 %: 50.10 to 54.10"),
        ({"interval_mm": None}, "52.20, paper 51.80"),
    ],
)
def test_what_is_missing_is_left_out(
    missing: dict[str, Any], shown_instead: str, tmp_path: Path, figures: list[Figure]
) -> None:
    run = results({"S": variant(protocol=1, **missing)}, protocol=1)
    comparison_png(run, tmp_path / "picture.png")

    assert {shown_instead, "PA-MPJPE, mm"} <= texts(figures[0]).keys()


def test_same_results_give_the_same_picture(tmp_path: Path) -> None:
    for name in ("one.png", "two.png"):
        comparison_png(results(), tmp_path / name)

    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.png", "two.png"]
