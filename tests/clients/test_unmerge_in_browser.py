"""What the HIS has merged wrongly is parted by a technologist, by keyboard alone, and that is undone."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.clients.browser import chromium, make_people, sign_in, violations
from tests.clients.system import System, order_message
from tests.clients.test_whose_images import adt, pid, say

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.once]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


def tab_to(page: Page, name: str) -> None:
    """Press Tab until what is called so has the focus."""
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent.trim()").startswith(name):
            return
    raise AssertionError(f"{name} is out of reach by keyboard")


def test_an_unmerge(system: System, browser: Browser) -> None:
    make_people(system)
    order = order_message("UNM1", name="TWIN^TILDA")
    say(system, order, adt("A04", pid("TWIN2", "TWIN^THEA")))
    say(system, adt("A40", pid("TWIN2", "TWIN^THEA"), "MRG|PUNM1^^^GENHOSP^MR"))
    (thea,) = [
        one for one in system.api("/patients", identifier="TWIN2")["results"] if one["merged_into"] is None
    ]
    page = sign_in(browser, system, "tess")
    page.goto(f"/patients/{thea['id']}")
    expect(page.locator("main")).to_contain_text("PUNM1")
    tab_to(page, "Unmerge")
    page.keyboard.press("Enter")
    changes = page.get_by_role("region", name="What will change")
    expect(changes).to_contain_text("PUNM1 will show as")
    expect(changes).to_contain_text("with 1 order, no studies, no reports")
    assert not violations(page)
    page.keyboard.type("seen with both identity cards: they are twins")
    page.keyboard.press("Control+Enter")
    expect(page.locator("main")).to_contain_text("seen with both identity cards")
    expect(page.locator("main")).to_contain_text("UNM1")
    (tilda,) = system.api("/patients", identifier="PUNM1")["results"]
    assert tilda["merged_into"] is None and tilda["name"] == "TWIN^TILDA"
    tab_to(page, "PUNM1 and TWIN2 were parted here")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("one person after all")
    page.keyboard.press("Enter")
    expect(page.get_by_text("shows with others again")).to_be_visible()
    assert system.api("/patients", identifier="PUNM1")["results"][0]["merged_into"] == thea["id"]
