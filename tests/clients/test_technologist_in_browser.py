"""A technologist's minute by keyboard alone: done, done twice, taken back, and somebody who walks in."""

import uuid

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.clients.browser import chromium, make_people, sign_in, violations
from tests.clients.system import System, answer_code, order_message

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.once]


ANOTHER_QUESTION_AT_ONCE = """
document.getElementById("ask").close();
document.dispatchEvent(new KeyboardEvent("keydown", {key: "h", bubbles: true}));
"""
"""Before the page is told that the first was closed, as hands are faster than it now and then."""
TWO_QUESTIONS = """
async () => {
  const { answered } = await import("/static/web/modal.js");
  const dialog = document.body.appendChild(document.createElement("dialog"));
  const first = answered(dialog);
  dialog.close();
  const second = answered(dialog);
  dialog.close("yes");
  return [await first, await second];
}
"""


def row(page: Page, name: str) -> Locator:
    return page.locator("tr", has=page.locator(".name", has_text=name))


def status(page: Page, name: str) -> str:
    return row(page, name).locator(".status").inner_text().strip()


def test_a_key_pressed_twice_takes_nobody_else_and_all_is_taken_back(system: System) -> None:
    make_people(system)
    family = "Q" + uuid.uuid4().hex[:6].upper()
    for given in ("ADA", "BEA"):
        accession = f"T{uuid.uuid4().hex[:8].upper()}"
        assert answer_code(system.send(order_message(accession, name=f"{family}^{given}"))[0]) == "AA"
    with chromium() as browser:
        page = sign_in(browser, system, "tess")
        assert page.evaluate(TWO_QUESTIONS) == [False, True]
        page.goto(f"/worklist?q={family}&sort=patient")
        page.keyboard.press("j")
        page.keyboard.press("s")
        expect(row(page, "ADA").locator(".status.started")).to_be_visible()
        for _ in range(3):
            page.keyboard.press("c")
        expect(row(page, "ADA").locator(".status.completed")).to_be_visible()
        expect(row(page, "ADA")).to_have_attribute("aria-current", "true")
        page.keyboard.press("c")
        expect(page.locator("#messages")).to_contain_text("Complete is not possible: the exam is completed.")
        expect(row(page, "ADA")).to_have_count(0, timeout=30_000)  # a moment later
        page.keyboard.press("c")
        page.keyboard.press("s")
        expect(page.locator("#messages")).to_contain_text("Choose a row first")
        assert status(page, "BEA") == "scheduled" and not page.locator("dialog[open]").count()
        page.keyboard.press("j")
        page.keyboard.press("Delete")
        page.locator("dialog#ask").get_by_text("Keep the exam").click()
        page.keyboard.press("c")  # never started: it asks
        expect(page.locator("dialog#ask")).to_contain_text("never started")
        page.evaluate(ANOTHER_QUESTION_AT_ONCE)
        page.locator("#ask-choice").select_option("No transport")
        page.locator("#ask-reason").press("Control+Enter")
        expect(row(page, "BEA").locator(".status.no-show")).to_be_visible()
        page.reload()
        for undone in ("marked as a no-show", "completed", "started"):
            expect(page.locator("#last-act")).to_contain_text(undone)
            page.keyboard.press("u")
            expect(page.locator("#messages")).to_contain_text(f"Undone: {family}")
        expect(row(page, "ADA").locator(".status.scheduled")).to_be_visible()
        expect(row(page, "BEA").locator(".status.scheduled")).to_be_visible()


def test_somebody_walks_in(system: System) -> None:
    make_people(system)
    name = "Walker" + uuid.uuid4().hex[:6]
    with chromium() as browser:
        page = sign_in(browser, system, "tess")
        page.goto("/worklist")
        page.keyboard.press("w")
        expect(page.locator("#patient-search")).to_be_focused()
        page.keyboard.type(f"{name}, Wim")
        page.keyboard.press("Enter")
        expect(page.locator("main")).to_contain_text("No results")
        assert violations(page) == []
        page.get_by_label("Unknown patient").check()
        expect(page.get_by_label("Name", exact=True)).to_have_value(f"{name}, Wim")
        page.get_by_label("Procedure").select_option(index=1)
        page.get_by_label("Priority").select_option("STAT")
        page.keyboard.press("Control+Enter")
        page.wait_for_url("**/worklist")
        expect(page.locator("#messages")).to_contain_text("placed")
        page.goto(f"/worklist?q={name}")
        expect(row(page, name)).to_contain_text("STAT")
        answer = page.request.get(row(page, name).locator("a[id^=label-]").get_attribute("href") or "")
        assert answer.headers["content-type"] == "application/pdf" and answer.body().startswith(b"%PDF")
        row(page, name).locator("a.name").click()
        expect(page.locator("main")).to_contain_text("TEMP")
