"""A link to a record stays when that same record is corrected after, or shortly before, the images came."""

from datetime import timedelta
from itertools import permutations

import pytest
from django.utils import timezone

from archive.models import Study
from tests.archive.hospital import Hospital
from worklist.models import FormerDescription, Patient

pytestmark = pytest.mark.django_db

CHANGES = [
    {"name": "NEUMANN^ANNA"},  # married
    {"birth_date": "19451130"},
    {"sex": "M"},
    {"name": "BARS^ANNELIESE^MARIA", "birth_date": "19710203"},
]


def corrected(hospital: Hospital, **values: str) -> None:
    """An A08 of the same number."""
    hospital.patient(**{"name": "BARS^ANNA", **values})


@pytest.mark.parametrize("values", CHANGES, ids=str)
def test_it_stays_matched_and_nobody_is_told(hospital: Hospital, values: dict[str, str]) -> None:
    patient = hospital.patient()
    order = hospital.order("A1", patient)
    study = hospital.study("A1")
    assert study.verdict == "matched"
    corrected(hospital, **values)
    study = hospital.judged(study)
    assert (study.verdict, study.patient, study.reading_status) == ("matched", patient, "ready")
    assert list(study.procedures.all()) == list(order.procedures.all())
    assert not hasattr(study, "exception")
    corrected(hospital, name="THIRD^ANNA")
    assert hospital.judged(study).verdict == "matched"


@pytest.mark.parametrize("values", CHANGES, ids=str)
def test_images_that_come_after_with_what_the_worklist_said_before_agree(
    hospital: Hospital, values: dict[str, str]
) -> None:
    hospital.order("A1", hospital.patient())
    corrected(hospital, **values)
    now = timezone.now()
    assert hospital.study("A1", at=now - timedelta(hours=3)).verdict == "matched"
    FormerDescription.objects.update(replaced_at=now - timedelta(days=9))
    late = hospital.study("A1", at=now - timedelta(hours=3))
    assert late.verdict in ("probable", "mismatch"), "too long ago for a device to know no better"


def test_the_number_of_another_opens_it(hospital: Hospital) -> None:
    hospital.order("A1", hospital.patient())
    study = hospital.study("A1")
    hospital.order("A1", hospital.patient("P9", "OTHER^OTTO", birth_date="19350517"))
    assert hospital.judged(study).verdict == "mismatch"


def test_what_nobody_had_said_before_is_no_former_description(hospital: Hospital) -> None:
    hospital.patient(birth_date="", sex="")
    hospital.patient()
    hospital.patient(address="Elsewhere 1")
    assert not FormerDescription.objects.exists()
    hospital.patient(name="NEUMANN^ANNA")
    kept = FormerDescription.objects.get()
    assert (kept.name, kept.birth_date, kept.sex) == ("BARS^ANNA", "19700102", "F")


@pytest.mark.parametrize("steps", list(permutations(["images", "named", "merged"])), ids="-".join)
@pytest.mark.parametrize("shown", ["as unknown", "as named"])
def test_an_unknown_patient_is_named_and_merged_in_any_order(
    hospital: Hospital, steps: tuple[str, ...], shown: str
) -> None:
    unknown = {"name": "UNKNOWN^FEMALE", "birth_date": "", "sex": "F"}
    hospital.patient("P1")
    hospital.order("A1", hospital.patient("DOE77", **unknown))
    studies: list[Study] = []
    for step in steps:
        if step == "images":
            at = timezone.now() - timedelta(hours=3)
            header = unknown if shown == "as unknown" else {}
            studies.append(hospital.study("A1", "DOE77", at=at, **header))
        elif step == "named":
            hospital.patient("DOE77")
        else:
            hospital.merge("DOE77", "P1")
    study = hospital.judged(studies[0])
    assert study.verdict == "matched"
    assert study.patient is not None and study.patient.current == Patient.objects.get(value="P1")
