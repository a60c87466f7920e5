"""The DICOM port: one acceptor with our services, until SIGTERM."""

import logging
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from django.conf import settings
from django.db import close_old_connections, connections

from interfaces.dicom import peers
from interfaces.dicom.association_log import Recorder
from interfaces.dicom.services import modality_worklist
from interfaces.dicom.services.store import store
from interfaces.dicom.upper_layer.acceptor import (
    Acceptor,
    AcceptorConfig,
    QueryRequest,
    QueryResult,
    Services,
)
from ledger import heartbeat

logger = logging.getLogger(__name__)

GRACE = 15.0
"""Seconds that messages in flight have to end; the supervisor waits 20."""


def spool_folder() -> Path:
    """Where objects lie while they come in; on the file system of the volumes, to which they are linked."""
    return Path(settings.HOME) / "spool"


def services(recorder: Recorder) -> Services:
    """Verification, storage, worklist, whose queries `recorder` keeps."""

    def find(request: QueryRequest) -> Iterator[QueryResult]:
        return recorder.query(request, find_worklist(request))

    offered = Services()
    offered.add_echo()
    offered.add_store(store, private=True)
    offered.add_find([peers.WORKLIST_CLASS], find)
    return offered


def find_worklist(request: QueryRequest) -> Iterator[QueryResult]:
    """C-FIND of the worklist, for stations that may; a database that was away is connected to again."""
    close_old_connections()
    if not peers.may(request.peer, "worklist"):
        yield QueryResult(0x0124, comment="This AE title may not query here")
        return
    yield from modality_worklist.find(request)


def serve() -> None:
    """Serve associations until SIGTERM or SIGINT; then let messages in flight end."""
    folder = spool_folder()
    folder.mkdir(parents=True, exist_ok=True)
    tempfile.tempdir = str(folder)  # what inflates must not fill another disk
    host, port = settings.DICOM_ADDRESS
    recorder = Recorder()
    config = AcceptorConfig(
        ae_title=settings.AE_TITLE,
        spool_dir=folder,
        host=host.strip("[]"),
        port=port,
        authorize=peers.authorize,
        thread_done=connections.close_all,
        on_association_end=recorder.association,
    )
    acceptor = Acceptor(config, services(recorder))
    recorder.start()

    def stop(number: int, frame: FrameType | None) -> None:
        acceptor.request_stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    beats = heartbeat.start("dicom", acceptor.counters.snapshot)
    logger.info("DICOM at %s:%s as %s", host, acceptor.port, settings.AE_TITLE)
    try:
        acceptor.serve()
    finally:
        beats.end()
        if not acceptor.stop(GRACE):
            logger.warning("associations were cut that did not end in time")
        recorder.close()
