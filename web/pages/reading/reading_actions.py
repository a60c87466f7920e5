"""What people do with reading items from the list and from the editor: forms that a page sends."""

from collections.abc import Callable, Mapping
from typing import Final

from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from accounts import access as policy
from accounts.actor import Actor, actor_of
from ledger.errors import Invalid, Refused
from reporting.models import ReadingItem, Recheck, ReportVersion
from reporting.reading_worklist import assignment
from reporting.reports import rechecks, signatures
from web.kernel import authorization, layout
from web.kernel.refusal import STATUSES
from web.pages.reading.reading_worklist import wanted_of


@require_POST
@layout.may("report.write")
def next_item(request: HttpRequest) -> HttpResponse:
    """Lease what needs the reader most, and open it."""
    wanted = wanted_of(request.POST)
    with transaction.atomic():
        item = assignment.next_item(by=actor_of(request), wanted=wanted)
    if item is None:
        layout.flash(request, _nothing(assignment.left_out(user=layout.user_of(request), wanted=wanted)))
        return HttpResponseRedirect(layout.back_to(request, reverse("reading")))
    return HttpResponseRedirect(reverse("reading-item", args=[item.public_id]))


def _nothing(left_out: assignment.LeftOut) -> str:
    """What is said where no item is handed out, with those that one may still choose."""
    kinds = [
        f"{count} {words}"
        for count, words in (
            (left_out.passed_over, "that you skipped or returned"),
            (left_out.investigated, "under investigation"),
        )
        if count
    ]
    if not kinds:
        return "No unclaimed exams. New exams show here by themselves."
    return f"No other unclaimed exams. Left out: {', '.join(kinds)}. Open them from the list."


@require_POST
@layout.may("report.write")
def act(request: HttpRequest, key: str, act: str) -> HttpResponse:
    """Do one of `ACTS` to an item, say so, and go back to where it was asked for."""
    if act not in ACTS:
        raise Http404
    user = layout.user_of(request)
    rows = ReadingItem.objects.select_related("facility", "patient")
    item = authorization.find(rows, policy.visible(rows, user), request, public_id=key)
    try:
        with transaction.atomic():
            said = ACTS[act](request, item, actor_of(request))
    except Refused as error:
        return refused(request, error)
    undo = reverse("reading-act", args=[item.public_id, _UNDONE_BY[act]]) if act in _UNDONE_BY else ""
    layout.flash(request, said, undo=undo)
    return HttpResponseRedirect(layout.back_to(request, reverse("reading")))


@require_POST
@layout.may("report.sign")
def still_valid(request: HttpRequest, key: str) -> HttpResponse:
    """The signer says that a report holds as it is."""
    user = layout.user_of(request)
    rows = Recheck.objects.select_related("item")
    mine = rows.filter(item__in=policy.visible(ReadingItem.objects.all(), user))
    recheck = authorization.find(rows, mine, request, public_id=key)
    try:
        with transaction.atomic():
            rechecks.still_valid(recheck=recheck, by=actor_of(request), note=_text(request, "reason"))
    except Refused as error:
        return refused(request, error)
    layout.flash(request, "Recheck closed: the report still stands.")
    return HttpResponseRedirect(layout.back_to(request, reverse("reading")))


def _skip(request: HttpRequest, item: ReadingItem, by: Actor) -> str:
    hold = assignment.skip(item=item, by=by, reason=_text(request, "why"), note=_text(request, "note"))
    if hold:
        return f"Skipped, and on hold: {hold}. It is not offered to you again."
    return "Skipped. It is not offered to you again; others still get it."


def _hold(request: HttpRequest, item: ReadingItem, by: Actor) -> str:
    assignment.hold(item=item, by=by, reason=request.POST.get("why", ""), note=_text(request, "note"))
    return "On hold. The waiting time does not count as yours."


def _resume(request: HttpRequest, item: ReadingItem, by: Actor) -> str:
    assignment.resume(item=item, by=by)
    return "Hold released."


def _reserve(request: HttpRequest, item: ReadingItem, by: Actor) -> str:
    assignment.reserve(item=item, by=by)
    return "Reserved for you, for twelve hours at most. It stays among what is overdue."


def _withdraw(request: HttpRequest, item: ReadingItem, by: Actor) -> str:
    assignment.withdraw(item=item, by=by, reason=_text(request, "reason"))
    return "Withdrawn: no report needed. Text and dictations are kept."


def _reopen(request: HttpRequest, item: ReadingItem, by: Actor) -> str:
    assignment.reopen(item=item, by=by)
    return "Back in the reading list."


def _confirm(request: HttpRequest, item: ReadingItem, by: Actor) -> str:
    seen = request.POST.get("revision", "")
    if not (seen.isascii() and seen.isdigit() and len(seen) < 10):
        raise Invalid("the page does not say which revision it shows", "revision")
    assignment.confirm_patient(item=item, by=by, revision=int(seen))
    return "Confirmed: the text is about the patient shown."


def _undo_signature(request: HttpRequest, item: ReadingItem, by: Actor) -> str:
    rows = ReportVersion.objects.filter(report__item=item, undone_at=None)
    version = rows.select_related("report__item").order_by("-number").first()
    if version is None:
        raise Invalid("nothing is signed here", "item")
    signatures.undo(version=version, by=by)
    return "Signature undone. The report is a draft again, and was not sent."


ACTS: Final[Mapping[str, Callable[[HttpRequest, ReadingItem, Actor], str]]] = {
    "skip": _skip,
    "hold": _hold,
    "resume": _resume,
    "reserve": _reserve,
    "withdraw": _withdraw,
    "reopen": _reopen,
    "confirm-patient": _confirm,
    "undo-signature": _undo_signature,
}
_UNDONE_BY: Final = {"withdraw": "reopen", "hold": "resume"}


def _text(request: HttpRequest, name: str) -> str:
    return request.POST.get(name, "")[:500].replace("\0", "")


def refused(request: HttpRequest, error: Refused) -> HttpResponse:
    """The page that says why reporting refused something."""
    status = error.answer(STATUSES)
    title = {403: "You may not do this", 422: "Something is missing", 409: "Already changed by someone else"}[
        status
    ]
    text = f"{error.sentence}. Nothing was changed."
    return layout.refuse(request, status, title, text, back=reverse("reading"))
