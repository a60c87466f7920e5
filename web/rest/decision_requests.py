"""From a decision as a body or a form says it to the domain's act: the things that it names are looked up."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from django.db.models import QuerySet

from accounts import access as policy
from accounts.actor import Actor
from accounts.models import User
from archive import decisions
from archive.models import Decision, DecisionKind, Study
from ledger.errors import Missing, Unknown
from web.rest.schemas.exceptions import Resolution
from worklist.models import Order, Patient, ScheduledProcedureStep


def decide(body: Resolution, by: Actor, study: Study) -> Decision:
    """Decide in the caller's transaction; raises the archive's errors."""
    act = _DECIDE[body.action]
    return act(body, by.person, study=study, reason=body.reason, by=by, expected=body.revision)


def preview(body: Resolution, by: Actor, study: Study) -> list[decisions.Effect]:
    """What `decide` would do. It needs no reason yet."""
    tried = body if body.reason.strip() else body.model_copy(update={"reason": "preview"})
    return decisions.preview(study=study, act=lambda: decide(tried, by, study))


def _link(body: Resolution, user: User, **act: Any) -> Decision:
    steps = ScheduledProcedureStep.objects.select_related("procedure__order__patient__survivor")
    steps = steps.filter(procedure__order__in=policy.visible(Order.objects.all(), user))
    step = _named(steps, body.scheduled_procedure_step, "scheduled_procedure_step")
    return decisions.link(step=step, **act)


def _correct(body: Resolution, user: User, **act: Any) -> Decision:
    return decisions.correct(**act)


def _reassign(body: Resolution, user: User, **act: Any) -> Decision:
    return decisions.reassign(patient=_patient(body, user), **act)


def _create_order(body: Resolution, user: User, **act: Any) -> Decision:
    if not body.procedure_code:
        raise Missing("the order needs a procedure code", "procedure_code")
    patient = _patient(body, user) if body.patient else None
    return decisions.create_order(procedure_code=body.procedure_code, patient=patient, **act)


def _split(body: Resolution, user: User, **act: Any) -> Decision:
    return decisions.split(series=body.series or [], **act)


def _reject(body: Resolution, user: User, **act: Any) -> Decision:
    return decisions.reject(code=body.code or "", **act)


def _accept(body: Resolution, user: User, **act: Any) -> Decision:
    return decisions.accept(**act)


_DECIDE: Final[Mapping[DecisionKind, Callable[..., Decision]]] = {
    DecisionKind.LINK: _link,
    DecisionKind.CORRECT: _correct,
    DecisionKind.CREATE_ORDER: _create_order,
    DecisionKind.REASSIGN: _reassign,
    DecisionKind.SPLIT: _split,
    DecisionKind.REJECT: _reject,
    DecisionKind.ACCEPT: _accept,
}


def _patient(body: Resolution, user: User) -> Patient:
    rows = policy.visible(Patient.objects.select_related("survivor"), user)
    patient: Patient = _named(rows, body.patient, "patient")
    return patient


def _named(rows: "QuerySet[Any]", public_id: str | None, field: str) -> Any:
    """The row that a body names; raises the archive's errors."""
    if not public_id:
        raise Missing(f"{field} is missing", field)
    row = rows.filter(public_id=public_id).first()
    if row is None:
        raise Unknown(f"{field} names nothing here", field)
    return row
