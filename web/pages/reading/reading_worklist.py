"""The reading worklist: what needs whom most, STAT before the rest, then by due time."""

from dataclasses import dataclass
from typing import Any, Final

from django.db.models import QuerySet, Sum
from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts import access
from accounts.models import User
from archive.models import ReadingStatus
from ledger import audit, clock
from reporting.dictation import transcription
from reporting.models import ReadingItem
from reporting.reading_worklist import assignment, reader_inbox
from reporting.reading_worklist.assignment import Wanted
from web.kernel import authorization, layout, paging
from web.pages.reading import reading_rows as listing
from worklist.models import Priority

ALL: Final = tuple(ReadingStatus.values)
COLUMNS: Final = (
    ("priority", "Priority", ""),
    ("due", "Wait", "due_at"),
    ("patient", "Patient", "patient__name_key"),
    ("", "Age, sex", ""),
    ("modality", "Modality", "modality"),
    ("part", "Body part", "body_part"),
    ("procedure", "Procedure", "description"),
    ("images", "Images", "stored"),
    ("status", "Status", "status"),
    ("", "Reader", ""),
    ("", "", ""),
)
"""Key of the order, title, what it is ordered by; without the last the order is that of need."""
_FIELDS: Final = {key: field for key, _, field in COLUMNS if field}


@dataclass(frozen=True)
class Chip:
    """A filter that the URL holds: its words, the query that turns it on or off, whether it is on."""

    words: str
    query: str
    is_on: bool


@require_safe
@layout.may("report.view")
def worklist(request: HttpRequest) -> HttpResponse:
    """The list, what came back to the person, and what waits for them."""
    user, wanted = layout.user_of(request), wanted_of(request.GET)
    rows = _ordered(assignment.worklist(user=user, wanted=wanted), request.GET.get("sort", ""))
    everything = Wanted(statuses=ALL)

    def whole(part: QuerySet[ReadingItem]) -> QuerySet[ReadingItem]:
        marked = assignment.worklist(user=user, wanted=everything)
        return listing.whole(marked.filter(pk__in=part.values("pk")))

    cut = paging.cut(request, rows, whole)
    with timezone.override(layout.zone_of(request)):
        shown = cut.with_rows(listing.shown(cut.rows, clock.now()))
    patients = [row.item.patient.current.public_id for row in shown.rows if row.item.patient]
    authorization.note_reading(request, audit.PATIENT_RECORD, *(("patient", key) for key in patients))
    return layout.page(request, "web/reading/reading_worklist.html", _context(request, user, wanted, shown))


def wanted_of(query: QueryDict) -> Wanted:
    """What the URL asks for; what it names wrongly it does not ask for."""
    asked = query.get("status", "")
    return Wanted(
        modality=query.get("modality", "")[:16].replace("\0", ""),
        priority=priority if (priority := query.get("priority", "")) in Priority.values else "",
        statuses=(asked,) if asked in ALL else (),
        text=query.get("text", "")[:100].replace("\0", "").strip(),
        mine=query.get("mine") == "1",
        overdue=query.get("overdue") == "1",
    )


def _ordered(rows: QuerySet[ReadingItem], sort: str) -> QuerySet[ReadingItem]:
    field = _FIELDS.get(sort.removeprefix("-"))
    if field is None:
        return rows
    if field == "stored":
        rows = rows.annotate(stored=Sum("studies__instance_count"))
    way = "-" if sort.startswith("-") else ""
    return rows.order_by(f"{way}{field}", "band", "due_at", "id")


def _context(request: HttpRequest, user: User, wanted: Wanted, shown: paging.Cut[Any]) -> dict[str, Any]:
    sort = request.GET.get("sort", "")
    is_by_need = sort.removeprefix("-") not in _FIELDS
    stat = [row for row in shown.rows if row.item.band == 0] if is_by_need else []
    waiting = assignment.worklist(user=user)
    return {
        "paging": shown,
        "groups": [("STAT", stat), ("", [row for row in shown.rows if row not in stat])],
        "wanted": wanted,
        "is_filtered": wanted != assignment.EVERYTHING,
        "columns": [_column(request, sort, *column) for column in COLUMNS],
        "chips": _chips(request, user, wanted),
        "waiting": waiting.filter(status=ReadingStatus.READY).count(),
        "stat": waiting.filter(band=0).count(),
        "overdue": assignment.overdue(user=user),
        "returned": transcription.returned(user=user)[:20],
        "rechecks": reader_inbox.rechecks(user)[:20],
        "questions": reader_inbox.questions(user)[:20],
        "unfinished": reader_inbox.unfinished(user)[:20],
        "may_write": access.can(user, "report.write"),
        "user_key": user.public_id,
    }


def _column(request: HttpRequest, sort: str, key: str, title: str, field: str) -> dict[str, Any]:
    is_on = bool(field) and sort.removeprefix("-") == key
    if not key:
        return {"title": title, "query": "", "sort": ""}
    turned = f"-{key}" if is_on and not sort.startswith("-") else key
    by_need = key == "priority"
    is_on = is_on or (by_need and sort.removeprefix("-") not in _FIELDS)
    return {
        "title": title,
        "query": _query(request, sort="" if by_need else turned),
        "sort": ("descending" if sort.startswith("-") else "ascending") if is_on else "",
    }


def _chips(request: HttpRequest, user: User, wanted: Wanted) -> list[tuple[str, list[Chip]]]:
    kinds = assignment.worklist(user=user).order_by().values_list("modality", flat=True).distinct()
    modalities = sorted({one for kind in kinds for one in kind.split("/") if one} | {wanted.modality} - {""})
    urgencies = [(one.value, one.label) for one in Priority]
    states = [(one.value, one.label) for one in map(ReadingStatus, ALL) if one != ReadingStatus.NOT_READY]
    state = wanted.statuses[0] if wanted.statuses else ""
    return [
        ("", [_chip(request, "mine", "1", "mine", wanted.mine)]),
        ("", [_chip(request, "overdue", "1", "overdue", wanted.overdue)]),
        ("Priority", [_chip(request, "priority", k, word, wanted.priority == k) for k, word in urgencies]),
        ("Modality", [_chip(request, "modality", k, k, wanted.modality == k) for k in modalities]),
        ("Status", [_chip(request, "status", k, word, state == k) for k, word in states]),
    ]


def _chip(request: HttpRequest, name: str, value: str, words: str, is_on: bool) -> Chip:
    return Chip(words, _query(request, **{name: "" if is_on else value}), is_on)


def _query(request: HttpRequest, **values: str) -> str:
    """The query of this page with some parts changed; those that become empty go, and so does the page."""
    query = request.GET.copy()
    for name, value in {**values, "page": ""}.items():
        if value:
            query[name] = value
        elif name in query:
            del query[name]
    return f"{reverse('reading')}?{query.urlencode()}" if query else reverse("reading")
