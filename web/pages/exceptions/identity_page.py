"""One identity in doubt: who is here and whom the message names, side by side; and ending it."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from accounts import access
from accounts.actor import Actor, actor_of
from accounts.models import User
from interfaces.hl7.inspect.message_search import IN_TROUBLE
from interfaces.hl7.models import InboundMessage
from ledger import audit
from ledger.errors import Refused, Unknown
from web.kernel import authorization, formats, layout
from web.kernel.list_filters import text_of
from web.pages import patients, timelines
from web.pages.exceptions.identity_list import shown
from worklist.models import IdentityException, IdentityExceptionKind, Patient
from worklist.patients import identity_exceptions

_LONGEST: Final = 500
ADVICE: Final[Mapping[str, str]] = {
    IdentityExceptionKind.OTHER_PATIENT: (
        "Nothing was changed by the message. If both are one person, the HIS merges them (ADT^A40), or "
        "somebody who may does it here; then apply the message again. If they are two, the order was "
        "placed for the wrong one: the HIS cancels it and orders anew."
    ),
    IdentityExceptionKind.REPORT_OF_ANOTHER: (
        "The report shows with no study. If both are one person, merge them; a report that was refused is "
        "then applied again. If they are two, ask its sender whose report it is: it withdraws it and sends "
        "it for the right patient or with the right number."
    ),
    IdentityExceptionKind.SHARED_NUMBER: (
        "The second order was refused and is on no worklist. If both are one person, merge them and apply "
        "the message again. If not, the HIS gives the second order a number of its own."
    ),
    IdentityExceptionKind.CONTRADICTING_NUMBERS: (
        "Nothing was changed by the message. It names two orders as one, or an order by a number that "
        "another one has. Ask the HIS which order is meant; it sends the message again with that order's "
        "own numbers, or a new order with a number of its own."
    ),
    IdentityExceptionKind.LINKED_BY_MESSAGE: (
        "Both records show as one person since. If they are two people, undo the link on the patient's "
        "page, and tell the HIS."
    ),
    IdentityExceptionKind.MERGES_CONFLICT: (
        "The later merge counts. Ask the HIS which of them is right; what is wrong is taken back on the "
        "patient's page."
    ),
    IdentityExceptionKind.VISIT_OF_ANOTHER: (
        "Nothing was changed by the message. If both are one person, the HIS merges them (ADT^A40), or "
        "you do on the patient's page; then apply the message again. If the visit was moved, the HIS says "
        "so first (ADT^A45, A44) and from whom. If each patient has visit numbers of its own there, the "
        "source needs visit_numbers: per_patient."
    ),
    IdentityExceptionKind.MERGE_REFUSED: (
        "Nothing was changed by the message. Look at how the records hang together, on the patient's "
        "page, and ask the HIS what is meant."
    ),
}
"""What a person does about each kind."""
WITHOUT_RECORD: Final[Mapping[str, str]] = {
    IdentityExceptionKind.OTHER_PATIENT: (
        "Nothing was changed by the message. The patient whom it names has no record here, so there is "
        "nobody to merge. Ask the HIS whose order it is: it registers the other number (ADT^A04) and merges "
        "(ADT^A40) if both are one person, or sends the message again with the right patient, or with an "
        "order number of its own."
    ),
    IdentityExceptionKind.SHARED_NUMBER: (
        "The second order was refused and is on no worklist. The patient whom it names has no record here, "
        "so there is nobody to merge. Ask the HIS: it gives the second order a number of its own, or "
        "registers and merges the other number (ADT^A04, A40) if both are one person."
    ),
    IdentityExceptionKind.REPORT_OF_ANOTHER: (
        "The report shows with no study. The patient whom it names has no record here, so there is nobody "
        "to merge. Ask its sender whose report it is: it sends it again for the right patient or with the "
        "right number."
    ),
}
"""The same where nobody is here whom the message names."""


@require_safe
@layout.may("exception.view")
def identity(request: HttpRequest, public_id: str) -> HttpResponse:
    """The page."""
    row = find(request, public_id)
    things = [thing for thing in identity_exceptions.things(row) if thing[0] == "patient"]
    authorization.note_reading(request, audit.PATIENT_RECORD, *things)
    with timezone.override(layout.zone_of(request)):
        return layout.page(request, "web/exceptions/identity.html", _context(request, row))


@require_POST
@layout.may("identity.decide")
def resolve(request: HttpRequest, public_id: str) -> HttpResponse:
    """Say that it has been looked after."""
    return _done(request, public_id, identity_exceptions.resolve, "Marked as looked after.")


@require_POST
@layout.may("identity.decide")
def reopen(request: HttpRequest, public_id: str) -> HttpResponse:
    """Take that back."""
    return _done(request, public_id, identity_exceptions.reopen, "It is open again.")


@require_POST
@layout.may("identity.decide")
def hand_over(request: HttpRequest, public_id: str) -> HttpResponse:
    """Leave it to somebody else, with a note."""
    name = text_of(request.POST, "to", 150)
    to = User.objects.filter(username=name).first() if name else None

    def act(row: IdentityException, *, reason: str, by: Actor) -> None:
        if name and to is None:
            raise Unknown("there is no such person", "to")
        identity_exceptions.hand_over(row, to=to, note=reason, by=by)

    return _done(request, public_id, act, f"Handed over to {to}." if to else "Noted for whoever looks next.")


def find(request: HttpRequest, public_id: str) -> IdentityException:
    """The one that a path names, if it is one of the person's; raises Http404."""
    rows = identity_exceptions.whole(IdentityException.objects.all())
    mine = identity_exceptions.whole(identity_exceptions.of_user(request.user))
    return authorization.find(rows, mine, request, public_id=public_id)


def _context(request: HttpRequest, row: IdentityException) -> dict[str, Any]:
    kind, _, key = row.source.partition(":")
    user, named = layout.user_of(request), identity_exceptions.named_record(row)
    has_message = kind == "hl7" and access.can(user, "message.view")
    advice = ADVICE if row.other or named or not row.said else {**ADVICE, **WITHOUT_RECORD}
    can_decide = access.can(user, "identity.decide")
    return {
        "row": row,
        "line": shown(row),
        "sides": [patients.header(one) for one in (row.patient, row.other or named) if one is not None],
        "said": {
            "name": formats.groups(row.said.get("name", "")),
            "birth_date": formats.date(row.said.get("birth_date", "")),
            "sex": row.said.get("sex", ""),
            "identifiers": row.said.get("identifiers", []),
        },
        "advice": advice[row.kind],
        "message": timelines.path("message", key) if has_message else "",
        "is_open": row.status == IdentityException.Status.OPEN,
        "merge": _where_they_are_joined(user, row.patient, row.other or named),
        "repair": _where_it_is_replayed(user, key) if has_message else "",
        "can_decide": can_decide,
        "people": identity_exceptions.people(row) if can_decide else [],
        "timeline": timelines.of("identity-exception", row.public_id, user),
    }


def _where_they_are_joined(
    user: User, patient: Patient | None, other: Patient | None
) -> tuple[str, str] | None:
    """The page that merges the two records, or parts them, and its name."""
    if not access.can(user, "patient.merge") or patient is None or other is None:
        return None
    if patient.current == other.current:
        return reverse("patient-unmerge", args=[patient.public_id]), "Unmerge"
    page = reverse("patient-merge", args=[other.public_id])
    return f"{page}?with={patient.public_id}", "Merge or link"


def _where_it_is_replayed(user: User, public_id: str) -> str:
    """The page that repairs the message and applies it again, if it was not applied."""
    rows = InboundMessage.objects.filter(public_id=public_id, status__in=IN_TROUBLE)
    may = access.can(user, "message.replay") and rows.exists()
    return reverse("message-repair", args=[public_id]) if may else ""


def _done(request: HttpRequest, public_id: str, act: Callable[..., None], done: str) -> HttpResponse:
    row = find(request, public_id)
    try:
        with transaction.atomic():
            act(row, reason=text_of(request.POST, "reason", _LONGEST), by=actor_of(request))
    except Refused as error:
        layout.flash(request, f"{error.sentence}. Nothing was changed.", level=messages.WARNING)
    else:
        layout.flash(request, done)
    return HttpResponseRedirect(reverse("identity-exception", args=[public_id]))
