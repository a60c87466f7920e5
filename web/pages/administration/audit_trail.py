"""The audit trail: who did what to whose data."""

import csv
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final

from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.actor import actor_of
from accounts.models import User
from archive.models import Study
from ledger import audit, written_dates
from ledger.models import AuditEvent
from reporting.models import ReadingItem, Report
from web.kernel import authorization, layout, paging
from web.kernel.list_filters import text_of, unreadable_days
from web.pages.administration import audited_people, tabs
from web.pages.administration.administration_columns import AUDIT
from web.pages.timelines import path
from web.pages.turnaround.figure_formats import harmless
from worklist.models import Order, Patient
from worklist.patients import identity, typed_dates

MOST: Final = 100_000
"""Rows of a table that is taken away."""
MOST_THINGS: Final = 200
_AT_ONCE: Final = 500
_COLUMNS: Final = (
    "at",
    "user",
    "name",
    "kind",
    "action",
    "act",
    "outcome",
    "address",
    "interface",
    "things",
    "patients",
)
OBJECTS: Final = 8
"""Things that a row names; it says how many more there are."""
_PAGES: Final = {
    "patient": "patient",
    "order": "order",
    "message": "message",
    "study": "study",
    "exception": "exception",
    "reading_item": "reading-item",
    "import": "import",
    "user": "administration-user",
}
"""The pages of things, by their types."""


@dataclass(frozen=True)
class Asked:
    """What of the trail is asked for, as the page's fields hold it."""

    actor: str
    code: str
    failed: bool
    patient: str
    study: str
    since: datetime | None
    until: datetime | None

    @property
    def is_narrowed(self) -> bool:
        """Whether it is less than all."""
        return any(vars(self).values())

    def rows(self) -> QuerySet[AuditEvent]:
        """The events, the newest first."""
        return audit.find(
            actor=self.actor,
            code=self.code,
            failed=self.failed,
            since=self.since,
            until=self.until + timedelta(days=1) if self.until else None,
            things=_things(self.patient, self.study),
        )


@require_safe
@layout.may("user.manage")
def trail(request: HttpRequest) -> HttpResponse:
    """The newest first; looking at it is itself in it."""
    asked = _asked(request)
    authorization.note_reading(request, audit.QUERY, ("audit trail", "all"))
    cut = paging.cut(request, asked.rows())
    names = _names({row.actor for row in cut.rows})
    whose = _whose(request, cut.rows)
    context = {
        "unreadable_days": unreadable_days(request.GET, "day", "since", "until"),
        "table": AUDIT,
        "paging": cut.with_rows(_shown(row, names, whose) for row in cut.rows),
        "asked": asked,
        "since": written_dates.day(asked.since) if asked.since else "",
        "until": written_dates.day(asked.until) if asked.until else "",
        "kinds": audit.KINDS.items(),
        "csv": f"{reverse('administration-audit-csv')}?{request.GET.urlencode()}",
    }
    return tabs.page(request, "audit", "web/administration/audit_trail.html", context)


@require_safe  # type: ignore[type-var]
@layout.may("user.manage")
def table(request: HttpRequest) -> StreamingHttpResponse:
    """The same as CSV (RFC 4180), at most `MOST` rows; that it was taken is in the trail."""
    rows = _asked(request).rows()[:MOST]
    with transaction.atomic():
        audit.note(
            actor_of(request), audit.EXPORT, audit.EXECUTE, ("audit trail", request.GET.urlencode()[:200])
        )
    response = StreamingHttpResponse(_lines(request, rows), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="audit-{written_dates.day(timezone.now())}.csv"'
    return response


def _lines(request: HttpRequest, rows: QuerySet[AuditEvent]) -> Iterator[str]:
    """The rows, read in parts, so that a long list needs little memory."""
    names = _names(None)
    writer = csv.writer(_Line())
    yield writer.writerow(_COLUMNS)
    for part in _parts(rows.iterator(_AT_ONCE)):
        whose = _whose(request, part)
        for row in part:
            shown = _shown(row, names, whose)
            things = " ".join(f"{one.get('type', '')}:{one.get('id', '')}" for one in row.objects_named)
            said = (shown["full_name"], shown["kind"], shown["action"], row.act, shown["outcome"])
            people = "; ".join(dict.fromkeys(whose[one] for one in _named(row) if one in whose))
            values = (row.at.isoformat(), row.actor, *said, row.address, row.interface, things, people)
            yield writer.writerow([harmless(value) for value in values])


def _parts(rows: Iterator[AuditEvent]) -> Iterator[list[AuditEvent]]:
    """The rows, so many at once that whose they are is asked in few queries."""
    while part := list(islice(rows, _AT_ONCE)):
        yield part


class _Line:
    """A file that gives back what is written."""

    def write(self, text: str) -> str:
        return text


def _asked(request: HttpRequest) -> Asked:
    given = request.GET
    with timezone.override(layout.zone_of(request)):
        day = _day(text_of(given, "day", 10))
        since, until = (day or _day(text_of(given, name, 10)) for name in ("since", "until"))
    return Asked(
        actor=text_of(given, "actor", 200),
        code=text_of(given, "kind", 10),
        failed=given.get("outcome") == "failed",
        patient=text_of(given, "patient", 320),
        study=text_of(given, "study", 64),
        since=since,
        until=until,
    )


def _things(patient: str, study: str) -> Collection[str] | None:
    """The ids by which the trail names a patient's or a study's records; None where neither is asked for."""
    if not patient and not study:
        return None
    of_patient, of_study = _of_patient(patient), _of_study(study)
    if patient and study:
        return of_patient & of_study
    return of_patient or of_study


def _of_patient(text: str) -> set[str]:
    """All records of the person with their orders, studies and reports, by an identifier or a record's id.

    Studies whose headers say the identifier are found as well, whosever they are or were: images that nobody
    linked, and reports of them, have no other.
    """
    if not text:
        return set()
    value, _, authority = text.partition("^^^")
    rows = Patient.objects.filter(Q(value=value) | Q(public_id=value))
    if authority:
        rows = rows.filter(authority__namespace=authority)
    people = list(identity.same_person(rows[:20])[:200])
    found = {person.public_id for person in people}
    found |= set(Order.objects.filter(patient__in=people).values_list("public_id", flat=True)[:MOST_THINGS])
    said = Study.objects.filter(header_patient_id=value[:64])
    said = said.filter(issuer_of_patient_id=authority[:64]) if authority else said
    for studies in (Study.objects.filter(patient__in=people), said):
        for study in studies[:MOST_THINGS]:
            found |= _ids(study)
    return found


def _of_study(text: str) -> set[str]:
    """A study by its UID, its accession number or its id."""
    if not text:
        return set()
    rows = Study.objects.filter(Q(study_instance_uid=text) | Q(accession_number=text) | Q(public_id=text))
    return {id_ for study in rows[:MOST_THINGS] for id_ in _ids(study)}


def _ids(study: Study) -> set[str]:
    items = ReadingItem.objects.filter(studies=study)
    reports = Report.objects.filter(item__in=items).values_list("public_id", flat=True)
    own = {study.study_instance_uid, study.public_id}
    return own | set(items.values_list("public_id", flat=True)) | set(reports)


def _names(usernames: Collection[str] | None) -> Mapping[str, str]:
    """The full names of these users, else of all."""
    people = User.objects.all() if usernames is None else User.objects.filter(username__in=usernames)
    return dict(people.values_list("username", "full_name"))


def _named(row: AuditEvent) -> list[audit.Thing]:
    return [(str(one.get("type", "")), str(one.get("id", ""))) for one in row.objects_named]


def _whose(request: HttpRequest, rows: Iterable[AuditEvent]) -> Mapping[audit.Thing, str]:
    return audited_people.whose(layout.user_of(request), {thing for row in rows for thing in _named(row)})


def _shown(row: AuditEvent, names: Mapping[str, str], whose: Mapping[audit.Thing, str]) -> dict[str, Any]:
    things = _named(row)
    return {
        "event": row,
        "full_name": names.get(row.actor, ""),
        "kind": audit.KINDS.get(row.code, row.code),
        "action": audit.ACTIONS.get(row.action, row.action),
        "outcome": audit.OUTCOMES.get(row.outcome, str(row.outcome)),
        "things": [
            {
                "type": type_,
                "id": id_,
                "url": path(_PAGES[type_], id_) if type_ in _PAGES and id_ else "",
                "whose": whose.get((type_, id_), ""),
            }
            for type_, id_ in things[:OBJECTS]
        ],
        "more": max(0, len(things) - OBJECTS),
    }


def _day(text: str) -> datetime | None:
    """Midnight of a day, in the zone that is active."""
    day = typed_dates.day(text)
    return timezone.make_aware(datetime(day.year, day.month, day.day)) if day else None
