"""The list of identities in doubt: where messages disagree on who somebody is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from ledger import audit
from web.kernel import authorization, formats, layout, paging
from web.kernel.list_filters import any_of, one_of, text_of
from web.pages import patients
from web.pages.exceptions import exception_tabs
from web.pages.exceptions.identity_columns import TABLE
from worklist.models import IdentityException, IdentityExceptionKind
from worklist.patients import identity_exceptions

STATES: Final = {"open": "Open", "resolved": "Looked after", "closed": "Resolved automatically", "all": "All"}


@dataclass(frozen=True)
class Row:
    """A line of the list: the patient here, and whom the message names."""

    row: IdentityException
    patient: patients.Header
    named: str
    identifiers: str


def shown(row: IdentityException) -> Row:
    """A doubt as lists and its page show it."""
    return Row(
        row,
        patients.short(row.patient or row.other),
        formats.shown(row.said.get("name", "")),
        ", ".join(row.said.get("identifiers", [])),
    )


@require_safe
@layout.may("exception.view")
def identities(request: HttpRequest) -> HttpResponse:
    """The list."""
    user = layout.user_of(request)
    state = text_of(request.GET, "status", 16)
    state = state if state in STATES else "open"
    kinds = [kind for kind in IdentityExceptionKind.values if kind in request.GET.getlist("kind")]
    rows = identity_exceptions.find(user, status="" if state == "all" else state, kinds=kinds)
    sort = TABLE.sort_of(request.GET)
    with timezone.override(layout.zone_of(request)):
        cut = paging.cut(request, rows.order_by(*_order(TABLE.order_by(sort))), identity_exceptions.whole)
        things = [("patient", row.patient.public_id) for row in cut.rows if row.patient]
        authorization.note_reading(request, audit.PATIENT_RECORD, *things)
        context: dict[str, Any] = {
            **exception_tabs.counts(user),
            "state": state,
            "is_narrowed": bool(kinds) or state != "open",
            "chips": [
                ("Status", [one_of(request, "status", *pair, state, "open") for pair in STATES.items()]),
                (
                    "What",
                    [
                        any_of(request, "kind", key, words.capitalize(), kinds)
                        for key, words in IdentityExceptionKind.choices
                    ],
                ),
            ],
            "paging": cut,
            "rows": [shown(row) for row in cut.rows],
            "table": TABLE.sorted_by(sort, request),
        }
        return layout.page(request, "web/exceptions/identity_list.html", context)


def _order(wanted: str) -> Sequence[str]:
    sort = wanted.removeprefix("-")
    column = {"kind": "kind", "status": "status"}.get(sort, "opened_at")
    # The youngest has the least age.
    turned = wanted.startswith("-") != (sort not in ("kind", "status"))
    return [("-" if turned else "") + column, ("-" if turned else "") + "pk"]
