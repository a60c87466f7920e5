"""Whether the images' identity is a person's: patient ID, name, birth date and sex compared."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from archive.reconcile import name_agreement, patient_number
from archive.reconcile.candidates import Person
from archive.reconcile.finding import Agreement, Finding
from archive.reconcile.reconcile_policy import FORMER, Policy
from archive.reconcile.study_evidence import Identity
from archive.reconcile.typos import one_off, one_slip, swapped

NO_BIRTH_DATES: Final = frozenset({"19000101", "18000101", "11111111", "99991231", "00000000"})


def identity(seen: Sequence[Identity], person: Person, policy: Policy) -> list[Finding]:
    """Compare the identities of a study with a person: of several, that which agrees least."""
    found = [_identity(one, person, policy) for one in seen]
    return min(found, key=_agreement_of)


def _identity(seen: Identity, person: Person, policy: Policy) -> list[Finding]:
    """Compare with the record that shows, or with that of the same person that agrees best."""
    if not person.records:
        nobody = [("patient_id", seen.patient_id), ("patient_name", seen.name)]
        nobody += [("birth_date", seen.birth_date), ("sex", seen.sex)]
        return [policy.finding(name, text, "", (None, "")) for name, text in nobody]
    number = policy.finding("patient_id", _cx(seen), *patient_id(seen, person, policy))
    shown, *others = [_demographics(seen, record, policy) for record in person.records]
    former = [_demographics(seen, record, policy) for record in person.former]
    best = max(shown, *others, *former, key=_agreement_of) if others or former else shown
    if _agreement_of(best) > _agreement_of(shown):
        why = "merged record" if best in others else FORMER
        return [number, *(_of_record(finding, why) for finding in best)]
    return [number, *shown]


def demographics(seen: Identity, person: Person, policy: Policy) -> list[Finding]:
    """Compare name, birth date and sex with the record of a person that agrees best."""
    return max((_demographics(seen, record, policy) for record in person.records), key=_agreement_of)


def _demographics(seen: Identity, record: Identity, policy: Policy) -> list[Finding]:
    compared = (
        ("patient_name", seen.name, record.name, name_agreement.compare),
        ("birth_date", seen.birth_date, record.birth_date, birth_date),
        ("sex", seen.sex, record.sex, sex),
    )
    return [
        policy.finding(name, ours, theirs, compare(ours, theirs)) for name, ours, theirs, compare in compared
    ]


def _of_record(finding: Finding, why: str) -> Finding:
    """A finding on another record than shows: what agrees exactly says which."""
    exact = finding.agreement == 1 and not finding.normaliser
    return replace(finding, normaliser=why) if exact else finding


def _agreement_of(found: Iterable[Finding]) -> float:
    return sum(finding.contribution for finding in found)


def patient_id(seen: Identity, person: Person, policy: Policy) -> tuple[str, Agreement]:
    """Compare a patient ID with all identifiers of a person; return the nearest with how it agrees.

    Case, leading zeros, a digit or the issuer may be off: that takes a person, and a name and birth date that
    agree.
    """
    shown = person.records[0]
    if not seen.patient_id:
        return _cx(shown), (None, "")
    options = [(_cx(record), _one_id(seen, record, person, policy)) for record in person.records]
    options += [
        (_cx(named), (0.6, "attribute")) for named in person.attributes if named.patient_id == seen.patient_id
    ]
    expected, (agreement, normaliser) = max(options, key=lambda option: option[1][0] or 0)
    if expected != _cx(shown) and normaliser in ("", "no issuer"):
        normaliser = "merged record"
    return expected, (agreement, normaliser)


def _one_id(seen: Identity, record: Identity, person: Person, policy: Policy) -> Agreement:
    ours, theirs = seen.patient_id, record.patient_id
    if ours == theirs:
        known = {record.issuer, dict(person.universal_issuers).get(record.issuer, record.issuer)} - {""}
        if patient_number.is_unsaid(seen.issuer, known):
            return 1.0, "no issuer"
        is_ours = patient_number.is_issuer(seen.issuer, known, policy.issuer_aliases)
        return (1.0, "") if is_ours else (0.5, "other issuer")
    if ours.casefold() == theirs.casefold():
        return 0.6, "case of an identifier"
    if ours.lstrip("0") == theirs.lstrip("0"):
        return 0.6, "leading zeros"
    if min(len(ours), len(theirs)) >= 4 and one_slip(ours, theirs):
        return 0.5, "one digit"
    return 0.0, ""


def _cx(named: Identity) -> str:
    return f"{named.patient_id}^^^{named.issuer}" if named.issuer else named.patient_id


def birth_date(seen: str, expected: str) -> Agreement:
    """Compare birth dates (DA, or the older form with dots); less of a date agrees with more of it."""
    ours, theirs = (re.sub(r"[.\-/ ]", "", text) for text in (seen, expected))
    if not ours or not theirs or ours in NO_BIRTH_DATES or theirs in NO_BIRTH_DATES:
        return None, ""
    if ours == theirs:
        return 1.0, ""
    shorter, longer = sorted((ours, theirs), key=len)
    if len(shorter) in (4, 6) and longer.startswith(shorter):
        return 0.9, "less precise"
    if len(ours) != 8 or len(theirs) != 8:
        return 0.0, ""
    if ours[:4] + ours[6:] + ours[4:6] == theirs:
        return 0.85, "day and month swapped"
    if one_off(ours, theirs):
        return 0.8, "one digit"
    if swapped(ours, theirs):
        return 0.8, "digits swapped"
    return 0.0, ""


def sex(seen: str, expected: str) -> Agreement:
    """Compare sexes; `O` contradicts neither."""
    ours, theirs = (text.strip().upper()[:1] for text in (seen, expected))
    if ours not in {"M", "F", "O"} or theirs not in {"M", "F", "O"}:
        return None, ""
    if ours == theirs:
        return 1.0, ""
    return (0.5, "other") if "O" in (ours, theirs) else (0.0, "")
