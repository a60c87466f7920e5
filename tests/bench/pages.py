"""How long the server takes for each page after a simulated day, and how much script each loads."""

import http.cookiejar
import json
import re
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from tests.clients.system import PASSWORD, ROOT, System, free_port
from tests.screenshots import SHOTS, Things

ROUNDS = 40
PEOPLE = ("tess", "rada", "ruben", "resi", "trudy", "mara", "iris")
NOT_COUNTED = ("echarts", "ohif")


def run(system: System, folder: Path) -> Iterator[str]:
    """Play a day of 160 orders, then ask for each page 40 times, one after the other."""
    play(system, folder)
    browser = signed_in(system)
    things = Things(system)
    for shot in SHOTS:
        if shot.name in ("sign-in", "viewer"):
            continue
        path = shot.path if isinstance(shot.path, str) else shot.path(things)
        url = f"http://127.0.0.1:{system.http_port}{path}"
        took, body = [], b""
        for _ in range(ROUNDS):
            began = time.perf_counter()
            with browser.open(url, timeout=60) as answer:
                body = answer.read()
            took.append((time.perf_counter() - began) * 1000)
        took.sort()
        yield (
            f"{shot.name}: median {took[len(took) // 2]:.0f} ms, p95 {took[int(len(took) * 0.95)]:.0f} ms,"
            f" {len(body) / 1000:.0f} kB of HTML, {script_bytes(body.decode()) / 1000:.0f} kB of script"
        )


def play(system: System, folder: Path) -> None:
    """A day, as fast as it goes, everybody played by the administrator."""
    token = system.token()
    environment = {
        **{name: value for name, value in system.environment.items()},
        "RIS_PACS_HOME": str(folder),
        "RIS_PACS_HL7_DESTINATION": f"127.0.0.1:{free_port()}",
        "RIS_PACS_DEMO_TOKENS": json.dumps(dict.fromkeys(PEOPLE, token)),
        "RIS_PACS_DEMO_PASSWORD": PASSWORD,
    }
    options = ["--once", "--orders", "160", "--speed", "600", "--seed", "7"]
    subprocess.run(
        [sys.executable, "-m", "simulator", *options],
        cwd=ROOT,
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )


def signed_in(system: System) -> urllib.request.OpenerDirector:
    """A client with the administrator's session."""
    jar = http.cookiejar.CookieJar()
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    url = f"http://127.0.0.1:{system.http_port}/sign-in"
    form = browser.open(url).read().decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)
    assert token is not None
    fields = {"csrfmiddlewaretoken": token[1], "username": "admin", "password": PASSWORD, "next": ""}
    browser.open(urllib.request.Request(url, urllib.parse.urlencode(fields).encode(), {"Referer": url}))
    return browser


def script_bytes(page: str) -> int:
    """The bytes of the page's scripts and of what these import, besides charts and viewer."""
    static = ROOT / "web" / "static"
    waiting = [static / name for name in re.findall(r'<script[^>]+src="/static/([^"?]+)', page)]
    seen: set[Path] = set()
    while waiting:
        path = waiting.pop().resolve()
        if path in seen or any(name in str(path) for name in NOT_COUNTED):
            continue
        seen.add(path)
        imported = re.findall(r'(?:import|from)\s+"(\.[^"]+)"', path.read_text())
        waiting += [path.parent / name for name in imported]
    return sum(path.stat().st_size for path in seen)
