"""The verdict: a pure function of a study's facts, the candidates and the policy.

An order is *named* by an accession number, a planned Study Instance UID, or the IDs of a request. Each of
these is a claim; all claims and the identity have to point to the same patient.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from archive.models import Outcome
from archive.reconcile import evidence, identity_match
from archive.reconcile.candidates import Candidate, Person
from archive.reconcile.evidence import Finding
from archive.reconcile.identity_match import PLAUSIBLE, SURE, IdentityMatch
from archive.reconcile.reconcile_policy import PLAIN, Policy
from archive.reconcile.study_evidence import Request, StudyEvidence
from worklist.models import StepStatus

_OPEN: Final = frozenset({StepStatus.SCHEDULED, StepStatus.ARRIVED, StepStatus.HELD, StepStatus.STARTED})
_NEVER_DONE: Final = frozenset({StepStatus.CANCELLED, StepStatus.NO_SHOW})
_NAMES_FROM: Final = 0.95
"""The agreement from which an accession number names an order by itself."""
_NEAR_FROM: Final = 0.5
_FORGIVEN: Final = ("patient_id", "patient_name", "birth_date", "accession_number")


@dataclass(frozen=True)
class Scored:
    """A candidate with what speaks for and against it."""

    candidate: Candidate
    findings: tuple[Finding, ...]
    score: float
    standing: IdentityMatch
    by_field: dict[str, Finding] = field(compare=False, repr=False)


@dataclass(frozen=True)
class Judgement:
    """A verdict: outcome and reason, the candidates best first, those chosen, the best one's findings."""

    outcome: Outcome
    reason: str
    ranked: tuple[Scored, ...] = ()
    chosen: tuple[Candidate, ...] = ()
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class _Ruling:
    outcome: Outcome
    reason: str
    first: tuple[Scored, ...] = ()
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class _Claim:
    """Something in the headers that may name an order, and the candidates that it names."""

    kind: str
    text: str
    named: tuple[Scored, ...]
    item: Request | None = None

    @property
    def fitting(self) -> tuple[Scored, ...]:
        return tuple(one for one in self.named if one.standing != IdentityMatch.CONTRADICTS)


def decide(facts: StudyEvidence, candidates: Iterable[Candidate], policy: Policy) -> Judgement:
    """Judge a study. The order of the candidates does not matter."""
    if not facts.quiet_at:
        return Judgement(Outcome.PENDING, "images may still come")
    scored = [score(facts, candidate, policy) for candidate in candidates]
    scored.sort(key=lambda one: (-one.score, evidence.hours_apart(facts, one.candidate), one.candidate.id))
    ruling = _rule(facts, scored, policy)
    first = {one.candidate.id for one in ruling.first}
    ranked = sorted(scored, key=lambda one: one.candidate.id not in first)
    shown = [one for one in ranked if one.candidate.id in first or one.score >= policy.shown_from]
    best = ruling.findings or (shown[0].findings if shown else ())
    links = ruling.outcome in (Outcome.MATCHED, Outcome.CORRECTED)
    return Judgement(
        outcome=ruling.outcome,
        reason=ruling.reason,
        ranked=tuple(shown[: max(policy.most_shown, len(first))]),
        chosen=tuple(one.candidate for one in ruling.first) if links else (),
        findings=best,
    )


def score(facts: StudyEvidence, candidate: Candidate, policy: Policy) -> Scored:
    """Weigh a candidate: the agreement less the contradiction, of all that was seen; never below 0."""
    found = evidence.findings(facts, candidate, policy)
    by_field = {finding.field: finding for finding in found}
    net = sum(f.weight * (2 * f.agreement - 1) for f in found if f.agreement is not None)
    whole = sum(_full_weight(f, policy) for f in found)
    value = round(max(0.0, net / whole), 4) if whole else 0.0
    return Scored(candidate, found, value, identity_match.of(by_field, policy), by_field)


def _full_weight(finding: Finding, policy: Policy) -> float:
    if finding.agreement is not None:
        return finding.weight
    return policy.weights[finding.field] if finding.seen and finding.field != "order_status" else 0.0


def _rule(facts: StudyEvidence, scored: Sequence[Scored], policy: Policy) -> _Ruling:
    if divided := _divided(facts, scored, policy):
        return _Ruling(Outcome.MISMATCH, "the study holds images of two patients", findings=divided)
    claims = _claims(facts, scored, policy)
    named = [claim for claim in claims if claim.named]
    if not named:
        return _unnamed(facts, scored, policy)
    for claim in named:
        if not claim.fitting:
            reason = f"{claim.kind} {claim.text} names an order of another patient"
            return _Ruling(Outcome.MISMATCH, reason, claim.named)
    people = [{one.candidate.patient.id for one in claim.fitting} - {""} for claim in named]
    known = [persons for persons in people if persons]
    if known and not set.intersection(*known):
        first = tuple(dict.fromkeys(one.candidate.id for claim in named for one in claim.fitting))
        return _Ruling(
            Outcome.MISMATCH, "the headers name orders of different patients", _these(scored, first)
        )
    chosen, doubt = _choose(facts, claims, scored, policy)
    if doubt:
        return _Ruling(Outcome.AMBIGUOUS, doubt, chosen)
    unresolved = [claim for claim in claims if not claim.named]
    return _weigh(facts, chosen, unresolved, policy)


def _divided(facts: StudyEvidence, scored: Sequence[Scored], policy: Policy) -> tuple[Finding, ...]:
    """The findings on two identities within the study that are not one person's."""
    people = {one.candidate.patient.id: one.candidate.patient for one in scored if one.candidate.patient.id}
    for other in facts.identities[1:]:
        found = evidence.identity([other], Person(records=(facts.identity,)), policy)
        if identity_match.of({f.field: f for f in found}, policy) != IdentityMatch.CONTRADICTS:
            continue
        if not any(_is_all(person, facts, policy) for person in people.values()):
            return tuple(found)
    return ()


def _is_all(person: Person, facts: StudyEvidence, policy: Policy) -> bool:
    """Whether all identities in the study are a person's."""
    for seen in facts.identities:
        found = evidence.identity([seen], person, policy)
        if identity_match.of({f.field: f for f in found}, policy) not in SURE:
            return False
    return True


# Claims


def _claims(facts: StudyEvidence, scored: Sequence[Scored], policy: Policy) -> list[_Claim]:
    claims = [
        _Claim("accession number", text, _by_accession(text, facts.accession_issuer, scored))
        for text in facts.accession_numbers
    ]
    planned = _by_uid(facts.study_instance_uid, scored)
    if planned:
        claims.append(_Claim("Study Instance UID", facts.study_instance_uid, planned))
    for item in facts.requests:
        claims += _of_item(item, scored, policy)
    return claims


def _of_item(item: Request, scored: Sequence[Scored], policy: Policy) -> list[_Claim]:
    """The claims of one request; those of a request that name nothing count as one."""
    text = "/".join(filter(None, (item.requested_procedure_id, item.scheduled_procedure_step_id)))
    numbered = _by_accession(item.accession_number, item.accession_issuer, scored)
    options = [
        ("request", text, _by_ids(item, scored, policy)),
        ("request with accession number", item.accession_number, numbered),
        (
            "request with Study Instance UID",
            item.study_instance_uid,
            _by_uid(item.study_instance_uid, scored),
        ),
    ]
    found = [_Claim(kind, said, named, item) for kind, said, named in options if named]
    said = text or item.accession_number
    return found or ([_Claim("request", said, (), item)] if said else [])


def _by_accession(text: str, issuer: str, scored: Sequence[Scored]) -> tuple[Scored, ...]:
    """The candidates that an accession number names: exactly, else but for zeros, case and prefix."""
    graded: dict[float, list[Scored]] = {}
    for one in scored:
        expected = one.candidate.accession_number
        agreement, normaliser = evidence.of_issuer(evidence.accession(text, expected), issuer, one.candidate)
        names = agreement is not None and (
            agreement >= _NAMES_FROM or (normaliser == "prefix" and one.standing != IdentityMatch.CONTRADICTS)
        )
        if names and agreement is not None:
            graded.setdefault(agreement, []).append(one)
    return tuple(graded[max(graded)]) if graded else ()


def _by_uid(uid: str, scored: Sequence[Scored]) -> tuple[Scored, ...]:
    return tuple(one for one in scored if uid and one.candidate.study_instance_uid == uid)


def _by_ids(item: Request, scored: Sequence[Scored], policy: Policy) -> tuple[Scored, ...]:
    """The candidates that the IDs of procedure and step name: both of them, else the procedure's."""
    both: list[Scored] = []
    one_of_two: list[Scored] = []
    for one in scored:
        procedure = item.requested_procedure_id == one.candidate.requested_procedure_id
        step = item.scheduled_procedure_step_id == one.candidate.scheduled_procedure_step_id
        if item.requested_procedure_id and not procedure:
            continue
        told = item.requested_procedure_id or (item.scheduled_procedure_step_id if step else "")
        if not told or (len(told) < policy.shortest_naming_id and one.standing not in PLAUSIBLE):
            continue
        (both if procedure and step and item.scheduled_procedure_step_id else one_of_two).append(one)
    return tuple(both or one_of_two)


# Choosing among what is named


def _choose(
    facts: StudyEvidence, claims: Sequence[_Claim], scored: Sequence[Scored], policy: Policy
) -> tuple[tuple[Scored, ...], str]:
    """The candidates that the claims come to, and what is in doubt, if anything."""
    by_item, doubt = _of_items(claims)
    by_accession = _fitting_ids(claim for claim in claims if claim.kind == "accession number")
    by_uid = _fitting_ids(claim for claim in claims if claim.kind == "Study Instance UID")
    chosen = by_item or by_accession or by_uid
    if doubt:
        return _these(scored, chosen), doubt
    for others in (by_accession, by_uid):
        if others and not set(others) & set(chosen):
            return _these(scored, [*chosen, *others]), "the headers name different orders of the patient"
    if not by_item and set(by_uid) & set(chosen):
        chosen = [key for key in chosen if key in by_uid]
    picked = _these(scored, chosen)
    if len({one.candidate.patient.id for one in picked}) > 1 or _is_shared(claims, picked):
        return picked, "several patients have an order of this number"
    return (picked, "") if by_item else _narrow(facts, picked)


def _of_items(claims: Sequence[_Claim]) -> tuple[list[str], str]:
    """The candidates of all requests; of each, those that all of its claims name."""
    chosen: dict[str, None] = {}
    for item in dict.fromkeys(claim.item for claim in claims if claim.item is not None):
        sets = [_fitting_ids([claim]) for claim in claims if claim.item == item and claim.named]
        if not sets:
            continue
        common = [key for key in sets[0] if all(key in other for other in sets[1:])]
        if not common:
            everything = dict.fromkeys(key for one in sets for key in one)
            return list(chosen | everything), "a request names different orders of the patient"
        chosen |= dict.fromkeys(common)
    return list(chosen), ""


def _is_shared(claims: Sequence[_Claim], picked: Sequence[Scored]) -> bool:
    """Whether all that names the picked ones also names another patient's order."""
    keys = {one.candidate.id for one in picked}
    naming = [claim for claim in claims if keys & {one.candidate.id for one in claim.named}]
    return all(len({one.candidate.patient.id for one in claim.named} - {""}) > 1 for claim in naming)


def _narrow(facts: StudyEvidence, picked: tuple[Scored, ...]) -> tuple[tuple[Scored, ...], str]:
    """Of several procedures under one number, those that modality, side and body part leave."""
    if len({one.candidate.procedure for one in picked}) < 2:
        return picked, ""
    if len({one.candidate.study_instance_uid for one in picked}) > 1 and not facts.modalities:
        return picked, "several procedures have this number and the modality is unknown"
    left = [one for one in picked if one.by_field["modality"].agrees] or list(picked)
    left = [one for one in left if not one.by_field["laterality"].contradicts] or left
    there = [one for one in left if one.by_field["body_part"].agrees]
    return tuple(there or left), ""


def _fitting_ids(claims: Iterable[_Claim]) -> list[str]:
    return list(dict.fromkeys(one.candidate.id for claim in claims for one in claim.fitting))


def _these(scored: Iterable[Scored], keys: Iterable[str]) -> tuple[Scored, ...]:
    wanted = set(keys)
    return tuple(one for one in scored if one.candidate.id in wanted)


# Weighing


def _weigh(
    facts: StudyEvidence, chosen: tuple[Scored, ...], unresolved: Sequence[_Claim], policy: Policy
) -> _Ruling:
    """The outcome for orders that are named and whose patient isn't contradicted."""
    if doubt := _doubt(chosen, unresolved, policy):
        return _Ruling(Outcome.PROBABLE, doubt, chosen)
    used = {finding.normaliser for one in chosen for finding in _normalised(one)}
    if late := _late(facts, chosen):
        return _Ruling(Outcome.LATE_ORDER, f"order {late} came after the study was quiet", chosen)
    if used:
        return _Ruling(Outcome.CORRECTED, "agrees but for " + ", ".join(sorted(used)), chosen)
    return _Ruling(Outcome.MATCHED, "identity and order agree", chosen)


def _doubt(chosen: Sequence[Scored], unresolved: Sequence[_Claim], policy: Policy) -> str:
    """Why a person has to look at orders that fit."""
    if unresolved:
        return f"{unresolved[0].kind} {unresolved[0].text} names no order here"
    for one in chosen:
        if one.standing not in SURE:
            return f"the patient is {one.standing.value}"
        for name in ("modality", "laterality", "order_status"):
            if one.by_field[name].contradicts:
                return f"{name.replace('_', ' ')} contradicts the order"
        # All that is forgiven has to be allowed, together: a slip in the name and one in the number are two.
        if identity_match.normalised(_normalised(one), policy) not in SURE:
            return "agrees only by more than what the policy allows"
    return ""


def _normalised(one: Scored) -> list[Finding]:
    """The findings by which a candidate agrees, but only after a normalisation."""
    findings = (one.by_field[name] for name in _FORGIVEN)
    return [f for f in findings if f.agrees and f.normaliser not in PLAIN]


def _late(facts: StudyEvidence, chosen: Iterable[Scored]) -> str:
    """The number of an order whose content was first received after the study was quiet."""
    late = [one.candidate for one in chosen if one.candidate.content_received_at > facts.quiet_at]
    return late[0].accession_number or late[0].requested_procedure_id if late else ""


# No order is named


def _unnamed(facts: StudyEvidence, scored: Sequence[Scored], policy: Policy) -> _Ruling:
    """The outcome where no header names an order: is there one open step that can be meant?"""
    plausible = [one for one in scored if _can_be_meant(facts, one, policy)]
    open_ones = [one for one in plausible if one.candidate.status in _OPEN]
    plausible = open_ones or plausible
    near = [one for one in plausible if (one.by_field["accession_number"].agreement or 0) >= _NEAR_FROM]
    plausible = near or plausible
    if not plausible:
        return _nobody(scored)
    best = tuple(one for one in plausible if _go_together(one, plausible[0]))
    others = [one for one in plausible if one not in best]
    if others and plausible[0].score - others[0].score < policy.clear_lead:
        return _Ruling(Outcome.AMBIGUOUS, "several open steps of the patient can be meant", tuple(plausible))
    if best[0].standing in SURE and _late(facts, best):
        return _Ruling(Outcome.LATE_ORDER, "an order came after the study was quiet", best)
    return _Ruling(Outcome.PROBABLE, "one step of the patient can be meant", best)


def _can_be_meant(facts: StudyEvidence, one: Scored, policy: Policy) -> bool:
    return (
        one.standing in PLAUSIBLE
        and one.by_field["modality"].agrees
        and not one.by_field["laterality"].contradicts
        and one.candidate.status not in _NEVER_DONE
        and evidence.hours_apart(facts, one.candidate) <= policy.window_hours
    )


def _go_together(one: Scored, other: Scored) -> bool:
    """Whether two steps would be one study: of one procedure, or planned under one Study Instance UID."""
    return one.candidate.study_instance_uid == other.candidate.study_instance_uid


def _nobody(scored: Sequence[Scored]) -> _Ruling:
    identified = [one for one in scored if one.by_field["patient_id"].agrees]
    for one in identified:
        if all(other.standing == IdentityMatch.CONTRADICTS for other in identified):
            return _Ruling(Outcome.MISMATCH, "the patient ID is that of another patient", (one,))
    return _Ruling(Outcome.UNSCHEDULED, "no order fits")


def as_json(judgement: Judgement) -> list[dict[str, Any]]:
    """The ranked candidates as a verdict keeps them."""
    chosen = {candidate.id for candidate in judgement.chosen}
    return [_as_json(one, one.candidate.id in chosen) for one in judgement.ranked]


def _as_json(one: Scored, chosen: bool) -> dict[str, Any]:
    candidate = one.candidate
    shown = candidate.patient.records[0] if candidate.patient.records else None
    return {
        "scheduled_procedure_step_id": candidate.scheduled_procedure_step_id,
        "accession_number": candidate.accession_number,
        "patient": {
            "id": candidate.patient.id,
            "record": candidate.patient.record,
            "name": shown.name if shown else "",
            "birth_date": shown.birth_date if shown else "",
            "sex": shown.sex if shown else "",
            "identifiers": [
                {"value": record.patient_id, "authority": record.issuer}
                for record in candidate.patient.records
            ],
        },
        "score": one.score,
        "chosen": chosen,
        "identity": one.standing.name.lower(),
        "step": candidate.id,
        "procedure": candidate.procedure,
        "order": candidate.order,
        "requested_procedure_id": candidate.requested_procedure_id,
        "study_instance_uid": candidate.study_instance_uid,
        "description": candidate.description,
        "modality": candidate.modality,
        "station_ae_titles": list(candidate.station_ae_titles),
        "due": candidate.due,
        "status": candidate.status,
        "findings": evidence.as_json(one.findings),
    }
