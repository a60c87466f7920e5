"""`manage.py run`: everything that one machine needs, in the foreground, until Ctrl-C."""

import fcntl
import http.client
import json
import math
import os
import sys
import threading
import time
from argparse import ArgumentParser
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import connections

from accounts.first_administrator import ensure_administrator
from ris_pacs import demo, preflight, site
from ris_pacs.preflight import Listener, Unfit
from ris_pacs.site import SiteFileError
from ris_pacs.supervisor import Child, Supervisor

EX_CONFIG = 78
PROCESSES = ("web", "dicom", "hl7", "worker", "sweeper")
STILL_WAITING = 30.0
"""Seconds after which we say what isn't ready yet."""


class Command(BaseCommand):
    help = "Run RIS/PACS in the foreground until Ctrl-C."
    # The checks of Django need a database, and ours come first.
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--demo", action="store_true", help="also feed it a simulated hospital day")
        parser.add_argument("--only", metavar="NAMES", help=f"run only these of {','.join(PROCESSES)}")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            names = _names(options["only"])
            lock = _check(names)
            login = _prepare()
            hospital = demo.prepare() if options["demo"] else None
            connections.close_all()
        except Unfit as refusal:
            self.stderr.write(f"RIS/PACS doesn't start: {refusal}")
            sys.exit(EX_CONFIG)
        except KeyboardInterrupt:
            sys.exit(130)
        with lock:
            _supervise(names, login, hospital)


def _names(only: str | None) -> list[str]:
    names = list(dict.fromkeys(only.split(","))) if only else list(PROCESSES)
    for name in names:
        if name not in PROCESSES:
            raise Unfit(f"--only knows {', '.join(PROCESSES)}, not {name!r}")
    return names


def _check(names: list[str]) -> Any:
    """Refuse to start where something isn't right; return the lock on the home."""
    preflight.check_home(settings.HOME)
    if settings.USING_SQLITE:
        preflight.check_file_system(Path(settings.DATABASES["default"]["NAME"]).parent)
    preflight.check_secrets(settings.HOME)
    lock = preflight.lock_home(settings.HOME, whole=len(names) == len(PROCESSES))
    preflight.check_listeners(listener for name, listener in listeners().items() if name in names)
    preflight.check_database()
    return lock


def _prepare() -> str | None:
    """Bring the database up to date; return the first administrator's password where one was made."""
    with open(settings.HOME / "prepare.lock", "a") as turn:
        # Parts that start together take turns here.
        fcntl.flock(turn, fcntl.LOCK_EX)
        call_command("migrate", interactive=False, verbosity=0)
        try:
            site.apply_if_changed()
        except SiteFileError as error:
            raise Unfit(f"the site file can't be used: {error}") from error
        password = ensure_administrator()
        settings.STATIC_ROOT.mkdir(exist_ok=True)
    connections.close_all()
    return password


def _supervise(names: list[str], password: str | None, hospital: "demo.Hospital | None") -> None:
    children = [child for child in processes() if child.name in names]
    if hospital is not None:
        environment = _environment() | hospital.environment()
        children.append(Child("simulator", [sys.executable, "-m", "simulator"], environment))
    supervisor = Supervisor(children)
    supervisor.say(f"Starting {', '.join(child.name for child in children)}.")
    if text := _about_site(with_hospital=hospital is not None):
        supervisor.say(text)
    if "web" in names:
        more = hospital.welcome() if hospital is not None else []
        welcome = (names, password, more, supervisor.say)
        threading.Thread(target=_welcome_when_ready, args=welcome, daemon=True).start()
    supervisor.run()


def _about_site(*, with_hospital: bool) -> str:
    """A line on the site, where the operator should know."""
    if settings.SITE_FILE == settings.DEMO_SITE:
        return (
            "This is the demo site, which lets everybody in from this machine."
            " `.venv/bin/python manage.py site new` writes a strict one to begin with."
        )
    return f"The simulated hospital is let in as far as {settings.SITE_FILE} does." if with_hospital else ""


def listeners() -> dict[str, Listener]:
    """The addresses that we listen on, by the process that does."""
    return {
        "web": Listener("web", "RIS_PACS_HTTP", *settings.HTTP_ADDRESS),
        "dicom": Listener("DICOM", "RIS_PACS_DICOM", *settings.DICOM_ADDRESS),
        "hl7": Listener("HL7", "RIS_PACS_HL7", *settings.HL7_ADDRESS),
    }


def processes() -> list[Child]:
    """What runs on one machine."""
    environment = _environment()
    manage = [sys.executable, str(settings.BASE_DIR / "manage.py")]
    gunicorn = [
        sys.executable,
        "-m",
        "gunicorn",
        "ris_pacs.wsgi:application",
        "--bind",
        str(listeners()["web"]),
    ]
    gunicorn += ["--worker-class", "gthread", "--workers", "2", "--threads", "8", "--timeout", "120"]
    gunicorn += ["--graceful-timeout", "15", "--no-control-socket", "--log-level", "warning"]
    gunicorn += ["--preload"]  # once, instead of in each worker
    celery = [sys.executable, "-m", "celery", "--quiet", "--app", "ris_pacs", "worker", "--pool", "prefork"]
    celery += ["--concurrency", "1" if settings.USING_SQLITE else "2", "--loglevel", "WARNING"]
    celery += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    return [
        Child("web", gunicorn, environment),
        Child("dicom", [*manage, "dicom"], environment),
        Child("hl7", [*manage, "hl7"], environment),
        # The warning is about pickle, which we don't accept; in a container it would come each time.
        Child("worker", celery, environment | {"PYTHONWARNINGS": "ignore:You're running the worker with"}),
        Child("sweeper", [*manage, "sweeper"], environment),
    ]


def _environment() -> dict[str, str]:
    """Our addresses, spelled out, and our code, wherever we were started."""
    path = [str(settings.BASE_DIR), os.environ.get("PYTHONPATH", "")]
    return {
        "PYTHONPATH": os.pathsep.join(filter(None, path)),
        "PYTHONUNBUFFERED": "1",
        "RIS_PACS_HOME": str(settings.HOME),
        "TZ": settings.SYSTEM_TIME_ZONE,  # which Django has set to UTC in here
        "RIS_PACS_AE_TITLE": settings.AE_TITLE,
        **{listener.variable: str(listener) for listener in listeners().values()},
    }


def _welcome_when_ready(
    names: Collection[str], password: str | None, more: list[str], say: Callable[[str], None]
) -> None:
    warn_at = time.monotonic() + STILL_WAITING
    while waiting := _not_ready():
        if time.monotonic() > warn_at:
            say(f"Not ready after {STILL_WAITING:g} s: {waiting}.")
            warn_at = math.inf
        time.sleep(0.5)
    say(_welcome(names, password, more))


def _not_ready() -> str:
    """What `/readyz` still waits for; nothing when all is ready."""
    host, port = settings.HTTP_ADDRESS
    host = {"0.0.0.0": "127.0.0.1", "[::]": "::1"}.get(host, host.strip("[]"))  # noqa: S104
    client = http.client.HTTPConnection(host, port, timeout=5)
    try:
        client.request("GET", "/readyz")
        answer = client.getresponse()
        # 401: bound to an address outside loopback, where readiness is told to users only.
        if answer.status in (200, 401):
            return ""
        parts = json.loads(answer.read())
    except (OSError, http.client.HTTPException, ValueError, AttributeError):
        return "web doesn't answer"
    finally:
        client.close()
    return ", ".join(f"{part} {state}" for part, state in parts.items() if state != "ok")


def _welcome(names: Collection[str], password: str | None, more: list[str]) -> str:
    open_doors = {
        "web": f"web      http://{listeners()['web']}/",
        "dicom": f"DICOM    {listeners()['dicom']}, AE title {settings.AE_TITLE}",
        "hl7": f"HL7      {listeners()['hl7']}, MLLP",
    }
    lines = ["", "RIS/PACS is ready."]
    lines += [f"  {text}" for name, text in open_doors.items() if name in names]
    is_demo = settings.SITE_FILE == settings.DEMO_SITE
    lines.append(f"  site     {'the demo site, for trying out' if is_demo else settings.SITE_FILE}")
    lines += [f"  data     {settings.HOME}", f"  sign in  {_login(password)}", *more, "Ctrl-C stops it.", ""]
    return "\n".join(lines)


def _login(password: str | None) -> str:
    kept = settings.HOME / "secrets" / "admin_password"
    if password and os.environ.get("RIS_PACS_ADMIN_PASSWORD"):
        return "admin, with the password in RIS_PACS_ADMIN_PASSWORD"
    if password:
        return f"admin / {password}   (shown this once, kept in {kept})"
    return f"admin   (the first password is in {kept})" if kept.exists() else "with your own account"
