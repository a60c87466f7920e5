"""What stations did lately is kept, bounded, and explains why they don't see a step."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import DatabaseError
from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from interfaces.dicom import association_log
from interfaces.dicom.association_log import Recorder
from interfaces.dicom.message_exchange import identifier
from interfaces.dicom.message_exchange.dimse_service import Peer, QueryRequest, QueryResult
from interfaces.dicom.message_exchange.identifier import IdentifierError
from interfaces.dicom.models import StationContact
from interfaces.dicom.services import modality_worklist, mwl_diagnosis
from interfaces.dicom.upper_layer import pdu
from interfaces.dicom.upper_layer.acceptor_config import AssociationFacts
from tests.interfaces.dicom import test_modality_worklist
from worklist.models import ScheduledProcedureStep

place = test_modality_worklist.place
PEER = Peer("CT1", "RISPACS", "127.0.0.1", 1234, "1.2.3", "DEVICE_1", None)


def ask(**step: str) -> QueryRequest:
    dataset, item = Dataset(), Dataset()
    dataset.PatientName, dataset.PatientID, dataset.RequestedProcedureDescription = (
        step.pop("name", ""),
        "",
        "",
    )
    for keyword, value in step.items():
        setattr(item, keyword, value)
    dataset.ScheduledProcedureStepSequence = [item]
    data = identifier.encode(dataset, str(ExplicitVRLittleEndian))
    return QueryRequest("1.2.840.10008.5.1.4.31", str(ExplicitVRLittleEndian), PEER, None, data)  # type: ignore[arg-type]


class Kept:
    """A recorder that makes contacts at once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.recorder, self.made = Recorder(), []
        monkeypatch.setattr(self.recorder, "note", lambda make: self.made.append(make()))


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Kept:
    return Kept(monkeypatch)


def answers(*statuses: int) -> Iterator[QueryResult]:
    yield from (QueryResult(status) for status in statuses)


def test_a_query_is_kept_with_its_keys_and_the_number_of_answers(kept: Kept) -> None:
    request = ask(name="BARS*", Modality="CT", ScheduledStationAETitle="")
    assert len(list(kept.recorder.query(request, answers(0xFF00, 0xFF01)))) == 2
    (contact,) = kept.made
    assert (contact.calling_ae_title, contact.outcome, contact.details["answers"]) == ("CT1", "answered", 2)
    assert contact.details["keys"] == [["PatientName", "BARS*"], ["Modality", "CT"]]
    assert "ScheduledStationAETitle" in contact.details["returned"]
    assert bytes(contact.identifier) == request.dataset and not contact.is_trouble


def test_the_ends_of_a_query_are_told_apart(kept: Kept) -> None:
    results = kept.recorder.query(ask(), answers(0xFF00, 0xFF00))
    next(results)
    results.close()
    list(kept.recorder.query(ask(), answers(0x0124)))

    def broken() -> Iterator[QueryResult]:
        raise IdentifierError("no date", 0xA900)
        yield

    with pytest.raises(IdentifierError):
        list(kept.recorder.query(ask(), broken()))
    outcomes = [(contact.outcome, contact.is_trouble) for contact in kept.made]
    assert outcomes == [("cancelled by the station", False), ("0124H", True), ("A900H no date", True)]


def test_an_association_is_kept_with_its_end(kept: Kept) -> None:
    for outcome, rejection, peer in (
        ("released", None, PEER),
        ("rejected", pdu.CALLED_AE_NOT_RECOGNIZED, PEER),
        ("closed", None, None),
        ("timed out", None, None),
    ):
        facts = AssociationFacts(
            "127.0.0.1", 1.0, 0.5, peer, outcome, rejection, objects=3, refused=("1.2.840.10008.1.1",)
        )
        kept.recorder.association(facts)
    assert [(contact.calling_ae_title, contact.outcome) for contact in kept.made] == [
        ("CT1", "released"),
        ("CT1", "rejected: called AE title not recognized"),
        ("", "timed out"),
    ]
    assert kept.made[0].details["refused"] == ["Verification SOP Class"]
    assert [contact.is_trouble for contact in kept.made] == [False, True, True]


@pytest.mark.django_db
def test_only_the_newest_are_kept(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(association_log, "KEPT_EACH", 5)
    for number in range(12):
        list(kept.recorder.query(ask(Modality=f"M{number}"), answers()))
        association_log.write([kept.made.pop()])
    rows = association_log.latest("CT1", StationContact.Kind.QUERY)
    assert [row.details["keys"][0][1] for row in rows] == ["M11", "M10", "M9", "M8", "M7"]
    monkeypatch.setattr(association_log, "KEPT_IN_ALL", 2)
    list(kept.recorder.query(ask(), answers()))
    association_log.write(kept.made)
    assert StationContact.objects.count() == 2


def test_what_cannot_be_written_is_forgotten(monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    written: list[int] = []

    def write(made: list[StationContact]) -> None:
        written.append(len(made))
        raise DatabaseError("away")

    monkeypatch.setattr(association_log, "write", write)
    monkeypatch.setattr(association_log, "GATHER", 0)
    recorder = Recorder()
    recorder.start()
    list(recorder.query(ask(), answers()))
    recorder.close()
    assert written == [1] and "not kept: DatabaseError" in caplog.text


@pytest.mark.django_db
def test_a_kept_query_says_why_it_does_not_give_a_step(kept: Kept, place: Callable[..., None]) -> None:
    place("A1")
    step = ScheduledProcedureStep.objects.get()
    queries = {
        "modality": ask(Modality="MR"),
        "ScheduledPerformingPhysicianName": ask(ScheduledPerformingPhysicianName="DOE*"),
        "": ask(Modality="CT", ScheduledPerformingPhysicianName="ROE*"),
    }
    for about, request in queries.items():
        found = list(kept.recorder.query(request, modality_worklist.find(request)))
        reasons = mwl_diagnosis.why_not(step, kept.made[-1], None)
        assert [reason.about for reason in reasons] == ([about] if about else [])
        assert bool(found) is not bool(reasons)


@pytest.mark.django_db
def test_a_query_that_was_refused_explains_nothing(kept: Kept, place: Callable[..., None]) -> None:
    place("A1")
    list(kept.recorder.query(ask(ScheduledProcedureStepStartDate="nonsense"), answers()))
    with pytest.raises(mwl_diagnosis.CannotTell, match="not a date"):
        mwl_diagnosis.why_not(ScheduledProcedureStep.objects.get(), kept.made[0], None)
