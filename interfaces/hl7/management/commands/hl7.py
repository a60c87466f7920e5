"""`manage.py hl7` runs the MLLP listener; `manage.py hl7 import FILE…` takes messages from files."""

import asyncio
import gc
import signal
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import connections

from interfaces.hl7.inbound import inbox
from interfaces.hl7.wire import framing
from interfaces.hl7.wire.mllp import Listener
from interfaces.hl7.wire.receive_queue import MOST_TOGETHER
from ledger import heartbeat

THREADS_ON_POSTGRESQL = 8


class Command(BaseCommand):
    help = "Listen for HL7 messages over MLLP, or import them from files."
    requires_system_checks = ()  # they load every page, which takes longer than all the rest

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("act", nargs="?", choices=["listen", "import"], default="listen")
        parser.add_argument("files", nargs="*", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        if options["act"] == "import":
            self._import(options["files"])
        else:
            asyncio.run(_listen())

    def _import(self, files: list[Path]) -> None:
        for path in files:
            messages = framing.split_messages(path.read_bytes())
            parts = [messages[n : n + MOST_TOGETHER] for n in range(0, len(messages), MOST_TOGETHER)]
            answers = [inbox.receive_all([(message, "file") for message in part]) for part in parts]
            codes = [_code(answer) for part in answers for answer in part]
            self.stdout.write(f"{path}: {len(messages)} messages: {', '.join(codes) or 'none'}")


def _code(answer: bytes | None) -> str:
    if answer == b"":
        return "no answer wanted"
    segments = (answer or b"").split(b"\r")
    return next((s.split(b"|")[1].decode() for s in segments if s.startswith(b"MSA|")), "not stored")


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
    serving = asyncio.create_task(listener.serve(stop))
    await asyncio.sleep(0.1)
    if serving.done():
        await serving
    beats = heartbeat.start("hl7", lambda: _figures(listener))
    await serving
    beats.end()


def _figures(listener: Listener) -> dict[str, Any]:
    """What the listener counts; with each beat it says who is connected, too."""
    listener.connected.write()
    return listener.counters.snapshot()
