"""A browser for the page's tests: Debian's Chromium, or the one that Playwright has installed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Return a headless Chromium, driven by Playwright; skip the test where there is none, and say so."""
    driver = pytest.importorskip("playwright.sync_api", reason="no Playwright: the page is not tried in a browser")
    with driver.sync_playwright() as playwright:
        try:
            chromium = playwright.chromium.launch(
                executable_path=shutil.which("chromium"),
                args=["--no-sandbox"],  # which a container's root cannot have
            )
        except driver.Error as error:
            pytest.skip(f"no Chromium, the page is not tried in a browser: {str(error).splitlines()[0]}")
        yield chromium
        chromium.close()
