"""The technologist worklist: the day of each room, and what people do to its steps."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.http import require_POST, require_safe

from accounts import access
from accounts.actor import Actor, actor_of
from ledger import audit, written_dates
from ledger.errors import Refused
from reporting.rendering import exam_label
from reporting.rendering.exam_label import ExamLabel
from web.kernel import authorization, formats, layout, paging
from web.kernel.list_filters import unreadable_days
from web.pages import patients
from web.pages.worklist import worklist_filters, worklist_rows
from web.pages.worklist.worklist_columns import TABLE
from worklist.models import Order, ScheduledProcedureStep, Station, StatusEvent
from worklist.patients import person_names
from worklist.schedule import act_history, day_schedule, end_reasons, step_actions
from worklist.worklist_policy import WorklistPolicy

MOST_IN_LANES: Final = 200
MOST_AT_ONCE: Final = 100
LINGERS: Final = timedelta(seconds=10)
"""How long a row stays where it is after one's own act, though its filter no longer has it."""


@require_safe
@layout.may("order.view")
def worklist(request: HttpRequest) -> HttpResponse:
    """The list, or the day's rooms side by side."""
    user = layout.user_of(request)
    with timezone.override(layout.zone_of(request)):
        filters = worklist_filters.read(request.GET)
        can_change = access.can(user, "step.change")
        leaving = act_history.just_done(user, LINGERS) if can_change else ()
        rows = day_schedule.steps(filters.keys(leaving), user=user, order=TABLE.order_by(filters.sort))
        size = MOST_IN_LANES if filters.as_lanes else paging.SIZE
        cut = paging.cut(request, rows, worklist_rows.whole, size=size)
        wanted = worklist_filters.STATES.get(filters.state, [filters.state])
        done = {row.pk for row in cut.rows if wanted and row.status not in wanted}
        shown = worklist_rows.shown(cut.rows, can_change=can_change, leaving=done)
        _note(request, shown)
        context = {
            "filters": filters,
            "day": (filters.days()[0] or timezone.localdate()).isoformat(),
            "chips": worklist_filters.chips(request, filters, day_schedule.to_schedule(user)),
            "unreadable_days": unreadable_days(request.GET, "day", words=worklist_filters.DAYS),
            "stations": _stations(filters.station),
            "paging": cut,
            "rows": shown,
            "lanes": worklist_rows.lanes(shown) if filters.as_lanes else (),
            "can_change": can_change,
            "can_place": access.can(user, "order.place"),
            "last": _in_words(act_history.last(user)) if can_change else None,
            "reasons": reasons(),
            "actions": worklist_rows.ACTIONS.values(),
            "table": (TABLE if can_change else TABLE.without("choose")).sorted_by(filters.sort, request),
            "longest_wait": 2 * int(worklist_rows.LONGEST_WAIT.total_seconds() // 60),
            "hl7_address": "{}:{}".format(*settings.HL7_ADDRESS),
        }
        return layout.page(request, "web/worklist/technologist_worklist.html", context)


def _stations(chosen: str) -> list[Station]:
    stations = list(Station.objects.order_by("ae_title"))
    if chosen and chosen not in {station.ae_title for station in stations}:
        stations.append(Station(ae_title=chosen))
    return stations


def _note(request: HttpRequest, rows: Sequence[worklist_rows.Row]) -> None:
    records = [row.order.patient.current for row in rows if row.order.patient]
    authorization.note_reading(
        request, audit.PATIENT_RECORD, *(("patient", one.public_id) for one in records)
    )
    authorization.note_reading(request, audit.ORDER_RECORD, *(("order", row.order.public_id) for row in rows))


# Acts


@require_POST
@layout.may("step.change")
def act(request: HttpRequest) -> HttpResponse:
    """Do an act to one step (`do`: act:id), or to those that were chosen (`act`, and a `step` for each)."""
    kind, _, one = request.POST.get("do", "").partition(":")
    kind = kind or request.POST.get("act", "")
    action = worklist_rows.ACTIONS.get(kind)
    ids = [one] if one else request.POST.getlist("step")[:MOST_AT_ONCE]
    back = layout.back_to(request, reverse("worklist"))
    if action is None:
        return layout.refuse(request, 400, "The request can't be read", "Nothing was changed.", back)
    if not ids:
        text = "Select exams first, with x or with their boxes. Nothing was changed."
        return layout.refuse(request, 422, "No exam selected", text, back)
    reason = end_reasons.said(request.POST.get("choice", ""), request.POST.get("reason", ""))
    if action.needs_reason and not reason:
        return _ask(request, action, ids, back)
    user = layout.user_of(request)
    rows = ScheduledProcedureStep.objects.select_related(
        "procedure__order__facility", "procedure__order__patient__survivor"
    )
    mine = rows.filter(procedure__order__in=access.visible(Order.objects.all(), user))
    steps = [authorization.find(rows, mine, request, public_id=id_) for id_ in dict.fromkeys(ids)]
    skips = action.kind == StatusEvent.Kind.COMPLETE and not request.POST.get("confirmed")
    if skips and len(steps) == 1 and worklist_rows.never_started(steps[0]):
        return _ask(request, replace(action, asks=worklist_rows.NEVER_STARTED), ids, back)
    return _answer(request, action, *_do(actor_of(request), action, steps, reason, skips=skips), back)


def _ask(request: HttpRequest, action: worklist_rows.Action, ids: Sequence[str], back: str) -> HttpResponse:
    """What has to be said before, for browsers without scripts; others have asked already."""
    context = {
        "action": action,
        "ids": ids,
        "back": back,
        "choices": end_reasons.of(action.kind),
        "is_missing": "reason" in request.POST,
    }
    return layout.page(request, "web/worklist/reason.html", context, 422)


def reasons() -> list[tuple[str, Sequence[str]]]:
    """What a dialog that asks why offers, by act."""
    return [
        (kind, end_reasons.of(kind)) for kind, action in worklist_rows.ACTIONS.items() if action.needs_reason
    ]


def _do(
    by: Actor,
    action: worklist_rows.Action,
    steps: Sequence[ScheduledProcedureStep],
    reason: str,
    *,
    skips: bool,
) -> tuple[list[StatusEvent], list[str], list[str]]:
    """The acts that were done and whose steps they were; what was refused and why.

    One that `skips` leaves out what was never started. All are of one moment, and so taken back together.
    """
    acts, done, refused = [], [], []
    now = timezone.now()
    for step in steps:
        name = _whose(step.procedure.order)
        if skips and worklist_rows.never_started(step):
            refused.append(f"{name}: the exam was never started; complete it by itself")
            continue
        try:
            with transaction.atomic():
                act = step_actions.change_step(
                    by=by, step=step, kind=StatusEvent.Kind(action.kind), reason=reason, at=now
                )
        except Refused as error:
            refused.append(f"{name}: {error.text}")
            continue
        done.append(name)
        acts.append(act)
    return acts, done, refused


def _whose(order: Order) -> str:
    if order.patient is None:
        return order.accession_number
    return person_names.isolated(formats.shown(order.patient.current.name))


def _in_words(acts: Sequence[StatusEvent]) -> dict[str, str] | None:
    """The last act of one's own and where it is undone; None where there is none."""
    if not acts:
        return None
    names = list(dict.fromkeys(_whose(act.order) for act in acts))
    who = names[0] if len(names) == 1 else f"{len(names)} patients"
    return {"text": f"{who}: {worklist_rows.ACTIONS[acts[0].kind].done}", "undo": _undo_path(acts)}


def _undo_path(acts: Sequence[StatusEvent]) -> str:
    query = urlencode({"act": [act.public_id for act in acts]}, doseq=True)
    return f"{reverse('worklist-undo')}?{query}"


def _answer(
    request: HttpRequest,
    action: worklist_rows.Action,
    acts: Sequence[StatusEvent],
    done: Sequence[str],
    refused: Sequence[str],
    back: str,
) -> HttpResponse:
    """Back to the list with what was done and can be undone; 409 where nothing was."""
    if not acts:
        text = f"{'; '.join(refused)}. Nothing was changed. The list shows the current state."
        return layout.refuse(request, 409, f"{action.name} is not possible", text, back)
    undo = _undo_path(acts)
    who = done[0] if len(done) == 1 else f"{len(done)} patients"
    layout.flash(request, f"{who}: {action.done}.", undo=undo)
    if refused:
        layout.flash(request, f"Not done for {'; '.join(refused)}.", level=messages.WARNING)
    return HttpResponseRedirect(back)


@require_POST
@layout.may("step.change")
def undo(request: HttpRequest) -> HttpResponse:
    """Take acts of people back; those of messages only their senders can. All or none."""
    user = layout.user_of(request)
    back = layout.back_to(request, reverse("worklist"))
    rows = StatusEvent.objects.filter(source__startswith="user:").select_related(
        "order__facility", "order__patient__survivor"
    )
    mine = rows.filter(order__in=access.visible(Order.objects.all(), user))
    acts = [
        authorization.find(rows, mine, request, public_id=id_)
        for id_ in request.GET.getlist("act")[:MOST_AT_ONCE]
    ]
    try:
        with transaction.atomic():
            for one in acts:
                step_actions.undo(by=actor_of(request), act=one)
    except Refused as error:
        text = f"{error.sentence}. Nothing was changed."
        return layout.refuse(request, 409, "It can't be undone", text, back)
    if words := _in_words(acts):
        layout.flash(request, f"Undone: {words['text']}.")
    return HttpResponseRedirect(back)


@require_safe
@layout.may("order.view")
def label(request: HttpRequest, public_id: str) -> HttpResponse:
    """A label to print, of the site's size: who, what, and the accession number as a barcode."""
    user = layout.user_of(request)
    rows = worklist_rows.whole(ScheduledProcedureStep.objects.all())
    mine = rows.filter(procedure__order__in=access.visible(Order.objects.all(), user))
    step = authorization.find(rows, mine, request, public_id=public_id)
    order = step.procedure.order
    authorization.note_reading(request, audit.ORDER_RECORD, ("order", order.public_id))
    if order.patient:
        authorization.note_reading(
            request, audit.PATIENT_RECORD, ("patient", order.patient.current.public_id)
        )
    with timezone.override(layout.zone_of(request)):
        pdf = exam_label.render(_label(request, step, order), WorklistPolicy.current().label)
    response = HttpResponse(pdf, content_type="application/pdf")
    response["Content-Disposition"] = 'inline; filename="label.pdf"'
    response["Cache-Control"] = "no-store"
    return response


def _label(request: HttpRequest, step: ScheduledProcedureStep, order: Order) -> ExamLabel:
    patient = patients.header(order.patient, order=order)
    procedure = step.description or step.procedure.description or step.procedure.code
    lines = (
        f"{patient.birth_date or 'birth date not known'} {patient.sex}",
        f"{patient.identifier} {patient.authority}",
        " ".join(filter(None, (step.modality, procedure, step.procedure.laterality))),
        "to be scheduled" if step.awaits_time else written_dates.minute(step.due, layout.zone_of(request)),
        *patient.other_names,
    )
    return ExamLabel(
        name=patient.name,
        accession_number=step.procedure.accession_number or order.accession_number,
        lines=tuple(line.strip() for line in lines),
        warning=f"Allergies: {patient.allergies}" if patient.allergies else "",
    )
