"""One search for QIDO-RS, REST and pages: every key, every identity, nobody else's studies."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import transaction

from accounts.models import Facility, Role, User
from archive.models import Study
from archive.search import study_search
from archive.search.study_search import Range
from tests.archive.objects import NOON, indexed, received
from worklist.models import Patient
from worklist.patients import identity
from worklist.patients.identifiers import Authority, Identifier
from worklist.provenance import Provenance

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("home")]
HOSP = Authority("HOSP")


@pytest.fixture
def studies(user: User) -> None:
    """Three studies: 1.2.3 of P1 (CT, SR), 1.2.4 of P2 (MR), 1.2.5 of P3 (US), received in this order."""
    received(SOPInstanceUID="1.1.1", PatientSex="F", PatientBirthDate="19700102")
    received(SOPInstanceUID="1.1.2", SeriesInstanceUID="1.2.3.2", Modality="SR", BodyPartExamined="CHEST")
    for number, (name, modality) in enumerate((("Doe^Jane", "MR"), ("ROE^RICHARD^^DR", "US")), start=4):
        received(
            SOPInstanceUID=f"1.1.{number}",
            StudyInstanceUID=f"1.2.{number}",
            SeriesInstanceUID=f"1.2.{number}.1",
            PatientName=name,
            PatientID=f"P{number - 2}",
            AccessionNumber=f"A{number}*x",
            StudyDate=f"2026050{number}",
            StudyTime="093000.5",
            Modality=modality,
            StudyDescription=f"{modality} Head",
            ReferringPhysicianName=f"{name}^^Prof=山田^{number}",
            RequestAttributesSequence=None,
            received_at=NOON + timedelta(minutes=number),
        )
    indexed()


@pytest.fixture
def found(studies: None, user: User) -> Callable[..., list[str]]:
    def find(**keys: object) -> list[str]:
        rows = study_search.studies(user=user, **keys)  # type: ignore[arg-type]
        return [row.study_instance_uid for row in rows]

    return find


def test_without_keys_all_are_found_newest_first(found: Callable[..., list[str]]) -> None:
    assert found() == ["1.2.5", "1.2.4", "1.2.3"]


@pytest.mark.parametrize(
    ("keys", "uids"),
    [
        ({"study_instance_uids": ["1.2.3", "1.2.4"]}, ["1.2.4", "1.2.3"]),
        ({"accession_number": "A17"}, ["1.2.3"]),
        ({"accession_number": "A?*"}, ["1.2.5", "1.2.4", "1.2.3"]),
        ({"accession_number": "a17"}, []),
        ({"patient_id": "P1"}, ["1.2.3"]),
        ({"patient_id": "P1", "issuer_of_patient_id": "HOSP"}, ["1.2.3"]),
        ({"patient_id": "P1", "issuer_of_patient_id": "OTHER"}, []),
        ({"patient_id": "P?"}, ["1.2.5", "1.2.4", "1.2.3"]),
        ({"patient_id": "*"}, ["1.2.5", "1.2.4", "1.2.3"]),
        ({"patient_name": "doe^jane"}, ["1.2.4"]),
        ({"patient_name": "DOE*"}, ["1.2.4"]),
        ({"patient_name": "roe^richard"}, []),
        ({"patient_name": "roe^richard*"}, ["1.2.5"]),
        ({"patient_name": "?oe*"}, ["1.2.5", "1.2.4"]),
        ({"patient_name": "MÜLLER*"}, ["1.2.3"]),
        ({"patient_name": "山田^太郎"}, ["1.2.3"]),
        ({"patient_name": "=山*"}, ["1.2.3"]),
        ({"patient_name": "やまだ*"}, ["1.2.3"]),
        ({"patient_name": "太郎"}, []),
        ({"patient_birth_date": "19700102"}, ["1.2.3"]),
        ({"patient_sex": "F"}, ["1.2.3"]),
        ({"study_date": Range("20260504", "20260504")}, ["1.2.4"]),
        ({"study_date": Range("20260504", "")}, ["1.2.5", "1.2.4"]),
        ({"study_date": Range("", "20260503")}, ["1.2.3"]),
        ({"study_time": Range("0930", "0930")}, ["1.2.5", "1.2.4"]),
        ({"study_time": Range("10", "")}, ["1.2.3"]),
        ({"modalities_in_study": ["SR"]}, ["1.2.3"]),
        ({"modalities_in_study": ["MR", "US"]}, ["1.2.5", "1.2.4"]),
        ({"modalities_in_study": ["M*"]}, ["1.2.4"]),
        ({"study_description": "*head"}, ["1.2.5", "1.2.4"]),
        ({"study_description": "mr head"}, ["1.2.4"]),
        ({"referring_physician": "DOE*"}, ["1.2.4"]),
        ({"referring_physician": "doe^jane"}, []),
        ({"referring_physician": "doe^jane^^prof"}, ["1.2.4"]),
        ({"referring_physician": "山田*"}, ["1.2.5", "1.2.4"]),
        ({"referring_physician": "nobody=山田^5"}, ["1.2.5"]),
        ({"referring_physician": "*^*"}, ["1.2.5", "1.2.4", "1.2.3"]),
        ({"referring_physician": "doe*=*"}, ["1.2.4"]),
        ({"verdicts": ["pending"]}, ["1.2.5", "1.2.4", "1.2.3"]),
        ({"verdicts": ["matched"]}, []),
        ({"reading_statuses": ["not_ready"], "patient_id": "P2"}, ["1.2.4"]),
    ],
)
def test_every_key(found: Callable[..., list[str]], keys: dict[str, object], uids: list[str]) -> None:
    assert found(**keys) == uids


def test_a_key_is_text_and_no_pattern(found: Callable[..., list[str]]) -> None:
    assert found(accession_number="A4.*") == []
    assert found(patient_name="(doe|roe)*") == []
    assert found(accession_number="A4*x") == ["1.2.4"]


def test_a_description_is_found_whatever_its_case(studies: None, user: User) -> None:
    Study.objects.filter(study_instance_uid="1.2.4").update(description="SCHÄDEL [nativ] 100%_1")
    for pattern in ("schädel*", "SCHÄDEL [NATIV] 100%_1", "*[nativ]*", "*0%?1"):
        (found,) = study_search.studies(user=user, study_description=pattern)
        assert found.study_instance_uid == "1.2.4"
    for pattern in ("schädel", "*[natixv]*", "*0_?1"):
        assert not study_search.studies(user=user, study_description=pattern).exists()


def test_a_matched_study_is_found_by_every_identifier_of_its_patient(
    found: Callable[..., list[str]], provenance: Callable[..., Provenance], facility: Facility
) -> None:
    with transaction.atomic():
        old, new = Identifier("OLD1", HOSP), Identifier("NEW1", HOSP)
        patient = identity.register(
            provenance=provenance(0), identifiers=[old], demographics={"name": "Poe^Edgar"}
        )
        identity.register(
            provenance=provenance(1), identifiers=[new], demographics={"name": "Poe^Edgar^Allan"}
        )
        identity.merge(provenance=provenance(2), survivor=new, retired=old)
        Study.objects.filter(study_instance_uid="1.2.4").update(patient=patient)
    assert Patient.objects.get(pk=patient.pk).survivor is not None
    for value in ("OLD1", "NEW1", "P2"):
        assert found(patient_id=value) == ["1.2.4"]
    assert found(patient_id="NEW1", issuer_of_patient_id="HOSP") == ["1.2.4"]
    assert found(patient_id="NEW1", issuer_of_patient_id="OTHER") == []
    assert found(patient_name="poe^edgar^allan") == found(patient_name="doe*") == ["1.2.4"]


def test_studies_of_other_facilities_do_not_exist(studies: None) -> None:
    other = User.objects.create_user("otto", roles=[Role.RADIOLOGIST])
    other.facilities.add(Facility.objects.create(code="OTHER", name="Other"))
    assert not study_search.studies(user=other).exists()
    assert not study_search.series(of=study_search.studies(user=other)).exists()


def test_series_and_instances_of_what_was_found(studies: None, user: User) -> None:
    of = study_search.studies(user=user, patient_id="P1")
    assert [row.series_instance_uid for row in study_search.series(of=of)] == ["1.2.3.1", "1.2.3.2"]
    assert [row.modality for row in study_search.series(of=of, modalities=["SR"])] == ["SR"]
    assert [row.modality for row in study_search.series(of=of, body_part="CHEST")] == ["SR"]
    everything = study_search.studies(user=user)
    asked = study_search.series(of=everything, scheduled_step_id="SPS?", requested_procedure_id="RP1")
    assert {row.study.study_instance_uid for row in asked} == {"1.2.3"}
    found = study_search.instances(of=study_search.series(of=of), sop_instance_uids=["1.1.2", "1.1.4"])
    assert [row.sop_instance_uid for row in found] == ["1.1.2"]


def test_pages_follow_each_other(found: Callable[..., list[str]], user: User) -> None:
    rows = study_search.studies(user=user)
    assert [row.study_instance_uid for row in (*rows[:2], *rows[2:4])] == found()
