"""Five people at once take an order from the HIS's message to a signed report at the HIS."""

import json
import socket
import subprocess
import sys
import threading
import urllib.parse
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from pypdf import PdfReader

from tests.clients.browser import chromium, make_people, sign_in, speak
from tests.clients.images import make_study
from tests.clients.system import PASSWORD, System, answer_code, order_message, wait_for

pytestmark = [pytest.mark.needs("chromium", "dsrdump", "espeak-ng", "storescu"), pytest.mark.once]

FINDINGS = "The lungs are clear. Größe: 3 × 4 cm, <5 mm & no more | ^ ~ \\ end."
IMPRESSION = "Normal chest."


class Listener:
    """A plain MLLP listener: it accepts everything and keeps it."""

    def __init__(self, port: int) -> None:
        self.got: list[bytes] = []
        self._server = socket.create_server(("127.0.0.1", port), reuse_port=False)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        buffer = b""
        while data := connection.recv(65536):
            buffer += data
            while b"\x1c\r" in buffer:
                frame, buffer = buffer.split(b"\x1c\r", 1)
                message = frame.lstrip(b"\x0b")
                self.got.append(message)
                control = message.split(b"\r")[0].split(b"|")[9].decode()
                header = f"MSH|^~\\&|HIS|GENHOSP|RISPACS|GENHOSP|20260101||ACK|A{control[:15]}|P|2.5.1"
                ack = f"{header}\rMSA|AA|{control}\r"
                connection.sendall(b"\x0b" + ack.encode() + b"\x1c\r")

    def close(self) -> None:
        self._server.close()


@pytest.fixture
def his(system: System) -> Iterator[Listener]:
    listener = Listener(system.destination_port)
    yield listener
    listener.close()


def fields(message: bytes, name: bytes) -> list[list[str]]:
    return [s.decode().split("|") for s in message.split(b"\r") if s.startswith(name + b"|")]


def tab_to(page: Page, selector: str) -> None:
    """Press Tab until the element has the focus."""
    for _ in range(150):
        if page.evaluate("(wanted) => document.activeElement?.matches(wanted) ?? false", selector):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{selector} is not reached by Tab")


def find(page: Page, text: str) -> None:
    """Narrow a list to what holds a text, and go to its first row."""
    page.keyboard.press("f")
    page.keyboard.type(text)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{text}*")
    page.keyboard.press("j")
    expect(page.locator("table.list tbody tr[aria-current]")).to_have_count(1)


def technologist(page: Page, accession: str) -> None:
    """Finds the patient, and says by keys: arrived, started, done; takes the last back and says it again."""
    page.goto("/worklist")
    find(page, accession)
    row = page.locator("table.list tbody tr[id]").first
    expect(row).to_contain_text("BÄRS, ÄNNE")
    for key, state in (("a", "arrived"), ("s", "started"), ("c", "completed"), ("u", "started")):
        page.keyboard.press(key)
        expect(row.locator(".status").first).to_contain_text(state, ignore_case=True)
    find(page, accession)
    page.keyboard.press("c")
    expect(row.locator(".status").first).to_contain_text("completed", ignore_case=True)


def dictate(page: Page, accession: str) -> None:
    """Opens the item and says something."""
    page.goto("/reading")
    find(page, accession)
    page.keyboard.press("Enter")
    page.locator("html[data-editor-ready]").wait_for()
    page.keyboard.press("Control+d")
    expect(page.locator("#timer")).to_have_text("0:04", timeout=20_000)
    page.keyboard.press("Control+d")
    expect(page.locator("#hand-on")).to_be_visible()
    page.keyboard.press("F4")
    expect(page.locator("#state")).to_contain_text("dictated", ignore_case=True)


def transcribe(page: Page) -> None:
    """Takes the next dictation, hears it and types."""
    page.goto("/transcription")
    page.keyboard.press("n")
    page.wait_for_url("**/transcription/*-*")
    page.locator("html[data-editor-ready]").wait_for()
    page.keyboard.press("F2")
    expect(page.locator("#time")).to_contain_text("0:01")
    page.keyboard.press("F2")
    tab_to(page, "#section-findings")
    page.keyboard.type(FINDINGS)
    tab_to(page, "#section-impression")
    page.keyboard.type("Normal [? 00:02].")
    page.keyboard.press("F4")
    page.wait_for_url(lambda url: urllib.parse.urlsplit(url).path == "/transcription")


def sign(page: Page) -> None:
    """Reads what was typed, clears the open mark, signs."""
    expect(page.locator("#section-findings")).to_have_value(FINDINGS)
    page.keyboard.press("Control+Enter")
    expect(page.locator("dialog#sign [data-blocks]")).to_contain_text("open")
    tab_to(page, "#sign-password")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Control+Enter")
    expect(page.locator("dialog#sign [data-error]")).to_contain_text("Not signed")
    page.keyboard.press("Escape")
    tab_to(page, "#section-impression")
    page.keyboard.press("Control+a")
    page.keyboard.type(IMPRESSION)
    page.keyboard.press("Control+s")
    expect(page.locator("#mark")).to_contain_text("Saved")
    page.keyboard.press("Control+Enter")
    expect(page.locator("dialog#sign")).to_be_visible()
    tab_to(page, "#sign-password")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Control+Enter")
    page.keyboard.press("Control+Enter")
    expect(page.locator("dialog#signed")).to_be_visible()


def manage(page: Page) -> None:
    """Opens the studies behind a number."""
    page.goto("/turnaround")
    expect(page.locator("main")).to_contain_text("Completed")
    tab_to(page, "main a[href*='/turnaround/studies?interval=']")
    page.keyboard.press("Enter")
    page.wait_for_url("**/turnaround/studies?*")
    page.keyboard.press("j")
    expect(page.locator("table.list tbody tr[aria-current]")).to_have_count(1)


def look_at_the_message(page: Page) -> None:
    """Sees that the HIS has taken the report, and reads the message."""
    page.goto("/messages?type=ORU%5ER01%5EORU_R01")
    expect(page.locator("table.list tbody tr[id]").first).to_contain_text("AA", timeout=30_000)
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/messages/**")
    expect(page.locator("main")).to_contain_text("BÄRS")


def test_an_order_becomes_a_signed_report_at_the_his(system: System, his: Listener, tmp_path: Path) -> None:
    make_people(system)
    accession = "FIVE1"
    order = order_message(accession, name="BÄRS^ÄNNE", patient_id="PFIVE1")
    assert answer_code(system.send(order)[0]) == "AA"
    with chromium(sound=speak("The lungs are clear. Normal chest. " * 4)) as browser:
        tess, rada, trudy, mara, iris = (
            sign_in(browser, system, name) for name in ("tess", "rada", "trudy", "mara", "iris")
        )
        technologist(tess, accession)
        uid = make_study(tmp_path / "ct", accession, PatientName="BÄRS^ÄNNE", PatientID="PFIVE1")
        sent = system.dcmtk("storescu", "+sd", str(tmp_path / "ct"))
        assert sent.returncode == 0, sent.stderr
        assert system.verdict(uid) == "matched"

        dictate(rada, accession)
        transcribe(trudy)
        rada.reload()
        sign(rada)

        report = wait_for(
            lambda: next((m for m in his.got if b"ORU^R01" in m and accession.encode() in m), None), 60
        )
        expect_report(report, accession)
        expect_documents(system, uid, tmp_path)

        look_at_the_message(iris)
        manage(mara)
        tess.goto(f"/studies/{uid}")
        expect(tess.locator("main")).to_contain_text("final", ignore_case=True)


def expect_report(message: bytes, accession: str) -> None:
    """The ORU says what was signed, of whom, and by whom."""
    (obr,) = fields(message, b"OBR")
    assert obr[2].split("^")[0] == f"PL{accession}" and obr[25] == "F"
    assert "BÄRS^ÄNNE" in fields(message, b"PID")[0][5]
    text = " ".join(obx[5] for obx in fields(message, b"OBX"))
    for raw, written in (("\\T\\", "&"), ("\\F\\", "|"), ("\\S\\", "^"), ("\\R\\", "~"), ("\\E\\", "\\")):
        text = text.replace(raw, written)
    assert FINDINGS in text and IMPRESSION in text
    assert all(obx[11] == "F" for obx in fields(message, b"OBX"))


def expect_documents(system: System, uid: str, folder: Path) -> None:
    """The PDF and the SR lie in the study and are what they should be."""
    pdf = wait_for(lambda: instance(system, uid, "1.2.840.10008.5.1.4.1.1.104.1"), 60)
    sr = wait_for(lambda: instance(system, uid, "1.2.840.10008.5.1.4.1.1.88.11"), 60)
    for name, content in (("report.dcm", pdf), ("sr.dcm", sr)):
        (folder / name).write_bytes(content)
        checked = subprocess.run(
            [Path(sys.executable).with_name("dciodvfy"), folder / name], capture_output=True, text=True
        )
        assert "Error" not in checked.stdout + checked.stderr, checked.stderr
    import pydicom

    document = pydicom.dcmread(folder / "report.dcm").EncapsulatedDocument
    text = " ".join(" ".join(page.extract_text() for page in PdfReader(BytesIO(document)).pages).split())
    assert " ".join(FINDINGS.split()) in text and IMPRESSION in text and "BÄRS" in text.upper()
    dump = subprocess.run(["dsrdump", folder / "sr.dcm"], capture_output=True, text=True)
    assert dump.returncode == 0 and "The lungs are clear" in dump.stdout, dump.stderr


def instance(system: System, uid: str, sop_class: str) -> bytes:
    """The bytes of the study's object of a class, as Part 10; empty while there is none."""
    status, body = system.http(
        f"/dicom-web/studies/{uid}/instances?00080016={sop_class}&includefield=0020000E",
        token=system.token(),
        accept="application/dicom+json",
    )
    if status != 200:
        return b""
    (found,) = json.loads(body)
    series, sop = found["0020000E"]["Value"][0], found["00080018"]["Value"][0]
    _, body = system.http(
        f"/dicom-web/studies/{uid}/series/{series}/instances/{sop}",
        token=system.token(),
        accept='multipart/related; type="application/dicom"',
    )
    start = body.index(b"\r\n\r\n") + 4
    return body[start : body.rindex(b"\r\n--")]
