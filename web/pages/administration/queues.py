"""Queues: work, recurring works, what goes out, processes; and what was kept aside."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from django.db import transaction
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from accounts import access
from accounts.actor import actor_of
from archive.models import Quarantined, QuarantineState, Study
from archive.storage import quarantine as quarantines
from archive.storage import quarantine_release
from interfaces.hl7.outbound import delivery_queues as outgoing
from ledger import audit, jobs
from ledger import queues as ledger_queues
from ledger.errors import Conflict, Refused
from ledger.models import Job
from web.kernel import authorization, layout, paging
from web.kernel.list_filters import text_of
from web.pages.administration import administration_columns, tabs

_TABLES: Final = {
    "jobs": administration_columns.JOBS,
    "kinds": administration_columns.KINDS,
    "destinations": administration_columns.DESTINATIONS,
    "works": administration_columns.WORKS,
    "processes": administration_columns.PROCESSES,
}


@require_safe
@layout.may("queue.view")
def queues(request: HttpRequest) -> HttpResponse:
    """What is still to be done, by whom, and what waits for a person."""
    context = {
        "tables": _TABLES,
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
    state = text_of(request.GET, "state", 20)
    state = state if state in QuarantineState.values else QuarantineState.KEPT.value
    rows = quarantines.find(reason=reason, text=text, state=state)
    cut = paging.cut(request, rows)
    authorization.note_reading(request, audit.QUERY, *(("quarantined", row.public_id) for row in cut.rows))
    context = {
        "table": administration_columns.QUARANTINED,
        "paging": cut.with_rows([(row, _exists(quarantines.path_of(row))) for row in cut.rows]),
        "reasons": Quarantined.Reason.choices,
        "reason": reason,
        "text": text,
        "states": QuarantineState.choices,
        "state": state,
        "is_narrowed": bool(reason or text) or state != QuarantineState.KEPT,
        "can_decide": access.can(request.user, "quarantine.decide"),
    }
    return tabs.page(request, "quarantine", "web/administration/quarantine.html", context)


_ACTS: Final = {
    "release": ("Released", quarantine_release.release),
    "discard": ("Discarded", quarantine_release.discard),
    "restore": ("Restored", quarantine_release.restore),
}


@require_POST
@layout.may("quarantine.decide")
def decide_quarantined(request: HttpRequest) -> HttpResponse:
    """Release, discard or restore what is selected; what can't be is named, with why."""
    here = layout.back_to(request, reverse("administration-quarantine"))
    words, act = _ACTS.get(request.POST.get("act", ""), ("", None))
    rows = list(Quarantined.objects.filter(public_id__in=request.POST.getlist("id")[:500]).order_by("pk"))
    if act is None or not rows:
        return layout.refuse(request, 422, "Nothing is selected", "Select objects first.", here)
    values: dict[str, Study | None] = {}
    uid = text_of(request.POST, "study", 64).strip()
    if act is quarantine_release.release and uid:
        study = access.visible(Study.objects.order_by(), request.user).filter(study_instance_uid=uid).first()
        if study is None:
            return layout.refuse(request, 422, "Not released", "No study has this UID.", here)
        values["study"] = study
    try:
        done = act(rows, reason=text_of(request.POST, "reason", 500), by=actor_of(request), **values)
    except Refused as error:
        text = f"{error.sentence}. Nothing was changed."
        return layout.refuse(request, 422, f"Not {words.lower()}", text, here)
    refused = Counter(one.refused for one in done if one.refused)
    said = [f"{words}: {len(done) - refused.total()}."]
    said += [f"Not {words.lower()}: {count}, since {why}." for why, count in refused.most_common(5)]
    layout.flash(request, " ".join(said))
    return HttpResponseRedirect(here)


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
