"""Debian's Chromium, driven by Playwright; signed in to a running system."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.clients.system import PASSWORD, System

CHROMIUM = "chromium"
_OPTIONS = [
    "--no-sandbox",
    "--disable-dev-shm-usage",
    # WebGL by software, for what draws images.
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
]


@contextmanager
def signed_in(system: System, width: int = 1280, height: int = 800) -> Iterator[Any]:
    """A context of the browser in which the administrator is signed in; pages are made with `new_page`."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which(CHROMIUM), args=_OPTIONS)
        try:
            context = browser.new_context(
                base_url=f"http://127.0.0.1:{system.http_port}", viewport={"width": width, "height": height}
            )
            page = context.new_page()
            page.goto("/sign-in")
            page.fill("[name=username]", "admin")
            page.fill("[name=password]", PASSWORD)
            page.click("button[type=submit]")
            page.close()
            yield context
        finally:
            browser.close()
