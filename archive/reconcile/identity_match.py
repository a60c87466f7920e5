"""Whether the images' patient is a candidate's: what the identity findings come to."""

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Final

from archive.reconcile.finding import Finding
from archive.reconcile.reconcile_policy import DEMOGRAPHICS, GUESSES, PLAIN, Policy


class IdentityMatch(Enum):
    """What a study's identity is to a person's."""

    SAME = "same"
    CORRECTED = "the same after a normalisation that needs no person"
    UNCLEAR = "likely the same"
    UNKNOWN = "too little is known"
    CONTRADICTS = "another"


SURE: Final = frozenset({IdentityMatch.SAME, IdentityMatch.CORRECTED})
PLAUSIBLE: Final = SURE | {IdentityMatch.UNCLEAR}


def normalised(findings: Iterable[Finding], policy: Policy) -> IdentityMatch:
    """Whether agreeing findings agree as they are, by what the policy allows, or only by more than that."""
    used = [(f.field, f.normaliser) for f in findings if f.normaliser not in PLAIN]
    if any(normaliser not in policy.allowed.get(field, ()) for field, normaliser in used):
        return IdentityMatch.UNCLEAR
    if sum(normaliser in GUESSES for _, normaliser in used) > policy.most_guesses:
        return IdentityMatch.UNCLEAR
    return IdentityMatch.CORRECTED if used else IdentityMatch.SAME


def of(found: Mapping[str, Finding], policy: Policy) -> IdentityMatch:
    """What the identity findings, by field, come to."""
    number = found["patient_id"]
    speaking = {name: found[name] for name in DEMOGRAPHICS if found[name].agreement is not None}
    pro = sum(DEMOGRAPHICS[name] for name, finding in speaking.items() if finding.agrees)
    contra = sum(DEMOGRAPHICS[name] for name, finding in speaking.items() if finding.contradicts)
    named, born = (found[name].agrees for name in ("patient_name", "birth_date"))
    if number.contradicts:
        spared = policy.other_id_same_demographics == "probable" and named and born and not contra
        return IdentityMatch.UNCLEAR if spared else IdentityMatch.CONTRADICTS
    if number.agreement is None:
        return _without_number(found, named and born, contra)
    if contra > pro:
        return IdentityMatch.CONTRADICTS
    if not number.agrees:
        return IdentityMatch.UNCLEAR if named and born else IdentityMatch.CONTRADICTS
    if contra or not (named or born) or not all(finding.agrees for finding in speaking.values()):
        return IdentityMatch.UNCLEAR
    return normalised([number, *speaking.values()], policy)


def _without_number(found: Mapping[str, Finding], called: bool, contra: float) -> IdentityMatch:
    if found["patient_name"].contradicts or found["birth_date"].contradicts:
        return IdentityMatch.CONTRADICTS
    if called:
        return IdentityMatch.UNCLEAR
    return IdentityMatch.CONTRADICTS if contra else IdentityMatch.UNKNOWN
