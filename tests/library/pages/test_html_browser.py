"""The report in a browser: no errors or requests, accessible, no overflow."""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("selenium")

from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.common.actions.pointer_input import PointerInput
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from convnextpose_check.pages.html import format_quotation, render_page
from convnextpose_check.paths import Outputs
from convnextpose_check.results.results_file import read_results
from tests.library.pages.test_html import GOLDEN
from tests.support.browser import (
    accessibility_violations,
    chromium,
    console_messages,
    find_cut_regions,
    find_overflowing_elements,
    open_page,
    requested_urls,
)
from tests.support.whole_runs import isolate_environment, own_model_arguments, run_in_process

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

HOSTILE_FOLDER = "a<img src=x onerror=alert(1)>&amp;b"


def contrast_ratio(one: str, other: str) -> float:
    """WCAG's contrast ratio of two colors such as ``rgb(27, 27, 27)``."""
    encoded = np.array([re.findall(r"\d+", color) for color in (one, other)], float) / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    low, high = sorted(linear @ [0.2126, 0.7152, 0.0722])
    return float((high + 0.05) / (low + 0.05))


@pytest.fixture(scope="module")
def chrome() -> Iterator[Chrome]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def report(written_inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a run without reference values: two tiny models, a hostile folder name."""
    results = tmp_path_factory.mktemp("results")
    inputs = tmp_path_factory.mktemp("inputs") / HOSTILE_FOLDER
    shutil.copytree(written_inputs, inputs)
    with pytest.MonkeyPatch.context() as patch:
        isolate_environment(patch)
        assert run_in_process(results, *own_model_arguments(inputs), "--variants=U") == 1
    return Outputs(results).report


@pytest.fixture(scope="module")
def everything(report: Path) -> Path:
    """The report with pytest-html's table and every part of a summary."""
    path = report.with_name("everything.html")
    errors_mm = {"XS": np.linspace(20, 90, 200)}
    page = render_page(GOLDEN["failing"], errors_mm, report.read_text(encoding="utf-8"))
    path.write_text(page, encoding="utf-8")
    return path


@pytest.mark.parametrize(("width_px", "scheme"), [(1440, "light"), (800, "light"), (380, "dark")])
@pytest.mark.parametrize("name", ["passing", "failing", "weights", "nothing"])
def test_page_has_no_problems(
    chrome: Chrome, report: Path, name: str, width_px: int, scheme: str
) -> None:
    errors_mm = {"XS": np.linspace(20, 90, 200)} if GOLDEN[name].variants else {}
    path = report.with_name(f"{name}.html")
    page = render_page(GOLDEN[name], errors_mm, report.read_text(encoding="utf-8"))
    path.write_text(page, encoding="utf-8")
    open_page(chrome, path, width_px, scheme)
    verdict = chrome.find_element("css selector", ".verdict").rect
    chrome.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")

    assert chrome.title == GOLDEN[name].verdict
    assert verdict["y"] + verdict["height"] < 450  # half of the first screen
    assert console_messages(chrome) == []
    assert requested_urls(chrome) <= {path.as_uri()}
    assert find_overflowing_elements(chrome) == []
    assert find_cut_regions(chrome) == []
    assert accessibility_violations(chrome) == []


def test_results_table_opens_logs_by_keyboard(chrome: Chrome, report: Path) -> None:
    open_page(chrome, report)
    press = "arguments[0].dispatchEvent(new KeyboardEvent('keydown', {key: arguments[1]}))"
    cell = chrome.find_element("css selector", "#results-table td.col-result")
    is_hidden = (
        "return document.querySelector('#results-table tbody .extras-row').className"
        ".includes('hidden')"
    )
    before = chrome.execute_script(is_hidden)
    chrome.execute_script(press, cell, " ")

    assert chrome.execute_script(is_hidden) != before


def test_page_without_scripts_shows_results_and_failures(chrome: Chrome, report: Path) -> None:
    """CI services show reports in such a frame."""
    frame = report.parent / "frame.html"
    frame.write_text('<iframe sandbox="" src="report.html" width="1400" height="800"></iframe>')
    open_page(chrome, frame)
    chrome.switch_to.frame(0)
    body = chrome.find_element("tag name", "body").text
    images = chrome.find_elements("css selector", "img[src=x]")
    chrome.switch_to.default_content()

    results = read_results(Outputs(report.parent).results)
    assert results.verdict in body
    assert HOSTILE_FOLDER in body
    assert images == []
    for check in results.failed_checks:
        assert (check.duplicate_of or check.test) in body


def test_skeleton_rotates_by_keyboard_mouse_and_touch(chrome: Chrome, everything: Path) -> None:
    open_page(chrome, everything, 380)
    svg = chrome.find_element("css selector", ".worst figure:not([hidden]) .in-space")
    path = svg.find_element("css selector", ".predicted .right")
    drawn = [path.get_attribute("d")]

    for key in (Keys.ARROW_RIGHT, Keys.ARROW_UP):
        svg.send_keys(key)
        drawn.append(path.get_attribute("d"))
    for kind in ("mouse", "touch"):
        pointer = PointerInput(kind, kind)  # type: ignore[no-untyped-call]  # untyped in selenium
        actions = ActionBuilder(chrome, mouse=pointer)
        at_center = actions.pointer_action.move_to(svg)  # type: ignore[no-untyped-call]
        at_center.pointer_down().move_by(25, 0).pointer_up()
        actions.perform()
        drawn.append(path.get_attribute("d"))

    assert len(set(drawn)) == 5
    svg.send_keys(Keys.ARROW_DOWN, *[Keys.ARROW_LEFT] * 6)  # 60 degrees; two drags of 25 pixels
    assert path.get_attribute("d") == drawn[0]


def test_copy_button_copies_quotation(chrome: Chrome, report: Path) -> None:
    path = report.with_name("quoted.html")
    path.write_text(render_page(GOLDEN["passing"], {}, None), encoding="utf-8")
    open_page(chrome, path)
    permissions = {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
    chrome.execute_cdp_cmd("Browser.grantPermissions", permissions)
    chrome.execute_cdp_cmd("Emulation.setFocusEmulationEnabled", {"enabled": True})
    button = chrome.find_element("css selector", ".copy")

    button.click()

    WebDriverWait(chrome, 10).until(lambda _: button.text == "Copied")
    copied = "navigator.clipboard.readText().then(arguments[arguments.length - 1])"
    assert chrome.execute_async_script(copied) == format_quotation(GOLDEN["passing"])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pictures_have_colors_of_the_scheme(chrome: Chrome, everything: Path, scheme: str) -> None:
    """Skeletons without a frame have enough contrast."""
    open_page(chrome, everything, scheme=scheme)
    image = chrome.find_element("css selector", "figure img")
    picture = np.asarray(Image.open(io.BytesIO(image.screenshot_as_png)).convert("L"))
    panels: list[list[str]] = chrome.execute_script(
        """
        return [".on-crop", ".in-space"].map((panel) => {
          const svg = document.querySelector(panel);
          const paths = [...svg.querySelectorAll("path")];
          const lines = paths.map((path) => getComputedStyle(path).stroke);
          return [getComputedStyle(svg).backgroundColor, ...lines];
        });
        """
    )

    assert (picture[-3, -3] < 128) == (scheme == "dark")
    assert panels[0] == panels[1]
    ground, *lines = panels[0]
    assert len(set(lines)) == 4  # left, right, middle and the ground truth
    assert all(contrast_ratio(line, ground) >= 3 for line in lines)


def test_worst_samples_buttons_step_through_figures(chrome: Chrome, everything: Path) -> None:
    open_page(chrome, everything)
    worst = chrome.find_element("css selector", ".worst")
    worse, better = worst.find_elements("css selector", ".steps button")

    def shown() -> tuple[str, str, list[str | None]]:
        figures = worst.find_elements("css selector", "figure")
        (caption,) = (figure.text for figure in figures if figure.is_displayed())
        text = worst.find_element("css selector", "output").text
        ends = [button.get_attribute("aria-disabled") for button in (worse, better)]
        return caption.partition(",")[0], text, ends

    first = ("Worst 1 of 2", "1 of the 2 worst", ["true", "false"])
    assert [worse.text, better.text] == ["\u2039 Worse", "Better \u203a"]
    assert shown() == first
    better.click()
    assert shown() == ("Worst 2 of 2", "2 of the 2 worst", ["false", "true"])
    better.click()
    worse.send_keys(Keys.ENTER)
    assert shown() == first
