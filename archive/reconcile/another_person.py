"""Whether a header that came again is of somebody else than the patient to whom the images belong."""

from datetime import UTC, datetime

from archive.models import Study
from archive.reconcile import candidates, identity_evidence, identity_match
from archive.reconcile.candidates import Person
from archive.reconcile.identity_match import IdentityMatch
from archive.reconcile.reconcile_policy import Policy
from archive.reconcile.study_evidence import Identity


def is_named(said: Identity, before: Identity, whose: Person, policy: Policy) -> bool:
    """Whether what is said now names another than `whose`, and another than was named before.

    Where a person gave images to a patient whom their header did not name, the header may be corrected and
    still say somebody else.
    """
    if not _is_another(said, whose, policy):
        return False
    return not _is_another(before, whose, policy) or _is_another(said, Person(records=(before,)), policy)


def _is_another(said: Identity, person: Person, policy: Policy) -> bool:
    """Another number is another's, whatever name stands beside it; so are another name and birth date."""
    found = {one.field: one for one in identity_evidence.identity([said], person, policy)}
    others = {one.patient_id for one in person.attributes}
    if said.patient_id and not found["patient_id"].agrees and said.patient_id not in others:
        return True
    return identity_match.of(found, policy) is IdentityMatch.CONTRADICTS


def owner(study: Study) -> Person | None:
    """The patient to whom a study belongs: all records of the person, with what they ever said."""
    if study.patient is None:
        return None
    return candidates.people([study.patient], datetime.min.replace(tzinfo=UTC))[study.patient.pk]
