"""A real Chromium, without a window, for the pages that migrator draws.

Tests here are marked ``browser``. Without a Chromium, its driver or selenium they are skipped,
unless MIGRATOR_REQUIRE_BROWSER=1 makes that a failure. MIGRATOR_CHROMIUM and
MIGRATOR_CHROMEDRIVER name the programs where they are not on PATH.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

_FOLDER = Path(__file__).resolve().parent
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if _FOLDER in item.path.parents:
            item.add_marker("browser")


class Tab:
    """The browser's one tab, with what tests of a page ask for."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(
        self,
        page: Path,
        address: str = "",
        *,
        width: int = 1300,
        height: int = 900,
        scheme: str = "light",
        media: str = "",
        javascript: bool = True,
    ) -> None:
        """Load a file anew. ``address`` is what comes after the path (``#model=...``)."""
        cdp = self.driver.execute_cdp_cmd
        self.driver.get("about:blank")
        self.console(), self.requests()  # forget what was before
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        cdp("Emulation.setDeviceMetricsOverride", metrics)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        cdp("Emulation.setEmulatedMedia", {"media": media, "features": features})
        cdp("Emulation.setScriptExecutionDisabled", {"value": not javascript})
        self.driver.get(page.as_uri() + address)

    def script(self, code: str, *arguments: Any) -> Any:
        """What ``return ...`` gives; a promise is awaited."""
        return self.driver.execute_script(code, *arguments)

    def all(self, css: str) -> list[Any]:
        """Elements that are displayed."""
        found = self.driver.find_elements("css selector", css)
        return [item for item in found if item.is_displayed()]

    def one(self, css: str, text: str = "") -> Any:
        """The one element on display, or the first of those that hold ``text``."""
        found = [item for item in self.all(css) if text in item.text]
        assert found, f"no {css} with {text!r}"
        assert text or len(found) == 1, f"{len(found)} of {css}"
        return found[0]

    def texts(self, css: str) -> list[str]:
        """Text of all matching elements, displayed or not, in one call."""
        return list(
            self.script(
                "return [...document.querySelectorAll(arguments[0])].map(e => e.textContent)", css
            )
        )

    def type(self, css: str, text: str) -> None:
        """Put ``text`` into a field in place of what it holds."""
        field = self.one(css)
        field.clear()
        field.send_keys(text)

    def press(self, *keys: str) -> None:
        """Keys, to whatever has the focus."""
        for key in keys:
            self.driver.switch_to.active_element.send_keys(key)

    def focused(self) -> str:
        return str(self.script("return document.activeElement.textContent"))

    def console(self) -> list[str]:
        """Messages since last asked: errors, refusals of the policy, warnings."""
        return [str(entry["message"]) for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """Addresses that were asked for since last asked, the page itself included."""
        events = [
            json.loads(row["message"])["message"] for row in self.driver.get_log("performance")
        ]
        asked = [row for row in events if row["method"] == "Network.requestWillBeSent"]
        return [str(row["params"]["request"]["url"]) for row in asked]

    def measures(self, name: str) -> list[float]:
        """Milliseconds of each of the page's own measures of that name."""
        code = "return performance.getEntriesByName(arguments[0]).map(e => e.duration)"
        return list(self.script(code, name))

    def pdf(self) -> bytes:
        """The page as it would be printed."""
        return base64.b64decode(self.driver.execute_cdp_cmd("Page.printToPDF", {})["data"])


@pytest.fixture(scope="session")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    """One tab for all tests; each opens its page anew."""
    browser = _program("MIGRATOR_CHROMIUM", _BROWSERS)
    chromedriver = _program("MIGRATOR_CHROMEDRIVER", ("chromedriver",))
    try:
        from selenium import webdriver
    except ImportError:
        _without("selenium is not installed (pip install 'migrator[test]')")
    os.environ.setdefault("SE_OFFLINE", "true")  # nothing is looked for elsewhere
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for flag in (*_FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService(executable_path=chromedriver)
    driver = webdriver.Chrome(options=options, service=service)
    try:
        driver.set_page_load_timeout(30)
        driver.set_script_timeout(20)
        yield Tab(driver)
    finally:
        driver.quit()


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """Writes a page to a file: ``drawn(name, html)``."""
    folder = tmp_path_factory.mktemp("pages")

    def write(name: str, text: str) -> Path:
        file = folder / f"{name}.html"
        file.write_text(text, "utf-8")
        return file

    return write


def _program(variable: str, names: tuple[str, ...]) -> str:
    named = os.environ.get(variable)
    found = next(filter(None, map(shutil.which, [named] if named else names)), None)
    if found is None:
        _without(f"no {named or names[0]} on this machine (apt-get install chromium-driver)")
    return found


def _without(reason: str) -> NoReturn:
    if os.environ.get("MIGRATOR_REQUIRE_BROWSER") == "1":
        pytest.fail(f"MIGRATOR_REQUIRE_BROWSER=1, but {reason}")
    pytest.skip(reason)
