"""One import: how far it is, which files were refused and why, and the verdicts on what came in."""

from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts import access
from accounts.actor import actor_of
from archive.imports import import_acts
from archive.models import Import, Study
from ledger import audit, jobs
from ledger.errors import Conflict
from ledger.models import Job
from web.kernel import authorization, layout
from web.pages.imports.import_columns import REFUSALS
from web.pages.record_columns import STUDIES

_MOST = 200


@require_http_methods(["GET", "HEAD", "POST"])
@layout.may("study.store")
def one_import(request: HttpRequest, public_id: str) -> HttpResponse:
    """The page; a POST stops it, or has it read after all."""
    rows = Import.objects.select_related("facility").order_by()
    mine = access.visible(rows, layout.user_of(request))
    row = authorization.find(rows, mine, request, public_id=public_id)
    if request.method == "POST":
        return _act(request, row)
    uids = list(row.studies.order_by("pk").values_list("study_instance_uid", flat=True))
    studies = access.visible(Study.objects.order_by("pk"), layout.user_of(request))
    found = list(studies.filter(study_instance_uid__in=uids[:_MOST]).select_related("exception"))
    things = [("study", study.study_instance_uid) for study in found]
    authorization.note_reading(request, audit.INSTANCES_ACCESSED, *things)
    context = {
        "row": row,
        "is_open": row.state in import_acts.OPEN,
        "is_stuck": _is_stuck(row),
        "study_table": STUDIES,
        "studies": found,
        "study_count": len(uids),
        "unread": max(len(uids[:_MOST]) - len(found), 0),
        "refusal_table": REFUSALS,
        "refusals": row.refusals.order_by("number"),
    }
    return layout.page(request, "web/imports/import.html", context)


def _act(request: HttpRequest, row: Import) -> HttpResponse:
    if request.POST.get("act") == "read":
        act, refused = import_acts.read_after_all, "Already changed by someone else"
        done = "The studies of this import are in the reading list."
    else:
        act, refused = import_acts.stop, "It can't be stopped"
        done = "Stopped. What came in until now stays."
    here = reverse("import", args=[row.public_id])
    try:
        with transaction.atomic():
            act(by=actor_of(request), row=row)
    except Conflict as error:
        return layout.refuse(request, 409, refused, f"{error.sentence}. Nothing was changed.", here)
    layout.flash(request, done)
    return HttpResponseRedirect(here)


def _is_stuck(row: Import) -> bool:
    """Whether its work failed and waits for an administrator."""
    return Job.objects.filter(kind=import_acts.JOB, key=row.public_id, state__in=jobs.STUCK).exists()
