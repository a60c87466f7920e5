"""Decisions that say whose a study is: link, correct, create an order, reassign, accept."""

from datetime import datetime
from typing import Any

from accounts.models import User
from archive.decisions.decision_frame import decide, is_person, procedures_of, refuse_if_written_on, revision
from archive.errors import BadValue, StateConflict, UnknownKey
from archive.models import Decision, DecisionKind, Study
from archive.reconcile import apply_verdict
from worklist.models import Order, Patient, ProcedureCode, RequestedProcedure, ScheduledProcedureStep
from worklist.orders import order_application
from worklist.orders.order_content import OrderContent, ProcedureContent, StepContent
from worklist.orders.order_update import Number, OrderUpdate, ProcedureUpdate, StepUpdate
from worklist.provenance import Provenance


def link(
    *, study: Study, step: ScheduledProcedureStep, reason: str, by: User, expected: int | None = None
) -> Decision:
    """Link a study to the requested procedure of a step, and to its patient.

    Raises `RequiredMissing` without a reason, `StateConflict` where the study, its exception or its reading
    do not allow it.
    """
    order = step.procedure.order
    if order.facility_id != study.facility_id:
        raise UnknownKey("the step is of another facility", "scheduled_procedure_step")
    if order.patient is None:
        raise StateConflict("the order of this step has no patient yet", "scheduled_procedure_step")
    patient, procedure = order.patient, step.procedure
    return _decide(
        DecisionKind.LINK,
        study,
        reason,
        by,
        expected,
        lambda locked: _linked(locked, patient, [procedure], {"scheduled_procedure_step": step.public_id}),
    )


def correct(*, study: Study, reason: str, by: User, expected: int | None = None) -> Decision:
    """Show the study under the demographics that the HIS has of its patient, and with the order.

    The patient is the one that the study is linked to, else that of the newest verdict's best candidate.
    """
    return _decide(DecisionKind.CORRECT, study, reason, by, expected, _corrected)


def reassign(
    *, study: Study, patient: Patient, reason: str, by: User, expected: int | None = None
) -> Decision:
    """Give the study to another patient; procedures of anybody else are unlinked."""
    if patient.facility_id != study.facility_id:
        raise UnknownKey("the patient is of another facility", "patient")

    def act(locked: Study) -> dict[str, Any]:
        kept = [one for one in procedures_of(locked) if is_person(one.order.patient, patient)]
        return _linked(locked, patient, kept, {"patient": patient.public_id})

    return _decide(DecisionKind.REASSIGN, study, reason, by, expected, act)


def accept(*, study: Study, reason: str, by: User, expected: int | None = None) -> Decision:
    """Leave the study as it is, under its own header's identity where it is linked to nobody."""
    return _decide(DecisionKind.ACCEPT, study, reason, by, expected, lambda locked: {})


def create_order(
    *,
    study: Study,
    procedure_code: str,
    reason: str,
    by: User,
    patient: Patient | None = None,
    expected: int | None = None,
) -> Decision:
    """Place the order that the study lacks, planned under the study's own UID, and link the study to it.

    The order is for `patient`, else for the one that the study is linked to or that its patient ID names.
    """
    if not ProcedureCode.objects.filter(code=procedure_code).exists():
        raise BadValue(f"the procedure code {procedure_code!r} is not in the catalogue", "procedure_code")

    def act(locked: Study) -> dict[str, Any]:
        whose = patient or locked.patient or _identified(locked)
        order = _place(locked, whose, procedure_code, by)
        procedures = list(RequestedProcedure.objects.filter(order=order))
        return _linked(
            locked, whose, procedures, {"order": order.public_id, "procedure_code": procedure_code}
        )

    return _decide(DecisionKind.CREATE_ORDER, study, reason, by, expected, act)


def _decide(*what: Any) -> Decision:
    return decide(*what)[1]


def _linked(
    study: Study, patient: Patient, procedures: list[RequestedProcedure], parameters: dict[str, Any]
) -> dict[str, Any]:
    is_header = study.patient is None and study.header_patient_id in {patient.value, patient.current.value}
    if not is_header and not is_person(study.patient, patient):
        refuse_if_written_on(study)
    apply_verdict.set_links(study, patient, procedures)
    return parameters


def _corrected(study: Study) -> dict[str, Any]:
    if study.patient is not None:
        return {"patient": study.patient.public_id}
    candidates = apply_verdict.newest(study).candidates
    if not candidates or not (record := candidates[0]["patient"]["record"]):
        raise StateConflict("no candidate has demographics to take over", "patient")
    best = candidates[0]
    rivals = {one["patient"]["id"] for one in candidates if one["score"] == best["score"]}
    if study.verdict == "ambiguous" or len(rivals) > 1:
        raise StateConflict("several candidates are as good; link the study to one of them", "patient")
    procedures = list(RequestedProcedure.objects.filter(public_id=best["procedure"]))
    patient = Patient.objects.filter(public_id=record).first()
    if patient is None or not procedures:
        raise StateConflict("the candidate is there no longer", "patient")
    return _linked(study, patient, procedures, {"patient": record, "scheduled_procedure_step": best["step"]})


def _identified(study: Study) -> Patient:
    """The one patient of the facility whom the header's ID and issuer name."""
    rows = Patient.objects.filter(facility=study.facility, value=study.header_patient_id)
    if study.issuer_of_patient_id:
        rows = rows.filter(authority__namespace=study.issuer_of_patient_id)
    people = {row.current.pk: row for row in rows.select_related("survivor")[:20]}
    if not study.header_patient_id or len(people) != 1:
        raise StateConflict("the header's patient ID names no single patient here; name one", "patient")
    return next(iter(people.values()))


def _place(study: Study, patient: Patient, procedure_code: str, by: User) -> Order:
    label = study.accession_number
    is_free = 0 < len(label) <= 16 and not Order.objects.filter(accession_number=label).exists()
    facts = apply_verdict.newest(study).facts
    statement = OrderUpdate(
        placer=Number(f"{study.public_id}.{revision(study)}", "RISPACS"),
        content=OrderContent(patient_id=patient.pk, accession_number=label if is_free else None),
        procedures=[
            ProcedureUpdate(
                content=ProcedureContent(study.study_instance_uid, code=procedure_code),
                steps=[StepUpdate(content=StepContent(start=_moment(facts.get("acquired_at", ""))))],
            )
        ],
    )
    return order_application.apply(statement=statement, origin=Provenance.of_person(by, study.facility))


def _moment(text: str) -> Any:
    return datetime.fromisoformat(text) if text else None
