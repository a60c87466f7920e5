"""QIDO-RS (PS3.18 10.6), asked by another implementation's client and by hand."""

from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import Facility, Role, User
from archive.models import Study
from interfaces.dicomweb import qido
from tests.archive.objects import indexed, received

pytestmark = pytest.mark.django_db(transaction=True)
Get = Callable[..., Any]


@pytest.fixture(autouse=True)
def stored(home: None, user: User) -> None:
    received(SOPInstanceUID="1.1.1", InstanceNumber=1, StudyID="9")
    received(SOPInstanceUID="1.1.2", SeriesInstanceUID="1.2.3.2", Modality="SR", InstanceNumber=2)
    received(
        SOPInstanceUID="1.1.3",
        StudyInstanceUID="1.2.4",
        SeriesInstanceUID="1.2.4.1",
        PatientName="Doe^Jane",
        PatientID="P2",
        Modality="MR",
        StudyDate="20260502",
    )
    indexed()


def uids(answer: list[dict[str, Any]], tag: str = "0020000D") -> list[str]:
    return sorted(result[tag]["Value"][0] for result in answer)


def test_another_implementation_finds_studies_series_and_instances(peer: Any) -> None:
    assert uids(peer.search_for_studies()) == ["1.2.3", "1.2.4"]
    assert uids(peer.search_for_studies(search_filters={"PatientID": "P2"})) == ["1.2.4"]
    assert uids(peer.search_for_series("1.2.3"), "0020000E") == ["1.2.3.1", "1.2.3.2"]
    assert uids(peer.search_for_series(), "0020000E") == ["1.2.3.1", "1.2.3.2", "1.2.4.1"]
    assert uids(peer.search_for_instances("1.2.3", "1.2.3.2"), "00080018") == ["1.1.2"]
    assert uids(peer.search_for_instances("1.2.3"), "00080018") == ["1.1.1", "1.1.2"]
    assert len(peer.search_for_instances()) == 3
    assert peer.search_for_studies(search_filters={"PatientID": "nobody"}) == []


def test_a_study_is_told_in_full(get: Get) -> None:
    answer = get("studies?StudyInstanceUID=1.2.3")
    assert answer["Content-Type"] == "application/dicom+json; charset=utf-8"
    assert answer["X-Content-Type-Options"] == "nosniff"
    (study,) = answer.json()
    assert list(study) == sorted(study)
    assert study["00080005"] == {"vr": "CS", "Value": ["ISO_IR 192"]}
    assert study["00080061"] == {"vr": "CS", "Value": ["CT", "SR"]}
    assert study["00201206"] == {"vr": "IS", "Value": [2]}
    assert study["00201208"] == {"vr": "IS", "Value": [2]}
    assert study["00080056"] == {"vr": "CS", "Value": ["ONLINE"]}
    assert study["00081190"] == {"vr": "UR", "Value": ["http://testserver/dicom-web/studies/1.2.3"]}
    assert study["00100010"]["Value"] == [
        {"Alphabetic": "Müller^Jörg", "Ideographic": "山田^太郎", "Phonetic": "やまだ^たろう"}
    ]
    assert study["00080090"] == {"vr": "PN"}
    assert study["00200010"]["Value"] == ["9"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("00100020=P1", ["1.2.3"]),
        ("PatientName=doe*", ["1.2.4"]),
        ("PatientName=%E5%B1%B1%E7%94%B0*", ["1.2.3"]),
        ("StudyInstanceUID=1.2.3,1.2.4", ["1.2.3", "1.2.4"]),
        ("StudyInstanceUID=1.2.3%5C1.2.4", ["1.2.3", "1.2.4"]),
        ("StudyInstanceUID=1.2.3&StudyInstanceUID=1.2.4", ["1.2.3", "1.2.4"]),
        ("StudyDate=20260401-20260430", ["1.2.3"]),
        ("StudyDate=20260501-", ["1.2.4"]),
        ("StudyDate=-20260430", ["1.2.3"]),
        ("StudyDate=2026.05.02", ["1.2.4"]),
        ("StudyTime=10:15", ["1.2.3", "1.2.4"]),
        ("ModalitiesInStudy=SR", ["1.2.3"]),
        ("ModalitiesInStudy=MR,SR", ["1.2.3", "1.2.4"]),
        ("AccessionNumber=A1?", ["1.2.3", "1.2.4"]),
        ("PatientID=", ["1.2.3", "1.2.4"]),
        ("includefield=all", ["1.2.3", "1.2.4"]),
        ("includefield=00081030,PatientAge", ["1.2.3", "1.2.4"]),
        ("fuzzymatching=false", ["1.2.3", "1.2.4"]),
    ],
)
def test_keys_are_named_by_tag_or_keyword(get: Get, query: str, found: list[str]) -> None:
    assert uids(get(f"studies?{query}").json()) == found


def test_keys_of_higher_levels_count_at_lower_ones(get: Get) -> None:
    assert uids(get("series?PatientID=P1&Modality=SR").json(), "0020000E") == ["1.2.3.2"]
    found = get("instances?ModalitiesInStudy=SR&Modality=CT&InstanceNumber=1").json()
    assert uids(found, "00080018") == ["1.1.1"]
    asked = "series?00400275.00400009=SPS1&RequestAttributesSequence.RequestedProcedureID=RP1&PatientID=P2"
    assert uids(get(asked).json(), "0020000E") == ["1.2.4.1"]


@pytest.mark.parametrize(
    "query",
    [
        "Nonsense=1",
        "0010002=1",
        "PatientAddress=x",
        "Modality=CT",
        "SOPInstanceUID=1.2",
        "limit=-1",
        "limit=x",
        "limit=1&limit=2",
        "offset=1.5",
        "fuzzymatching=perhaps",
        "includefield=Nonsense",
        "StudyDate=yesterday",
        "StudyDate=20260101-20260102-20260103",
        "StudyDate=-",
        "StudyInstanceUID=../../etc",
        "PatientID=1&PatientID=2",
        "PatientID=1&00100020=2",
        "PatientName=a%00b",
        "ModalitiesInStudy=" + ",".join(["C*"] * 101),
    ],
)
def test_a_query_that_makes_no_sense_is_a_problem(get: Get, query: str) -> None:
    answer = get(f"studies?{query}")
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["detail"]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("pattern", ["*?" * 30 + "b", "?*" * 30 + "b", "*a" * 30 + "b"])
def test_no_pattern_keeps_a_web_worker(get: Get, pattern: str) -> None:
    """An expression that tries one `*` after the other would take longer than this test may."""
    long = "a" * 64
    header = {"StudyInstanceUID": "1.2.9", "SeriesInstanceUID": "1.2.9.1", "StudyDescription": long}
    names = {
        "PatientName": long,
        "ReferringPhysicianName": long,
        "PatientID": long,
        "AccessionNumber": long[:16],
    }
    received(SOPInstanceUID="1.1.9", SeriesDescription=long, **header, **names)
    indexed()
    for key in (*names, "StudyDescription", "SeriesDescription", "BodyPartExamined"):
        assert get(f"series?{key}={pattern}").status_code == 204
    asked = "RequestAttributesSequence.ScheduledProcedureStepID"
    assert get(f"series?{asked}={pattern}").status_code == 204
    found = get(f"series?PatientName={pattern[:-1]}&SeriesDescription={pattern[:-1]}")
    assert uids(found.json(), "0020000E") == ["1.2.9.1"]


def test_no_match_is_204(get: Get) -> None:
    answer = get("studies?PatientID=nobody")
    assert (answer.status_code, answer.content) == (204, b"")


def test_pages_follow_each_other_and_a_limit_of_the_client_is_no_truncation(get: Get) -> None:
    first, second = get("studies?limit=1"), get("studies?limit=1&offset=1")
    assert uids([*first.json(), *second.json()]) == ["1.2.3", "1.2.4"]
    assert "Warning" not in first
    assert get("studies?limit=1&offset=2").status_code == 204


def test_what_is_too_much_is_cut_with_a_warning(get: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qido, "MOST_RESULTS", 1)
    answer = get("studies")
    assert len(answer.json()) == 1
    assert answer["Warning"].startswith("299 testserver ")
    assert len(get("studies/1.2.3/instances").json()) == 2


def test_fuzzy_matching_is_declined_politely(get: Get) -> None:
    assert "fuzzymatching" in get("studies?fuzzymatching=true&PatientName=doe*")["Warning"]


def test_only_json_is_spoken(get: Get) -> None:
    assert get("studies", accept="application/json").status_code == 200
    assert get("studies", accept="text/html, application/dicom+json;q=0.5").status_code == 200
    assert get("studies", accept='multipart/related; type="application/dicom+xml"').status_code == 406


def test_a_path_that_is_no_uid_is_a_problem(get: Get) -> None:
    assert get("studies/nonsense/series").status_code == 400
    assert get("studies/1.2.3/series?StudyInstanceUID=1.2.4").status_code == 400
    assert get("studies/1.2.99/series").status_code == 204


def test_a_matched_study_shows_its_patient_and_others_their_header(
    get: Get, facility: Facility, provenance: Callable[..., Any]
) -> None:
    from django.db import transaction

    from worklist.patients import identity
    from worklist.patients.identifiers import Authority, Identifier

    with transaction.atomic():
        named = [Identifier("H7", Authority("GENHOSP"))]
        demographics = {"name": "Poe^Edgar", "sex": "M"}
        patient = identity.register(provenance=provenance(), identifiers=named, demographics=demographics)
        Study.objects.filter(study_instance_uid="1.2.4").update(patient=patient)
    (study,) = get("studies?PatientID=H7").json()
    shown = [study[tag]["Value"][0] for tag in ("00100010", "00100020", "00100021", "00100040")]
    assert shown == [{"Alphabetic": "Poe^Edgar"}, "H7", "GENHOSP", "M"]
    (study,) = get("studies?StudyInstanceUID=1.2.3").json()
    assert study["00100020"]["Value"] == ["P1"]


def test_who_may_not_view_studies_is_told_so_and_others_see_their_facility_only(
    get: Get, user: User, facility: Facility
) -> None:
    user.roles = [Role.REFERRER.value]
    user.save()
    assert get("studies").status_code == 403
    user.roles = [Role.RADIOLOGIST.value]
    user.save()
    user.facilities.clear()
    assert get("studies").status_code == 204
