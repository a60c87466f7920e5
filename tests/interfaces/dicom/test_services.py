"""A DIMSE service is declared once: port, permissions and site file read the declaration."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from archive.storage.intake import Reason
from interfaces.dicom import peers, server, services
from interfaces.dicom.association_log import Recorder
from interfaces.dicom.message_exchange.command_set import CommandField
from interfaces.dicom.message_exchange.dimse_service import (
    OperationAnswer,
    OperationRequest,
    OperationService,
    Peer,
    QueryRequest,
    QueryResult,
    QueryService,
    Service,
    StoreOutcome,
    StoreRequest,
    StoreService,
)
from interfaces.dicom.services import store
from interfaces.dicom.upper_layer.acceptor_config import AssociationRequest
from ris_pacs import site
from worklist.models import Station

from .acceptor_peer import CT, IMPLICIT, MPPS, MWL, VERIFICATION

pytestmark = pytest.mark.django_db

PRIVATE = "1.3.6.1.4.1.1"
MPPS_SERVICE = OperationService(
    "mpps", frozenset({MPPS}), CommandField.N_CREATE_RQ, lambda request: OperationAnswer(0)
)


@pytest.fixture(autouse=True)
def with_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that we provide and one more; nothing is remembered of other tests' stations."""
    monkeypatch.setattr(services, "ALL", (*services.ALL, MPPS_SERVICE))
    monkeypatch.setattr(server, "ALL", services.ALL)
    monkeypatch.setattr(peers, "_remembered", {})
    monkeypatch.setattr(server, "close_old_connections", lambda: None)  # the test's own is needed on


def station(*granted: str) -> Peer:
    Station.objects.create(ae_title="CT1", services=list(granted))
    return Peer("CT1", "RISPACS", "127.0.0.1", 11112, "", "", None)


def perform(service: Service, peer: Peer, syntax: str) -> tuple[int, str]:
    """Status and comment of what is answered at the end."""
    if isinstance(service, StoreService):
        outcome = service.call(StoreRequest(syntax, "1.2.3", IMPLICIT, peer, 1, None))  # type: ignore[arg-type]
        return outcome.status, outcome.comment
    if isinstance(service, QueryService):
        *_, last = service.call(QueryRequest(syntax, IMPLICIT, peer, None, b""))  # type: ignore[arg-type]
        return last.status, last.comment
    answer = service.call(OperationRequest(syntax, IMPLICIT, peer, None, None))  # type: ignore[arg-type]
    return answer.status, answer.comment


def found(command: int, syntax: str) -> Service:
    service = server.services(Recorder()).find(command, syntax)
    assert service is not None
    return service


RESTRICTED = [
    ("store", CommandField.C_STORE_RQ, CT, "store"),
    ("store", CommandField.C_STORE_RQ, PRIVATE, "store"),
    ("worklist", CommandField.C_FIND_RQ, MWL, "query"),
    ("mpps", CommandField.N_CREATE_RQ, MPPS, "do this"),
]


def _find(request: QueryRequest) -> Iterator[QueryResult]:
    yield QueryResult(0)


DOUBLES: dict[type, Any] = {
    StoreService: lambda request: StoreOutcome(0),
    QueryService: _find,
    OperationService: lambda request: OperationAnswer(0),
}


@pytest.mark.parametrize(("name", "command", "syntax", "act"), RESTRICTED)
def test_a_station_performs_what_it_may_and_nothing_else(
    name: str, command: int, syntax: str, act: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    doubles = tuple(replace(service, call=DOUBLES[type(service)]) for service in services.ALL)
    monkeypatch.setattr(server, "ALL", doubles)
    others = {other for other, *_ in RESTRICTED} - {name}
    peer = station(*others)
    assert perform(found(command, syntax), peer, syntax) == (0x0124, f"This AE title may not {act} here")
    Station.objects.update(services=[name])
    peers._remembered.clear()
    assert perform(found(command, syntax), peer, syntax) == (0, "")


def test_every_station_may_verify() -> None:
    peer = station("store")
    assert perform(found(CommandField.C_ECHO_RQ, VERIFICATION), peer, VERIFICATION) == (0, "")


@pytest.mark.parametrize(("name", "command", "syntax", "act"), RESTRICTED)
def test_it_is_let_in_for_what_it_may(name: str, command: int, syntax: str, act: str) -> None:
    peer = station(name)
    assert peers.authorize(AssociationRequest(peer, ("1.2.840.10008.5.1.4.1.2.2.1", syntax))) is None
    assert peers.authorize(AssociationRequest(peer, (VERIFICATION,))) is None
    Station.objects.update(services=sorted({other for other, *_ in RESTRICTED} - {name}))
    assert peers.authorize(AssociationRequest(peer, (syntax,))) is not None
    assert peers.authorize(AssociationRequest(peer, ())) is not None


def test_a_station_of_no_service_is_not_let_in_even_to_verify() -> None:
    assert peers.authorize(AssociationRequest(station(), (VERIFICATION,))) is not None


def _site(path: Path, granted: str) -> Path:
    path.write_text(
        "facility: {code: HOSPITAL, name: Our hospital}\n"
        f"worklist: {{stations: [{{ae_title: CT1, modalities: [CT], services: [{granted}]}}]}}\n"
    )
    return path


def test_the_site_file_names_what_is_provided(tmp_path: Path) -> None:
    read, _ = site.read(_site(tmp_path / "site.yaml", "store, worklist, mpps"))
    assert read.worklist.stations[0].services == ["store", "worklist", "mpps"]


@pytest.mark.parametrize("wrong", ["stor", "echo", '""'])
def test_another_name_is_refused_with_those_that_there_are(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(site.SiteFileError, match="there are: mpps, store, worklist"):
        site.read(_site(tmp_path / "site.yaml", f"store, {wrong}"))


def test_each_reason_not_to_keep_an_object_has_its_status() -> None:
    """PS3.4 table B.2-1."""
    assert {reason.name: f"{store.STATUSES[reason]:04X}" for reason in Reason} == {
        "OUT_OF_RESOURCES": "A700",
        "NOT_AS_ANNOUNCED": "A900",
        "UNREADABLE": "C000",
        "CONFLICT": "C001",
        "NOT_TAKEN": "C002",
    }
