"""Order entry: for a walk-in, found or unknown, or a known patient; a decision's form has the same fields."""

from typing import Any, Final

from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from accounts.actor import actor_of
from accounts.models import Facility
from ledger import audit
from ledger.errors import Invalid, Missing, Refused
from ledger.public_id import new_public_id
from web.kernel import authorization, formats, layout
from web.kernel.list_filters import text_of
from web.pages import order_fields, patients
from worklist.models import Order, OrderStatus, Patient, Sex
from worklist.patients import person_names, typed_dates
from worklist.schedule import order_choices, order_entry
from worklist.schedule.order_entry import ExamRequest, Form, NewPerson

UNKNOWN: Final = "unknown"
_LONGEST: Final = 200


@require_http_methods(["GET", "HEAD", "POST"])
@layout.may("order.place")
def new_order(request: HttpRequest) -> HttpResponse:
    """The panel, and the order that it places."""
    with timezone.override(layout.zone_of(request)):
        return _place(request) if request.method == "POST" else _panel(request)


def _place(request: HttpRequest) -> HttpResponse:
    try:
        with transaction.atomic():
            patient, facility = _person(request)
            exam = ExamRequest(
                procedure_code=_line(request, "procedure_code"),
                priority=_priority(request),
                station_ae_title=_line(request, "station_ae_title"),
                reason=_line(request, "reason"),
            )
            form = Form(_line(request, "key"), is_another=bool(_line(request, order_entry.ANOTHER)))
            order = order_entry.place(
                by=actor_of(request), facility=facility, patient=patient, request=exam, form=form
            )
    except Refused as error:
        problem = f"{error.sentence}. No order was placed."
        return _panel(request, problem, asks=error.field == order_entry.ANOTHER)
    assert order.patient is not None
    shown = order.patient.current
    name = person_names.isolated(formats.shown(shown.name))
    layout.flash(request, f"{name} ({shown.value}): order {order.accession_number} {_state(order)}.")
    back = layout.back_to(request, reverse("order", args=[order.public_id]))
    return HttpResponseRedirect(back)


def _state(order: Order) -> str:
    """What became of it: a form that is sent again may name an order that has gone on since."""
    return "placed" if order.status == OrderStatus.SCHEDULED else f"was placed before and is {order.status}"


def _person(request: HttpRequest) -> tuple[Patient | NewPerson, Facility]:
    """Whom the form names, and where the order is placed."""
    chosen = _line(request, "patient")
    if not chosen:
        raise Missing("choose a patient, or unknown patient", "patient")
    if chosen != UNKNOWN:
        patient = patients.find(request, chosen)
        return patient.current, patient.facility
    mine = layout.facilities_of(request)
    if not mine:
        raise Invalid("you belong to no facility", "facility")
    said = {
        "name": _name(_line(request, "name")),
        "birth_date": _birth_date(_line(request, "birth_date")),
        "sex": _line(request, "sex") if _line(request, "sex") in Sex.values else "",
    }
    return NewPerson(demographics=said), mine[0]


def _name(text: str) -> str:
    """As DICOM has it, from "Family, Given"; the signs of component groups and components are not typed."""
    family, _, given = "".join(c for c in text if c not in "^=\\").partition(",")
    return "^".join(part for part in (family.strip(), given.strip()) if part)


def _birth_date(text: str) -> str:
    days = typed_dates.days(text, timezone.localdate()) if text else []
    if text and len(days) != 1:
        raise Invalid(f"{text!r} is not a valid date; write it as 1970-01-31", "birth_date")
    return days[0] if days else ""


def _priority(request: HttpRequest) -> str:
    chosen = _line(request, "priority")
    if chosen and chosen not in {one.value for one in order_choices.priorities()}:
        raise Invalid("there is no such priority", "priority")
    return chosen


def _line(request: HttpRequest, name: str) -> str:
    return text_of(request.POST, name, _LONGEST)


# The panel


def _panel(request: HttpRequest, problem: str = "", *, asks: bool = False) -> HttpResponse:
    said = {name: str(value) for name, value in request.POST.items()}
    public_id = request.GET.get("patient", "") or said.get("patient", "")
    known = patients.find(request, public_id).current if public_id and public_id != UNKNOWN else None
    text = request.GET.get("q", said.get("q", ""))[:_LONGEST].strip()
    found = patients.found(request, text) if text and known is None else []
    context: dict[str, Any] = {
        "patient": patients.header(known) if known else None,
        "patient_id": known.public_id if known else "",
        "text": text,
        "found": [{"id": row.public_id, "header": patients.short(row)} for row in found],
        "said": {"name": text, **said},
        "fields": order_fields.fields(said),
        "sexes": Sex.choices,
        "problem": problem,
        "key": said.get("key") or new_public_id(),
        "another": order_entry.ANOTHER if asks or order_entry.ANOTHER in said else "",
        "back": layout.back_to(request, reverse("worklist")),
        "unknown": UNKNOWN,
    }
    if known:
        authorization.note_reading(request, audit.PATIENT_RECORD, ("patient", known.public_id))
    return layout.page(request, "web/worklist/order_entry.html", context, 422 if problem else 200)
