"""The report in a real browser: complete, quiet and readable at any width, by everyone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from convnextpose_check.pages.html import page_html, summary_html
from convnextpose_check.paths import REPORT_FILE, Outputs
from convnextpose_check.results.results_file import read_results
from tests.library.pages.test_html import GOLDEN
from tests.support.browser import (
    chromium,
    complaints,
    overflowing,
    requests,
    show,
    violations,
)
from tests.support.datasets import Handmade
from tests.support.full_size import write_own_model
from tests.support.processes import run_python

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

    from convnextpose_check.variants import Architecture

HOSTILE_FOLDER = "a<img src=x onerror=alert(1)>&amp;b"


@pytest.fixture(scope="module")
def chrome() -> Iterator[Chrome]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def report(
    tiny: Architecture, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Path:
    """The report of a run that fails: two tiny models, a handful of images, a hostile name."""
    results = tmp_path_factory.mktemp("results")
    folder = tmp_path_factory.mktemp("inputs") / HOSTILE_FOLDER
    folder.mkdir()
    Handmade().write(folder / "h36m")
    variants: list[dict[str, Any]] = []
    for epoch, name in enumerate(("T1", "T2"), start=1):
        variants += write_own_model(tiny, folder, name, epoch)["variants"]
    variants[0]["parameters"] += 1500  # differences to sort by
    variants[1]["multiply_adds"] -= 20
    (folder / "own.json").write_text(json.dumps({"about": "two", "variants": variants}))
    run_python(
        "-m", "pytest", "tests/validation", "-m", "gpu", "-q", "--device=cpu",
        "-p", "no:cacheprovider", f"--h36m-root={folder / 'h36m'}", f"--checkpoints={folder}",
        f"--variants-file={folder / 'own.json'}", f"--results-dir={results}",
        folder=pytestconfig.rootpath,
    )  # fmt: skip
    return results / REPORT_FILE


@pytest.fixture(scope="module")
def pages(report: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The report of a real run, and pages of results with everything and of weights alone."""
    folder = tmp_path_factory.mktemp("pages")
    errors_mm = {"XS": np.linspace(20, 90, 200)}
    found = {"report": report}
    for name in ("failing", "weights"):
        found[name] = folder / f"{name}.html"
        found[name].write_text(page_html(summary_html(GOLDEN[name], errors_mm)))
    return found


@pytest.mark.parametrize(("width_px", "scheme"), [(1440, "light"), (380, "dark")])
def test_pages_are_quiet_whole_and_accessible(
    chrome: Chrome, pages: dict[str, Path], width_px: int, scheme: str
) -> None:
    for page in pages.values():
        show(chrome, page, width_px, scheme)
        chrome.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")

        assert complaints(chrome) == []
        assert requests(chrome) <= {page.as_uri()}
        assert overflowing(chrome) == []
        assert violations(chrome) == []


def test_each_fault_of_a_page_is_noticed(chrome: Chrome, tmp_path: Path) -> None:
    page = tmp_path / "broken.html"
    page.write_text(
        "<html><body><p style='width: 3000px; color: #bbb; background: #fff'>pale and wide</p>"
        "<img src='picture.png'><script>console.error('loud')</script></body></html>"
    )

    show(chrome, page)

    assert any("loud" in message for message in complaints(chrome))
    assert (tmp_path / "picture.png").as_uri() in requests(chrome)
    assert any("pale and wide" in element for element in overflowing(chrome))
    found = " ".join(violations(chrome))
    assert "color-contrast" in found
    assert "image-alt" in found


def test_table_of_tests_sorts_numbers_and_opens_logs_by_keyboard(
    chrome: Chrome, report: Path
) -> None:
    show(chrome, report)
    press = "arguments[0].dispatchEvent(new KeyboardEvent('keydown', {key: arguments[1]}))"
    orders = []
    for _ in range(2):
        head = chrome.find_element("css selector", "th[data-column-type=difference]")
        chrome.execute_script(press, head, "Enter")
        texts: list[str] = chrome.execute_script(
            "return [...document.querySelectorAll('td.col-difference')].map(c => c.textContent)"
        )
        orders.append([float(text.split()[0].replace(",", "")) for text in texts if text])
    cell = chrome.find_element("css selector", "#results-table td.col-result")
    is_hidden = (
        "return document.querySelector('#results-table tbody .extras-row').className"
        ".includes('hidden')"
    )
    before = chrome.execute_script(is_hidden)
    chrome.execute_script(press, cell, " ")

    assert len(set(orders[0])) > 2
    assert sorted([sorted(orders[0]), sorted(orders[0], reverse=True)]) == sorted(orders)
    assert chrome.execute_script(is_hidden) != before


def test_frame_without_scripts_shows_all_that_matters(chrome: Chrome, report: Path) -> None:
    """A page of CI artifacts shows a report in such a frame."""
    frame = report.parent / "frame.html"
    frame.write_text(f'<iframe sandbox="" src="{REPORT_FILE}" width="1400" height="800"></iframe>')
    show(chrome, frame)
    chrome.switch_to.frame(0)
    body = chrome.find_element("tag name", "body").text
    images = chrome.find_elements("css selector", "img[src=x]")
    chrome.switch_to.default_content()

    results = read_results(Outputs(report.parent).results)
    assert results.verdict in body
    assert HOSTILE_FOLDER in body
    assert images == []
    for name, record in results.variants.items():
        assert name in body
        assert f"{record.error_mm:.3f}" in body
        assert record.sha256[:12] in body
    for check in results.failed:
        assert (check.told_by or check.test) in body
