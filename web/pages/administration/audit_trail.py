"""The audit trail: who did what to whose data."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.views.decorators.http import require_safe

from accounts.models import User
from ledger import audit
from ledger.models import AuditEvent
from web.kernel import authorization, layout, paging
from web.kernel.list_filters import text_of
from web.pages.administration import tabs
from web.pages.timelines import path

OBJECTS: Final = 8
"""Things that a row names; it says how many more there are."""
_PAGES: Final = frozenset({"patient", "order", "message", "study", "exception"})


@require_safe
@layout.may("user.manage")
def trail(request: HttpRequest) -> HttpResponse:
    """The newest first; looking at it is itself in it."""
    actor, code = text_of(request.GET, "actor", 200), text_of(request.GET, "kind", 10)
    failed = request.GET.get("outcome") == "failed"
    with timezone.override(layout.zone_of(request)):
        since, until = _day(text_of(request.GET, "since", 10)), _day(text_of(request.GET, "until", 10))
    rows = audit.find(
        actor=actor,
        code=code,
        failed=failed,
        since=since,
        until=until + timedelta(days=1) if until else None,
    )
    authorization.note_reading(request, audit.QUERY, ("audit trail", "all"))
    cut = paging.cut(request, rows)
    people = User.objects.filter(username__in={row.actor for row in cut.rows})
    names = dict(people.values_list("username", "full_name"))
    context = {
        "paging": cut.with_rows(_shown(row, names) for row in cut.rows),
        "actor": actor,
        "code": code,
        "failed": failed,
        "since": f"{since:%Y-%m-%d}" if since else "",
        "until": f"{until:%Y-%m-%d}" if until else "",
        "kinds": audit.KINDS.items(),
        "is_narrowed": bool(actor or code or failed or since or until),
    }
    return tabs.page(request, "audit", "web/administration/audit_trail.html", context)


def _shown(row: AuditEvent, names: Mapping[str, str]) -> dict[str, Any]:
    things = [(str(one.get("type", "")), str(one.get("id", ""))) for one in row.objects_named]
    return {
        "event": row,
        "full_name": names.get(row.actor, ""),
        "kind": audit.KINDS.get(row.code, row.code),
        "action": audit.ACTIONS.get(row.action, row.action),
        "outcome": audit.OUTCOMES.get(row.outcome, str(row.outcome)),
        "things": [
            {"type": type_, "id": id_, "url": path(type_, id_) if type_ in _PAGES and id_ else ""}
            for type_, id_ in things[:OBJECTS]
        ],
        "more": max(0, len(things) - OBJECTS),
    }


def _day(text: str) -> datetime | None:
    """Midnight of a day, in the zone that is active."""
    try:
        day = parse_date(text) if text else None
    except ValueError:
        return None
    return timezone.make_aware(datetime(day.year, day.month, day.day)) if day else None
