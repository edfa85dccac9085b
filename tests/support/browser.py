"""A headless Chromium, and checks of the page it displays."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
SWITCHES = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


@contextmanager
def chromium() -> Iterator[Chrome]:
    """Start a browser that logs console and requests; skip if none is installed."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver = shutil.which("chromedriver")
    if browser is None or driver is None:
        pytest.skip("no browser: install Debian's packages chromium and chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for switch in SWITCHES:
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chrome = webdriver.Chrome(options=options, service=Service(driver))
    try:
        yield chrome
    finally:
        chrome.quit()


def open_page(chrome: Chrome, page: Path, width_px: int = 1440, scheme: str = "light") -> None:
    """Open a file at this window width, in the light or dark color scheme."""
    for log in ("browser", "performance"):
        chrome.get_log(log)  # type: ignore[no-untyped-call]  # untyped in selenium
    size = {"width": width_px, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    feature = {"name": "prefers-color-scheme", "value": scheme}
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    chrome.get(page.as_uri())


def console_messages(chrome: Chrome) -> list[str]:
    return [entry["message"] for entry in chrome.get_log("browser")]  # type: ignore[no-untyped-call]


def requested_urls(chrome: Chrome) -> set[str]:
    """The URLs that the page requested, except ``data:`` URLs."""
    requested = set()
    for entry in chrome.get_log("performance"):  # type: ignore[no-untyped-call]
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            requested.add(message["params"]["request"]["url"])
    return {address for address in requested if not address.startswith("data:")}


def find_overflowing_elements(chrome: Chrome) -> list[str]:
    """Elements wider than the window, except inside scrollable regions."""
    found: list[str] = chrome.execute_script(
        """
        const width = document.documentElement.clientWidth;
        const scrolls = (element) => element.closest(".scroll, .log") !== null;
        const isHidden = (box) => box.width <= 1 || box.height <= 1;
        return [...document.querySelectorAll("body *")]
          .filter((element) => !scrolls(element) && !element.closest("svg svg, defs, symbol"))
          .filter((element) => {
            const box = element.getBoundingClientRect();
            return !isHidden(box) && (box.right > width + 1 || box.left < -1);
          })
          .map((element) => element.outerHTML.slice(0, 120));
        """
    )
    return found


def find_cut_regions(chrome: Chrome) -> list[str]:
    """Labels of the tables that must be scrolled to the side to be read."""
    found: list[str] = chrome.execute_script(
        """
        return [...document.querySelectorAll(".scroll")]
          .filter((region) => region.scrollWidth > region.clientWidth + 1)
          .map((region) => `${region.ariaLabel}: ${region.scrollWidth} > ${region.clientWidth}`);
        """
    )
    return found


def accessibility_violations(chrome: Chrome) -> list[str]:
    """Serious and critical findings of axe-core; skip if it is not installed."""
    if not AXE.is_file():
        pytest.skip("no axe-core: npm install --no-save axe-core")
    chrome.execute_script(AXE.read_text(encoding="utf-8"))
    result: dict[str, Any] = chrome.execute_async_script(
        "const done = arguments[arguments.length - 1]; axe.run().then(done);"
    )
    assert result["passes"], "axe-core checked nothing"
    return [
        f"{found['id']}: {node['html'][:160]} {node['failureSummary'][:200]}"
        for found in result["violations"]
        if found["impact"] in ("serious", "critical")
        for node in found["nodes"]
    ]
