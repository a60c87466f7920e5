"""A disc of another hospital and a scanned film, brought in a real browser, up to their verdicts."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.clients.browser import chromium, make_people, sign_in, violations
from tests.clients.images import make_study
from tests.clients.system import System, answer_code, order_message

pytestmark = [pytest.mark.needs("chromium", "storescu"), pytest.mark.once]


@pytest.fixture
def page(system: System) -> Iterator[Page]:
    make_people(system)
    with chromium() as browser:
        page = sign_in(browser, system, "tess")
        page.goto("/imports")
        page.locator("html[data-imports-ready]").wait_for()
        yield page


def test_a_disc_of_another_hospital_is_nobodys_of_ours(system: System, page: Page, tmp_path: Path) -> None:
    """Its patient ID is one of ours, who is somebody else."""
    assert answer_code(system.send(order_message("IMP1", name="OURS^OLGA"))[0]) == "AA"
    theirs = {"PatientID": "PIMP1", "PatientName": "THEIRS^TINA", "PatientBirthDate": "19330303"}
    uid = make_study(tmp_path / "cd" / "A", "", count=3, IssuerOfPatientID="", **theirs)
    (tmp_path / "cd" / "viewer.exe").write_bytes(b"MZ" * 1000)
    page.set_input_files("#folder", tmp_path / "cd")
    expect(page.locator("#chosen")).to_contain_text("4 files")
    page.fill("#origin", "City Hospital")
    assert violations(page) == []
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/imports/*")
    state = page.locator("#import-state")
    expect(state).to_contain_text("done", timeout=20_000)
    expect(state).to_contain_text("cd/viewer.exe")
    expect(state).to_contain_text("unscheduled", timeout=30_000)
    assert violations(page) == []
    study = system.study(uid)
    assert (study["verdict"], study["patient_source"], study["orders"]) == ("unscheduled", "header", [])
    page.get_by_role("link", name="Imports").last.click()
    expect(page.locator("#import-list")).to_contain_text("City Hospital")


def test_what_was_typed_wrongly_of_a_scan_is_said_at_its_field(page: Page, tmp_path: Path) -> None:
    Image.new("L", (64, 48), 90).save(tmp_path / "film.png")
    page.set_input_files("#files", tmp_path / "film.png")
    expect(page.locator("input[name=kind][value=scans]")).to_be_checked()
    page.fill("#patient_name", "Film, Frida")
    page.fill("#study_date", "31.2.2020")
    page.fill("#description", "Chest film")
    page.keyboard.press("Control+Enter")
    expect(page.locator("[data-error=study_date]")).to_contain_text("is not a valid date")
    expect(page.locator("#study_date")).to_be_focused()
    page.fill("#study_date", "28.2.2020")
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/imports/*")
    expect(page.locator("#import-state")).to_contain_text("Film, Frida", timeout=20_000)


def test_a_zip_file_is_dropped(page: Page, tmp_path: Path) -> None:
    make_study(tmp_path / "cd", "", count=2, PatientID="ZIP1", PatientName="ZIP^ZOE")
    zipped = Path(shutil.make_archive(str(tmp_path / "disc"), "zip", tmp_path / "cd"))
    dropped = page.evaluate_handle(
        """bytes => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(bytes)], "disc.zip"));
            return transfer;
        }""",
        list(zipped.read_bytes()),
    )
    page.dispatch_event("#drop", "drop", {"dataTransfer": dropped})
    expect(page.locator("#chosen")).to_contain_text("disc.zip")
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/imports/*")
    expect(page.locator("#import-state")).to_contain_text("ZIP, ZOE", timeout=20_000)
