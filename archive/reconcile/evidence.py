"""What speaks for and against a candidate, field by field: pure comparisons of a study and a candidate.

What a side leaves empty speaks neither for nor against: its finding has no agreement and no weight.
"""

from archive.reconcile import order_evidence
from archive.reconcile.candidates import Candidate
from archive.reconcile.finding import Finding
from archive.reconcile.identity_evidence import identity
from archive.reconcile.reconcile_policy import NAMES_FROM, Policy
from archive.reconcile.registered_people import NOBODY, RegisteredPeople
from archive.reconcile.study_evidence import StudyEvidence


def findings(
    study: StudyEvidence, candidate: Candidate, policy: Policy, registered: RegisteredPeople = NOBODY
) -> tuple[Finding, ...]:
    """All findings on a candidate, identity first."""
    number, *found = identity(study.identities, candidate.patient, policy)
    owners = registered.owners(study.identity, policy)
    if number.is_unclear and owners - {candidate.patient.id}:
        number = policy.finding("patient_id", number.seen, number.expected, (0.0, "number of another"))
    elif number.contradicts and not owners and _is_accession(study, candidate):
        number = policy.finding("patient_id", number.seen, number.expected, (None, "accession number"))
    for name, compare in order_evidence.COMPARED.items():
        found.append(policy.finding(name, *compare(study, candidate, policy)))
    return number, *found


def _is_accession(study: StudyEvidence, candidate: Candidate) -> bool:
    """Whether the accession number was typed where the patient ID belongs."""
    typed, expected = study.identity.patient_id, candidate.accession_number
    return (order_evidence.accession(typed, expected)[0] or 0) >= NAMES_FROM
