"""The image viewer, in a real browser: it shows pixels, tells which, follows, and asks nobody else."""

import io
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.clients.browser import signed_in
from tests.clients.images import make_study
from tests.clients.system import System, wait_for
from web.pages.viewer import _bundle

pytestmark = [
    pytest.mark.once,
    pytest.mark.needs("chromium", "storescu"),
    pytest.mark.skipif(_bundle() is None, reason="the viewer was not fetched"),
]
LISTEN = """() => {
    window.heard = [];
    window.channel = new BroadcastChannel("ris-pacs-viewer");
    window.channel.onmessage = ({ data }) => window.heard.push(data);
}"""


def test_it_shows_a_study_and_follows_to_another(system: System, tmp_path: Path) -> None:
    first, second = (
        make_study(tmp_path / name, f"V{name}", count=2, PatientID=f"ID-{name}") for name in "AB"
    )
    for name in "AB":
        assert system.dcmtk("storescu", "+sd", str(tmp_path / name)).returncode == 0
    wait_for(lambda: system.study(first) and system.study(second))

    with signed_in(system) as context:
        asked: list[str] = []
        context.on("request", lambda request: asked.append(request.url))
        reading = context.new_page()
        reading.goto("/healthz")
        reading.evaluate(LISTEN)
        viewer = context.new_page()
        viewer.goto(f"/viewer?StudyInstanceUIDs={first}")

        heard(reading, {"type": "shown", "studies": [first], "patients": ["ID-A"]})
        assert shades(viewer) > 20
        reading.evaluate(f"channel.postMessage({{type: 'open', study: '{second}'}})")
        heard(reading, {"type": "shown", "studies": [second], "patients": ["ID-B"]})
        assert viewer.url.endswith(second)
        reading.evaluate("heard.length = 0; channel.postMessage({type: 'who'})")
        heard(reading, {"type": "shown", "studies": [second], "patients": ["ID-B"]})
        assert shades(viewer) > 20
        viewer.keyboard.press("k")
        wait_for(lambda: any(m["type"] == "key-image" and m["study"] == second for m in said(reading)), 5)
        reading.evaluate("channel.postMessage({type: 'warn', text: 'Another patient'})")
        viewer.wait_for_selector("text=Another patient")

        ours = f"http://127.0.0.1:{system.http_port}/"
        assert [url for url in asked if not url.startswith((ours, "blob:", "data:"))] == []


def said(page: Any) -> list[dict[str, Any]]:
    return page.evaluate("heard")


def heard(page: Any, message: dict[str, Any]) -> None:
    wait_for(lambda: message in said(page), 60)


def shades(viewer: Any) -> int:
    """How many shades of grey the middle of the image has, once it has some."""
    found = 0
    end = time.monotonic() + 30
    while found <= 20 and time.monotonic() < end:
        element = viewer.wait_for_selector(".cornerstone-viewport-element")
        picture = Image.open(io.BytesIO(element.screenshot())).convert("L")
        width, height = picture.size
        middle = picture.crop((width // 3, height // 3, width * 2 // 3, height * 2 // 3))
        found = len(middle.getcolors(256) or [])
    return found
