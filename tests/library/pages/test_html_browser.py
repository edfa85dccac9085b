"""The report in a real browser: whole, quiet, readable at any width, by anybody."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from convnextpose_check.miniature.reference import miniature_catalogue
from convnextpose_check.pages.html import page_html
from convnextpose_check.paths import REPORT_FILE, Outputs
from convnextpose_check.results.results_file import read_results
from convnextpose_check.results.schema import CheckRecord
from convnextpose_check.variants import Architecture
from tests.library.pages.test_html import rich, summary
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
from tests.support.results import (
    example_examples,
    example_results,
    example_variant,
    example_weights,
)

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

HOSTILE_FOLDER = "a<img src=x onerror=alert(1)>&amp;b"


@pytest.fixture(scope="module")
def chrome() -> Iterator[Chrome]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def report(
    tiny: Architecture, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Path:
    """The report of a run that fails: three tiny models, a handful of images, a hostile name."""
    results = tmp_path_factory.mktemp("results")
    folder = tmp_path_factory.mktemp("inputs") / HOSTILE_FOLDER
    folder.mkdir()
    Handmade().write(folder / "h36m")
    variants: list[dict[str, Any]] = []
    for epoch, name in enumerate(("T1", "T2", "T3"), start=1):
        variants += write_own_model(tiny, folder, name, epoch)["variants"]
    variants[1]["parameters"] += 1500  # some differences to sort by
    variants[2]["multiply_adds"] -= 20
    (folder / "own.json").write_text(json.dumps({"about": "three", "variants": variants}))
    run_python(
        "-m", "pytest", "tests/validation", "-m", "gpu", "-q", "--device=cpu",
        "-p", "no:cacheprovider", f"--h36m-root={folder / 'h36m'}", f"--checkpoints={folder}",
        f"--variants-file={folder / 'own.json'}", f"--results-dir={results}",
        folder=pytestconfig.rootpath,
    )  # fmt: skip
    return results / REPORT_FILE


@pytest.fixture(scope="module")
def rich_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with everything that a summary can show."""
    page = tmp_path_factory.mktemp("rich") / "page.html"
    results = rich()
    xs = replace(results.variants["XS"], examples=example_examples(worst=12))
    page.write_text(page_html(summary(replace(results, variants={**results.variants, "XS": xs}))))
    return page


@pytest.fixture(scope="module")
def crowded_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The miniature's page: more variants, and a longer name, than the published have."""
    page = tmp_path_factory.mktemp("crowded") / "page.html"
    variants = {name: example_variant(712.5, 712.5) for name in miniature_catalogue().names}
    checks = tuple(
        CheckRecord(f"test_part_{n // 8}.py::test_claim_number_{n}[miniature-{name}]", "passed")
        for n in range(36)
        for name in variants
    )
    results = example_results("miniature", variants=variants, checks=checks)
    page.write_text(page_html(summary(results)))
    return page


@pytest.fixture(scope="module")
def weights_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run that judged weights alone."""
    page = tmp_path_factory.mktemp("weights") / "page.html"
    page.write_text(page_html(summary(example_weights())))
    return page


@pytest.mark.parametrize(
    ("width_px", "scheme"),
    [
        (1440, "light"),
        (380, "dark"),
        pytest.param(1440, "dark", marks=pytest.mark.slow),
        pytest.param(380, "light", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("which", ["report", "rich_page", "crowded_page", "weights_page"])
def test_page_is_quiet_whole_and_readable_by_all(
    which: str, width_px: int, scheme: str, chrome: Chrome, request: pytest.FixtureRequest
) -> None:
    page: Path = request.getfixturevalue(which)

    show(chrome, page, width_px, scheme)
    chrome.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")

    assert complaints(chrome) == []
    assert requests(chrome) <= {page.as_uri()}
    assert overflowing(chrome) == []
    assert violations(chrome) == []


def test_what_is_broken_is_noticed(chrome: Chrome, tmp_path: Path) -> None:
    """A page with one of each fault: the checks above are no formality."""
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


def column(chrome: Chrome, name: str) -> list[str]:
    cells: list[str] = chrome.execute_script(
        "return [...document.querySelectorAll(`#results-table td.col-${arguments[0]}`)]"
        ".map((cell) => cell.textContent);",
        name,
    )
    return cells


@pytest.mark.parametrize("key", ["click", "Enter"])
def test_table_sorts_as_numbers_by_mouse_and_by_keyboard(
    chrome: Chrome, report: Path, key: str
) -> None:
    show(chrome, report)
    press = (
        "const head = document.querySelector('th[data-column-type=difference]');"
        "if (arguments[0] === 'click') head.click();"
        "else head.dispatchEvent(new KeyboardEvent('keydown', {key: arguments[0]}));"
    )
    orders = []
    for _ in range(2):
        chrome.execute_script(press, key)
        texts = [text.split()[0] for text in column(chrome, "difference") if text]
        orders.append([float(text.replace(",", "")) for text in texts])

    assert len(orders[0]) > 10
    assert len(set(orders[0])) > 2
    assert sorted([sorted(orders[0]), sorted(orders[0], reverse=True)]) == sorted(orders)


def test_details_of_a_test_open_by_keyboard(chrome: Chrome, report: Path) -> None:
    show(chrome, report)
    cell = "document.querySelector('#results-table td.col-result')"
    hidden = f"return {cell}.closest('tbody').querySelector('.extras-row').classList.length"
    before = chrome.execute_script(hidden)

    chrome.execute_script(f"{cell}.dispatchEvent(new KeyboardEvent('keydown', {{key: ' '}}))")

    assert chrome.execute_script(hidden) != before
    assert chrome.execute_script(f"return {cell}.tabIndex") == 0


def test_names_from_outside_appear_as_text(chrome: Chrome, report: Path) -> None:
    show(chrome, report)

    text = chrome.execute_script("return document.body.innerText")
    assert HOSTILE_FOLDER in text
    assert chrome.execute_script("return document.querySelectorAll('img[src=x]').length") == 0
    failures = chrome.execute_script("return document.querySelector('.failures').innerText")
    assert "no reproduction" in failures


def test_sandboxed_frame_without_scripts_shows_all_that_matters(
    chrome: Chrome, report: Path
) -> None:
    """As a page of artefacts shows it: in a frame that may do nothing."""
    frame = report.parent / "frame.html"
    frame.write_text(f'<iframe sandbox="" src="{REPORT_FILE}" width="1400" height="800"></iframe>')
    show(chrome, frame)
    chrome.switch_to.frame(0)
    body = chrome.find_element("tag name", "body").text
    chrome.switch_to.default_content()

    results = read_results(Outputs(report.parent).results)
    assert results.verdict in body
    for name, record in results.variants.items():
        assert name in body
        assert f"{record.error_mm:.3f}" in body
        assert record.sha256[:12] in body
    for check in results.failed:
        assert (check.told_by or check.test) in body


def test_printed_page_shows_the_details(chrome: Chrome, rich_page: Path) -> None:
    from selenium.webdriver.support.wait import WebDriverWait

    details = "document.querySelector('details dl.provenance')"
    is_shown = f"return {details}.checkVisibility({{contentVisibilityAuto: true}})"
    show(chrome, rich_page)
    assert not chrome.execute_script(is_shown)

    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})

    WebDriverWait(chrome, 10).until(lambda _: chrome.execute_script(is_shown))
    printed = chrome.execute_cdp_cmd("Page.printToPDF", {})

    assert overflowing(chrome) == []
    assert len(printed["data"]) > 10_000


def test_sign_of_a_check_opens_what_it_obtained_and_leads_to_its_log(
    chrome: Chrome, report: Path
) -> None:
    show(chrome, report)
    sign = "document.querySelector('button.told.bad')"
    told = f"document.getElementById({sign}.getAttribute('popovertarget'))"
    shown = f"return {told}.matches(':popover-open')"
    assert not chrome.execute_script(shown)

    chrome.execute_script(f"{sign}.click()")

    assert chrome.execute_script(shown)
    assert "failed" in chrome.execute_script(f"return {told}.innerText")
    test = chrome.execute_script(f"return {told}.querySelector('.to-log').dataset.test")
    chrome.execute_script(f"{told}.querySelector('.to-log').click()")
    assert not chrome.execute_script(shown)
    opened = chrome.execute_script(
        "return [...document.querySelectorAll('#results-table tbody')]"
        ".filter((body) => body.querySelector('.extras-row:not(.hidden)'))"
        ".map((body) => body.querySelector('.col-testId').textContent)"
    )
    assert f"tests/validation/{test}" in opened


@pytest.mark.parametrize("width_px", [380, 1440])
def test_log_of_a_passed_test_is_hidden_and_nothing_is_cropped(
    chrome: Chrome, report: Path, width_px: int
) -> None:
    show(chrome, report, width_px)
    chrome.execute_script("document.getElementById('all-tests').open = true")

    seen = "return [...document.querySelectorAll(arguments[0])].filter(e => e.checkVisibility())"
    assert chrome.execute_script(f"{seen}.length", "tbody:not(.failed) .extras-row") == 0
    assert chrome.execute_script(f"{seen}.length", ".col-testId") > 10
    cropped = (
        ".filter(e => e.scrollHeight > e.clientHeight + 1 || e.scrollWidth > e.clientWidth + 1)"
    )
    assert chrome.execute_script(f"{seen}{cropped}.length", ".collapse button") == 0
    assert chrome.execute_script(f"{seen}.length", "#environment") == 0  # told once, above


@pytest.mark.parametrize(("width_px", "most_px"), [(1440, 6_000), (380, 12_000)])
def test_page_of_the_miniature_is_soon_read(
    chrome: Chrome, crowded_page: Path, width_px: int, most_px: int
) -> None:
    show(chrome, crowded_page, width_px)

    assert chrome.execute_script("return document.documentElement.scrollHeight") <= most_px


SKELETON = "document.querySelector('svg.space')"


def placed(chrome: Chrome) -> list[str]:
    """Where every part of the first skeleton is drawn."""
    parts: list[str] = chrome.execute_script(
        f"return [...{SKELETON}.querySelectorAll('[data-part]')]"
        ".map((part) => part.getAttribute('d') ?? part.getAttribute('cx'));"
    )
    return parts


def pressed(chrome: Chrome, key: str) -> list[str]:
    chrome.execute_script(
        f"{SKELETON}.dispatchEvent(new KeyboardEvent('keydown', {{key: arguments[0]}}));", key
    )
    return placed(chrome)


def test_skeleton_turns_with_arrow_keys_and_slider(chrome: Chrome, rich_page: Path) -> None:
    show(chrome, rich_page)
    still = placed(chrome)

    assert len(still) == 1 + 3 + 3 + 17  # floor, truth, prediction, joints
    turned = pressed(chrome, "ArrowRight")
    assert all(one != other for one, other in zip(still, turned, strict=True))
    tilted = pressed(chrome, "ArrowUp")
    assert sum(one != other for one, other in zip(turned, tilted, strict=True)) == 7  # not across
    slider = "document.querySelector('.turns input')"
    assert chrome.execute_script(f"return Number({slider}.value)") == 40
    chrome.execute_script(f"{slider}.value = 35; {slider}.dispatchEvent(new Event('input'))")
    back = pressed(chrome, "ArrowDown")

    numbers = [[float(x) for x in re.findall(r"-?[\d.]+", d)] for d in (*still, *back)]
    for one, other in zip(numbers[:24], numbers[24:], strict=True):
        assert one == pytest.approx(other, abs=0.1)


def test_skeleton_turns_by_dragging(chrome: Chrome, rich_page: Path) -> None:
    from selenium.webdriver import ActionChains

    show(chrome, rich_page)
    before = placed(chrome)
    skeleton = chrome.find_element("css selector", "svg.space")
    chrome.execute_script("arguments[0].scrollIntoView({block: 'center'})", skeleton)

    ActionChains(chrome).drag_and_drop_by_offset(skeleton, 60, 0).perform()

    assert placed(chrome) != before


def test_worst_samples_are_stepped_through(chrome: Chrome, rich_page: Path) -> None:
    show(chrome, rich_page)
    seen = "return [...document.querySelectorAll('.worst figure')].map((figure) => !figure.hidden)"
    steps = "document.querySelector('.worst .steps')"
    assert chrome.execute_script(seen)[:3] == [True, False, False]

    for _ in range(2):
        chrome.execute_script(f"{steps}.querySelectorAll('button')[1].click()")

    assert chrome.execute_script(seen)[:4] == [False, False, True, False]
    assert chrome.execute_script(f"return {steps}.querySelector('output').textContent") == (
        "3 of the 12 worst"
    )
