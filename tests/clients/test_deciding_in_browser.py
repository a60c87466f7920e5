"""A study that fits and is wrong all the same, given to another patient from its page, by keyboard alone."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.clients.browser import chromium, make_people, sign_in, violations
from tests.clients.images import make_study
from tests.clients.system import System, answer_code, order_message

pytestmark = [pytest.mark.needs("chromium", "storescu"), pytest.mark.once]


def choose(page: Page, name: str) -> None:
    """Find somebody, go down to the row, and choose it."""
    expect(page.locator("#decision-dialog")).to_be_hidden()
    page.keyboard.press("/")
    expect(page.locator("#find")).to_be_focused()
    page.keyboard.type(name)
    expect(page.locator("#find")).to_have_value(name)
    expect(page.locator("#found")).to_contain_text(name)
    page.keyboard.press("Escape")
    for _ in range(9):
        page.keyboard.press("j")
        row = page.locator("tr[aria-current]")
        if row.count() and name in row.first.inner_text():
            break
    page.keyboard.press("x")
    expect(page.locator("#found input[type=radio]:checked")).to_have_count(1)


def decide(page: Page, key: str, reason: str) -> None:
    """See what will happen, say why, and do it."""
    page.keyboard.press(key)
    dialog = page.locator("#decision-dialog")
    expect(dialog.locator("ul.effects")).to_be_visible()
    page.keyboard.type(reason)
    if (although := dialog.locator("input[name=although]")).count():
        page.keyboard.press("Control+Enter")
        expect(dialog).to_be_visible()
        although.check()
    page.keyboard.press("Control+Enter")


def test_a_wrong_entry_was_picked(system: System, tmp_path: Path) -> None:
    make_people(system)
    for accession, name in (("DEC1", "PICKED^PIA"), ("DEC2", "MEANT^MINA")):
        assert answer_code(system.send(order_message(accession, name=name))[0]) == "AA"
    uid = make_study(tmp_path / "1", "DEC1", PatientID="PDEC1", PatientName="PICKED^PIA")
    assert system.dcmtk("storescu", "+sd", str(tmp_path / "1")).returncode == 0
    assert system.verdict(uid) == "matched"
    with chromium() as browser:
        page = sign_in(browser, system, "tess")
        page.goto(f"/studies/{uid}")
        page.keyboard.press("e")
        page.wait_for_url("**/exceptions/*")
        expect(page.locator("input[name=target]:checked")).to_have_count(0)
        assert violations(page) == []
        page.keyboard.press("4")
        dialog = page.locator("#decision-dialog")
        expect(dialog.locator("button[type=submit]").last).to_be_disabled()
        expect(dialog).to_contain_text("Go to one of the possible matches with j and press 4")
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
        page.keyboard.press("j")
        page.locator("#decide button[value=reassign]").click()
        expect(dialog).to_be_visible()  # before, it holds what it showed last
        expect(dialog).to_contain_text("No patient is chosen")
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
        page.keyboard.press("4")
        expect(dialog.locator("input[name=target]")).to_have_value(re.compile(".+"))
        expect(page.locator("input[type=radio][name=target]:checked")).to_have_count(0)
        page.keyboard.press("Escape")
        choose(page, "MEANT, MINA")
        decide(page, "4", "the entry above was picked")
        expect(page.locator("#exception-state")).to_contain_text("Decided: reassign")
        assert system.study(uid)["patient"]["name"] == "MEANT^MINA"
        decide(page, "u", "it was Pia after all")
        expect(page.locator("ol.history")).to_contain_text("Undone: reassign")
        study = system.study(uid)
        assert study["patient"]["name"] == "PICKED^PIA"
        assert [order["accession_number"] for order in study["orders"]] == ["DEC1"]
