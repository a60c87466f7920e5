"""`manage.py sweeper` runs the sweeper process."""

import signal
from typing import Any

from django.core.management.base import BaseCommand

from ledger import heartbeat
from ledger.sweeper import Sweeper


class Command(BaseCommand):
    help = "Do what is due and nobody took: the guarantee behind every job."
    requires_system_checks = ()  # they load every page, which takes longer than all the rest

    def handle(self, *args: Any, **options: Any) -> None:
        sweeper = Sweeper()
        signal.signal(signal.SIGTERM, lambda *_: sweeper.stop())
        signal.signal(signal.SIGINT, lambda *_: sweeper.stop())
        beats = heartbeat.start("sweeper")
        sweeper.run()
        beats.end()
