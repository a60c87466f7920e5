"""Stations on pages: what they asked and got, and why they don't see a step."""

from collections.abc import Callable

import pytest
from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from accounts.models import Facility, Role, User
from interfaces.dicom.association_log import Recorder, write
from interfaces.dicom.message_exchange import identifier
from interfaces.dicom.message_exchange.dimse_service import Peer, QueryRequest, QueryResult
from interfaces.dicom.models import StationContact
from interfaces.dicom.upper_layer import pdu
from interfaces.dicom.upper_layer.acceptor_config import AssociationFacts
from tests.web.markup import read
from tests.web.pages.world import make_study, person, place_order, signed_in
from worklist.models import Station
from worklist.provenance import Provenance

pytestmark = pytest.mark.django_db
Make = Callable[..., Provenance]


def remember(monkeypatch: pytest.MonkeyPatch, title: str, **keys: str) -> None:
    """Keep an association of a peer, and a query with some keys of the step."""
    recorder, made = Recorder(), []
    monkeypatch.setattr(recorder, "note", lambda make: made.append(make()))
    peer = Peer(title, "RISPACS", "10.0.0.9", 1, "1.2.3", "DEVICE_1", None)
    dataset, item = Dataset(), Dataset()
    for keyword, value in keys.items():
        setattr(item, keyword, value)
    dataset.PatientName, dataset.ScheduledProcedureStepSequence = "", [item]
    syntax = str(ExplicitVRLittleEndian)
    request = QueryRequest("1.2.840.10008.5.1.4.31", syntax, peer, None, identifier.encode(dataset, syntax))  # type: ignore[arg-type]
    list(recorder.query(request, iter([QueryResult(0xFF00)])))
    recorder.association(
        AssociationFacts("10.0.0.9", 1.0, 0.5, peer, "rejected", pdu.CALLED_AE_NOT_RECOGNIZED)
    )
    write(made)


@pytest.mark.parametrize("role", list(Role))
def test_stations_are_for_those_who_work_with_them(facility: Facility, role: Role) -> None:
    Station.objects.create(ae_title="CT1")
    client = signed_in(person(facility, role))
    may = role in (Role.TECHNOLOGIST, Role.INTEGRATOR, Role.ADMINISTRATOR)
    for path in ("/stations", "/stations/CT1"):
        assert client.get(path).status_code == (200 if may else 403)


def test_the_list_has_declared_stations_and_strangers(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    client = signed_in(user)
    assert "No stations yet" in read(client.get("/stations"))
    Station.objects.create(ae_title="CT1", name="CT 1", modalities=["CT"])
    for title in ("CT1", "A/B <script>", "..", "?x#y"):
        remember(monkeypatch, title, Modality="CT")
    text = read(client.get("/stations"))
    assert "1 declared, 3 not" in text and "rejected: called AE title not recognized" in text
    assert "A/B &lt;script&gt;" in text and "<script>" not in text.replace("<script type", "").replace(
        "<script src", ""
    )
    assert client.get("/stations/A/B%20%3Cscript%3E").status_code == 200
    assert client.get("/stations/NOBODY").status_code == 404


def test_a_station_shows_its_queries_its_policy_and_what_it_sent(
    user: User, facility: Facility, monkeypatch: pytest.MonkeyPatch
) -> None:
    Station.objects.create(
        ae_title="CT1", modalities=["CT"], selection="own", window_days=3, services=["worklist"]
    )
    remember(monkeypatch, "CT1", Modality="CT", ScheduledStationAETitle="CT1")
    study = make_study(facility, 7)
    study.series.create(series_instance_uid="2.25.8", station_ae_title="CT1")
    text = read(signed_in(user).get("/stations/CT1"))
    for part in (
        "Modality <b>CT</b>",
        "ScheduledStationAETitle <b>CT1</b>",
        "DEVICE_1",
        "10.0.0.9",
        "called AE title not recognized",
        "only steps planned for CT1, within 3 days of now",
        "REAL, RITA",
    ):
        assert part in text, part


def test_it_says_why_a_step_is_not_seen(
    user: User, provenance: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    Station.objects.create(ae_title="CT1", modalities=["CT"], selection="modality", services=["store"])
    remember(monkeypatch, "CT1", Modality="CT", ScheduledStationAETitle="CT1")
    remember(monkeypatch, "CT1", ScheduledProcedureStepStartDate="nonsense")
    place_order(provenance(), "1", modality="MR", station="MR1")
    client = signed_in(user)
    for number in ("A1", "PL1"):
        text = read(client.get(f"/stations/CT1?why={number}"))
        assert "Never offered, because" in text
        assert "only steps of its modalities" in text and "the query: station AE title" in text
        assert "It may not query the worklist" in text and "The query was refused" in text
    text = read(client.get("/stations/CT1?why=A2"))
    assert "No step of your facilities has the number A2" in text
    place_order(provenance(), "3", station="CT1")
    text = read(client.get("/stations/CT1?why=A3"))
    assert "A query without keys finds it" in text and "among the answers, if it queried now" in text


def test_steps_of_other_facilities_are_not_told_of(
    employ: Callable[..., User], provenance: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    place_order(provenance(), "1")
    Station.objects.create(ae_title="CT1")
    other = Facility.objects.create(code="OTHER", name="Other")
    client = signed_in(employ("otto", Role.INTEGRATOR, at=other))
    assert "No step of your facilities" in read(client.get("/stations/CT1?why=A1"))


def test_a_query_that_was_not_kept_whole_says_so(
    user: User, provenance: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    place_order(provenance(), "1")
    remember(monkeypatch, "CT9", Modality="CT")
    StationContact.objects.update(identifier=None)
    assert "too long to be kept" in read(signed_in(user).get("/stations/CT9?why=A1"))
