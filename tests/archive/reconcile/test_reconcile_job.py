"""The job: what a verdict does to a study, its exception and those who wait for it; and what asks for it."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from archive.models import Instance, Study, StudyException, Verdict
from archive.reconcile.reconcile_job import KIND
from archive.signals import study_reconciled
from ledger import clock, events, jobs
from ledger.models import Job
from reporting.models import ReadingItem
from tests.archive.hospital import NOW, Hospital
from worklist.models import RequestedProcedure, ScheduledProcedureStep

pytestmark = pytest.mark.django_db


@pytest.fixture
def told() -> Any:
    """What was told to those above."""
    heard: list[tuple[str, str]] = []

    def hear(sender: Any, study: Study, outcome: str, origin_text: str, **_: Any) -> None:
        heard.append((study.study_instance_uid, outcome))

    study_reconciled.connect(hear)
    yield heard
    study_reconciled.disconnect(hear)


def wanted(study: Study) -> int:
    return Job.objects.get(kind=KIND, key=study.study_instance_uid).wanted


def test_a_matching_study_is_linked_ready_and_told(hospital: Hospital, told: list) -> None:
    patient = hospital.patient()
    order = hospital.order("A1", patient)
    study = hospital.study("A1")
    assert (study.verdict, study.reading_status, study.patient) == ("matched", "ready", patient)
    assert list(study.procedures.all()) == list(order.procedures.all())
    assert study.first_quiet_at == study.last_received_at + timedelta(seconds=60)
    assert not StudyException.objects.exists()
    assert told == [(study.study_instance_uid, "matched")]
    kinds = [event.kind for event in events.timeline("study", study.public_id)]
    assert sorted(kinds) == ["reading.ready", "study.verdict"]


def test_another_patients_order_is_a_mismatch_with_evidence(hospital: Hospital, told: list) -> None:
    other = hospital.patient("P2", "REAL^RITA", birth_date="19350517")
    hospital.order("A1", other)
    study = hospital.study("A1", "P9", "OTHER^OTTO")
    assert (study.verdict, study.patient, study.reading_status) == ("mismatch", None, "ready")
    verdict = study.verdicts.get()
    assert {f["field"] for f in verdict.findings if f["agreement"] == 0} >= {"patient_id", "patient_name"}
    assert verdict.candidates[0]["accession_number"] == "A1"
    assert not verdict.candidates[0]["chosen"]
    assert study.exception.status == "open"
    assert told == []


def test_a_study_of_nobodys_order_is_unscheduled_though_others_are_due(hospital: Hospital) -> None:
    for number in range(5):
        hospital.order(
            f"A{number}", hospital.patient(f"X{number}", f"REAL{number}^RITA", birth_date="19350517")
        )
    study = hospital.study("V77", "P9", "NOBODY^NORA")
    assert study.verdict == "unscheduled"
    assert study.verdicts.get().candidates == []


@pytest.mark.parametrize("retired_first", [True, False])
def test_a_retired_number_matches_after_the_merge(hospital: Hospital, retired_first: bool) -> None:
    hospital.patient("P1")
    hospital.order("A1", hospital.patient("P2"))
    if retired_first:
        hospital.merge("P1", "P2")
        study = hospital.study("A1", "P1")
    else:
        study = hospital.study("A1", "P1")
        assert study.verdict == "mismatch"
        before = wanted(study)
        hospital.merge("P1", "P2")
        assert wanted(study) > before, "the merge asks for the job by itself"
        study = hospital.done(study)
        assert study.exception.status == "closed"
    assert study.verdict == "matched"


def test_an_umlaut_lost_zeros_and_a_folded_name_are_found_by_index(hospital: Hospital) -> None:
    hospital.order("0012345", hospital.patient(name="MÜLLER^JÖRG"))
    assert hospital.study("12345", name="MUELLER^JOERG").verdict == "corrected"
    assert hospital.study("", "", name="MUELLER^JOERG").verdict == "probable"


def test_a_late_order_needs_a_person_and_is_told_to_nobody(hospital: Hospital, told: list) -> None:
    study = hospital.study("A1")
    assert study.verdict == "unscheduled"
    hospital.order("A1", hospital.patient(), received_at=NOW)
    study = hospital.done(study)
    assert (study.verdict, study.patient, study.exception.status) == ("late_order", None, "open")
    assert study.verdicts.order_by("-number")[0].candidates[0]["accession_number"] == "A1"
    assert told == []


def test_a_group_case_is_linked_to_all_its_procedures(hospital: Hospital) -> None:
    patient = hospital.patient()
    for number in ("A1", "A2"):
        hospital.order(number, patient)
    items = [
        {"scheduled_step_id": f"SP{number}", "requested_procedure_id": f"RP{number}", "accession_number": "",
         "accession_issuer": {"local": "", "universal": "", "universal_type": ""}, "study_instance_uid": ""}
        for number in ("A1", "A2")
    ]  # fmt: skip
    study = hospital.study("", series={"header": {"requests": items}})
    assert study.verdict == "matched"
    assert study.procedures.count() == 2


def test_two_identities_in_a_study_are_a_mismatch(hospital: Hospital) -> None:
    hospital.order("A1", hospital.patient())
    conflicts = {"header_patient_id": ["P2"], "patient_name": ["OTHER^OTTO"]}
    study = hospital.study("A1", header={"conflicts": conflicts})
    assert study.verdict == "mismatch"


def test_a_study_that_still_comes_in_is_left_for_later(hospital: Hospital) -> None:
    hospital.order("A1", hospital.patient())
    study = hospital.study("A1", at=clock.now().replace(microsecond=0))
    assert (study.verdict, study.reading_status, study.first_quiet_at) == ("pending", "not_ready", None)
    job = Job.objects.get(kind=KIND, key=study.study_instance_uid)
    assert (job.state, job.not_before) == ("new", study.last_received_at + timedelta(seconds=60))


def test_a_study_with_objects_to_index_is_left_for_later(hospital: Hospital) -> None:
    hospital.order("A1", hospital.patient())
    study = hospital.study("A1")
    Instance.objects.create(
        sop_instance_uid="1.2.9",
        sop_class_uid="1.2",
        study_instance_uid=study.study_instance_uid,
        series_instance_uid="1.2.8",
        received_at=NOW,
    )
    Study.objects.filter(pk=study.pk).update(accession_number="A9")
    assert hospital.judged(study).verdict == "matched"


def test_the_same_evidence_adds_no_verdict(hospital: Hospital, told: list) -> None:
    hospital.order("A1", hospital.patient())
    study = hospital.study("A1")
    hospital.order("B7", hospital.patient("P7", "OTHER^OTTO", birth_date="19350517"))
    hospital.judged(study)
    assert Verdict.objects.count() == 1
    assert len(told) == 1


def test_an_order_that_changes_between_reading_and_storing_is_seen(hospital: Hospital) -> None:
    hospital.order("A1", hospital.patient())
    study = hospital.study("A1")
    other = hospital.patient("P9", "REAL^RITA", birth_date="19350517")
    handler = jobs._handlers[KIND]
    job = Job.objects.get(kind=KIND, key=study.study_instance_uid)
    claim = jobs.Claim(job.pk, KIND, job.key, {}, job.claim_no, job.wanted, 1, 0)
    prepared = handler.prepare(claim)
    hospital.order("A1", other)
    with transaction.atomic():
        handler.apply(claim, prepared)
    study.refresh_from_db()
    assert prepared[1].outcome == "matched"
    assert (study.verdict, study.patient) == ("mismatch", None)


def test_what_is_being_read_is_not_taken_away_but_opens_an_exception(hospital: Hospital) -> None:
    patient = hospital.patient()
    hospital.order("A1", patient)
    study = hospital.study("A1")
    ReadingItem.objects.update(status="reading")
    Study.objects.filter(pk=study.pk).update(
        reading_status="reading", header={"conflicts": {"header_patient_id": ["P2"], "patient_name": ["A^B"]}}
    )
    study = hospital.judged(study)
    assert (study.verdict, study.patient, study.reading_status) == ("mismatch", patient, "reading")
    assert study.exception.status == "open"


@pytest.mark.parametrize("change", ["accession", "identifier", "name", "planned UID", "linked"])
def test_whatever_could_change_a_verdict_asks_for_the_job(hospital: Hospital, change: str) -> None:
    patient = hospital.patient("P8", "SOMEBODY^ELSE", birth_date="19350517")
    if change == "linked":
        mine = hospital.patient()
        hospital.order("A1", mine)
    study = hospital.study("A1")
    before = wanted(study)
    hospital.order("Q1", patient)
    assert wanted(study) == before, "what has nothing to do with it asks for nothing"
    if change == "accession":
        hospital.order("A1", patient)
    elif change == "identifier":
        hospital.patient("P1", "NEW^NAME", birth_date="19991231")
    elif change == "name":
        hospital.patient("P3", "BARS^ANNA")
    elif change == "planned UID":
        hospital.order("Z1", patient, study_instance_uid=study.study_instance_uid)
    else:
        hospital.patient("P1", "BARS^ANNABELLA", address="Here")
    assert wanted(study) > before


def test_a_final_study_is_left_alone(hospital: Hospital) -> None:
    study = hospital.study("A1")
    Study.objects.filter(pk=study.pk).update(reading_status="final")
    before = wanted(study)
    hospital.order("A1", hospital.patient())
    assert wanted(study) == before


def test_the_number_of_queries_does_not_grow_with_the_hospital(
    hospital: Hospital, django_assert_max_num_queries: Any
) -> None:
    patient = hospital.patient()
    for number in range(30):
        hospital.order(f"A{number}", patient)
    study = hospital.study("A1")
    assert study.procedures.get() == RequestedProcedure.objects.get(requested_procedure_id="RPA1")
    with django_assert_max_num_queries(85):
        hospital.judged(study)


def test_its_own_step_is_no_reason_to_judge_a_match_again(hospital: Hospital) -> None:
    hospital.order("A1", hospital.patient())
    study = hospital.study("A1")
    assert ScheduledProcedureStep.objects.get().status == "completed"
    assert Job.objects.get(kind=KIND, key=study.study_instance_uid).state == "done"
