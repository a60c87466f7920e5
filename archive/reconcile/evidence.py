"""What speaks for and against a candidate, field by field: pure comparisons of a study and a candidate.

What a side leaves empty speaks neither for nor against: its finding has no agreement and no weight.
"""

from archive.reconcile.candidates import Candidate
from archive.reconcile.finding import Finding
from archive.reconcile.identity_evidence import identity
from archive.reconcile.order_evidence import COMPARED
from archive.reconcile.reconcile_policy import Policy
from archive.reconcile.study_evidence import StudyEvidence


def findings(study: StudyEvidence, candidate: Candidate, policy: Policy) -> tuple[Finding, ...]:
    """All findings on a candidate, identity first."""
    found = identity(study.identities, candidate.patient, policy)
    for name, compare in COMPARED.items():
        found.append(policy.finding(name, *compare(study, candidate)))
    return tuple(found)
