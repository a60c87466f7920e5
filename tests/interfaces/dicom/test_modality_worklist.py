"""Modality Worklist, key by key (PS3.4 annex K)."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import transaction
from pydicom import Dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from interfaces.dicom.message_exchange import identifier
from interfaces.dicom.message_exchange.dimse_service import Peer, QueryRequest
from interfaces.dicom.message_exchange.identifier import IdentifierError
from interfaces.dicom.services.modality_worklist import find
from worklist.models import ScheduledProcedureStep, Station, StatusEvent, StepStatus
from worklist.orders import order_application
from worklist.orders.order_content import OrderContent, ProcedureContent, StepContent
from worklist.orders.order_update import Number, OrderUpdate, ProcedureUpdate, StepUpdate
from worklist.patients import identity
from worklist.patients.identifiers import Authority, Identifier
from worklist.provenance import Provenance

pytestmark = pytest.mark.django_db
Make = Callable[..., Provenance]
GENHOSP = Authority("GENHOSP")


@pytest.fixture
def place(provenance: Make) -> Callable[..., None]:
    """Place an order named A1, A2, …; each keyword overrides a value of the step, order or patient."""

    def make(accession: str = "A1", **values: Any) -> None:
        said = provenance()
        with transaction.atomic():
            patient = identity.register(
                provenance=said,
                identifiers=[Identifier(values.get("patient_id", "P" + accession), GENHOSP, "MR")],
                demographics={
                    "name": values.get("name", "BARS^ANNA"),
                    "sex": "F",
                    "birth_date": "19700102",
                    "character_set": values.get("character_set", "ISO_IR 192"),
                    "weight_kg": 61.5,
                },
            )
            step = {
                "modality": values.get("modality", "CT"),
                "start": values.get("start", datetime(2026, 3, 2, 9, 30, tzinfo=UTC)),
                "station_ae_title": values.get("station_ae_title"),
                "protocol_codes": [{"code": "PC1", "scheme": "L", "meaning": "Thorax"}],
                "performing_physician": values.get("performing_physician", "ROE^RICHARD"),
            }
            order_application.apply(
                provenance=said,
                update=OrderUpdate(
                    placer=Number("PL" + accession, "HIS"),
                    act=values.get("act"),
                    content=OrderContent(
                        patient_id=patient.pk,
                        accession_number=accession,
                        referring_physician="HOUSE^GREGORY",
                    ),
                    procedures=[
                        ProcedureUpdate(
                            id=values.get("requested_procedure_id", "RP" + accession),
                            content=ProcedureContent(code="71260", scheme="C4", description="CT chest"),
                            steps=[StepUpdate("SP" + accession, StepContent(**step))],
                        )
                    ],
                ),
            )

    return make


def ask(
    step: dict[str, Any] | None = None,
    syntax: str = ExplicitVRLittleEndian,
    calling_ae: str = "CT1",
    **keys: Any,
) -> list[Dataset]:
    """Ask for some attributes besides the keys given; the decoded answers, their status as `status`."""
    query = Dataset()
    for name, value in {"AccessionNumber": "", "PatientName": "", **keys}.items():
        setattr(query, name, value)
    item = Dataset()
    for name, value in {"Modality": "", **(step or {})}.items():
        setattr(item, name, value)
    query.ScheduledProcedureStepSequence = [item]
    return put(query, syntax, calling_ae)


def put(query: Dataset, syntax: str = ExplicitVRLittleEndian, calling_ae: str = "CT1") -> list[Dataset]:
    query.SpecificCharacterSet = "ISO_IR 192"
    peer = Peer(calling_ae, "RISPACS", "127.0.0.1", 1, "", "", None)
    request = QueryRequest("1.2.840.10008.5.1.4.31", syntax, peer, None, identifier.encode(query, syntax))  # type: ignore[arg-type]
    answers = []
    for result in find(request):
        assert isinstance(result.identifier, bytes)
        answer = identifier.decode(result.identifier, syntax)
        answer.status = result.status
        answers.append(answer)
    return answers


def accessions(answers: list[Dataset]) -> list[str]:
    return sorted(str(answer.AccessionNumber) for answer in answers)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_only_what_was_asked_for_is_returned(place: Callable[..., None], syntax: str) -> None:
    place(name="MÜLLER^JÖRG")
    (answer,) = ask({"ScheduledProcedureStepID": ""}, syntax, PatientWeight=None)
    assert answer.status == 0xFF00
    del answer.status
    assert [element.keyword for element in answer] == [
        "SpecificCharacterSet",
        "AccessionNumber",
        "PatientName",
        "PatientWeight",
        "ScheduledProcedureStepSequence",
    ]
    assert (answer.PatientName, float(answer.PatientWeight)) == ("MÜLLER^JÖRG", 61.5)
    (item,) = answer.ScheduledProcedureStepSequence
    assert {e.keyword: e.value for e in item} == {"Modality": "CT", "ScheduledProcedureStepID": "SPA1"}


def test_a_sequence_with_no_item_is_asked_for_whole_and_an_absent_one_is_not_returned(
    place: Callable[..., None],
) -> None:
    place()
    query = Dataset()
    query.PatientID = ""
    assert "ScheduledProcedureStepSequence" not in put(query)[0]
    for items in ([], [Dataset()]):
        query.ScheduledProcedureStepSequence = items
        (item,) = put(query)[0].ScheduledProcedureStepSequence
        assert item.ScheduledProcedureStepStartDate == "20260302"
        assert item.ScheduledProcedureStepStartTime == "103000"
        assert item.ScheduledProtocolCodeSequence[0].CodeMeaning == "Thorax"
        assert item.ScheduledProcedureStepStatus == "SCHEDULED"


def test_an_unsupported_key_is_told_by_the_status(place: Callable[..., None]) -> None:
    place()
    (answer,) = ask(SmokingStatus="")
    assert answer.status == 0xFF01 and "SmokingStatus" not in answer


@pytest.mark.parametrize(
    ("keys", "step", "found"),
    [
        ({"PatientName": "müller^*"}, {}, ["A1"]),
        ({"PatientName": "M?LLER^JÖRG"}, {}, ["A1"]),
        ({"PatientName": "MÜLLER"}, {}, []),
        ({"PatientName": "=山田*"}, {}, ["A2"]),
        ({"PatientName": "やまだ^たろう"}, {}, ["A2"]),
        ({"PatientName": "*"}, {}, ["A1", "A2", "A3"]),
        ({"PatientID": "PA2"}, {}, ["A2"]),
        ({"PatientID": "PA?"}, {}, ["A1", "A2", "A3"]),
        ({"PatientID": "pa2"}, {}, []),
        ({"AccessionNumber": "A3"}, {}, ["A3"]),
        ({"AccessionNumber": "A*"}, {}, ["A1", "A2", "A3"]),
        ({"RequestedProcedureID": "RPA1"}, {}, ["A1"]),
        ({}, {"ScheduledProcedureStepID": "SPA2"}, ["A2"]),
        ({}, {"Modality": "MR"}, ["A2"]),
        ({}, {"Modality": "CR"}, []),
        ({}, {"ScheduledStationAETitle": "MR1"}, ["A2"]),
        ({}, {"ScheduledPerformingPhysicianName": "doe^*"}, ["A2"]),
        ({"ReferringPhysicianName": "HOUSE*"}, {}, ["A1", "A2", "A3"]),
        ({"ReferringPhysicianName": "WILSON*"}, {}, []),
        ({}, {"ScheduledProcedureStepStatus": "STARTED"}, ["A3"]),
        ({}, {"ScheduledProcedureStepStartDate": "20260302"}, ["A1"]),
        ({}, {"ScheduledProcedureStepStartDate": "20260303-"}, ["A2", "A3"]),
        ({}, {"ScheduledProcedureStepStartDate": "-20260303"}, ["A1", "A2"]),
        ({}, {"ScheduledProcedureStepStartDate": "20260302-20260303"}, ["A1", "A2"]),
        ({}, {"ScheduledProcedureStepStartTime": "1000-1100"}, ["A1"]),
        (
            {},
            {
                "ScheduledProcedureStepStartDate": "20260302-20260303",
                "ScheduledProcedureStepStartTime": "1100-0900",
            },
            ["A2"],
        ),
    ],
)
def test_it_matches(
    place: Callable[..., None], keys: dict[str, Any], step: dict[str, Any], found: list[str]
) -> None:
    place("A1", name="MÜLLER^JÖRG")
    place(
        "A2",
        name="YAMADA^TAROU=山田^太郎=やまだ^たろう",
        modality="MR",
        station_ae_title="MR1",
        performing_physician="DOE^JANE",
        start=datetime(2026, 3, 3, 7, 0, tzinfo=UTC),
    )
    place("A3", act=StatusEvent.Kind.START, modality="US", start=datetime(2026, 3, 4, 7, 0, tzinfo=UTC))
    assert accessions(ask(step, **keys)) == found


COSTLY = ["*?" * 30 + "B", "?*" * 30 + "B", "*A" * 30 + "B", "*" * 5000 + "B"]


@pytest.mark.timeout(30)
@pytest.mark.parametrize("pattern", COSTLY)
def test_no_pattern_keeps_the_port(place: Callable[..., None], pattern: str) -> None:
    """An expression that tries one `*` after the other would take longer than this test may."""
    long = "A" * 60
    place(long[:14], name=long, patient_id=long, performing_physician=long)
    for name in ("PatientName", "PatientID", "AccessionNumber", "ReferringPhysicianName"):
        assert ask(**{name: pattern}) == []
    for name in ("ScheduledPerformingPhysicianName", "ScheduledStationAETitle", "ScheduledProcedureStepID"):
        assert ask({name: pattern}) == []
    assert len(ask({"ScheduledPerformingPhysicianName": pattern[:-1]}, PatientName=pattern[:-1])) == 1


def test_a_list_of_too_many_patterns_is_refused(place: Callable[..., None]) -> None:
    place()
    assert len(ask({"Modality": ["C?"] * 100})) == 1
    with pytest.raises(IdentifierError) as refused:
        ask({"Modality": ["C?"] * 101})
    assert (refused.value.status, refused.value.comment) == (0xC000, "Modality has too many values")


def test_a_list_of_study_uids_matches_each(place: Callable[..., None]) -> None:
    place("A1")
    place("A2")
    uids = [str(answer.StudyInstanceUID) for answer in ask(StudyInstanceUID="")]
    assert len(uids) == 2
    assert len(ask(StudyInstanceUID=[*uids, "1.2.3"])) == 2


def test_a_step_of_a_group_is_one_of_each_of_its_stations(place: Callable[..., None]) -> None:
    for title in ("CT1", "CT2"):
        Station.objects.create(ae_title=title, group="CT", modalities=["CT"])
    place()
    ScheduledProcedureStep.objects.update(station_group="CT")
    assert accessions(ask({"ScheduledStationAETitle": "CT2"})) == ["A1"]
    (answer,) = ask({"ScheduledStationAETitle": ""})
    assert list(answer.ScheduledProcedureStepSequence[0].ScheduledStationAETitle) == ["CT1", "CT2"]
    ScheduledProcedureStep.objects.update(station_group="")
    assert ask({"ScheduledStationAETitle": "CT2"}) == [], "no AE title matches no key"


@pytest.mark.parametrize("status", [StepStatus.COMPLETED, StepStatus.CANCELLED, StepStatus.DISCONTINUED])
def test_what_has_ended_is_gone(place: Callable[..., None], status: StepStatus) -> None:
    acts = {
        "completed": StatusEvent.Kind.COMPLETE,
        "cancelled": StatusEvent.Kind.CANCEL,
        "discontinued": StatusEvent.Kind.DISCONTINUE,
    }
    place(act=acts[status])
    assert ask() == []


def test_a_retired_identifier_finds_the_survivor(place: Callable[..., None], provenance: Make) -> None:
    place("A1", patient_id="OLD")
    with transaction.atomic():
        merged = provenance(9)
        identity.register(
            provenance=merged, identifiers=[Identifier("NEW", GENHOSP)], demographics={"name": "NEW^NAME"}
        )
        identity.merge(
            provenance=merged, survivor=Identifier("NEW", GENHOSP), retired=Identifier("OLD", GENHOSP)
        )
    for value in ("OLD", "NEW"):
        (answer,) = ask(PatientID=value)
        assert (answer.PatientID, answer.PatientName) == ("NEW", "NEW^NAME")


@pytest.mark.parametrize(
    ("name", "came_in", "station", "expected", "shown"),
    [
        ("MUELLER^JOERG", "ISO_IR 192", None, None, "MUELLER^JOERG"),
        ("MÜLLER^JÖRG", "ISO_IR 100", None, "ISO_IR 100", "MÜLLER^JÖRG"),
        ("MÜLLER^JÖRG", "ISO_IR 192", None, "ISO_IR 192", "MÜLLER^JÖRG"),
        ("YAMADA^TAROU=山田^太郎", "ISO_IR 192", None, "ISO_IR 192", "YAMADA^TAROU=山田^太郎"),
        (
            "YAMADA^TAROU=山田^太郎",
            "\\ISO 2022 IR 87",
            None,
            ["", "ISO 2022 IR 87"],
            "YAMADA^TAROU=山田^太郎",
        ),
        ("ŁUKASZ^JÖRG", "ISO_IR 100", None, "ISO_IR 192", "ŁUKASZ^JÖRG"),
        ("MÜLLER^JÖRG", "ISO_IR 192", "ISO_IR 100", "ISO_IR 100", "MÜLLER^JÖRG"),
        ("ŁUKASZ^JÖRG", "ISO_IR 192", "ISO_IR 100", "ISO_IR 100", "_UKASZ^JÖRG"),
    ],
)
def test_the_character_set_is_the_stations_or_the_one_that_the_name_came_in(
    place: Callable[..., None], name: str, came_in: str, station: str | None, expected: Any, shown: str
) -> None:
    if station:
        Station.objects.create(ae_title="CT1", modalities=["CT"], character_set=station)
    place(name=name, character_set=came_in)
    (answer,) = ask()
    assert answer.get("SpecificCharacterSet") == expected
    assert answer.PatientName == shown


@pytest.mark.parametrize(
    ("policy", "found"),
    [
        ({"selection": "all"}, ["A1", "A2", "A3"]),
        ({"selection": "own"}, ["A2"]),
        ({"selection": "modality", "modalities": ["CT"]}, ["A1", "A3"]),
        ({"show_started": False}, ["A1", "A2"]),
    ],
)
def test_a_station_sees_what_its_policy_says(
    place: Callable[..., None], policy: dict[str, Any], found: list[str]
) -> None:
    Station.objects.create(ae_title="MR1", **{"modalities": ["MR"], **policy})
    place("A1")
    place("A2", modality="MR", station_ae_title="MR1")
    place("A3", act=StatusEvent.Kind.START)
    assert accessions(ask(calling_ae="MR1")) == found
    assert accessions(ask(calling_ae="UNKNOWN")) == ["A1", "A2", "A3"]


@pytest.mark.parametrize(
    "step",
    [
        {"ScheduledProcedureStepStartDate": "today"},
        {"ScheduledProcedureStepStartDate": "2026-03-02"},
        {"ScheduledProcedureStepStartTime": "noon"},
    ],
)
def test_a_key_that_is_none_is_refused(place: Callable[..., None], step: dict[str, str]) -> None:
    with pytest.raises(IdentifierError) as refused:
        ask(step)
    assert refused.value.status == 0xA900
