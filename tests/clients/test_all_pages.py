"""Every page in a real browser, in both themes: nothing is out of reach, overflows or complains."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.clients.browser import chromium, make_people, sign_in, violations
from tests.clients.images import make_study
from tests.clients.system import System, answer_code, order_message, wait_for

pytestmark = [pytest.mark.needs("chromium", "storescu"), pytest.mark.once]

NASTY = "O'HARA<B>&^ÄNNE"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def paths(system: System, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A matched study, a mismatch, a report, a dictation, a faulty message; where their pages are."""
    make_people(system)
    folder = tmp_path_factory.mktemp("pages")
    for accession, name in (("PAGE1", NASTY.replace("&", "\\T\\")), ("PAGE2", "OTHER^OLA")):
        assert answer_code(system.send(order_message(accession, name=name))[0]) == "AA"
    system.send(order_message("PAGE3", birth_date="19800230"))
    uid = make_study(folder / "1", "PAGE1", PatientName=NASTY)
    wrong = make_study(folder / "2", "PAGE2", PatientID="PWRONG", PatientName="ELSE^SOMEBODY", PatientSex="M")
    for part in ("1", "2"):
        assert system.dcmtk("storescu", "+sd", str(folder / part)).returncode == 0
    assert (system.verdict(uid), system.verdict(wrong)) == ("matched", "mismatch")
    report = system.api(f"/studies/{uid}/reports", {"sections": {"findings": "<script>alert(1)</script>"}})
    study, exception = system.study(uid), system.api("/exceptions", limit="500")["results"]
    exception = next(one for one in exception if one["study_instance_uid"] == wrong)
    message = next(one for one in system.api("/hl7/messages", limit="500")["results"] if one["error"])
    group = system.api("/hl7/work-list")["results"][0]
    return {
        "worklist": "/worklist?status=all",
        "lanes": "/worklist?view=lanes",
        "exceptions": "/exceptions",
        "exception": f"/exceptions/{exception['id']}",
        "patient": f"/patients/{study['patient']['id']}",
        "merge": f"/patients/{study['patient']['id']}/merge?q=bars",
        "unmerge": f"/patients/{study['patient']['id']}/unmerge",
        "order": f"/orders/{study['orders'][0]['id']}",
        "study": f"/studies/{uid}",
        "search": "/search?q=bars",
        "reading": "/reading",
        "report": f"/reading/{report['reading_item']}",
        "transcription": "/transcription",
        "turnaround": "/turnaround",
        "turnaround wall": "/turnaround/wall",
        "turnaround studies": "/turnaround/studies?interval=rtat_r",
        "quality": "/quality",
        "messages": "/messages",
        "interfaces": "/messages/interfaces",
        "work list": "/messages/work",
        "work group": f"/messages/work/{group['id']}",
        "destination": "/messages/destinations/HIS",
        "message": f"/messages/{message['id']}",
        "stations": "/stations",
        "station": "/stations/CT1",
        "site": "/administration",
        "users": "/administration/users",
        "tokens": "/administration/tokens",
        "queues": "/administration/queues",
        "audit": "/administration/audit",
        "status": "/status",
    }


@pytest.mark.parametrize(
    ("theme", "width", "height"), [("dark", 1366, 768), ("light", 2560, 1440), ("light", 390, 844)]
)
def test_no_page_is_out_of_reach(
    system: System, browser: Browser, paths: dict[str, str], theme: str, width: int, height: int
) -> None:
    page = sign_in(browser, system, "admin", theme=theme, width=width, height=height)
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    found: list[str] = []
    for name, path in paths.items():
        page.goto(path)
        page.wait_for_timeout(300)
        found += [
            f"{name}: {what}" for what in (*violations(page), *overflow(page), *lines(page), *complaints)
        ]
        complaints.clear()
    assert not found, "\n".join(found)
    page.context.close()


def test_fifty_new_rows_leave_the_current_one_alone(system: System, browser: Browser) -> None:
    """reading.md 0, rule 5; 1: rows arrive while one moves through the list."""
    make_people(system)
    system.send(*(order_message(f"LIVE{number:02}", name="LIVE^ROW") for number in range(3)))
    page = sign_in(browser, system, "tess")
    page.goto("/worklist?q=LIVE")
    page.locator("html[data-list-ready]").wait_for()
    page.keyboard.press("j")
    page.keyboard.press("j")
    row = page.locator("table.list tbody tr[aria-current]")
    before = row.get_attribute("id")
    system.send(*(order_message(f"LIVE{number}", name="LIVE^ROW") for number in range(10, 60)))
    wait_for(lambda: page.locator("table.list tbody tr[id]").count() > 40, 30, every=0.5)
    expect(row).to_have_attribute("id", str(before))
    assert page.evaluate("document.activeElement.id") == before
    page.keyboard.press("a")
    expect(page.locator(f"#{before}")).to_contain_text("arrived")
    page.context.close()


def test_what_is_cut_off_shows_on_hover(system: System, browser: Browser, paths: dict[str, str]) -> None:
    page = sign_in(browser, system, "tess", width=1000, height=768)
    page.goto(paths["exceptions"])
    cell = page.locator(".rows td.share").last
    cell.hover()
    expect(cell).to_have_attribute("title", re.compile(r"\S"))
    page.context.close()


def lines(page: Page) -> list[str]:
    """Rows of lists of more than a line, or that stick out of their frame; where narrow, acts out of view."""
    found: list[str] = page.evaluate(
        """() => {
          const wrong = [];
          const narrow = innerWidth < 800;
          for (const table of document.querySelectorAll("table.rows")) {
            const frame = table.closest(".table") ?? table.parentElement;
            if (table.scrollWidth > frame.clientWidth + 2) wrong.push(`a list ${table.scrollWidth} px wide`);
            for (const row of table.querySelectorAll("tbody tr")) {
              const height = row.getBoundingClientRect().height;
              if (!narrow && Math.round(height) > 31) wrong.push(`a row ${height} px high: ${row.innerText}`);
              for (const act of narrow ? row.querySelectorAll(".acts button, .acts a") : []) {
                const { left, right, height: high } = act.getBoundingClientRect();
                const shown = getComputedStyle(act);
                const isSeen = shown.visibility === "visible" && shown.opacity === "1" && high >= 36;
                if (left < 0 || right > innerWidth || !isSeen) wrong.push(`out of view: ${act.outerHTML}`);
              }
            }
          }
          return wrong;
        }"""
    )
    return found


def overflow(page: Page) -> list[str]:
    """Whether the page is wider than its window."""
    wide: bool = page.evaluate(
        "document.documentElement.scrollWidth > document.documentElement.clientWidth + 1"
    )
    return ["wider than the window"] if wide else []
