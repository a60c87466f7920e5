"""Under whose identity a study is shown and sent: that of the record where it is linked to one.

Nothing that was received is changed. A decision of a person that stands gives the study the record's whole
identity; a match by itself gives it what the record knows, and what the record leaves open stays as the
header has it. While a verdict says that a study may be another patient's, and nobody has decided, objects go
out as they came: they are the evidence.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from django.conf import settings
from django.db.models import Q, QuerySet
from pydicom.datadict import dictionary_VR

from archive.archive_section import ArchiveSection, CoercionScope
from archive.coercion.attribute_coercion import COERCE, CORRECT, SENT_OTHERWISE, Coercion, Request
from archive.dataset.rewriter import References
from archive.dataset.tags import STUDY_INSTANCE_UID
from archive.decisions import decision_type
from archive.decisions.decision_type import Links
from archive.models import Decision, Instance, Outcome, Series, Study
from archive.reconcile import identity_evidence, name_agreement
from archive.reconcile.apply_verdict import MATCHES
from archive.reconcile.finding import Agreement
from archive.reconcile.reconcile_policy import PLAIN
from worklist.models import OrderNumber, Patient, RequestedProcedure

_NAME, _ID, _ISSUER, _BIRTH_DATE, _SEX, _ACCESSION = (
    0x00100010, 0x00100020, 0x00100021, 0x00100030, 0x00100040, 0x00080050,
)  # fmt: skip
IDENTIFYING: Final = frozenset(f"{tag:08X}" for tag in SENT_OTHERWISE if dictionary_VR(tag) != "SQ")
"""The tags of what may be sent otherwise than it came."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose a study is, and by which order."""

    name: str
    patient_id: str
    issuer: str
    birth_date: str
    sex: str
    accession_number: str
    requests: tuple[Request, ...] = ()
    """Of the order that a person linked it to."""
    is_of_others: bool = False
    """Whether its header names the order of another patient than the one whom a person gave it to."""


def identities(studies: Iterable[Study]) -> dict[int, Identity]:
    """What each study is shown under, by key; its patient should be selected with it."""
    studies = list({study.pk: study for study in studies}.values())
    deciding = _deciding(studies)
    others = _naming_others([study for study in studies if study.pk in deciding])
    return {
        study.pk: _identity(study, deciding.get(study.pk), is_of_others=study.pk in others)
        for study in studies
    }


def given() -> QuerySet[Decision]:
    """The decisions that stand and say whose a study is."""
    linking = decision_type.kinds(lambda decided: decided.links is not Links.NOTHING)
    return Decision.objects.filter(kind__in=linking, undone_at=None)


def coercion_of(study: Study) -> Coercion | None:
    """What the objects of a study are sent with instead of what they say; None where that is as they came."""
    if study.patient is None:
        return None
    scope = ArchiveSection.current().amend
    if scope == CoercionScope.NEVER:
        return None
    decision = _deciding([study]).get(study.pk)
    if decision is None and not _changes(study, scope):
        return None
    is_of_others = decision is not None and bool(_naming_others([study]))
    shown = _identity(study, decision, is_of_others=is_of_others)
    values = [
        (_NAME, shown.name),
        (_ID, shown.patient_id),
        (_ISSUER, shown.issuer),
        (_BIRTH_DATE, shown.birth_date),
        (_SEX, shown.sex),
    ]
    if decision is None:
        record = study.patient.current
        known = {_NAME: record.name, _BIRTH_DATE: record.birth_date, _SEX: record.sex}
        values = [(tag, text) for tag, text in values if known.get(tag, text)]
        verdict = study.verdicts.order_by("-number").first()
        return _coercion(values, COERCE, verdict.made_at if verdict else study.last_received_at)
    if is_of_others or (_links_order(decision) and shown.accession_number):
        values.append((_ACCESSION, shown.accession_number))
    coercion = _coercion(values, CORRECT, decision.at, shown.requests)
    return replace(coercion, without_requests=is_of_others)


def moved(study: Study, also: Coercion | None) -> Coercion:
    """What the objects are sent with that a split has moved to `study`, but for the UIDs of each."""
    split = Decision.objects.filter(parameters__study=study.public_id).order_by("pk").last()
    uid = (STUDY_INSTANCE_UID, study.study_instance_uid)
    own = _coercion([uid], CORRECT, split.at if split else study.first_received_at)
    if also:
        own = replace(also, values=(*also.values, uid), at=max(own.at, also.at), reason=CORRECT)
    return replace(own, references=_references(study))


def _references(study: Study) -> References:
    """What was moved to a study names what was moved with it by its new UIDs."""
    series = Series.objects.filter(study=study).exclude(given_uid="")
    instances = Instance.objects.filter(series__study=study).exclude(given_uid="")
    uids = dict(series.values_list("series_instance_uid", "given_uid"))
    uids |= dict(instances.values_list("sop_instance_uid", "given_uid"))
    return References(study.study_instance_uid, len(uids), uids)


def _coercion(
    values: list[tuple[int, str]], reason: str, at: datetime, requests: tuple[Request, ...] = ()
) -> Coercion:
    moment = at.astimezone(UTC).strftime("%Y%m%d%H%M%S.%f+0000")
    return Coercion(tuple(values), reason, moment, settings.AE_TITLE, requests=requests)


def _deciding(studies: Iterable[Study]) -> dict[int, Decision]:
    """The newest decision that stands and says whose each study is, by the study's key."""
    linked = [study.pk for study in studies if study.patient_id]
    if not linked:
        return {}
    rows = given().filter(study__in=linked).order_by("pk")
    return {row.study_id: row for row in rows}


def _naming_others(studies: Iterable[Study]) -> set[int]:
    """The keys of linked studies whose header names, as its accession number, an order of somebody else."""
    studies = [study for study in studies if study.patient is not None and study.accession_number]
    numbers = {study.accession_number for study in studies}
    if not numbers:
        return set()
    rows = RequestedProcedure.objects.filter(
        Q(accession_number__in=numbers) | Q(order__accession_number__in=numbers), order__patient__isnull=False
    )
    holders: dict[tuple[int, str], set[int]] = {}
    for row in rows.select_related("order__patient__survivor"):
        assert row.order.patient is not None
        for number in {row.accession_number, row.order.accession_number} & numbers:
            holders.setdefault((row.order.facility_id, number), set()).add(row.order.patient.current.pk)
    named = {study.pk: holders.get((study.facility_id, study.accession_number), set()) for study in studies}
    return {
        study.pk
        for study in studies
        if study.patient and named[study.pk] and study.patient.current.pk not in named[study.pk]
    }


def _identity(study: Study, decision: Decision | None, *, is_of_others: bool = False) -> Identity:
    header = Identity(
        study.patient_name,
        study.header_patient_id,
        study.issuer_of_patient_id,
        study.birth_date,
        study.sex,
        study.accession_number,
    )
    if study.patient is None:
        return header
    record = study.patient.current
    if decision is None:
        return Identity(
            record.name or header.name,
            record.value,
            record.authority.namespace,
            record.birth_date or header.birth_date,
            record.sex or header.sex,
            header.accession_number,
        )
    requests = _requests(study, decision) if _links_order(decision) else ()
    labels = {request.accession_number for request in requests} - {""}
    if is_of_others and not labels:  # a patient's own order, if the study keeps one, has the right number
        labels = {one.accession_number or one.order.accession_number for one in _procedures(study)} - {""}
    left = "" if is_of_others else header.accession_number
    return Identity(
        record.name,
        record.value,
        record.authority.namespace,
        record.birth_date,
        record.sex,
        labels.pop() if len(labels) == 1 else left,
        requests,
        is_of_others,
    )


def _links_order(decision: Decision) -> bool:
    return decision_type.of(decision).links is Links.ORDER


def _procedures(study: Study) -> list[RequestedProcedure]:
    return list(study.procedures.select_related("order"))


def _requests(study: Study, decision: Decision) -> tuple[Request, ...]:
    chosen = decision.parameters.get("scheduled_procedure_step")
    rows = study.procedures.select_related("order").prefetch_related("steps", "order__numbers").order_by("pk")
    return tuple(_request(row, chosen) for row in rows)


def _request(procedure: RequestedProcedure, chosen: str | None) -> Request:
    steps = list(procedure.steps.all())
    step = next((one for one in steps if one.public_id == chosen), steps[0] if len(steps) == 1 else None)
    order = procedure.order
    numbers = {number.kind: number.value for number in sorted(order.numbers.all(), key=lambda one: -one.pk)}
    return Request(
        procedure.study_instance_uid,
        procedure.accession_number or order.accession_number,
        procedure.requested_procedure_id,
        procedure.description,
        step.scheduled_procedure_step_id if step else "",
        numbers.get(OrderNumber.Kind.PLACER, ""),
        numbers.get(OrderNumber.Kind.FILLER, ""),
    )


# What the header says already


def _changes(study: Study, scope: CoercionScope) -> bool:
    """Whether a study that nobody decided on goes out under another identity than its header's."""
    assert study.patient is not None
    wanted = {Outcome.CORRECTED} if scope == CoercionScope.DECISIONS else MATCHES
    if study.verdict not in wanted:
        return False
    return not _agrees(study, study.patient.current)


def _agrees(study: Study, record: Patient) -> bool:
    """Whether the header says who the record says, but for differences that are none."""
    compared = (
        name_agreement.compare(study.patient_name, record.name),
        identity_evidence.birth_date(study.birth_date, record.birth_date),
        identity_evidence.sex(study.sex, record.sex),
    )
    return study.header_patient_id in ("", record.value) and all(map(_is_plain, compared))


def _is_plain(compared: Agreement) -> bool:
    agreement, normaliser = compared
    return agreement is None or (agreement >= 0.9 and normaliser in PLAIN)
