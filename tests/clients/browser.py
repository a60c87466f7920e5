"""Headless Chromium, driven as people drive it, and the people who sign in."""

import contextlib
import json
import shutil
import subprocess
import tempfile
import wave
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.clients.system import PASSWORD, ROOT, System

AXE = ROOT / ".frontend" / "tests" / "axe-core" / "axe.min.js"
FLAGS = (
    "--no-sandbox",
    "--disable-dev-shm-usage",
    # WebGL by software, for what draws images.
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
)
PEOPLE = {
    "tess": ("Tess Taylor", "technologist"),
    "rada": ("Rada Reyes", "radiologist"),
    "ruben": ("Ruben Roth", "radiologist"),
    "resi": ("Resi Roy", "resident"),
    "trudy": ("Trudy Troy", "transcriptionist"),
    "mara": ("Mara Moss", "manager"),
    "iris": ("Iris Ives", "integrator"),
}


@contextlib.contextmanager
def chromium(*, sound: Path | None = None) -> Iterator[Browser]:
    """A browser; its microphone plays `sound` over and over, or a beep."""
    flags = [*FLAGS, *([f"--use-file-for-fake-audio-capture={sound}"] if sound else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        try:
            yield browser
        finally:
            browser.close()


def make_people(system: System) -> None:
    """Make one account for each role, all with the tests' password; those that are there stay."""
    code = f"""
import json
from accounts.models import Facility, User
for name, (full_name, role) in json.loads({json.dumps(json.dumps(PEOPLE))}).items():
    if not User.objects.filter(username=name).exists():
        user = User.objects.create_user(name, {PASSWORD!r}, full_name=full_name, roles=[role])
        user.facilities.set(Facility.objects.all())
"""
    system.manage("shell", "-v", "0", "-c", code)


def sign_in(
    browser: Browser,
    system: System,
    username: str,
    *,
    width: int = 1366,
    height: int = 768,
    theme: str = "dark",
) -> Page:
    """A page of a new window, after the person has signed in."""
    context = browser.new_context(
        base_url=f"http://127.0.0.1:{system.http_port}",
        viewport={"width": width, "height": height},
        color_scheme="light" if theme == "light" else "dark",
        permissions=["microphone"],
    )
    context.set_default_timeout(20_000)
    page = context.new_page()
    page.goto("/sign-in")
    page.get_by_label("User name").fill(username)
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "/sign-in" not in url)
    return page


@contextlib.contextmanager
def signed_in(system: System, width: int = 1280, height: int = 800) -> Iterator[BrowserContext]:
    """A context of a browser in which the administrator is signed in; pages are made with `new_page`."""
    with chromium() as browser:
        page = sign_in(browser, system, "admin", width=width, height=height)
        context = page.context
        page.close()
        yield context


def violations(page: Page) -> list[str]:
    """What axe-core finds on a page; run past the page's own policy, as a developer tool does."""
    session = page.context.new_cdp_session(page)
    session.send("Runtime.evaluate", {"expression": AXE.read_text()})
    script = "axe.run().then(r => JSON.stringify(r.violations.map(v => [v.id, v.nodes.map(n => n.html)])))"
    answer = session.send(
        "Runtime.evaluate", {"expression": script, "awaitPromise": True, "returnByValue": True}
    )
    session.detach()
    return [f"{name}: {nodes[:3]}" for name, nodes in json.loads(answer["result"]["value"])]


def speak(text: str, *, seconds: float = 0) -> Path:
    """A WAV file of spoken words, by espeak-ng; with no words, of that many seconds of silence."""
    path = Path(tempfile.mkdtemp(prefix="speech-")) / "speech.wav"
    if text:
        subprocess.run(["espeak-ng", "-w", str(path), text], check=True)
        return path
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(b"\0\0" * int(16000 * seconds))
    return path
