"""Whether the images are of a candidate's order: what else headers say, field by field."""

import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from archive.reconcile import name_agreement
from archive.reconcile.candidates import Candidate
from archive.reconcile.finding import Agreement
from archive.reconcile.reconcile_policy import Policy
from archive.reconcile.study_evidence import StudyEvidence
from archive.reconcile.typos import one_off, one_slip, swapped

_PAIRED: Final = (
    "knee|hip|shoulder|elbow|wrist|hand|foot|ankle|heel|finger|thumb|toe|leg|arm|forearm|thigh|calf|femur"
    "|tibia|fibula|patella|humerus|radius|ulna|scaphoid|clavicle|scapula|calcaneus|breast|kidney|lung|ear"
    "|eye|orbit|axilla|knie|hüfte|schulter|ellenbogen|handgelenk|fuss|fuß|sprunggelenk|mamma|niere"
    "|genou|hanche|épaule|coude|poignet|main|pied|cheville|sein|rein"
)
"""Parts of the body that there are two of. A bare letter is a side only beside one: `L spine` is lumbar."""


def _side(words: str, letter: str, lobes: str) -> re.Pattern[str]:
    """What names a side: a word, its letter in brackets or beside a paired part, a lobe of the lung."""
    beside = rf"\b{letter}\.?[ -](?i:{_PAIRED})\b|\b(?i:{_PAIRED})[ ,-]{letter}\b(?![.]?[-\d])"
    return re.compile(rf"\b(?i:{words})\b|\({letter}\)|{beside}|\b(?:{lobes})\b")


_LEFT: Final = _side("left|links|linke[rsn]?|gauche|lt", "L", "LUL|LLL")
_RIGHT: Final = _side("right|rechts|rechte[rsn]?|droite?|rt", "R", "RUL|RML|RLL")

NO_WORD_IN_COMMON: Final = 0.5
"""The agreement of two descriptions that share no word."""

Compared = tuple[str, str, Agreement]


def accession(seen: str, expected: str) -> Agreement:
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


def _accession(study: StudyEvidence, candidate: Candidate, policy: Policy) -> Compared:
    pairs = [(text, study.accession_issuer) for text in study.accession_numbers]
    pairs += [
        (item.accession_number, item.accession_issuer) for item in study.requests if item.accession_number
    ]
    expected = candidate.accession_number
    options = [(text, of_issuer(accession(text, expected), issuer, candidate)) for text, issuer in pairs]
    seen, compared = max(options, key=lambda option: option[1][0] or 0, default=("", (None, "")))
    return seen, expected, compared


def of_issuer(compared: Agreement, issuer: str, candidate: Candidate) -> Agreement:
    """The same accession number of another issuer is another's."""
    other = issuer and candidate.accession_issuer and issuer != candidate.accession_issuer
    return (0.0, "other issuer") if other and compared[0] else compared


def _study_uid(study: StudyEvidence, candidate: Candidate, policy: Policy) -> Compared:
    seen, expected = study.study_instance_uid, candidate.study_instance_uid
    asked = {item.study_instance_uid for item in study.requests}
    if not expected:
        return seen, expected, (None, "")
    if expected != seen and expected in asked:
        return expected, expected, (1.0, "request")
    return seen, expected, (float(seen == expected), "")


def _request(study: StudyEvidence, candidate: Candidate, policy: Policy) -> Compared:
    theirs = (candidate.requested_procedure_id, candidate.scheduled_procedure_step_id)
    options: list[tuple[str, float]] = []
    for item in study.requests:
        ours = (item.requested_procedure_id, item.scheduled_procedure_step_id)
        given = [(a, b) for a, b in zip(ours, theirs, strict=True) if a and b]
        if given:
            options.append(("/".join(ours), sum(a == b for a, b in given) / len(given)))
    seen, agreement = max(options, key=lambda option: option[1], default=("", None))
    return seen, "/".join(theirs), (agreement, "")


def _modality(study: StudyEvidence, candidate: Candidate, policy: Policy) -> Compared:
    seen, expected = study.modalities, candidate.modality
    return "\\".join(seen), expected, modality(seen, expected, policy)


def modality(seen: Sequence[str], expected: str, policy: Policy) -> Agreement:
    """Compare a study's modalities with that of a step."""
    if not seen or not expected:
        return None, ""
    if expected in seen:
        return 1.0, ""
    similar = any(expected in group and set(group) & set(seen) for group in policy.similar_modalities)
    return (0.9, "similar modality") if similar else (0.0, "")


def _time(study: StudyEvidence, candidate: Candidate, policy: Policy) -> Compared:
    seen = study.made_at
    if not seen or not candidate.due:
        return seen, candidate.due, (None, "")
    hours = hours_apart(study, candidate)
    agreement = max(0.0, 1 - hours / 24) if hours > 1 else 1.0
    return seen, candidate.due, (round(agreement, 3), f"{hours:.1f} h apart")


def hours_apart(study: StudyEvidence, candidate: Candidate) -> float:
    """The hours between when a step was due and when the images were made, or came: the nearer counts.

    Of what was imported only when it was made counts.
    """
    due = datetime.fromisoformat(candidate.due)
    apart = [max(begin - due, due - end, timedelta()) for begin, end in study.spans]
    return min((one.total_seconds() / 3600 for one in apart), default=24 * 365.0)


def _laterality(study: StudyEvidence, candidate: Candidate, policy: Policy) -> Compared:
    described = sides(" ".join([study.description, *study.series_descriptions]))
    seen = {text.upper()[:1] for text in study.lateralities} & {"L", "R", "B"} or described
    expected = {candidate.laterality} - {"", "U"} or sides(candidate.description)
    return "".join(sorted(seen)), "".join(sorted(expected)), laterality(seen, expected)


def laterality(seen: set[str], expected: set[str]) -> Agreement:
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


def _body_part(study: StudyEvidence, candidate: Candidate, policy: Policy) -> Compared:
    expected = candidate.body_part.upper()
    said = " ".join([study.description, *study.series_descriptions]).upper()
    shown = "\\".join(study.body_parts)
    if not expected or not (study.body_parts or said.strip()):
        return shown, expected, (None, "")
    if any(expected in part.upper() or (part and part.upper() in expected) for part in study.body_parts):
        return shown, expected, (1.0, "")
    if expected in said:
        return shown, expected, (0.9, "description")
    return shown, expected, (0.2, "") if study.body_parts else (None, "")


def _procedure(study: StudyEvidence, candidate: Candidate, policy: Policy) -> Compared:
    ours, theirs = (
        set(name_agreement.skeleton(text).split()) for text in (study.description, candidate.description)
    )
    expected = f"{candidate.code} {candidate.description}".strip()
    if not ours or not theirs:
        return study.description, expected, (None, "")
    return (
        study.description,
        expected,
        (round(NO_WORD_IN_COMMON + 0.5 * len(ours & theirs) / len(ours | theirs), 3), "words"),
    )


def _station(study: StudyEvidence, candidate: Candidate, policy: Policy) -> Compared:
    seen = {*study.station_ae_titles, *study.station_names}
    expected = {*candidate.station_ae_titles, candidate.station_name} - {""}
    shown = "\\".join(sorted(seen)), "\\".join(sorted(expected))
    if not seen or not expected:
        return *shown, (None, "")
    return *shown, (1.0, "") if seen & expected else (0.3, "")


def _physician(study: StudyEvidence, candidate: Candidate, policy: Policy) -> Compared:
    expected = candidate.performing_physician
    options = [(text, name_agreement.compare(text, expected)) for text in study.performing_physicians]
    seen, (agreement, normaliser) = max(
        options, key=lambda option: option[1][0] or 0, default=("", (None, ""))
    )
    return seen, expected, (None if agreement is None else max(agreement, 0.3), normaliser)


def _status(study: StudyEvidence, candidate: Candidate, policy: Policy) -> Compared:
    """An order that was cancelled before the images came; a later cancel doesn't make them another's."""
    before = bool(candidate.cancelled_at) and candidate.cancelled_at < study.made_at
    return "images", candidate.status, (0.0, "cancelled before") if before else (None, "")


COMPARED: Final[dict[str, Callable[[StudyEvidence, Candidate, Policy], Compared]]] = {
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
