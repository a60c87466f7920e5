"""Others who are registered, order or not, are found by number, birth date and name."""

import pytest

from archive.models import Study
from archive.reconcile import registered_people, study_evidence
from tests.archive.hospital import NOW, Hospital

pytestmark = pytest.mark.django_db


def found(study: Study) -> set[str]:
    seen = study_evidence.gather(study, NOW)
    people = registered_people.gather(seen, study.facility_id).people
    return {record.patient_id for person in people for record in person.records}


def test_they_are_found_by_number_birth_date_and_name_in_any_spelling(hospital: Hospital) -> None:
    hospital.patient("P1", "MÜLLER^EVA")
    hospital.patient("P2", "SISTER^EVA")
    hospital.patient("P3", "MUELLER^EVA", birth_date="19991231")
    hospital.patient("P4", "OTHER^OTTO", birth_date="19500101")
    study = hospital.study("", "P4", "MÜLLER^EVA")
    assert found(study) == {"P1", "P2", "P3", "P4"}
    assert found(hospital.study("", "P9", "NOBODY^NORA", birth_date="")) == set()


def test_a_sister_without_any_order_stands_in_the_way_of_a_slip(hospital: Hospital) -> None:
    lina = hospital.patient("P1", "KURZ^LINA")
    hospital.order("A1", lina)
    study = hospital.study("A1", "P1", "KURZ^LENA")
    assert study.verdict == "corrected"
    hospital.patient("P2", "KURZ^LENA")
    study = hospital.judged(study)
    assert study.verdict == "probable" and study.patient is None
    assert study.exception.status == "open"
    reason = study.verdicts.order_by("-number")[0].findings[-1]
    assert reason["field"] == "rival" and "P2" in reason["expected"]


def test_records_that_are_one_person_do_not_stand_in_each_others_way(hospital: Hospital) -> None:
    lina = hospital.patient("P1", "KURZ^LINA")
    hospital.order("A1", lina)
    hospital.patient("P2", "KURZ^LENA")
    hospital.merge("P2", "P1")
    assert hospital.study("A1", "P1", "KURZ^LENA").verdict in ("corrected", "matched")


def test_an_identifier_typed_with_its_authority_is_taken_apart(hospital: Hospital) -> None:
    hospital.order("A1", hospital.patient())
    assert hospital.study("A1", "P1^^^GENHOSP", issuer_of_patient_id="").verdict == "matched"
    assert hospital.study("A1", "P1^^^ELSEWHERE", issuer_of_patient_id="").verdict == "probable"


def test_a_sister_of_any_birth_date_who_is_due_stands_in_the_way(hospital: Hospital) -> None:
    hospital.order("A1", hospital.patient("P1", "KURZ^LINA"))
    lena = hospital.patient("P2", "KURZ^LENA", birth_date="19880817")
    assert hospital.study("A1", "P1", "KURZ^LENA").verdict == "corrected"
    hospital.order("A2", lena)
    assert hospital.study("A1", "P1", "KURZ^LENA").verdict == "probable"
