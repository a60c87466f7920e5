"""The order page: its numbers, procedures and steps, its studies, and what was said about it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Prefetch
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.http import require_POST, require_safe

from accounts import access
from accounts.actor import actor_of
from accounts.models import User
from archive.models import Study
from archive.search import study_search
from interfaces.hl7.models import InboundMessage, OutboundMessage
from ledger import audit, events
from ledger.errors import Refused
from web.kernel import authorization, layout
from web.pages import patients, timelines
from web.pages.reading import outside_reports
from web.pages.record_columns import MESSAGES, STEPS, STUDIES
from web.pages.worklist import step_notes, technologist_worklist, worklist_rows
from web.pages.worklist.step_notes import Note
from worklist import master_files
from worklist.models import Order, RequestedProcedure, ScheduledProcedureStep
from worklist.schedule import end_reasons, step_actions


@require_safe
@layout.may("order.view")
def order(request: HttpRequest, public_id: str) -> HttpResponse:
    """One order."""
    user = layout.user_of(request)
    row = _find(request, user, public_id)
    authorization.note_reading(request, audit.ORDER_RECORD, ("order", row.public_id))
    if row.patient is not None:
        authorization.note_reading(request, audit.PATIENT_RECORD, ("patient", row.patient.current.public_id))
    with timezone.override(layout.zone_of(request)):
        context = {
            "order": row,
            "place": master_files.location_name(row.location),
            "patient": patients.header(row.patient, order=row),
            "numbers": row.numbers.order_by("kind", "namespace", "value"),
            "procedures": _procedures(row, can_change=access.can(user, "step.change")),
            "studies": _studies(request, user, row),
            "outside_reports": outside_reports.of_order(row, user),
            "messages": _messages(row) if access.can(user, "message.view") else None,
            "tables": {"steps": STEPS, "studies": STUDIES.without("patient"), "messages": MESSAGES},
            "reasons": technologist_worklist.reasons(),
            "actions": worklist_rows.ACTIONS.values(),
            "can_cancel": access.can(user, "order.cancel") and step_actions.can_cancel(row.status),
            "timeline": timelines.of("order", row.public_id, user),
        }
        return layout.page(request, "web/order.html", context)


@require_POST
@layout.may("order.cancel")
def cancel(request: HttpRequest, public_id: str) -> HttpResponse:
    """Cancel the order, for a reason; an exam that began is discontinued."""
    user = layout.user_of(request)
    row = _find(request, user, public_id)
    back = reverse("order", args=[row.public_id])
    reason = end_reasons.said(request.POST.get("choice", ""), request.POST.get("reason", ""))
    try:
        with transaction.atomic():
            done = step_actions.cancel(by=actor_of(request), order=row, reason=reason)
    except Refused as error:
        status = 409 if reason else 422
        text = f"{error.text.capitalize()}. Nothing was changed."
        return layout.refuse(request, status, "The order is not cancelled", text, back)
    undo = f"{reverse('worklist-undo')}?{urlencode({'act': done.public_id})}"
    layout.flash(request, "The order is cancelled.", undo=undo)
    return HttpResponseRedirect(back)


def _find(request: HttpRequest, user: User, public_id: str) -> Order:
    rows = Order.objects.select_related(
        "facility", "visit__authority", "patient__authority", "patient__survivor__authority"
    )
    return authorization.find(rows, access.visible(rows, user), request, public_id=public_id)


# Its parts


@dataclass(frozen=True)
class StepRow:
    """A step with where it takes place and what can be done to it."""

    step: ScheduledProcedureStep
    place: str
    actions: Sequence[worklist_rows.Action]
    state: str
    note: Note | None


def _procedures(row: Order, *, can_change: bool) -> list[tuple[RequestedProcedure, list[StepRow]]]:
    steps = Prefetch("steps", ScheduledProcedureStep.objects.order_by("due", "pk"))
    procedures = list(row.procedures.prefetch_related(steps).order_by("pk"))
    stations = worklist_rows.stations_by_title()
    every = [step for procedure in procedures for step in procedure.steps.all()]
    ends, notes = worklist_rows.ends_of(every), step_notes.of(every)
    return [
        (
            procedure,
            [
                StepRow(
                    step,
                    worklist_rows.place(step, stations),
                    worklist_rows.actions(step, ends.get(step.pk, ())) if can_change else (),
                    worklist_rows.state(step, ends.get(step.pk, ())) if can_change else "",
                    notes.get(step.pk),
                )
                for step in procedure.steps.all()
            ],
        )
        for procedure in procedures
    ]


def _studies(request: HttpRequest, user: User, row: Order) -> list[Study] | None:
    if not access.can(user, "study.view"):
        return None
    rows = (
        study_search.studies(user=user).filter(procedures__order=row).select_related("exception").distinct()
    )
    found = list(rows[:50])
    things = [("study", study.study_instance_uid) for study in found]
    authorization.note_reading(request, audit.INSTANCES_ACCESSED, *things)
    return found


@dataclass(frozen=True)
class MessageRow:
    """A message about the order."""

    at: datetime
    is_received: bool
    partner: str
    message: InboundMessage | OutboundMessage
    url: str


def _messages(row: Order) -> list[MessageRow]:
    """The messages that events of the order name: those that told of it, and those that were sent."""
    rows = events.timeline("order", row.public_id)
    received = {event.source.removeprefix("hl7:") for event in rows if event.source.startswith("hl7:")}
    sent = {subject.key for event in rows for subject in event.subjects.all() if subject.type == "message"}
    found = [
        *_rows(InboundMessage.objects.filter(public_id__in=received)),
        *_rows(OutboundMessage.objects.filter(public_id__in=sent).select_related("destination")),
    ]
    return sorted(found, key=lambda one: one.at, reverse=True)


def _rows(messages: Iterable[Any]) -> list[MessageRow]:
    return [
        MessageRow(
            at=one.received_at if isinstance(one, InboundMessage) else one.created_at,
            is_received=isinstance(one, InboundMessage),
            partner=one.source.replace("|", " · ")
            if isinstance(one, InboundMessage)
            else one.destination.name,
            message=one,
            url=timelines.path("message", one.public_id),
        )
        for one in messages
    ]
