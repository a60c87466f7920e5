"""The DICOM port: one acceptor with our services, until SIGTERM."""

import logging
import signal
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import FrameType

from django.conf import settings
from django.db import close_old_connections, connections

from archive.storage.spool import spool_folder
from interfaces.dicom import peers
from interfaces.dicom.association_log import Recorder
from interfaces.dicom.message_exchange.dimse_service import (
    QueryRequest,
    QueryResult,
    QueryService,
    Service,
    Services,
)
from interfaces.dicom.services import ALL
from interfaces.dicom.upper_layer.acceptor import Acceptor
from interfaces.dicom.upper_layer.acceptor_config import AcceptorConfig
from ledger import heartbeat

logger = logging.getLogger(__name__)

GRACE = 15.0
"""Seconds that messages in flight have to end; the supervisor waits 20."""


def services(recorder: Recorder) -> Services:
    """What we provide, each service for the peers that may use it; `recorder` keeps the queries."""
    return Services(_dispatched(service.only_for(peers.may), recorder) for service in ALL)


def _dispatched(service: Service, recorder: Recorder) -> Service:
    if not isinstance(service, QueryService):
        return service

    def find(request: QueryRequest) -> Iterator[QueryResult]:
        return recorder.query(request, _results(service.call, request))

    return replace(service, call=find)


def _results(
    call: Callable[[QueryRequest], Iterator[QueryResult]], request: QueryRequest
) -> Iterator[QueryResult]:
    """The answers to a query; a database that was away is connected to again."""
    close_old_connections()
    yield from call(request)


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
