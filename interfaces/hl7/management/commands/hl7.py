"""`manage.py hl7` runs the MLLP listener; `hl7 import FILE…` takes messages from files, `hl7 watch FOLDER`
those that are put into a folder; `hl7 check FOLDER…` reads kept messages anew.
"""

import asyncio
import contextlib
import ctypes
import gc
import resource
import signal
import threading
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import close_old_connections, connections, transaction

from accounts import site_version
from interfaces.hl7.inbound import inbox, sources
from interfaces.hl7.inspect import message_cases
from interfaces.hl7.inspect.message_cases import CaseResult
from interfaces.hl7.syntax import er7
from interfaces.hl7.wire import framing, message_folder
from interfaces.hl7.wire.message_folder import MessageFolder, Taken
from interfaces.hl7.wire.mllp import MAX_CONNECTIONS, Listener
from interfaces.hl7.wire.receive_queue import MOST_TOGETHER
from interfaces.hl7.wire.tls_watch import TlsWatch
from ledger import heartbeat

THREADS_ON_POSTGRESQL = 8
LOOK = 1.0
"""Seconds between two looks at a folder."""
_M_MMAP_THRESHOLD = -3
FILES_BESIDE = 500
"""Files of the listener that are no connections of senders."""


class Command(BaseCommand):
    help = "Listen for HL7 messages over MLLP, or import them from files."
    requires_system_checks = ()  # they load every page, which takes longer than all the rest

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "act", nargs="?", choices=["listen", "import", "watch", "check"], default="listen"
        )
        parser.add_argument("files", nargs="*", type=Path)
        parser.add_argument("--site", type=Path, help="check: as this site file would have it")
        parser.add_argument("--once", action="store_true", help="watch: take what is there, then end")
        parser.add_argument("--accept", action="store_true", help="check: take what is read for right")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["act"] == "import":
            self._import(options["files"])
        elif options["act"] == "watch":
            self._watch(options["files"], options["once"])
        elif options["act"] == "check":
            self._check(options["files"] or [message_cases.folder()], options["site"], options["accept"])
        else:
            asyncio.run(_listen())

    def _import(self, files: list[Path]) -> None:
        for path in files:
            messages = framing.split_messages(path.read_bytes())
            parts = [messages[n : n + MOST_TOGETHER] for n in range(0, len(messages), MOST_TOGETHER)]
            answers = [inbox.receive_all([(message, "file") for message in part]) for part in parts]
            codes = [_words(answer) for part in answers for answer in part]
            self.stdout.write(f"{path}: {len(messages)} messages: {', '.join(codes) or 'none'}")

    def _watch(self, folders: list[Path], once: bool) -> None:
        """Take messages from files that are put into a folder, until it is stopped."""
        if len(folders) != 1 or not folders[0].is_dir():
            raise CommandError("hl7 watch needs one folder that is there")
        stop, folder = threading.Event(), MessageFolder(folders[0])
        if not once:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: stop.set())
        failures = 0
        with folder.opened():
            while not stop.is_set():
                for taken in folder.take_all():
                    failures = failures + 1 if taken.codes is None else 0
                    self.stdout.write(_told(taken))
                    if stop.is_set():
                        break
                if once:
                    return
                close_old_connections()
                stop.wait(message_folder.pause(failures) if failures else LOOK)

    def _check(self, folders: list[Path], site: Path | None, accept: bool) -> None:
        """Read cases anew, with a site file that is tried out; fails where one is read otherwise."""
        wrong = count = 0
        with transaction.atomic():
            if site is not None:
                call_command("site", "apply", site, overwrite=True)
                site_version.forget()
                sources.forget()
            for place in folders:
                for result in message_cases.check(place):
                    count += 1
                    wrong += not result.is_right
                    self._tell(place / f"{result.name}.hl7", result, accept)
            transaction.set_rollback(True)
        self.stdout.write(f"{count} cases, {wrong} of them read otherwise.")
        if wrong and not accept:
            raise CommandError("cases are read otherwise than they say")

    def _tell(self, path: Path, result: CaseResult, accept: bool) -> None:
        if not result.has_expectation:
            self.stdout.write(f"{path}: it says nothing yet of what is right")
        for one in result.differences:
            self.stdout.write(f"{path}: {one.field}: {one.expected or 'nothing'} → {one.found or 'nothing'}")
        if accept and not result.is_right:
            message_cases.accept(path)


def _words(answer: bytes | None) -> str:
    if answer is None:
        return "not stored"
    return message_folder.code_of(answer) or "no answer wanted"


def _told(taken: Taken) -> str:
    """What became of a file, for the log."""
    if taken.codes is None:
        return f"{taken.name}: could not be stored; it is tried again"
    codes = ", ".join(code or "no answer wanted" for code in taken.codes) or "none"
    return f"{taken.name}: {len(taken.codes)} messages: {codes}"


def _catch_up() -> None:
    try:
        inbox.catch_up()
    finally:
        connections.close_all()


async def _listen() -> None:
    host, port = settings.HL7_ADDRESS
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if settings.USING_SQLITE:  # then no other listener has messages in flight
        await loop.run_in_executor(None, _catch_up)
    gc.collect()
    gc.freeze()  # what is imported stays, and need not be looked through again and again
    listener = Listener(host, port, threads=1 if settings.USING_SQLITE else THREADS_ON_POSTGRESQL)
    _allow_many_files()
    _give_back_large_blocks()
    serving = asyncio.create_task(listener.serve(stop))
    await asyncio.sleep(0.1)
    if serving.done():
        await serving
    watching = asyncio.create_task(TlsWatch(listener).run(stop))
    beats = heartbeat.start("hl7", lambda: _figures(listener))
    await serving
    await watching
    beats.end()


def _give_back_large_blocks() -> None:
    """Have the C library give blocks of long messages back to the system at once, where it can (glibc)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, er7.LONG)


def _allow_many_files() -> None:
    """As many connections as the system lets one process have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + FILES_BESIDE
    most = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _figures(listener: Listener) -> dict[str, Any]:
    """What the listener counts; with each beat it says who is connected, too."""
    listener.connected.write()
    return listener.counters.snapshot()
