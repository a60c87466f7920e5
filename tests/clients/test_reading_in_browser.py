"""Reading, dictating, typing and signing in a real browser: nothing that was typed or said is lost."""

import contextlib
import hashlib
import math
import os
import re
import signal
import struct
import time
import wave
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.clients.browser import violations
from tests.clients.images import make_study
from tests.clients.system import PASSWORD, System, order_message, wait_for

playwright = pytest.importorskip("playwright.sync_api")
pytestmark = [pytest.mark.needs("chromium", "storescu"), pytest.mark.timeout(300), pytest.mark.once]

PEOPLE = {"rada": "radiologist", "ruben": "radiologist", "trudy": "transcriptionist"}
MAKE_PEOPLE = """
from accounts.models import Facility, User
for name, role in {people}.items():
    user = User.objects.filter(username=name).first()
    user = user or User.objects.create_user(name, {password!r}, full_name=name.title(), roles=[role])
    user.facilities.add(*Facility.objects.all())
"""
ITEMS = 15
FINDINGS = "#section-findings"
CARET = """() => {
    const area = document.activeElement;
    const { id, value, selectionStart } = area;
    return { id, value, start: selectionStart, isTemplate: area.classList.contains("is-template") };
}"""


@dataclass
class Department:
    """People at browsers, and items that wait to be read."""

    system: System
    browsers: Any
    folder: Path
    sound: Path
    items: list[str] = field(default_factory=list)

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.system.http_port}"

    def options(self, sound: Path) -> dict[str, Any]:
        arguments = [
            "--no-sandbox",
            "--use-fake-device-for-media-stream",
            "--use-fake-ui-for-media-stream",
            f"--use-file-for-fake-audio-capture={sound}",
            "--autoplay-policy=no-user-gesture-required",
        ]
        return {"executable_path": "/usr/bin/chromium", "args": arguments}

    def sign_in(self, context: Any, name: str, path: str = "/status") -> Any:
        page = context.new_page()
        page.on("dialog", lambda dialog: dialog.accept())
        page.goto(f"{self.base}/sign-in?next={path}")
        if "/sign-in" in page.url:  # a browser that was killed may have kept its session
            page.fill("#username", name)
            page.fill("#password", PASSWORD)
            page.click(".sign-in button")
            page.wait_for_url(lambda url: "/sign-in" not in url)  # with its scripts, which listen to keys
        return page

    def open(self, page: Any, item: str) -> Any:
        page.goto(f"{self.base}/reading/{item}")
        page.wait_for_selector("html[data-editor-ready]")
        return page

    def take(self) -> str:
        """An item that no other test has."""
        return self.items.pop()

    def exam(self, accession: str, patient: str, priority: str = "R") -> tuple[str, str]:
        """The item of one more chest CT of a patient, and its Study Instance UID."""
        name = f"MORE^{patient}"
        order = order_message(accession, patient_id=patient, name=name)
        self.system.send(order.replace(b"^^R", b"^^" + priority.encode()))
        folder = self.folder / accession
        uid = make_study(folder, accession, count=2, side=16, PatientID=patient, PatientName=name)
        assert self.system.dcmtk("storescu", "+sd", str(folder)).returncode == 0
        self.system.verdict(uid)
        query = {"limit": "500", "text": accession}
        (item,) = wait_for(lambda: self.system.api("/reading/items", **query)["results"], 30)
        return item["id"], uid

    def ask(self, path: str) -> Any:
        return self.system.api(path)


@pytest.fixture(scope="module")
def department(system: System, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Department]:
    folder = tmp_path_factory.mktemp("department")
    system.manage("shell", "-c", MAKE_PEOPLE.format(people=PEOPLE, password=PASSWORD))
    uids = []
    for number in range(ITEMS):
        accession = f"B{time.time_ns() // 1000 % 10**9}{number}"
        system.send(order_message(accession, name=f"READ{number}^RITA"))
        name = f"READ{number}^RITA"
        images = folder / "images" / accession
        uids.append(make_study(images, accession, count=1, side=16, PatientName=name))
    sent = system.dcmtk("storescu", "+sd", "+r", str(folder / "images"))
    assert sent.returncode == 0, sent.stderr
    with playwright.sync_playwright() as browsers:
        made = Department(system, browsers, folder, tone(folder / "tone.wav"))
        for uid in uids:
            system.verdict(uid)

        def ready() -> list[str]:
            found = system.api("/reading/items", limit="500", text="READ")["results"]
            return [one["id"] for one in found if set(one["studies"]) & set(uids)]

        made.items = wait_for(lambda: found if len(found := ready()) == ITEMS else [], 30)
        yield made


@pytest.fixture(scope="module")
def browser(department: Department) -> Iterator[Any]:
    browser = department.browsers.chromium.launch(**department.options(department.sound))
    yield browser
    browser.close()


@pytest.fixture
def rada(department: Department, browser: Any) -> Iterator[Any]:
    context = browser.new_context()
    yield department.sign_in(context, "rada")
    context.close()


def tone(path: Path, loudness: float = 0.4, seconds: int = 3) -> Path:
    """A WAV that Chromium gives out as a microphone: bursts of 440 Hz, or silence."""
    rate = 48000
    samples = (
        int(32767 * loudness * math.sin(2 * math.pi * 440 * n / rate) * (n // 4800 % 4 != 3))
        for n in range(rate * seconds)
    )
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
    return path


def outside_report(accession: str, status: str, text: str) -> bytes:
    """A report of another system of an exam that `Department.exam` made, of the patient of its number."""
    lines = order_message(accession, patient_id=accession, name=f"MORE^{accession}").decode().split("\r")[:2]
    obr = f"OBR|1||R{accession}^OUT|71260^CT chest^C4{'|' * 14}{accession}{'|' * 7}{status}"
    obx = f"OBX|1|TX|19005-8^Impression^LN||{text}||||||{status}"
    return "\r".join([lines[0].replace("ORM^O01^ORM_O01", "ORU^R01"), lines[1], obr, obx, ""]).encode()


def sign(page: Any) -> None:
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("#sign[open]")
    page.fill("#sign-password", PASSWORD)
    page.keyboard.press("Control+Enter")


class TestTyping:
    def test_text_is_saved_and_the_mark_never_lies(self, department: Department, rada: Any) -> None:
        item = department.take()
        department.open(rada, item)
        assert rada.locator("html").get_attribute("data-editor-ready") == "writing"
        rada.fill(FINDINGS, "")
        rada.keyboard.type("The lungs are clear. /nad")
        rada.keyboard.press("Enter")
        assert rada.input_value(FINDINGS) == "The lungs are clear. No acute abnormality."
        rada.wait_for_selector("#mark[data-state=saved]")
        rada.route("**/api/v1/reports/**", lambda route: route.fulfill(status=500, body="broken"))
        rada.keyboard.type(" Not on the server.")
        rada.wait_for_selector("#mark[data-state=device] >> text=not on the server")
        rada.keyboard.type(" Nor this.")
        rada.wait_for_timeout(400)
        assert "Saved" not in rada.inner_text("#mark")
        rada.reload()
        rada.wait_for_selector("html[data-editor-ready]")
        assert rada.input_value(FINDINGS).endswith("Not on the server. Nor this.")
        rada.unroute("**/api/v1/reports/**")
        rada.wait_for_selector("#mark[data-state=saved]")
        assert violations(rada) == []

    def test_a_second_tab_reads(self, department: Department, rada: Any) -> None:
        item = department.take()
        department.open(rada, item)
        second = department.open(rada.context.new_page(), item)
        assert second.is_visible("#read-only") and not second.is_editable(FINDINGS)

    def test_text_and_sound_outlive_kill_9(self, department: Department) -> None:
        item, profile = department.take(), department.folder / "profile"
        launch = department.browsers.chromium.launch_persistent_context
        context = launch(profile, **department.options(department.sound))
        page = department.open(department.sign_in(context, "rada"), item)
        page.fill(FINDINGS, "")
        page.keyboard.press("Control+d")
        page.wait_for_selector("#dictation[data-state=recording]")
        began = time.monotonic()
        page.keyboard.type("Typed before the kill")
        page.wait_for_timeout(3600 - 1000 * (time.monotonic() - began))
        spoken = time.monotonic() - began
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if str(profile).encode() in (folder / "cmdline").read_bytes():
                    os.kill(int(folder.name), signal.SIGKILL)
        with contextlib.suppress(playwright.Error):
            context.close()
        context = launch(profile, **department.options(department.sound))
        page = department.open(department.sign_in(context, "rada"), item)
        assert page.input_value(FINDINGS) == "Typed before the kill"
        page.wait_for_selector("#dictation[data-state=paused]")
        minutes, seconds = page.inner_text("#timer").split(":")
        assert int(minutes) * 60 + int(seconds) >= int(spoken - 1.5)
        context.close()

    def test_another_save_is_a_choice(self, department: Department, rada: Any) -> None:
        item = department.take()
        department.open(rada, item)
        rada.fill(FINDINGS, "First.")
        rada.wait_for_selector("#mark[data-state=saved]")
        report = department.ask(f"/reading/items/{item}")["report"]
        save = """([id, body]) => fetch(`/api/v1/reports/${id}`, {method: "PATCH", body: JSON.stringify(body),
            headers: {"Content-Type": "application/json",
                      "X-CSRFToken": document.cookie.match(/csrftoken=([^;]*)/)[1]}}).then((r) => r.status)"""
        body = {"sections": {"findings": "Theirs.", "comparison": "2024."}}
        body["revision"] = department.ask(f"/reports/{report}")["revision"]
        rada.route("**/reading/items/**", lambda route: route.abort())
        assert rada.evaluate(save, [report, body]) == 200
        rada.fill(FINDINGS, "Mine.")
        rada.wait_for_selector("#conflict:not([hidden])")
        rada.click("#conflict input[value=both]")
        rada.click("#conflict [data-done]")
        rada.wait_for_selector("#mark[data-state=saved]")
        kept = department.ask(f"/reports/{report}")["sections"]
        assert kept["findings"] == "Mine.\n\nTheirs." and kept["comparison"] == "2024."

    def test_when_the_session_ends_the_page_locks_and_goes_on(
        self, department: Department, rada: Any
    ) -> None:
        item = department.take()
        department.open(rada, item)
        rada.context.clear_cookies(name="sessionid")
        rada.fill(FINDINGS, "After the session.")
        rada.wait_for_selector("#lock[open]")
        rada.keyboard.press("Escape")
        assert rada.is_visible("#lock")
        rada.fill("#lock-password", PASSWORD)
        rada.click("#lock button")
        rada.wait_for_selector("#mark[data-state=saved]")
        assert rada.input_value(FINDINGS) == "After the session."


class TestTakingOver:
    def test_the_first_page_reads_within_five_seconds_and_both_texts_are_kept(
        self, department: Department, browser: Any, rada: Any
    ) -> None:
        item = department.take()
        department.open(rada, item)
        rada.fill(FINDINGS, "Saved text.")
        rada.wait_for_selector("#mark[data-state=saved]")
        stop = re.compile(r"/api/v1/reports/[0-9a-f]+$")
        rada.route(stop, lambda route: route.abort())
        rada.keyboard.type(" Unsent words.")
        context = browser.new_context()
        ruben = department.open(department.sign_in(context, "ruben"), item)
        words = ruben.inner_text("#read-only")
        assert words.startswith("Rada") and "writes on it" in words
        ruben.click("[data-take]")
        ruben.fill("#why-text", "she was called away")
        ruben.click("#why [data-yes]")
        began = time.monotonic()
        rada.wait_for_selector(f"{FINDINGS}[readonly]")
        assert time.monotonic() - began < 6
        for page in (rada, ruben):
            page.wait_for_selector("#side >> text=Saved drafts")
            assert "Unsent words" in page.text_content("#side")
        assert ruben.is_editable(FINDINGS) and ruben.input_value(FINDINGS) == "Saved text."
        context.close()


class TestSigning:
    def test_a_corrected_report_of_others_is_told_shown_and_acknowledged(
        self, department: Department, rada: Any
    ) -> None:
        accession = f"O{time.time_ns() // 1000 % 10**9}"
        item, _ = department.exam(accession, accession)
        department.system.send(outside_report(accession, "F", "No PE"))
        department.open(rada, item)
        rada.fill(FINDINGS, "Clear.")
        rada.fill("#section-impression", "Normal.")
        rada.wait_for_selector("#side >> text=No PE")
        rada.wait_for_timeout(6000)
        assert not rada.is_visible("#messages .flash")
        department.system.send(outside_report(accession, "C", "MASSIVE PE"))
        rada.wait_for_selector("#messages >> text=corrected", timeout=30_000)
        rada.wait_for_selector("#side >> text=MASSIVE PE")
        rada.keyboard.press("Control+Enter")
        rada.wait_for_selector("#sign[open]")
        line = rada.wait_for_selector("#sign [data-blocks] >> text=was corrected")
        assert "Since you worked on this" in line.inner_text()
        rada.fill("#sign-password", PASSWORD)
        rada.click("#sign [data-yes]")
        rada.wait_for_selector("#sign [data-error]:not([hidden])")
        rada.check("#sign [data-blocks] input[type=checkbox]")
        rada.fill("#sign-password", PASSWORD)
        rada.click("#sign [data-yes]")
        rada.wait_for_selector("#signed[open]")

    def test_the_patient_guard_and_one_version_for_two_keystrokes(
        self, department: Department, rada: Any
    ) -> None:
        item = department.take()
        department.open(rada, item)
        rada.fill(FINDINGS, "Clear.")
        rada.fill("#section-impression", "Normal.")
        viewer = rada.context.new_page()
        viewer.goto(f"{department.base}/status")
        viewer.evaluate("window.told = new BroadcastChannel('ris-pacs-viewer')")
        viewer.evaluate("told.postMessage({type: 'shown', studies: ['1.2.3.4'], patients: ['X']})")
        rada.wait_for_selector("#guard:not([hidden])")
        rada.keyboard.press("Control+Enter")
        rada.keyboard.press("Control+d")
        rada.wait_for_selector("#dictation-alarm >> text=another patient")
        assert not rada.is_visible("#sign")
        viewer.evaluate("told.postMessage({type: 'closed'})")
        rada.wait_for_selector("#guard", state="hidden")
        sign(rada)
        rada.keyboard.press("Control+Enter")
        rada.wait_for_selector("#signed[open]")
        for gone in ("#sign-open", "#record", "#save"):
            assert not rada.is_visible(gone), gone
        report = department.ask(f"/reading/items/{item}")["report"]
        assert department.ask(f"/reports/{report}/versions")["count"] == 1
        rada.wait_for_selector("#signed [data-undo]:not([hidden])")
        with rada.expect_navigation():
            rada.keyboard.press("u")
        assert department.ask(f"/reports/{report}")["status"] == "draft"

    def test_it_is_taken_back_from_the_next_exam_without_losing_a_word(
        self, department: Department, rada: Any
    ) -> None:
        item, following = department.take(), department.take()
        department.open(rada, item)
        rada.fill(FINDINGS, "Clear.")
        rada.fill("#section-impression", "Normal.")
        sign(rada)
        rada.wait_for_selector("#signed[open]")
        department.open(rada, following)
        rada.fill(FINDINGS, "Words of the next exam.")
        assert violations(rada) == []
        rada.focus(FINDINGS)
        rada.keyboard.press("Alt+u")
        rada.wait_for_selector("#messages >> text=Signature undone")
        rada.wait_for_selector("#last-signature >> text=Signature undone:")
        assert rada.input_value(FINDINGS) == "Words of the next exam."
        report = department.ask(f"/reading/items/{item}")["report"]
        assert department.ask(f"/reports/{report}")["status"] == "draft"


class TestSigningPin:
    def test_it_signs_after_the_first_password_of_the_session(
        self, department: Department, rada: Any
    ) -> None:
        for number in (1, 2):
            department.open(rada, department.take())
            rada.fill(FINDINGS, "Clear.")
            rada.fill("#section-impression", "Normal.")
            rada.keyboard.press("Control+Enter")
            rada.wait_for_selector("#sign[open]")
            assert rada.locator("#sign-pin").is_visible() == (number == 2)
            if number == 1:
                rada.fill("#sign-password", PASSWORD)
                rada.fill("#sign-new-pin", "483920")
                assert violations(rada) == []
            else:
                rada.fill("#sign-pin", "483920")
            rada.keyboard.press("Control+Enter")
            rada.wait_for_selector("#signed[open]")


def unedited(page: Any) -> int:
    """The sentences that nobody has written, as the sign box counts them."""
    page.click("#sign-open")
    page.wait_for_selector("#sign[open]")
    words = page.inner_text("#sign [data-facts]")
    page.keyboard.press("Escape")
    page.wait_for_selector("#sign", state="hidden")
    found = re.search(r"Unedited template or suggested text will be sent: (\d+) sentence", words)
    return int(found[1]) if found else 0


class TestPriorsAndParking:
    def test_a_prior_stands_beside_the_images_and_its_report_beside_the_draft(
        self, department: Department, rada: Any
    ) -> None:
        number = time.time_ns() // 1000 % 10**8
        before, prior = department.exam(f"C{number}1", f"PC{number}")
        now, own = department.exam(f"C{number}2", f"PC{number}")
        department.open(rada, before)
        rada.fill("#section-impression", "A nodule of 4 mm.")
        rada.fill(FINDINGS, "Nothing else.")
        sign(rada)
        rada.wait_for_selector("#signed[open]")

        department.open(rada, now)
        assert rada.input_value("#section-comparison").startswith("CT")
        assert rada.locator("[data-suggestion-of=comparison]").is_visible()
        caret = rada.evaluate(CARET)
        assert caret["value"] == "" or caret["isTemplate"], "typing begins where nobody has typed"
        assert caret["start"] == len(caret["value"])
        rada.keyboard.press("Alt+=")
        rada.wait_for_selector("#prior-drawer:not([hidden]) >> text=A nodule of 4 mm.")
        assert rada.evaluate(CARET)["id"] == caret["id"], "the draft keeps the caret"
        assert violations(rada) == []
        with rada.context.expect_page() as opened:
            rada.keyboard.press("Alt+i")
        assert f"{own},{prior}&hangingProtocolId" in opened.value.url
        opened.value.close()
        rada.keyboard.press("Escape")
        assert rada.locator("#prior-drawer").is_hidden() and rada.evaluate(CARET)["id"] == caret["id"]

        untouched = unedited(rada)
        rada.fill("#section-comparison", "Films from outside.")
        assert unedited(rada) == untouched - 1, "a suggestion counts like a template until it is touched"
        with rada.context.expect_page() as opened:
            rada.click("[data-beside]")
        opened.value.close()
        assert rada.input_value("#section-comparison") == "Films from outside."

    def test_alt_p_leads_back_after_any_number_of_saves(self, department: Department, rada: Any) -> None:
        parked = department.take()
        department.open(rada, parked)
        rada.fill(FINDINGS, "To go on with.")
        rada.wait_for_selector("#mark[data-state=saved]")
        number = time.time_ns() // 1000 % 10**8
        stat, _ = department.exam(f"S{number}", f"PS{number}", "S")
        rada.wait_for_selector("#stat-bar:not([hidden])")
        assert f"MORE, PS{number}, S{number} CT" in rada.inner_text("#stat-bar")
        whose = department.ask(f"/reading/items/{parked}")["whose"]
        rada.keyboard.press("Alt+s")
        rada.wait_for_url(f"**/reading/{stat}")
        rada.wait_for_selector("html[data-editor-ready=writing]")
        for text in ("One.", "Two."):
            rada.fill(FINDINGS, text)
            rada.wait_for_selector("#mark[data-state=saved]")
            rada.evaluate("import('/static/web/live.js').then(({ refresh }) => refresh())")
        assert department.ask(f"/reading/items/{parked}")["lease"]["parked"]
        rada.wait_for_selector("#parked:not([hidden])")
        assert whose and whose in rada.inner_text("#parked")
        rada.focus(FINDINGS)
        rada.keyboard.press("Alt+p")
        rada.wait_for_url(f"**/reading/{parked}")
        rada.wait_for_selector("html[data-editor-ready=writing]")
        assert rada.input_value(FINDINGS) == "To go on with."
        assert not department.ask(f"/reading/items/{parked}")["lease"]["parked"]
        assert rada.locator("#parked").is_hidden()


class TestDictating:
    def test_sound_outlives_a_reload_is_typed_given_back_and_finished(
        self, department: Department, browser: Any, rada: Any
    ) -> None:
        item = department.take()
        department.open(rada, item)
        rada.keyboard.press("Control+d")
        rada.wait_for_timeout(4500)
        rada.reload()
        rada.wait_for_selector("#dictation[data-state=paused]")
        before = rada.inner_text("#timer")
        assert int(before.split(":")[1]) >= 3
        rada.keyboard.press("Control+d")
        rada.wait_for_timeout(1500)
        rada.keyboard.press("Control+d")
        rada.click("#hand-on")
        rada.wait_for_selector("#state >> text=dictated")
        (spoken,) = department.ask(f"/reading/items/{item}")["dictations"]
        assert spoken["state"] == "queued" and spoken["seconds"] > int(before.split(":")[1])
        status, sound = department.system.http(
            f"/api/v1/dictations/{spoken['id']}/audio", token=department.system.token()
        )
        assert status == 200 and hashlib.sha256(sound[44:]).hexdigest() == spoken["sha256"]

        context = browser.new_context()
        trudy = department.sign_in(context, "trudy", "/transcription")
        trudy.goto(f"{department.base}/transcription/{spoken['id']}")
        trudy.wait_for_selector("html[data-editor-ready=writing]")
        trudy.keyboard.press("F2")
        trudy.wait_for_timeout(1200)
        at = trudy.evaluate("document.getElementById('player').currentTime")
        trudy.keyboard.press("F2")
        stopped = trudy.evaluate("document.getElementById('player').currentTime")
        assert at > 0.5 and stopped == pytest.approx(max(0, at - 2), abs=0.5)
        trudy.click("[data-dialog=return]")
        trudy.check("#return [value='poor audio']")
        trudy.click("#return button")
        began = time.monotonic()
        rada.wait_for_selector("#state >> text=Dictation returned: poor audio")
        assert time.monotonic() - began < 7
        assert department.ask(f"/reading/items/{item}")["dictations"][0]["state"] == "returned"
        context.close()

    def test_what_is_typed_comes_to_its_author_with_its_open_places(
        self, department: Department, browser: Any, rada: Any
    ) -> None:
        item = department.take()
        department.open(rada, item)
        rada.keyboard.press("Control+d")
        rada.wait_for_timeout(1300)
        rada.click("#hand-on")
        rada.wait_for_selector("#state >> text=dictated")
        context = browser.new_context()
        trudy = department.sign_in(context, "trudy", "/transcription")
        trudy.wait_for_selector("#queue tr[data-href] >> text=READ")
        trudy.keyboard.press("n")
        trudy.wait_for_selector("html[data-editor-ready=writing]")
        trudy.focus("#section-impression")
        trudy.keyboard.type("No pneumothorax ")
        trudy.keyboard.press("Alt+Shift+?")
        trudy.wait_for_selector("#open-marks >> text=[? 00:00]")
        assert violations(trudy) == []
        trudy.keyboard.press("F4")
        trudy.wait_for_url("**/transcription")
        rada.wait_for_selector("#open-marks >> text=[? 00:00]")
        assert rada.input_value("#section-impression") == "No pneumothorax [? 00:00]"
        sign(rada)
        rada.wait_for_selector("#sign >> text=fields are still open")
        context.close()

    def test_a_silent_microphone_is_told_within_ten_seconds(self, department: Department) -> None:
        silence = tone(department.folder / "silence.wav", 0)
        browser = department.browsers.chromium.launch(**department.options(silence))
        page = department.open(department.sign_in(browser.new_context(), "ruben"), department.take())
        page.keyboard.press("Control+d")
        page.wait_for_selector("#dictation[data-state=recording]")
        began = time.monotonic()
        page.wait_for_selector("#dictation-alarm >> text=Nothing was heard")
        assert time.monotonic() - began <= 10
        page.wait_for_selector("#dictation[data-state=paused]")
        browser.close()
