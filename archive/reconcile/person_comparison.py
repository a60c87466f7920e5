"""Hold a study against people, with an order or without: who its headers say, who they contradict."""

from collections.abc import Iterable

from django.db.models import QuerySet

from archive.archive_section import ArchiveSection
from archive.models import Study
from archive.reconcile import candidates, identity_evidence, identity_match, registered_people, study_evidence
from archive.reconcile.finding import Finding
from archive.reconcile.identity_match import PLAUSIBLE, IdentityMatch
from archive.reconcile.reconcile_policy import Policy
from ledger import written_dates
from worklist.models import Patient
from worklist.patients import person_names


def contradictions(study: Study, patients: Iterable[Patient]) -> dict[int, list[Finding]]:
    """By key of a record: in what of ID, name, birth date and sex the headers say another person."""
    rules = ArchiveSection.current().reconcile
    seen = study_evidence.gather(study, study.first_quiet_at)
    people = candidates.people(patients, candidates.described_since(seen, rules))
    return {
        key: [one for one in identity_evidence.identity(seen.identities, person, rules) if one.contradicts]
        for key, person in people.items()
    }


def likely(study: Study) -> QuerySet[Patient]:
    """The registered patients whom the headers say, as far as they tell, in the order of their ids."""
    rules = ArchiveSection.current().reconcile
    seen = study_evidence.gather(study, study.first_quiet_at)
    near = registered_people.gather(seen, study.facility_id).people
    found = [
        person.id
        for person in near
        if _match(identity_evidence.identity(seen.identities, person, rules), rules) in PLAUSIBLE
    ]
    return Patient.objects.filter(public_id__in=found).select_related("authority").order_by("public_id")


def _match(found: Iterable[Finding], rules: Policy) -> IdentityMatch:
    return identity_match.of({one.field: one for one in found}, rules)


def words(found: Iterable[Finding]) -> str:
    """What the images say and what the record says, where these contradict one another."""
    compared = [one for one in found if one.contradicts]
    if not compared:
        return ""
    seen, known = (
        ", ".join(_value(one.field, text) for one, text in zip(compared, texts, strict=True))
        for texts in ([one.seen for one in compared], [one.expected for one in compared])
    )
    return f"the images say {seen}; the patient is {known}"


def _value(field: str, text: str) -> str:
    if field == "patient_name":
        return person_names.isolated(person_names.readable(text))
    if field == "birth_date":
        return f"born {written_dates.of_dicom(text)}"
    return f"ID {text}" if field == "patient_id" else text
