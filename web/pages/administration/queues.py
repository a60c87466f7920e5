"""Queues: work, recurring works, what goes out, processes; and what was kept aside."""

from collections.abc import Mapping
from pathlib import Path

from django.db import transaction
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from accounts.actor import actor_of
from archive.models import Quarantined
from archive.storage import quarantine as quarantines
from interfaces.hl7.outbound import delivery_queues as outgoing
from ledger import audit, jobs
from ledger import queues as ledger_queues
from ledger.errors import Conflict
from ledger.models import Job
from web.kernel import authorization, layout, paging
from web.kernel.list_filters import text_of
from web.pages.administration import tabs


@require_safe
@layout.may("queue.view")
def queues(request: HttpRequest) -> HttpResponse:
    """What is still to be done, by whom, and what waits for a person."""
    context = {
        "kinds": ledger_queues.kinds_of_jobs(),
        "paging": paging.cut(request, ledger_queues.stuck(), size=25),
        "works": ledger_queues.standing_works(),
        "signs": [(sign, _figures(sign.details)) for sign in ledger_queues.signs_of_life()],
        "queues": outgoing.queues(),
    }
    return tabs.page(request, "queues", "web/administration/queues.html", context)


@require_POST
@layout.may("job.retry")
def try_again(request: HttpRequest, public_id: str) -> HttpResponse:
    """Have failed work done anew."""
    job = Job.objects.filter(public_id=public_id).first()
    if job is None:
        raise Http404
    here = layout.back_to(request, reverse("administration-queues"))
    try:
        with transaction.atomic():
            jobs.try_again(job, by=actor_of(request))
    except Conflict as error:
        text = f"This work needs nobody: {error}. Nothing was changed."
        return layout.refuse(request, 409, "It is in another state by now", text, here)
    layout.flash(request, f"{jobs.words_of(job.kind)}: started again.")
    return HttpResponseRedirect(here)


@require_safe
@layout.may("queue.view")
def quarantine(request: HttpRequest) -> HttpResponse:
    """Objects that were refused, with the reason, the newest first."""
    reason = text_of(request.GET, "reason", 20)
    text = text_of(request.GET, "q", 200)
    rows = quarantines.find(reason=reason, text=text)
    cut = paging.cut(request, rows)
    authorization.note_reading(request, audit.QUERY, *(("quarantined", row.public_id) for row in cut.rows))
    context = {
        "paging": cut.with_rows([(row, _exists(quarantines.path_of(row))) for row in cut.rows]),
        "reasons": Quarantined.Reason.choices,
        "reason": reason,
        "text": text,
        "is_narrowed": bool(reason or text),
    }
    return tabs.page(request, "quarantine", "web/administration/quarantine.html", context)


@require_safe  # type: ignore[type-var]  # what streams is no HttpResponse
@layout.may("queue.view")
def quarantined_file(request: HttpRequest, public_id: str) -> HttpResponseBase:
    """The file of a refused object, to look at with other tools: never shown here, always a download."""
    row = Quarantined.objects.filter(public_id=public_id).first()
    path = quarantines.path_of(row) if row else None
    if row is None or path is None or not _exists(path):
        raise Http404
    with transaction.atomic():
        audit.note(actor_of(request), audit.EXPORT, audit.READ, ("quarantined", row.public_id))
    response = FileResponse(
        path.open("rb"), as_attachment=True, filename=row.name, content_type="application/octet-stream"
    )
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response


def _figures(details: Mapping[str, object]) -> str:
    """What a process counts, those that are not nothing."""
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in details.items() if value)


def _exists(path: Path) -> bool:
    return path.is_file()
