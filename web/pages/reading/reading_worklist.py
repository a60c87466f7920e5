"""The reading worklist: what needs whom most, STAT before the rest, then by due time."""

from typing import Any, Final

from django.db.models import QuerySet, Sum
from django.http import HttpRequest, HttpResponse, QueryDict
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
from web.kernel.list_filters import Chip, on_or_off
from web.pages.reading import last_signature
from web.pages.reading import reading_rows as listing
from web.pages.reading.reading_columns import TABLE
from worklist.models import Priority

ALL: Final = tuple(ReadingStatus.values)


@require_safe
@layout.may("report.view")
def worklist(request: HttpRequest) -> HttpResponse:
    """The list, what came back to the person, and what waits for them."""
    user, wanted = layout.user_of(request), wanted_of(request.GET)
    rows = _ordered(assignment.worklist(user=user, wanted=wanted), TABLE.order_by(TABLE.sort_of(request.GET)))
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
        investigated=query.get("investigated") == "1",
    )


def _ordered(rows: QuerySet[ReadingItem], order: str) -> QuerySet[ReadingItem]:
    """The rows by a column, those alike by need; without one by need alone."""
    if not order:
        return rows
    if order.removeprefix("-") == "stored":
        rows = rows.annotate(stored=Sum("studies__instance_count"))
    return rows.order_by(order, "band", "due_at", "id")


def _context(request: HttpRequest, user: User, wanted: Wanted, shown: paging.Cut[Any]) -> dict[str, Any]:
    sort = TABLE.sort_of(request.GET)
    stat = [row for row in shown.rows if row.item.band == 0] if sort == TABLE.usual else []
    waiting = assignment.worklist(user=user)
    return {
        "paging": shown,
        "groups": [("STAT", stat), ("", [row for row in shown.rows if row not in stat])],
        "wanted": wanted,
        "is_filtered": wanted != assignment.EVERYTHING,
        "table": TABLE.sorted_by(sort, request),
        "chips": _chips(request, user, wanted),
        "waiting": waiting.filter(status=ReadingStatus.READY).count(),
        "stat": waiting.filter(band=0).count(),
        "overdue": assignment.overdue(user=user),
        "returned": transcription.returned(user=user)[:20],
        "rechecks": reader_inbox.rechecks(user)[:20],
        "questions": reader_inbox.questions(user)[:20],
        "last": last_signature.of(user),
        "unfinished": reader_inbox.unfinished(user)[:20],
        "may_write": access.can(user, "report.write"),
        "user_key": user.public_id,
    }


def _chips(request: HttpRequest, user: User, wanted: Wanted) -> list[tuple[str, list[Chip]]]:
    kinds = assignment.worklist(user=user).order_by().values_list("modality", flat=True).distinct()
    modalities = sorted({one for kind in kinds for one in kind.split("/") if one} | {wanted.modality} - {""})
    priorities = {str(value): str(words) for value, words in Priority.choices}
    states = {name: name.replace("_", " ") for name in ALL if name != "not_ready"}
    groups = [
        ("", "mine", {"1": "mine"}, "1" if wanted.mine else ""),
        ("", "overdue", {"1": "overdue"}, "1" if wanted.overdue else ""),
        ("", "investigated", {"1": "under investigation"}, "1" if wanted.investigated else ""),
        ("Priority", "priority", priorities, wanted.priority),
        ("Modality", "modality", {name: name for name in modalities}, wanted.modality),
        ("Status", "status", states, wanted.statuses[0] if wanted.statuses else ""),
    ]
    return [
        (title, [on_or_off(request, name, *pair, chosen) for pair in choices.items()])
        for title, name, choices, chosen in groups
        if choices
    ]
