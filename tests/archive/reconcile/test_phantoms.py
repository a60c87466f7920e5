"""Phantom and test images are kept apart from people, by the site's patterns of patient IDs and names."""

import pytest
from django.db import transaction
from pydantic import ValidationError

from accounts.models import User
from archive.decisions.accept import Accept
from archive.decisions.decision_frame import decide
from archive.decisions.undo import undo
from archive.models import Study, StudyException
from archive.reconcile.phantom_patterns import PhantomPatterns
from archive.reconcile.reconcile_job import KIND
from archive.reconcile.registered_people import RegisteredPeople
from archive.reconcile.study_evidence import Identity
from archive.reconcile.verdict import decide as judged
from archive.search import study_search
from archive.site import ArchiveInFile, apply
from ledger.models import Job
from reporting.models import ReadingItem
from reporting.turnaround import orphans
from tests.actors import acting
from tests.archive.reconcile.builders import ANNA, DEFAULT, candidate, facts, person
from tests.reporting.conftest import World
from tests.reporting.conftest import people as people
from tests.reporting.conftest import rada as rada
from tests.reporting.conftest import world as world

RULE = {"patient_ids": ["QA-*", "PH?"], "patient_names": ["PHANTOM^*", "phantom", "ACR*CT"]}
RULES = PhantomPatterns.model_validate(RULE)


@pytest.mark.parametrize(
    "seen, kept_apart",
    [
        (Identity("QA-17", "", "ANY^NAME"), True),
        (Identity("qa-", "GENHOSP", ""), True),
        (Identity("PH1"), True),
        (Identity("17", "", "Phantom^Head"), True),
        (Identity("17", "", "PHANTOM^^^^"), True),
        (Identity("17", "", "ACR 464 CT"), True),
        (Identity("17", "", "PHANTOM=幻影"), True),
        (Identity("AQA-17", "", "BARS^ANNA"), False),
        (Identity("PH12", "", "BARS^ANNA"), False),
        (Identity("17", "", "PHANTOMAS^ANNA"), False),
        (Identity("17", "", "ANNA^PHANTOM"), False),
        (Identity(), False),
    ],
)
def test_an_id_or_a_name_fits_as_a_whole(seen: Identity, kept_apart: bool) -> None:
    verdict = judged(facts(seen), [], DEFAULT, phantoms=RULES)
    assert (verdict.outcome == "phantom") is kept_apart
    assert not verdict.chosen
    assert judged(facts(seen), [], DEFAULT).outcome != "phantom"


QA = Identity("QA-1", "", "PHANTOM^HEAD")
UNDER_HER_NUMBER = Identity("P1", "GENHOSP", "PHANTOM^HEAD", "19700102", "F")


def test_what_names_a_person_is_judged_like_any_other_images() -> None:
    """Another identity in the study, her number, or the number of her order."""
    assert judged(facts(QA, ANNA), [], DEFAULT, phantoms=RULES).outcome != "phantom"
    her = RegisteredPeople((person(ANNA),))
    assert judged(facts(UNDER_HER_NUMBER), [], DEFAULT, her, RULES).outcome != "phantom"
    assert judged(facts(QA, accession_number="A000001"), [candidate()], DEFAULT, phantoms=RULES).outcome == (
        "mismatch"
    )


def test_a_phantom_that_is_registered_and_ordered_is_one_too() -> None:
    own = RegisteredPeople((person(QA),))
    seen = facts(QA, accession_number="A000001")
    assert judged(seen, [candidate(patient=QA)], DEFAULT, own, RULES).outcome == "phantom"


@pytest.mark.parametrize("pattern", ["", "*", "?*", "A*", "*^*", "?" * 65])
def test_a_pattern_that_people_would_fit_is_refused(pattern: str) -> None:
    with pytest.raises(ValidationError):
        PhantomPatterns.model_validate({"patient_names": [pattern]})


def put(rule: dict[str, list[str]]) -> None:
    with transaction.atomic():
        apply(ArchiveInFile.model_validate({"phantoms": rule}), dry_run=False, overwrite=False)


def wants(study: Study) -> int:
    return Job.objects.get(kind=KIND, key=study.study_instance_uid).wanted


@pytest.mark.django_db
def test_nobody_reads_it_or_looks_at_it_until_a_person_says_so(world: World, rada: User, user: User) -> None:
    put(RULE)
    study = world.hospital.study("", "QA-1", "PHANTOM^HEAD")
    assert (study.verdict, study.patient, study.reading_status) == ("phantom", None, "not_ready")
    assert not ReadingItem.objects.exists() and not StudyException.objects.exists()
    assert not orphans._without_order(user, study.last_received_at).exists()
    assert study_search.studies(user=user, verdicts=["phantom"]).get() == study
    with transaction.atomic():
        decide(Accept(), study=study, reason="a person after all", by=acting(user))
    assert ReadingItem.objects.get(studies=study).status == "ready"
    with transaction.atomic():
        undo(exception=Study.objects.get(pk=study.pk).exception, reason="none", by=acting(user))
    assert ReadingItem.objects.get(studies=study).status == "withdrawn"
    assert Study.objects.get(pk=study.pk).exception.status in ("closed", "none")


@pytest.mark.django_db
def test_other_patterns_judge_again_what_they_concern(world: World) -> None:
    item = world.item("A1", "QA-1", "HEAD^PHANTOM")
    other = world.item("A2").studies.get()
    study = item.studies.get()
    asked = wants(study), wants(other)
    put(RULE)
    assert (wants(study), wants(other)) == (asked[0] + 1, asked[1])
    study = world.hospital.judged(study)
    item.refresh_from_db()
    assert (study.verdict, study.patient, item.status) == ("phantom", None, "withdrawn")
    assert item.withdrawn_reason == "its study holds phantom or test images"
    asked = wants(study), wants(other)
    put(RULE)
    assert (wants(study), wants(other)) == asked
    put({})
    assert (wants(study), wants(other)) == (asked[0] + 1, asked[1])
    study = world.hospital.judged(study)
    item.refresh_from_db()
    assert (study.verdict, item.status) == ("matched", "ready") and study.patient


@pytest.mark.django_db
@pytest.mark.parametrize("linked", [True, False])
def test_what_is_begun_is_not_withdrawn_silently(world: World, rada: User, linked: bool) -> None:
    """Its author is asked; where it is linked, the link stays and a person decides."""
    if linked:
        item = world.item("A1", "QA-1", "HEAD^PHANTOM")
    else:
        item = ReadingItem.objects.get(studies=world.hospital.study("", "QA-1", "HEAD^PHANTOM"))
    world.draft(item, rada)
    study = item.studies.get()
    put(RULE)
    study = world.hospital.judged(study)
    item.refresh_from_db()
    assert study.verdict == "phantom" and item.status != "withdrawn"
    assert item.report.sections["impression"] == "Normal chest."
    if linked:
        assert study.patient and study.exception.status == "open"
    else:
        assert "phantom" in item.patient_question and study.exception.status == "closed"
        put({})
        assert world.hospital.judged(study).verdict == "unscheduled"
        item.refresh_from_db()
        assert not item.patient_question
