"""What the headers name: accession numbers, a planned Study Instance UID, the IDs of requests.

Each is a claim; all claims have to come to the same orders of the same patient.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from archive.reconcile import order_evidence
from archive.reconcile.identity_match import PLAUSIBLE, IdentityMatch
from archive.reconcile.reconcile_policy import NAMES_FROM, Policy
from archive.reconcile.scored_candidate import Scored
from archive.reconcile.study_evidence import Request, StudyEvidence
from worklist.models import StepStatus


@dataclass(frozen=True)
class Claim:
    """Something in the headers that may name an order, and the candidates that it names."""

    kind: str
    text: str
    named: tuple[Scored, ...]
    item: Request | None = None

    @property
    def fitting(self) -> tuple[Scored, ...]:
        """Those of the candidates whose patient isn't another one."""
        return tuple(one for one in self.named if one.identity_match != IdentityMatch.CONTRADICTS)


def claims_of(study: StudyEvidence, scored: Sequence[Scored], policy: Policy) -> list[Claim]:
    """All that the headers of a study may name an order by."""
    claims = [
        Claim("accession number", text, _by_accession(text, study.accession_issuer, scored))
        for text in study.accession_numbers
    ]
    planned = _by_uid(study.study_instance_uid, scored)
    if planned:
        claims.append(Claim("Study Instance UID", study.study_instance_uid, planned))
    for item in study.requests:
        claims += _of_item(item, scored, policy)
    return claims


def _of_item(item: Request, scored: Sequence[Scored], policy: Policy) -> list[Claim]:
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
    found = [Claim(kind, said, named, item) for kind, said, named in options if named]
    said = text or item.accession_number
    return found or ([Claim("request", said, (), item)] if said else [])


def _by_accession(text: str, issuer: str, scored: Sequence[Scored]) -> tuple[Scored, ...]:
    """The candidates that an accession number names: exactly, else but for zeros, case and prefix."""
    graded: dict[float, list[Scored]] = {}
    for one in scored:
        expected = one.candidate.accession_number
        agreement, normaliser = order_evidence.of_issuer(
            order_evidence.accession(text, expected), issuer, one.candidate
        )
        names = agreement is not None and (
            agreement >= NAMES_FROM
            or (normaliser == "prefix" and one.identity_match != IdentityMatch.CONTRADICTS)
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
        by_id = item.requested_procedure_id or (item.scheduled_procedure_step_id if step else "")
        if not by_id or (len(by_id) < policy.shortest_naming_id and one.identity_match not in PLAUSIBLE):
            continue
        (both if procedure and step and item.scheduled_procedure_step_id else one_of_two).append(one)
    return tuple(both or one_of_two)


def choose(
    study: StudyEvidence, claims: Sequence[Claim], scored: Sequence[Scored]
) -> tuple[tuple[Scored, ...], str]:
    """The candidates that the claims come to, and what is in doubt, if anything."""
    by_item, doubt = _of_items(claims)
    by_accession = _fitting_ids(claim for claim in claims if claim.kind == "accession number")
    by_uid = _fitting_ids(claim for claim in claims if claim.kind == "Study Instance UID")
    chosen = by_item or by_accession or by_uid
    if doubt:
        return these(scored, chosen), doubt
    for others in (by_accession, by_uid):
        if others and not set(others) & set(chosen):
            return these(scored, [*chosen, *others]), "the headers name different orders of the patient"
    picked = these(scored, chosen)
    if len({one.candidate.patient.id for one in picked}) > 1 or _is_shared(claims, picked):
        return picked, "several patients have an order of this number"
    return (picked, "") if by_item else _each_narrowed(study, claims, scored, by_uid)


def _each_narrowed(
    study: StudyEvidence, claims: Sequence[Claim], scored: Sequence[Scored], by_uid: Sequence[str]
) -> tuple[tuple[Scored, ...], str]:
    """Of each number that the headers name, the procedures that were done: an add-on has one of its own."""
    left: list[str] = []
    for claim in claims:
        keys = _fitting_ids([claim])
        if claim.kind == "accession number" or not left:
            planned = [key for key in keys if key in by_uid]
            some, doubt = _narrow(study, these(scored, planned or keys))
            if doubt:
                return some, doubt
            left += [one.candidate.id for one in some]
    return these(scored, left), ""


def _of_items(claims: Sequence[Claim]) -> tuple[list[str], str]:
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


def _is_shared(claims: Sequence[Claim], picked: Sequence[Scored]) -> bool:
    """Whether all that names the picked ones also names another patient's order."""
    keys = {one.candidate.id for one in picked}
    naming = [claim for claim in claims if keys & {one.candidate.id for one in claim.named}]
    return all(
        len({one.candidate.patient.id for one in claim.named if _counts(one)} - {""}) > 1 for claim in naming
    )


def _counts(one: Scored) -> bool:
    """Whether an order that a number names makes it another's too: not one that is over, of somebody else."""
    is_over = one.candidate.status in (StepStatus.COMPLETED, StepStatus.DISCONTINUED, StepStatus.CANCELLED)
    return not (is_over and one.identity_match == IdentityMatch.CONTRADICTS)


def _narrow(study: StudyEvidence, picked: tuple[Scored, ...]) -> tuple[tuple[Scored, ...], str]:
    """Of several procedures under one number, those that modality, side and body part leave."""
    if len({one.candidate.procedure for one in picked}) < 2:
        return tuple(one for one in picked if one.by_field["modality"].agrees) or picked, ""
    if len({one.candidate.study_instance_uid for one in picked}) > 1 and not study.modalities:
        return picked, "several procedures have this number and the modality is unknown"
    left = [one for one in picked if one.by_field["modality"].agrees] or list(picked)
    left = [one for one in left if not one.by_field["laterality"].contradicts] or left
    there = [one for one in left if one.by_field["body_part"].agrees]
    return tuple(there or left), ""


def _fitting_ids(claims: Iterable[Claim]) -> list[str]:
    return list(dict.fromkeys(one.candidate.id for claim in claims for one in claim.fitting))


def these(scored: Iterable[Scored], keys: Iterable[str]) -> tuple[Scored, ...]:
    """Some of the candidates, by their ids, in the order in which they are ranked."""
    wanted = set(keys)
    return tuple(one for one in scored if one.candidate.id in wanted)
