"""An interface engineer's day: a feed falls silent, fifty messages are replayed, sending is paused."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from simulator.mllp import Listener
from tests.clients.browser import chromium, make_people, sign_in, violations
from tests.clients.system import System, answer_code, order_message, quick_site, wait_for

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.once, pytest.mark.timeout(400)]
FAILED = 50
LATER = """
from datetime import timedelta
from django.db.models import F
from interfaces.hl7.models import InboundMessage
InboundMessage.objects.update(received_at=F("received_at") - timedelta(minutes=5))
"""
KNOWN, CODE = b"71260^CT CHEST^C4", b"99999^WHOLE BODY^L"
ENTRY = '    - {code: "99999", scheme: L, description: CT whole body, modality: CT, station_group: CT}\n'
told: list[dict[str, Any]] = []


class Hook(BaseHTTPRequestHandler):
    """The chat of those who are on call."""

    def do_POST(self) -> None:
        told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Path]:
    """The demo's site, but strict with codes, with a limit to silence and somebody who is told."""
    server = HTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    path = Path(quick_site(tmp_path))
    text = path.read_text()
    for before, after in (
        ("accept_with_modality", "refuse"),
        ("hl7:\n", f'hl7:\n  alarms: {{webhooks: ["http://127.0.0.1:{server.server_port}/"]}}\n'),
        ("      application: HIS\n", "      application: HIS\n      silence_alarm: 2\n"),
    ):
        assert before in text
        text = text.replace(before, after, 1)
    path.write_text(text)
    yield path
    server.shutdown()
    server.server_close()


@pytest.fixture
def hospital(tmp_path: Path, site: Path) -> Iterator[System]:
    running = System(tmp_path / "home", RIS_PACS_SITE=str(site))
    running.start()
    yield running
    running.stop()


def test_an_interface_engineers_day(hospital: System, site: Path) -> None:
    make_people(hospital)
    assert answer_code(hospital.send(order_message("GOOD1"))[0]) == "AA"
    his = Listener(("127.0.0.1", hospital.destination_port))
    with chromium() as browser:
        page = sign_in(browser, hospital, "iris")
        a_feed_goes_silent(page, hospital)
        fifty_messages_are_mended(page, hospital, site)
        sending_is_paused(page, hospital, his)
    his.close()


def said() -> set[tuple[str, str]]:
    return {(one["kind"], one["state"]) for one in told}


def a_feed_goes_silent(page: Page, hospital: System) -> None:
    counted = lambda: hospital.api("/hl7/interfaces")["senders"][0]["traffic"]["this_hour"]  # noqa: E731
    wait_for(counted, 60, every=1)
    page.goto("/messages")
    page.keyboard.press(".")  # to the next tab
    page.wait_for_url("**/messages/interfaces")
    sender = page.locator("tr[id^=sender]")
    expect(sender).to_contain_text("ok")
    hospital.manage("shell", "-v", "0", "-c", LATER)
    expect(sender).to_contain_text("no messages", timeout=90_000)  # the page fetches itself anew
    expect(page.locator(".banner.red")).to_contain_text("No message from HIS · GENHOSP since")
    assert not violations(page)
    wait_for(lambda: said() == {("silent", "raised")}, 60)
    assert 'ris_pacs_hl7_alarm{kind="silent"' in hospital.http("/metrics")[1].decode()


def fifty_messages_are_mended(page: Page, hospital: System, site: Path) -> None:
    failing = [
        order_message(f"MEND{number:02}", patient_id=f"PM{number}").replace(KNOWN, CODE)
        for number in range(FAILED)
    ]
    assert {answer_code(answer) for answer in hospital.send(*failing)} == {"AE"}
    wait_for(lambda: {("silent", "ended"), ("errors", "raised")} <= said(), 90)
    page.keyboard.press(".")
    page.wait_for_url("**/messages/work")
    group = page.locator("tr[id^=group]")
    expect(group).to_contain_text("103 OBR-4")
    page.locator("html[data-list-ready]").wait_for()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/messages/work/*")
    expect(page.locator("h1 + .count")).to_contain_text("50 messages")
    assert not violations(page)
    text = site.read_text()
    site.write_text(text.replace("  procedures:\n", f"  procedures:\n{ENTRY}", 1))
    hospital.manage("site", "apply", str(site))
    page.locator("#work-scope").select_option("group")
    page.locator("#work-reason").fill("catalogue entry was missing")
    page.get_by_role("button", name="Replay in order").click()
    page.wait_for_url("**/messages/replays/*")
    expect(page.locator("#replay")).to_contain_text("Done. 50 applied, 0 failed", timeout=60_000)
    assert not violations(page)
    came = hospital.api("/hl7/messages", direction="in", limit="200")["results"]
    replays = [one["replay_of"] for one in came if one["replay_of"]]
    assert replays == [one["id"] for one in came if one["status"] == "failed"] and len(replays) == FAILED
    page.keyboard.press("b")
    expect(page.locator("#work")).to_contain_text("Nothing to do")
    page.goto("/messages?q=PID-3.1%3DPM7")
    expect(page.locator("tr[id^=message]")).to_have_count(2)


def sending_is_paused(page: Page, hospital: System, his: Listener) -> None:
    page.goto("/messages/destinations/HIS")
    page.keyboard.press("H")
    page.locator("#ask-reason").fill("they change their server")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#queue")).to_contain_text("they change their server")
    order = hospital.api("/orders", accession_number="MEND07")["results"][0]
    hospital.api(f"/orders/{order['id']}/cancel", {"reason": "entered twice"})
    expect(page.locator("#queue")).to_contain_text("Messages wait in order", timeout=15_000)
    expect(page.locator("tr[id^=message]")).to_have_count(1, timeout=30_000)
    page.wait_for_timeout(2000)
    assert not his.received.counts
    assert not violations(page)
    page.keyboard.press("O")
    expect(page.locator("#messages")).to_contain_text("goes on")
    wait_for(lambda: his.received.counts["ORM"] == 1, 60)
    expect(page.locator("#queue")).to_contain_text("Nothing waiting", timeout=30_000)
