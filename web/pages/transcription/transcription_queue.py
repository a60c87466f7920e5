"""The queue of dictations: the most due first, whoever spoke them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from accounts.actor import actor_of
from ledger import audit, clock
from reporting.dictation import transcription
from reporting.models import WAITING, Dictation, DictationState
from web.kernel import authorization, layout, paging
from web.kernel.list_filters import on_or_off, one_of
from web.pages.reading import reading_rows
from web.pages.transcription.transcription_columns import TABLE
from worklist.models import PRESSING, Priority

STATES: Final = {
    "": WAITING,
    "returned": (DictationState.RETURNED,),
    "typed": (DictationState.TYPED,),
}
"""What the URL may ask for: what waits, what was given back, what waits for its author's signature."""
_STATES: Final = {"": "waiting", "returned": "returned", "typed": "typed"}
_PRIORITIES: Final = {one.value: str(one.label) for one in PRESSING}


@dataclass(frozen=True)
class Row:
    """A dictation as the list shows it."""

    dictation: Dictation
    name: str
    identifier: str
    wait: reading_rows.Wait
    age: timedelta
    length: timedelta
    holder: str


@require_safe
@layout.may("transcription.type")
def queue(request: HttpRequest) -> HttpResponse:
    """What waits to be typed."""
    user = layout.user_of(request)
    state, priority = request.GET.get("state", ""), request.GET.get("priority", "")
    state = state if state in STATES else ""
    rows = transcription.queue(user=user, states=STATES.get(state, WAITING))
    if priority in Priority.values:
        rows = rows.filter(item__priority=priority)
    cut = paging.cut(request, rows, _whole)
    now = clock.now()
    with timezone.override(layout.zone_of(request)):
        shown = cut.with_rows(_row(one, now) for one in cut.rows)
    patients = [one.item.patient.current.public_id for one in cut.rows if one.item.patient]
    authorization.note_reading(request, audit.PATIENT_RECORD, *(("patient", key) for key in patients))
    context = {
        "paging": shown,
        "table": TABLE,
        "state": _STATES[state],
        "chips": [
            ("", [one_of(request, "state", key, text, state) for key, text in _STATES.items()]),
            ("Priority", [on_or_off(request, "priority", *pair, priority) for pair in _PRIORITIES.items()]),
        ],
        "is_filtered": bool(priority) or bool(state),
    }
    return layout.page(request, "web/transcription/transcription_queue.html", context)


@require_POST
@layout.may("transcription.type")
def next_dictation(request: HttpRequest) -> HttpResponse:
    """Lease the most due dictation and open it."""
    with transaction.atomic():
        row = transcription.next_dictation(by=actor_of(request))
    if row is None:
        layout.flash(request, "No dictations to type. New ones show here by themselves.")
        return HttpResponseRedirect(reverse("transcription"))
    return HttpResponseRedirect(reverse("dictation", args=[row.uuid]))


def _whole(rows: "QuerySet[Dictation]") -> "QuerySet[Dictation]":
    return rows.select_related("item__patient__survivor", "author", "typist").prefetch_related(
        "item__studies"
    )


def _row(dictation: Dictation, now: datetime) -> Row:
    name, identifier, _, _ = reading_rows.who(dictation.item.patient, dictation.item.studies.all())
    until = dictation.typing_until
    return Row(
        dictation=dictation,
        name=name,
        identifier=identifier,
        wait=reading_rows.wait(dictation.item, now),
        age=now - (dictation.finished_at or dictation.created_at),
        length=timedelta(seconds=dictation.seconds),
        holder=str(dictation.typist) if until and until > now else "",
    )
