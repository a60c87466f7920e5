"""The notifier: tells the workers, through the broker, that there is work.

A notification is a hint. A thread of its own sends it, so that a broker that hangs blocks nobody, and one
that is lost costs seconds: the sweeper finds the work.
"""

import logging
import os
import threading
import time

logger = logging.getLogger(__name__)

REST_AFTER_FAILURE = 5.0
"""Seconds during which nobody is notified after the broker failed."""

_pending: dict[int | str, None] = {}
_wakes = threading.Condition()
_thread: threading.Thread | None = None
_pid = 0


def notify(work: int | str) -> None:
    """Have the workers told of a job (by its id) or of a recurring work (by its name), soon."""
    global _thread, _pid
    with _wakes:
        _pending[work] = None
        if _thread is None or not _thread.is_alive() or _pid != os.getpid():
            _pid = os.getpid()
            _thread = threading.Thread(target=_notify_for_ever, name="notifier", daemon=True)
            _thread.start()
        _wakes.notify()


def _notify_for_ever() -> None:
    from ledger.tasks import run

    while True:
        with _wakes:
            while not _pending:
                _wakes.wait()
            works = list(_pending)
            _pending.clear()
        try:
            for work in works:
                run.apply_async((work,), retry=False)
        except Exception as error:
            logger.warning("the broker does not take messages: %s", type(error).__name__)
            time.sleep(REST_AFTER_FAILURE)
        time.sleep(0.01)
