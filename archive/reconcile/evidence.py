"""What speaks for and against a candidate, field by field: pure comparisons of facts and a candidate.

What a side leaves empty speaks neither for nor against: its finding has no agreement and no weight.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from archive.reconcile import name_agreement
from archive.reconcile.candidates import Candidate, Person
from archive.reconcile.reconcile_policy import Concordance, Policy
from archive.reconcile.study_evidence import Identity, StudyEvidence
from archive.reconcile.typos import one_off, one_slip, swapped

Likeness = tuple[float | None, str]
"""Agreement from 0 to 1, None where one side says nothing, and the normaliser that it takes."""

OTHER_UID_WEIGHT: Final = 0.05
"""A modality that makes its own Study Instance UID says little; one that takes the planned one says all."""
NO_BIRTH_DATES: Final = frozenset({"19000101", "18000101", "11111111", "99991231", "00000000"})
_SIMILAR_MODALITIES: Final = (
    frozenset({"CR", "DX", "RG", "XR", "DR"}),
    frozenset({"PT", "PET", "CT", "NM"}),
    frozenset({"XA", "RF", "DSA"}),
    frozenset({"MR", "MRI"}),
    frozenset({"US", "IVUS"}),
    frozenset({"MG", "DX"}),
)
_LEFT: Final = re.compile(r"\b(left|links|linke[rsn]?|gauche|lt)\b", re.IGNORECASE)
_RIGHT: Final = re.compile(r"\b(right|rechts|rechte[rsn]?|droite?|rt)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Finding:
    """What was seen in the images, what the schedule expected, how far they agree, and what that comes to."""

    field: str
    seen: str
    expected: str
    normaliser: str
    agreement: float | None
    concordance: Concordance
    weight: float

    @property
    def agrees(self) -> bool:
        """Whether it speaks for the candidate."""
        return self.concordance is Concordance.AGREES

    @property
    def contradicts(self) -> bool:
        """Whether it speaks against the candidate."""
        return self.concordance is Concordance.CONTRADICTS


def findings(facts: StudyEvidence, candidate: Candidate, policy: Policy) -> tuple[Finding, ...]:
    """All findings on a candidate, identity first."""
    found = identity(facts.identities, candidate.patient, policy)
    for name, compare in _ORDER_FIELDS.items():
        finding = _finding(name, *compare(facts, candidate), policy)
        if name == "study_instance_uid" and finding.agreement == 0:
            finding = replace(finding, weight=finding.weight * OTHER_UID_WEIGHT)
        found.append(finding)
    return tuple(found)


# Identity


def identity(seen: Sequence[Identity], person: Person, policy: Policy) -> list[Finding]:
    """Compare the identities of a study with a person: of several, that which agrees least."""
    compared = [_identity(one, person, policy) for one in seen]
    return min(compared, key=lambda found: _agreement_of(found, policy))


def _identity(seen: Identity, person: Person, policy: Policy) -> list[Finding]:
    """Compare with the record that shows, or with that of the same person that agrees best."""
    if not person.records:
        nobody = [("patient_id", seen.patient_id), ("patient_name", seen.name)]
        nobody += [("birth_date", seen.birth_date), ("sex", seen.sex)]
        return [_finding(name, text, "", (None, ""), policy) for name, text in nobody]
    number = _finding("patient_id", _cx(seen), *patient_id(seen, person, policy), policy)
    options = [_demographics(seen, record, policy) for record in person.records]
    best = max(options, key=lambda found: _agreement_of(found, policy))
    if best is not options[0] and _agreement_of(best, policy) > _agreement_of(options[0], policy):
        best = [_of_merged(finding) for finding in best]
    else:
        best = options[0]
    return [number, *best]


def _demographics(seen: Identity, record: Identity, policy: Policy) -> list[Finding]:
    return [
        _finding(
            "patient_name", seen.name, record.name, name_agreement.compare(seen.name, record.name), policy
        ),
        _finding(
            "birth_date",
            seen.birth_date,
            record.birth_date,
            birth_date(seen.birth_date, record.birth_date),
            policy,
        ),
        _finding("sex", seen.sex, record.sex, sex(seen.sex, record.sex), policy),
    ]


def _of_merged(finding: Finding) -> Finding:
    exact = finding.agreement == 1 and not finding.normaliser
    return replace(finding, normaliser="merged record") if exact else finding


def _finding(name: str, seen: str, expected: str, likeness: Likeness, policy: Policy) -> Finding:
    agreement, normaliser = likeness
    weight = policy.weights[name] if agreement is not None else 0.0
    return Finding(name, seen, expected, normaliser, agreement, policy.concordance(agreement), weight)


def _agreement_of(found: Iterable[Finding], policy: Policy) -> float:
    return sum(f.weight * (2 * f.agreement - 1) for f in found if f.agreement is not None)


def patient_id(seen: Identity, person: Person, policy: Policy) -> tuple[str, Likeness]:
    """Compare a patient ID with all identifiers of a person; return the nearest with how it agrees.

    Case and leading zeros name other people, and so does another issuer.
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


def _one_id(seen: Identity, record: Identity, person: Person, policy: Policy) -> Likeness:
    ours, theirs = seen.patient_id, record.patient_id
    if ours == theirs:
        if not seen.issuer or not record.issuer:
            return 1.0, "no issuer"
        issuer = policy.issuer_aliases.get(seen.issuer, seen.issuer)
        known = {record.issuer, dict(person.universal_issuers).get(record.issuer, record.issuer)}
        return (1.0, "") if issuer in known else (0.0, "other issuer")
    if ours.casefold() == theirs.casefold():
        return 0.6, "case of an identifier"
    if ours.lstrip("0") == theirs.lstrip("0"):
        return 0.6, "leading zeros"
    if len(ours) >= 5 and (one_off(ours, theirs) or swapped(ours, theirs)):
        return 0.3, "one digit"
    return 0.0, ""


def _cx(named: Identity) -> str:
    return f"{named.patient_id}^^^{named.issuer}" if named.issuer else named.patient_id


def birth_date(seen: str, expected: str) -> Likeness:
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


def sex(seen: str, expected: str) -> Likeness:
    """Compare sexes; `O` contradicts neither."""
    ours, theirs = (text.strip().upper()[:1] for text in (seen, expected))
    if ours not in {"M", "F", "O"} or theirs not in {"M", "F", "O"}:
        return None, ""
    if ours == theirs:
        return 1.0, ""
    return (0.5, "other") if "O" in (ours, theirs) else (0.0, "")


# Order

Compared = tuple[str, str, Likeness]


def accession(seen: str, expected: str) -> Likeness:
    """Compare accession numbers."""
    ours, theirs = seen.strip(), expected.strip()
    if not ours or not theirs:
        return None, ""
    if ours == theirs:
        return 1.0, ""
    if ours.casefold() == theirs.casefold():
        return 1.0, "case"
    ours, theirs = ("".join(c for c in text.casefold() if c.isalnum()) for text in (ours, theirs))
    if ours == theirs:
        return 0.98, "punctuation"
    if ours.lstrip("0") == theirs.lstrip("0"):
        return 0.95, "leading zeros"
    if _has_prefix(ours, theirs) or _has_prefix(theirs, ours):
        return 0.9, "prefix"
    if swapped(ours, theirs):
        return 0.6, "digits swapped"
    if one_off(ours, theirs):
        return 0.6, "one digit"
    if min(len(ours), len(theirs)) >= 5 and one_slip(ours, theirs):
        return 0.5, "digit missing"
    return 0.0, ""


def _has_prefix(long: str, short: str) -> bool:
    """Whether `long` is letters, with or without zeros, before all of `short`."""
    body = short.lstrip("0")
    return len(body) >= 4 and long.endswith(body) and bool(re.fullmatch(r"[a-z]{1,5}0*", long[: -len(body)]))


def _accession(facts: StudyEvidence, candidate: Candidate) -> Compared:
    pairs = [(text, facts.accession_issuer) for text in facts.accession_numbers]
    pairs += [
        (item.accession_number, item.accession_issuer) for item in facts.requests if item.accession_number
    ]
    expected = candidate.accession_number
    options = [(text, of_issuer(accession(text, expected), issuer, candidate)) for text, issuer in pairs]
    seen, likeness = max(options, key=lambda option: option[1][0] or 0, default=("", (None, "")))
    return seen, expected, likeness


def of_issuer(likeness: Likeness, issuer: str, candidate: Candidate) -> Likeness:
    """The same accession number of another issuer is another's."""
    other = issuer and candidate.accession_issuer and issuer != candidate.accession_issuer
    return (0.0, "other issuer") if other and likeness[0] else likeness


def _study_uid(facts: StudyEvidence, candidate: Candidate) -> Compared:
    seen, expected = facts.study_instance_uid, candidate.study_instance_uid
    asked = {item.study_instance_uid for item in facts.requests}
    if not expected:
        return seen, expected, (None, "")
    if expected != seen and expected in asked:
        return expected, expected, (1.0, "request")
    return seen, expected, (float(seen == expected), "")


def _request(facts: StudyEvidence, candidate: Candidate) -> Compared:
    theirs = (candidate.requested_procedure_id, candidate.scheduled_procedure_step_id)
    options: list[tuple[str, float]] = []
    for item in facts.requests:
        ours = (item.requested_procedure_id, item.scheduled_procedure_step_id)
        told = [(a, b) for a, b in zip(ours, theirs, strict=True) if a and b]
        if told:
            options.append(("/".join(ours), sum(a == b for a, b in told) / len(told)))
    seen, agreement = max(options, key=lambda option: option[1], default=("", None))
    return seen, "/".join(theirs), (agreement, "")


def _modality(facts: StudyEvidence, candidate: Candidate) -> Compared:
    seen, expected = facts.modalities, candidate.modality
    return "\\".join(seen), expected, modality(seen, expected)


def modality(seen: Sequence[str], expected: str) -> Likeness:
    """Compare a study's modalities with that of a step."""
    if not seen or not expected:
        return None, ""
    if expected in seen:
        return 1.0, ""
    similar = any(expected in group and group & set(seen) for group in _SIMILAR_MODALITIES)
    return (0.9, "similar modality") if similar else (0.0, "")


def _time(facts: StudyEvidence, candidate: Candidate) -> Compared:
    seen = facts.acquired_at or facts.received_at
    if not seen or not candidate.due:
        return seen, candidate.due, (None, "")
    hours = hours_apart(facts, candidate)
    agreement = max(0.0, 1 - hours / 24) if hours > 1 else 1.0
    return seen, candidate.due, (round(agreement, 3), f"{hours:.1f} h apart")


def hours_apart(facts: StudyEvidence, candidate: Candidate) -> float:
    """The hours between when a step was due and when the images were made, or came: the nearer counts."""
    due = datetime.fromisoformat(candidate.due)
    moments = [datetime.fromisoformat(text) for text in (facts.acquired_at, facts.received_at) if text]
    return min((abs((at - due).total_seconds()) / 3600 for at in moments), default=24 * 365.0)


def _laterality(facts: StudyEvidence, candidate: Candidate) -> Compared:
    described = sides(" ".join([facts.description, *facts.series_descriptions]))
    seen = {text.upper()[:1] for text in facts.lateralities} & {"L", "R", "B"} or described
    expected = {candidate.laterality} - {"", "U"} or sides(candidate.description)
    return "".join(sorted(seen)), "".join(sorted(expected)), laterality(seen, expected)


def laterality(seen: set[str], expected: set[str]) -> Likeness:
    """Compare sides; both sides are L and R."""
    ours, theirs = ({"L", "R"} if "B" in side else side for side in (seen, expected))
    if not ours or not theirs:
        return None, ""
    if ours == theirs:
        return 1.0, ""
    return (0.6, "one of both sides") if ours & theirs else (0.0, "")


def sides(description: str) -> set[str]:
    """The sides that a description names."""
    words = description.replace("_", " ")
    return {side for side, pattern in (("L", _LEFT), ("R", _RIGHT)) if pattern.search(words)}


def _body_part(facts: StudyEvidence, candidate: Candidate) -> Compared:
    expected = candidate.body_part.upper()
    said = " ".join([facts.description, *facts.series_descriptions]).upper()
    shown = "\\".join(facts.body_parts)
    if not expected or not (facts.body_parts or said.strip()):
        return shown, expected, (None, "")
    if any(expected in part.upper() or (part and part.upper() in expected) for part in facts.body_parts):
        return shown, expected, (1.0, "")
    if expected in said:
        return shown, expected, (0.9, "description")
    return shown, expected, (0.2, "") if facts.body_parts else (None, "")


def _procedure(facts: StudyEvidence, candidate: Candidate) -> Compared:
    ours, theirs = (
        set(name_agreement.skeleton(text).split()) for text in (facts.description, candidate.description)
    )
    expected = f"{candidate.code} {candidate.description}".strip()
    if not ours or not theirs:
        return facts.description, expected, (None, "")
    return (
        facts.description,
        expected,
        (round(0.5 + 0.5 * len(ours & theirs) / len(ours | theirs), 3), "words"),
    )


def _station(facts: StudyEvidence, candidate: Candidate) -> Compared:
    seen = {*facts.station_ae_titles, *facts.station_names}
    expected = {*candidate.station_ae_titles, candidate.station_name} - {""}
    shown = "\\".join(sorted(seen)), "\\".join(sorted(expected))
    if not seen or not expected:
        return *shown, (None, "")
    return *shown, (1.0, "") if seen & expected else (0.3, "")


def _physician(facts: StudyEvidence, candidate: Candidate) -> Compared:
    expected = candidate.performing_physician
    options = [(text, name_agreement.compare(text, expected)) for text in facts.performing_physicians]
    seen, (agreement, normaliser) = max(
        options, key=lambda option: option[1][0] or 0, default=("", (None, ""))
    )
    return seen, expected, (None if agreement is None else max(agreement, 0.3), normaliser)


def _status(facts: StudyEvidence, candidate: Candidate) -> Compared:
    """An order that was cancelled before the images came; a later cancel doesn't make them another's."""
    before = bool(candidate.cancelled_at) and candidate.cancelled_at < (
        facts.acquired_at or facts.received_at
    )
    return "images", candidate.status, (0.0, "cancelled before") if before else (None, "")


_ORDER_FIELDS: Final[dict[str, Callable[[StudyEvidence, Candidate], Compared]]] = {
    "accession_number": _accession,
    "study_instance_uid": _study_uid,
    "request": _request,
    "modality": _modality,
    "laterality": _laterality,
    "body_part": _body_part,
    "procedure": _procedure,
    "station": _station,
    "time": _time,
    "performing_physician": _physician,
    "order_status": _status,
}


def as_json(found: Iterable[Finding]) -> list[dict[str, Any]]:
    """Findings as they are stored."""
    return [vars(finding) for finding in found]
