"""A candidate, weighed: what speaks for and against it, and what that comes to."""

from dataclasses import dataclass, field

from archive.reconcile import evidence, identity_match
from archive.reconcile.candidates import Candidate
from archive.reconcile.finding import Finding
from archive.reconcile.identity_match import IdentityMatch
from archive.reconcile.reconcile_policy import Policy
from archive.reconcile.registered_people import NOBODY, RegisteredPeople
from archive.reconcile.study_evidence import StudyEvidence


@dataclass(frozen=True)
class Scored:
    """A candidate with what speaks for and against it."""

    candidate: Candidate
    findings: tuple[Finding, ...]
    score: float
    identity_match: IdentityMatch
    by_field: dict[str, Finding] = field(compare=False, repr=False)


def score(
    study: StudyEvidence, candidate: Candidate, policy: Policy, registered: RegisteredPeople = NOBODY
) -> Scored:
    """Weigh a candidate: the agreement less the contradiction, of all that was seen; never below 0."""
    found = evidence.findings(study, candidate, policy, registered)
    by_field = {finding.field: finding for finding in found}
    net = sum(finding.contribution for finding in found)
    whole = sum(policy.full_weight(f) for f in found)
    value = round(max(0.0, net / whole), 4) if whole else 0.0
    return Scored(candidate, found, value, identity_match.of(by_field, policy), by_field)
