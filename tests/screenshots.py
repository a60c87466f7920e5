"""`make screenshots`: a picture of each page, in both themes, of a simulated day.

    python -m tests.screenshots [FOLDER]        into docs/screenshots by default
    python -m tests.screenshots --all FOLDER    also at 2560 × 1440 and 390 × 844, for looking through

It starts a system of its own with `manage.py run --demo`, waits until much is read, and signs in as each
role.
"""

import argparse
import base64
import math
import re
import shutil
import struct
import sys
import tempfile
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page

from tests.clients.browser import chromium
from tests.clients.system import PASSWORD, ROOT, System, wait_for

SIZES = ((1366, 768), (2560, 1440), (390, 844))
THEMES = ("dark", "light")
DAY = {"RIS_PACS_DEMO_SPEED": "90", "RIS_PACS_DEMO_SEED": "7"}
SIGNED = 60
"""Reports, after which every page has something on it and much is still going on."""


@dataclass(frozen=True)
class Shot:
    """A page: its name, who looks at it, where it is, and what is done before the picture is taken."""

    name: str
    user: str
    path: Callable[["Things"], str] | str
    then: Callable[[Page], Any] = lambda page: None


class Things:
    """Objects of the day that make good pictures, found through the API."""

    def __init__(self, system: System) -> None:
        self._api = system.api

    def study(self) -> str:
        return f"/studies/{self._final()['study_instance_uid']}"

    def patient(self) -> str:
        return f"/patients/{self._final()['patient']['id']}"

    def order(self) -> str:
        return f"/orders/{self._final()['orders'][0]['id']}"

    def viewer(self) -> str:
        (study, *_) = [one for one in self._matched() if "CT" in one["modalities"]]
        return f"/viewer?StudyInstanceUIDs={study['study_instance_uid']}"

    def exception(self) -> str:
        found = self._api("/exceptions", status="open", limit="100")["results"]
        rows = [one for one in found if one["verdict"] == "mismatch"] or found
        return f"/exceptions/{rows[0]['id']}"

    def report(self) -> str:
        return f"/reading/{self._to_read()['id']}"

    def signed_report(self) -> str:
        found = self._api(f"/studies/{self._final()['study_instance_uid']}/reports")["results"]
        return f"/reading/{found[0]['reading_item']}"

    def dictation(self) -> str:
        rows = self._api("/transcription")["results"]
        return f"/transcription/{rows[0]['id'] if rows else self._speak()}"

    def _speak(self) -> str:
        """Ten seconds of something like speech, about an item that waits."""
        name = str(uuid.uuid4())
        loud = (abs(math.sin(n / 9000) * math.sin(n / 2100)) * math.sin(n / 23) for n in range(160_000))
        pcm = struct.pack("<160000h", *(int(20_000 * level) for level in loud))
        body = {"id": name, "sample_rate": 16000, "pcm": base64.b64encode(pcm).decode()}
        item = self._to_read()["id"]
        self._api(f"/reading/items/{item}/take", {"reason": "for a picture"})
        self._api(f"/reading/items/{item}/dictations", body)
        return name

    def _to_read(self) -> dict[str, Any]:
        """An item that nobody has and nobody doubts, if there is one."""
        items = self._api("/reading/items", limit="100")["results"]
        free = [one for one in items if one["lease"] is None and one["status"] in ("ready", "reading")]
        row: dict[str, Any] = min(free or items, key=lambda one: one["under_investigation"])
        return row

    def message(self) -> str:
        rows = self._api("/hl7/messages", direction="in", limit="200")["results"]
        faulty = [one for one in rows if one["error"] and one["error"]["location"]]
        return f"/messages/{(faulty or rows)[0]['id']}"

    def _matched(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self._api("/studies", verdict="matched", limit="200")["results"]
        return rows

    def _final(self) -> dict[str, Any]:
        done = [one for one in self._matched() if one["reading_status"] in ("final", "amended")]
        return max(done or self._matched(), key=lambda one: len(one["patient"]["name"]))


SHOTS = (
    Shot("sign-in", "", "/sign-in"),
    Shot("worklist", "tess", "/worklist"),
    Shot("worklist-rooms", "tess", "/worklist?view=lanes"),
    Shot("exceptions", "tess", "/exceptions"),
    Shot("exception", "tess", Things.exception),
    Shot("patient", "tess", Things.patient),
    Shot("order", "tess", Things.order),
    Shot("study", "tess", Things.study),
    Shot("station", "tess", "/stations/CT1"),
    Shot("viewer", "rada", Things.viewer, lambda page: page.wait_for_timeout(9000)),
    Shot("reading", "rada", "/reading"),
    Shot("report", "rada", Things.report),
    Shot("signed-report", "rada", Things.signed_report),
    Shot("transcription", "trudy", "/transcription"),
    Shot("dictation", "trudy", Things.dictation),
    Shot("turnaround", "mara", "/turnaround", lambda page: page.wait_for_timeout(1500)),
    Shot("messages", "iris", "/messages"),
    Shot("message", "iris", Things.message),
    Shot("interfaces", "iris", "/messages/interfaces"),
    Shot("work-list", "iris", "/messages/work"),
    Shot("administration", "admin", "/administration"),
    Shot("users", "admin", "/administration/users"),
    Shot("queues", "admin", "/administration/queues"),
    Shot("audit", "admin", "/administration/audit"),
)


def main(arguments: list[str]) -> int:
    """Take all pictures."""
    parser = argparse.ArgumentParser(prog="make screenshots")
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "docs" / "screenshots")
    parser.add_argument("--all", action="store_true", help="also at 2560 × 1440")
    parser.add_argument("--only", default="", help="names of pages, with commas between")
    options = parser.parse_args(arguments)
    wanted = [shot for shot in SHOTS if not options.only or shot.name in options.only.split(",")]
    options.folder.mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="screenshots-"))
    system = System(home / "var", **DAY)
    try:
        system.start(300, arguments=("--demo",))
        print("The simulated day begins; it takes some minutes.", flush=True)
        final = {"reading_status": "final", "limit": "1"}
        wait_for(lambda: system.api("/studies", **final)["count"] >= SIGNED, 1800, every=2)
        things = Things(system)
        passwords = {"admin": PASSWORD}
        demo = (home / "var" / "secrets" / "demo_password").read_text().strip()
        with chromium() as browser:
            for size in SIZES if options.all else SIZES[:1]:
                for theme in THEMES:
                    take(browser, system, things, wanted, passwords, demo, size, theme, options.folder)
    finally:
        system.stop()
        shutil.rmtree(home, ignore_errors=True)
    return 0


def take(
    browser: Browser,
    system: System,
    things: Things,
    shots: list[Shot],
    passwords: dict[str, str],
    demo: str,
    size: tuple[int, int],
    theme: str,
    folder: Path,
) -> None:
    """Take the pictures of one size and theme."""
    pages: dict[str, Page] = {}
    for shot in shots:
        if shot.user not in pages:
            context = browser.new_context(
                base_url=f"http://127.0.0.1:{system.http_port}",
                viewport={"width": size[0], "height": size[1]},
                color_scheme="light" if theme == "light" else "dark",
            )
            pages[shot.user] = context.new_page()
            if shot.user:
                enter(pages[shot.user], shot.user, passwords.get(shot.user, demo))
        page = pages[shot.user]
        path = shot.path if isinstance(shot.path, str) else shot.path(things)
        page.goto(path)
        page.wait_for_load_state("load")
        page.wait_for_timeout(700)
        shot.then(page)
        suffix = "" if size == SIZES[0] else f"-{size[0]}"
        target = folder / f"{shot.name}-{theme}{suffix}.png"
        page.screenshot(path=target)
        shrink(target)
        print(target.name, re.sub(r"[0-9a-f]{20,}", "…", path), flush=True)


def enter(page: Page, username: str, password: str) -> None:
    """Sign in."""
    page.goto("/sign-in")
    page.get_by_label("User name").fill(username)
    page.get_by_label("Password").fill(password)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "/sign-in" not in url)


def shrink(path: Path) -> None:
    """Fewer colours, a third of the bytes."""
    with Image.open(path) as image:
        image.convert("RGB").quantize(192, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
