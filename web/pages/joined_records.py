"""The pages that merge or link two patient records, part them, and take that back: side by side, in words."""

from typing import Any, Final

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from accounts.actor import actor_of
from ledger import audit
from ledger.errors import Refused
from web.kernel import authorization, layout, record_effects
from web.kernel.list_filters import text_of
from web.pages import patients
from worklist.models import LinkKind, Patient, PatientLink
from worklist.patients import identity, link_forecast, record_acts, temporary_records
from worklist.patients.link_forecast import Joint

_LONGEST: Final = 200
_TO_JOIN: Final = {
    LinkKind.MERGE: "Merge: the number is retired",
    LinkKind.LINK: "Link: both numbers stay in use",
}


@require_http_methods(["GET", "HEAD", "POST"])
@layout.may("patient.merge")
def merge(request: HttpRequest, public_id: str) -> HttpResponse:
    """Find the other record, compare, and merge or link."""
    record = patients.find(request, public_id)
    if record.survivor is not None:
        return HttpResponseRedirect(reverse("patient-merge", args=[record.survivor.public_id]))
    with timezone.override(layout.zone_of(request)):
        chosen = text_of(request.POST if request.method == "POST" else request.GET, "with", _LONGEST)
        if not chosen:
            return _search(request, record)
        other = patients.find(request, chosen).current
        if other.pk == record.pk:
            return _search(request, record, "Both are the same patient.")
        return _merge(request, record, other)


@require_http_methods(["GET", "HEAD", "POST"])
@layout.may("patient.merge")
def unmerge(request: HttpRequest, public_id: str) -> HttpResponse:
    """Choose which record is another person's, compare, and part it from the others."""
    record = patients.find(request, public_id)
    with timezone.override(layout.zone_of(request)):
        joints = link_forecast.joints(record)
        wanted = text_of(request.POST if request.method == "POST" else request.GET, "record", 64)
        joint = next((one for one in joints if one.record.public_id == wanted), None)
        if joint is None and len(joints) == 1 and not wanted:
            joint = joints[0]
        if joint is None:
            return _joints(request, record, joints)
        return _part(request, record, joint)


@require_POST
@layout.may("patient.link")
def undo(request: HttpRequest, public_id: str) -> HttpResponse:
    """Take back what a person has done to two records here."""
    rows = PatientLink.objects.select_related("retired__authority", "retired__facility", "survivor")
    found = get_object_or_404(rows, public_id=public_id)
    retired = patients.find(request, found.retired.public_id)
    reason = text_of(request.POST, "reason", _LONGEST)
    is_temporary = found.kind != LinkKind.UNLINK and temporary_records.was_temporary(retired)
    take_back = temporary_records.unlink if is_temporary else record_acts.take_back
    try:
        with transaction.atomic():
            take_back(found, reason=reason, by=actor_of(request))
    except Refused as error:
        text = f"{error.sentence}. Nothing was changed."
        layout.flash(request, text, level=messages.WARNING)
        return HttpResponseRedirect(reverse("patient", args=[found.survivor.public_id]))
    retired.refresh_from_db()
    apart = retired.survivor_id is None
    shown = patients.named(retired)
    layout.flash(request, f"{shown} shows by itself again." if apart else f"{shown} shows with others again.")
    return HttpResponseRedirect(reverse("patient", args=[retired.public_id]))


def _merge(request: HttpRequest, record: Patient, other: Patient) -> HttpResponse:
    said = request.POST if request.method == "POST" else request.GET
    kind = LinkKind.LINK if said.get("kind") == LinkKind.LINK else LinkKind.MERGE
    problem, asks = "", bool(text_of(request.POST, record_acts.ALTHOUGH, 8))
    if request.method == "POST":
        try:
            with transaction.atomic():
                record_acts.join(
                    record,
                    into=other,
                    kind=kind,
                    reason=text_of(request.POST, "reason", _LONGEST),
                    by=actor_of(request),
                    although=asks,
                )
        except Refused as error:
            problem, asks = f"{error.sentence}. Nothing was changed.", error.field == record_acts.ALTHOUGH
        else:
            layout.flash(request, f"{patients.named(record)} is now {patients.named(other)}.")
            return HttpResponseRedirect(reverse("patient", args=[other.public_id]))
    differ = temporary_records.differences(record, other)
    context = {
        "title": "Merge or link two records",
        "kinds": [(key.value, words, key == kind) for key, words in _TO_JOIN.items()],
        "swapped": f"{reverse('patient-merge', args=[other.public_id])}?with={record.public_id}",
        "differ": " and ".join(differ),
        "although": record_acts.ALTHOUGH if differ else "",
        "with": other,
        "act": "Merge or link",
    }
    return _compared(request, record, other, kind, context, problem)


def _part(request: HttpRequest, record: Patient, joint: Joint) -> HttpResponse:
    problem = ""
    one, other = joint.link.retired, joint.link.survivor
    if request.method == "POST":
        try:
            with transaction.atomic():
                reason = text_of(request.POST, "reason", _LONGEST)
                record_acts.part(joint.link, reason=reason, by=actor_of(request))
        except Refused as error:
            problem = f"{error.sentence}. Nothing was changed."
        else:
            layout.flash(request, f"{one.value} and {other.value} are two patients again.")
            return HttpResponseRedirect(reverse("patient", args=[joint.record.public_id]))
    context = {
        "title": "Part two records",
        "joint": joint,
        "why": _why(joint),
        "act": "Part the records",
    }
    return _compared(request, one, other, LinkKind.UNLINK, context, problem)


def _compared(
    request: HttpRequest,
    record: Patient,
    other: Patient,
    kind: LinkKind,
    context: dict[str, Any],
    problem: str,
) -> HttpResponse:
    people = list(identity.same_person([record, other]))
    things = [("patient", one.public_id) for one in people]
    authorization.note_reading(request, audit.PATIENT_RECORD, *things)
    context |= {
        "record": record,
        "sides": [patients.compared(one) for one in (record, other)],
        "effects": record_effects.of(kind, record, other),
        "reason": text_of(request.POST, "reason", _LONGEST),
        "problem": problem,
        "back": reverse("patient", args=[record.public_id]),
    }
    return layout.page(request, "web/joined_records.html", context, 422 if problem else 200)


def _search(request: HttpRequest, record: Patient, problem: str = "") -> HttpResponse:
    text = request.GET.get("q", "")[:_LONGEST].strip()
    found = [one for one in patients.found(request, text) if one.current.pk != record.pk] if text else []
    context = {
        "title": "Merge or link two records",
        "record": record,
        "patient": patients.header(record),
        "text": text,
        "found": [{"id": one.public_id, "header": patients.of_record(one)} for one in found],
        "problem": problem,
        "back": reverse("patient", args=[record.public_id]),
    }
    return layout.page(request, "web/other_record.html", context, 422 if problem else 200)


def _joints(request: HttpRequest, record: Patient, joints: list[Joint]) -> HttpResponse:
    context = {
        "title": "Part two records",
        "record": record,
        "patient": patients.header(record),
        "joints": [{"id": one.record.public_id, "why": _why(one)} for one in joints],
        "back": reverse("patient", args=[record.public_id]),
    }
    return layout.page(request, "web/other_record.html", context)


def _why(joint: Joint) -> str:
    link = joint.link
    ends = f"{link.retired} and {link.survivor}"
    by = "here" if link.source.startswith("user:") else "by the HIS"
    if link.kind == LinkKind.SAME_MESSAGE:
        return f"{ends} are one patient because a message has both numbers"
    return f"{ends} were {'merged' if link.kind == LinkKind.MERGE else 'linked'} {by}"
