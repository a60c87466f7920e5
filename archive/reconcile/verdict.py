"""The verdict: a pure function of a study's evidence, the candidates and the policy.

An order is *named* by an accession number, a planned Study Instance UID, or the IDs of a request. Each of
these is a claim; all claims and the identity have to point to the same patient.
"""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from archive.models import Outcome
from archive.reconcile import identity_evidence, identity_match, order_evidence, scored_candidate
from archive.reconcile.candidates import Candidate, Person
from archive.reconcile.claims import Claim, choose, claims_of, these
from archive.reconcile.finding import Finding
from archive.reconcile.identity_match import PLAUSIBLE, SURE, IdentityMatch
from archive.reconcile.order_evidence import NO_WORD_IN_COMMON
from archive.reconcile.phantom_patterns import NO_PHANTOMS, PhantomPatterns
from archive.reconcile.reconcile_policy import DEMOGRAPHICS, NEAR_FROM, PLAIN, RIVAL, Policy
from archive.reconcile.registered_people import NOBODY, RegisteredPeople
from archive.reconcile.scored_candidate import Scored
from archive.reconcile.study_evidence import StudyEvidence
from worklist.models import StepStatus

_OPEN: Final = frozenset({StepStatus.SCHEDULED, StepStatus.ARRIVED, StepStatus.HELD, StepStatus.STARTED})
_NEVER_DONE: Final = frozenset({StepStatus.CANCELLED, StepStatus.NO_SHOW})
_FORGIVEN: Final = ("patient_id", "patient_name", "birth_date", "accession_number")


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


def decide(
    study: StudyEvidence,
    candidates: Iterable[Candidate],
    policy: Policy,
    registered: RegisteredPeople = NOBODY,
    phantoms: PhantomPatterns = NO_PHANTOMS,
) -> Judgement:
    """Judge a study. The order of the candidates does not matter."""
    if not study.quiet_at:
        return Judgement(Outcome.PENDING, "images may still come")
    scored = [scored_candidate.score(study, candidate, policy, registered) for candidate in candidates]
    scored.sort(
        key=lambda one: (-one.score, order_evidence.hours_apart(study, one.candidate), one.candidate.id)
    )
    pattern = phantoms.pattern_of(study.identities)
    if pattern and all(phantoms.pattern_of(one.records) for one in _named(study, scored, registered, policy)):
        return Judgement(Outcome.PHANTOM, f"phantom or test images: {pattern}")
    ruling = _beside_rivals(study, _rule(study, scored, policy), scored, registered, policy)
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


def _rule(study: StudyEvidence, scored: Sequence[Scored], policy: Policy) -> _Ruling:
    if divided := _divided(study, scored, policy):
        return _Ruling(Outcome.MISMATCH, "the study holds images of two patients", findings=divided)
    claims = claims_of(study, scored, policy)
    named = [claim for claim in claims if claim.named]
    if not named:
        return _unnamed(study, scored, policy)
    for claim in named:
        if not claim.fitting:
            reason = f"{claim.kind} {claim.text} names an order of another patient"
            return _Ruling(Outcome.MISMATCH, reason, claim.named)
    people = [{one.candidate.patient.id for one in claim.fitting} - {""} for claim in named]
    known = [persons for persons in people if persons]
    if known and not set.intersection(*known):
        first = tuple(dict.fromkeys(one.candidate.id for claim in named for one in claim.fitting))
        return _Ruling(
            Outcome.MISMATCH, "the headers name orders of different patients", these(scored, first)
        )
    chosen, doubt = choose(study, claims, scored)
    if doubt:
        return _Ruling(Outcome.AMBIGUOUS, doubt, chosen)
    if other := _other_exam(chosen, scored):
        reason = f"the images look like {other.candidate.description or 'another exam'} of the same patient"
        return _Ruling(Outcome.PROBABLE, reason, (*chosen, other))
    if due := _due_instead(study, chosen, scored, policy):
        reason = (
            f"{due.candidate.description or 'another exam'} of the same patient is due when these were made"
        )
        return _Ruling(Outcome.PROBABLE, reason, (*chosen, due))
    unresolved = [claim for claim in claims if not claim.named]
    return _weigh(study, chosen, unresolved, policy)


def _divided(study: StudyEvidence, scored: Sequence[Scored], policy: Policy) -> tuple[Finding, ...]:
    """The findings on two identities within the study that are not one person's."""
    people = {one.candidate.patient.id: one.candidate.patient for one in scored if one.candidate.patient.id}
    for other in study.identities[1:]:
        found = identity_evidence.identity([other], Person(records=(study.identity,)), policy)
        if identity_match.of({f.field: f for f in found}, policy) != IdentityMatch.CONTRADICTS:
            continue
        if not any(_is_all(person, study, policy) for person in people.values()):
            return tuple(found)
    return ()


def _is_all(person: Person, study: StudyEvidence, policy: Policy) -> bool:
    """Whether all identities in the study are a person's."""
    for seen in study.identities:
        found = identity_evidence.identity([seen], person, policy)
        if identity_match.of({f.field: f for f in found}, policy) not in SURE:
            return False
    return True


def _named(
    study: StudyEvidence, scored: Sequence[Scored], registered: RegisteredPeople, policy: Policy
) -> list[Person]:
    """Who is registered under a number in the headers, and whose orders the headers name."""
    owners = {key for seen in study.identities for key in registered.owners(seen, policy)}
    named = [one.candidate.patient for claim in claims_of(study, scored, policy) for one in claim.named]
    return [one for one in (*registered.people, *named) if one.records and (one in named or one.id in owners)]


# Whom else it could be


def _beside_rivals(
    study: StudyEvidence,
    ruling: _Ruling,
    scored: Sequence[Scored],
    registered: RegisteredPeople,
    policy: Policy,
) -> _Ruling:
    """A slip in name or birth date is forgiven only where it fits nobody else as well."""
    if ruling.outcome not in (Outcome.MATCHED, Outcome.CORRECTED, Outcome.LATE_ORDER):
        return ruling
    due = {one.candidate.patient.id for one in scored if _is_due(study, one, policy)}
    for one in ruling.first:
        slips = [f for f in _normalised(one) if f.field in DEMOGRAPHICS]
        if slips and registered.is_cut:
            reason = "so many people of this name or birth date are registered that a slip can't be told"
            return _Ruling(Outcome.PROBABLE, reason, ruling.first)
        if slips and (rival := _rival(study, one, slips, due, registered, policy)):
            reason = f"{rival.expected} is registered and fits the images as well"
            return _Ruling(Outcome.PROBABLE, reason, ruling.first, (*one.findings, rival))
    return ruling


def _rival(
    study: StudyEvidence,
    one: Scored,
    slips: Sequence[Finding],
    due: Container[str],
    registered: RegisteredPeople,
    policy: Policy,
) -> Finding | None:
    """The finding on somebody else whose name and birth date agree no less than those of a candidate's.

    Or who agrees better where the slip is, and either is not contradicted by the rest or is `due` as well.
    """
    own = sum(one.by_field[name].contribution for name in DEMOGRAPHICS)
    for person in registered.people:
        if person.id == one.candidate.patient.id:
            continue
        found = {f.field: f for f in identity_evidence.demographics(study.identity, person, policy)}
        both = found["patient_name"].agrees and found["birth_date"].agrees
        as_well = both and sum(f.contribution for f in found.values()) >= own
        better = any((found[f.field].agreement or 0) > (f.agreement or 0) for f in slips)
        open_to_it = person.id in due or not any(f.contradicts for f in found.values())
        if not found["sex"].contradicts and (as_well or (better and open_to_it)):
            seen, shown = study.identity, person.records[0]
            return policy.finding(
                RIVAL,
                f"{seen.name} {seen.birth_date}",
                f"{shown.name} {shown.birth_date} ({shown.patient_id})",
                (0.0, ""),
            )
    return None


def _is_due(study: StudyEvidence, one: Scored, policy: Policy) -> bool:
    """Whether a step could be meant by what the images are, whoever its patient is."""
    near = order_evidence.hours_apart(study, one.candidate) <= policy.window_hours
    return near and one.candidate.status in _OPEN and one.by_field["modality"].agrees


# Weighing


def _weigh(
    study: StudyEvidence, chosen: tuple[Scored, ...], unresolved: Sequence[Claim], policy: Policy
) -> _Ruling:
    """The outcome for orders that are named and whose patient isn't contradicted."""
    if doubt := _doubt(chosen, unresolved, policy) or _other_time(study, chosen, policy):
        return _Ruling(Outcome.PROBABLE, doubt, chosen)
    used = {finding.normaliser for one in chosen for finding in _normalised(one)}
    late = _late(study, chosen)
    is_exact = not used and all(one.identity_match == IdentityMatch.SAME for one in chosen)
    if late and not (is_exact and policy.accept_late_order == "exact"):
        return _Ruling(Outcome.LATE_ORDER, f"order {late} came after the study was quiet", chosen)
    if used:
        return _Ruling(Outcome.CORRECTED, "agrees but for " + ", ".join(sorted(used)), chosen)
    return _Ruling(Outcome.MATCHED, "identity and order agree", chosen)


def _doubt(chosen: Sequence[Scored], unresolved: Sequence[Claim], policy: Policy) -> str:
    """Why a person has to look at orders that fit."""
    if unresolved:
        return f"{unresolved[0].kind} {unresolved[0].text} names no order here"
    for one in chosen:
        if one.identity_match not in SURE:
            return f"the patient is {one.identity_match.value}"
        for name in ("modality", "laterality", "order_status"):
            if one.by_field[name].contradicts:
                return f"{name.replace('_', ' ')} contradicts the order"
        # All that is forgiven has to be allowed, together: a slip in the name and one in the number are two.
        if identity_match.normalised(_normalised(one), policy) not in SURE:
            return "agrees only by more than what the policy allows"
    return ""


def _other_time(study: StudyEvidence, chosen: Iterable[Scored], policy: Policy) -> str:
    """Why imported images were not made for the orders that they name: they end no exam by themselves."""
    if not study.is_imported or not study.acquired_at:
        return ""
    hours = max(order_evidence.hours_apart(study, one.candidate) for one in chosen)
    if hours <= 24 * policy.shown_days:
        return ""
    return f"imported images were made {hours / 24:.0f} days from when the order was due"


def _other_exam(chosen: Sequence[Scored], scored: Sequence[Scored]) -> Scored | None:
    """An open step of the same patient that the images fit, where one that they name contradicts them."""
    if any(_looks_like(one) >= 0 for one in chosen):
        return None
    patients = {one.candidate.patient.id for one in chosen}
    others = [one for one in scored if one not in chosen and one.candidate.patient.id in patients]
    fitting = [
        one
        for one in others
        if one.candidate.status in _OPEN and one.by_field["modality"].agrees and _looks_like(one) > 0
    ]
    return fitting[0] if fitting else None


def _due_instead(
    study: StudyEvidence, chosen: Sequence[Scored], scored: Sequence[Scored], policy: Policy
) -> Scored | None:
    """An open step of the same patient that the images fit as well and that was due when they were made.

    Where those that they name were not: the wrong of two like entries is picked from a list, such as that of
    the follow-up.
    """
    if any(order_evidence.hours_apart(study, one.candidate) <= 24 * policy.shown_days for one in chosen):
        return None
    patients = {one.candidate.patient.id for one in chosen}
    least = max(_looks_like(one) for one in chosen)
    for one in scored:
        is_other = one not in chosen and one.candidate.patient.id in patients
        if is_other and _is_due(study, one, policy) and _looks_like(one) >= least:
            return one
    return None


def _looks_like(one: Scored) -> int:
    """What body part and description say for (above 0) or against (below) a step being what was done."""
    part, words = one.by_field["body_part"], one.by_field["procedure"].agreement
    said = 0 if words is None else (words > 0.75) - (words == NO_WORD_IN_COMMON)
    return part.agrees - part.contradicts + said


def _normalised(one: Scored) -> list[Finding]:
    """The findings by which a candidate agrees, but only after a normalisation."""
    findings = (one.by_field[name] for name in _FORGIVEN)
    return [f for f in findings if f.agrees and f.normaliser not in PLAIN]


def _late(study: StudyEvidence, chosen: Iterable[Scored]) -> str:
    """The number of an order whose content was first received after the study was quiet."""
    late = [one.candidate for one in chosen if one.candidate.content_received_at > study.quiet_at]
    return late[0].accession_number or late[0].requested_procedure_id if late else ""


# No order is named


def _unnamed(study: StudyEvidence, scored: Sequence[Scored], policy: Policy) -> _Ruling:
    """The outcome where no header names an order: is there one open step that can be meant?"""
    plausible = meant = [one for one in scored if _can_be_meant(study, one, policy)]
    open_ones = [one for one in plausible if one.candidate.status in _OPEN]
    plausible = open_ones or plausible
    near = [one for one in plausible if (one.by_field["accession_number"].agreement or 0) >= NEAR_FROM]
    plausible = near or plausible
    if not plausible:
        return _nobody(scored)
    best = tuple(one for one in plausible if _go_together(one, plausible[0]))
    is_only = len(meant) == len(best) and best[0].identity_match == IdentityMatch.SAME
    if study.without_pixels and is_only and not _late(study, best):
        if best[0].by_field["station"].contradicts:
            return _Ruling(Outcome.PROBABLE, "documents from a station that the order does not name", best)
        return _Ruling(Outcome.MATCHED, "documents of the patient's only exam", best)
    others = [one for one in plausible if one not in best]
    if others and plausible[0].score - others[0].score < policy.clear_lead:
        return _Ruling(Outcome.AMBIGUOUS, "several open steps of the patient can be meant", tuple(plausible))
    if best[0].identity_match in SURE and _late(study, best):
        return _Ruling(Outcome.LATE_ORDER, "an order came after the study was quiet", best)
    return _Ruling(Outcome.PROBABLE, "one step of the patient can be meant", best)


def _can_be_meant(study: StudyEvidence, one: Scored, policy: Policy) -> bool:
    return (
        one.identity_match in PLAUSIBLE
        and (one.by_field["modality"].agrees or (study.without_pixels and not study.modalities))
        and not one.by_field["laterality"].contradicts
        and one.candidate.status not in _NEVER_DONE
        and order_evidence.hours_apart(study, one.candidate) <= policy.window_hours
    )


def _go_together(one: Scored, other: Scored) -> bool:
    """Whether two steps would be one study: of one procedure, or planned under one Study Instance UID."""
    return one.candidate.study_instance_uid == other.candidate.study_instance_uid


def _nobody(scored: Sequence[Scored]) -> _Ruling:
    identified = [one for one in scored if one.by_field["patient_id"].agrees]
    for one in identified:
        if all(other.identity_match == IdentityMatch.CONTRADICTS for other in identified):
            return _Ruling(Outcome.MISMATCH, "the patient ID is that of another patient", (one,))
    return _Ruling(Outcome.UNSCHEDULED, "no order fits")
