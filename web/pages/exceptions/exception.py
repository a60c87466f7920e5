"""One exception: seen and expected side by side, who it could be, and what was thought and decided of it."""

from collections.abc import Sequence
from typing import Any, Final

from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts import access, presence
from archive.decisions import decision_history, decision_type, second_person
from archive.decisions.decision_frame import revision
from archive.decisions.needs import ChosenFrom
from archive.decisions.second_person import Confirm, Decline
from archive.decisions.undo import Undo
from archive.index import resent_objects
from archive.index.header_values import HeaderValues
from archive.models import Decision, ExceptionStatus, Outcome, Series, Study, StudyException, Verdict
from archive.reconcile import apply_verdict, exception_list, step_comparison, verdict_record
from ledger import audit
from web.kernel import authorization, layout
from web.pages import patients, timelines
from web.pages.exceptions import evidence, target_search
from web.pages.exceptions.exception_list import clock_of
from worklist.models import Order, ScheduledProcedureStep
from worklist.patients import person_names

MOST_SERIES: Final = 200
_PROPOSING: Final = (Outcome.PROBABLE, Outcome.LATE_ORDER)
"""Verdicts that name one order; on any other a person names one, and nothing is chosen beforehand."""
_DOUBTFUL: Final = (Outcome.MISMATCH, Outcome.AMBIGUOUS)


def find(request: HttpRequest, public_id: str) -> StudyException:
    """The exception that a path names, if it is one of the person's; raises Http404."""
    rows = StudyException.objects.select_related("study__facility", "study__patient__survivor__authority")
    mine = rows.filter(pk__in=exception_list.of_user(request.user).values("pk"))
    return authorization.find(rows, mine, request, public_id=public_id)


@require_safe
@layout.may("exception.decide")
def of_study(request: HttpRequest, uid: str) -> HttpResponse:
    """Where one decides on a study, whatever its verdict: one that was never in doubt gets its page now."""
    user, rows = layout.user_of(request), Study.objects.order_by()
    study = authorization.find(rows, access.visible(rows, user), request, study_instance_uid=uid)
    with transaction.atomic():
        row, _ = StudyException.objects.get_or_create(study=study, defaults={"status": ExceptionStatus.NONE})
    return HttpResponseRedirect(reverse("exception", args=[row.public_id]))


@require_safe
@layout.may("exception.view")
def exception(request: HttpRequest, public_id: str) -> HttpResponse:
    """The page."""
    row, user = find(request, public_id), layout.user_of(request)
    with transaction.atomic():
        presence.look(row, user=user)
    authorization.note_reading(request, audit.INSTANCES_ACCESSED, ("study", row.study.study_instance_uid))
    with timezone.override(layout.zone_of(request)):
        return layout.page(request, "web/exceptions/exception.html", _context(request, row))


def _context(request: HttpRequest, row: StudyException) -> dict[str, Any]:
    user, study = layout.user_of(request), row.study
    verdicts = list(Verdict.objects.filter(study=study).order_by("number"))
    newest = verdicts[-1] if verdicts else None
    found = evidence.candidates(newest)
    usual = evidence.compared(newest)
    compared = _compared(request, study, found, usual)
    hits = target_search.hits(
        target_search.text_of(request.GET.get("q", "")), user, study, but={one.step for one in found}
    )
    likely = target_search.likely(study, user, but={one.patient for one in found})
    _note_hits(request, [*likely, *hits.steps, *hits.patients])
    taken = list(Decision.objects.filter(study=study).order_by("pk"))
    in_force = next((one for one in reversed(taken) if one.undone_at is None), None)
    proposed = usual.step if usual and study.verdict in _PROPOSING else ""
    waiting = second_person.waiting(study)
    return {
        "exception": row,
        "study": study,
        "clock": clock_of(row),
        "patient": patients.header(study.patient, study=study),
        "candidates": found,
        "likely": likely,
        "compared": compared,
        "lines": compared.lines if compared else evidence.lines(verdict_record.findings(newest)),
        "proposed": proposed,
        "is_doubtful": study.verdict in _DOUBTFUL,
        "waiting": waiting,
        "is_mine": waiting is not None and waiting.user_id == user.pk,
        "second": (Confirm, Decline),
        "query": request.GET.get("q", "")[:200],
        "hits": hits,
        "series": _series(study),
        "links": _links(study),
        "lookers": presence.others(row, user=user),
        "actions": [one for one in decision_type.registered() if one.is_offered(study)],
        "resent": resent_objects.held(study),
        "undo": Undo,
        "keys": {decided.kind: decided.key for decided in decision_type.registered()},
        "primary": _of_step() if proposed and not in_force else "",
        "can_decide": access.can(user, "exception.decide"),
        "can_undo": in_force is not None and waiting is None,
        "changes": [(one.text, evidence.lines(one.findings)) for one in apply_verdict.changes(study)],
        "is_open": row.status == ExceptionStatus.OPEN,
        "in_force": in_force,
        "revision": revision(study),
        "history": decision_history.history(study)[::-1],
        "timeline": timelines.of("study", study.public_id, user),
        "next": _next(row, user),
    }


def _of_step() -> str:
    """The decision for which a candidate is proposed: the first that needs a step."""
    for decided in decision_type.registered():
        if any(needed.need.chosen_from is ChosenFrom.STEPS for needed in decided.needs()):
            return decided.kind
    return ""


def _compared(
    request: HttpRequest, study: Study, found: Sequence[evidence.Candidate], usual: evidence.Candidate | None
) -> evidence.Candidate | None:
    """The candidate that is shown beside the images: the one that the URL names, else the `usual` one."""
    wanted = request.GET.get("candidate", "")
    known = next((one for one in found if one.step == wanted), None)
    if not wanted or known is not None:
        return known or usual
    mine = access.visible(Order.objects.all(), request.user)
    rows = ScheduledProcedureStep.objects.filter(procedure__order__in=mine)
    step = rows.filter(public_id=wanted).first() if wanted.isascii() and wanted.isalnum() else None
    if step is None:
        return usual
    return evidence.candidate(step_comparison.compare(study, step))


def _note_hits(request: HttpRequest, hits: Sequence[target_search.Hit]) -> None:
    people = {one.record for one in hits} - {""}
    authorization.note_reading(request, audit.PATIENT_RECORD, *(("patient", key) for key in sorted(people)))


def _series(study: Study) -> list[dict[str, Any]]:
    rows = Series.objects.filter(study=study).select_related("moved_from").order_by("pk")[:MOST_SERIES]
    return [_one_series(row, HeaderValues.from_json(row.header_values)) for row in rows]


def _one_series(row: Series, values: HeaderValues) -> dict[str, Any]:
    return {
        "row": row,
        "patient": person_names.readable(values.patient_name) if values.patient_name else "",
        "patient_id": values.header_patient_id,
        "others": values.conflicts,
    }


def _links(study: Study) -> list[timelines.Link]:
    """What the study hangs together with: its pages, its orders, and the studies that a split made."""
    links = [
        timelines.Link("Study", timelines.path("study", study.study_instance_uid)),
        timelines.Link("Viewer", f"/viewer?StudyInstanceUIDs={study.study_instance_uid}"),
    ]
    if study.patient is not None:
        links.append(timelines.Link("Patient", timelines.path("patient", study.patient.current.public_id)))
    orders = {procedure.order for procedure in study.procedures.select_related("order")}
    for order in sorted(orders, key=lambda order: order.pk):
        name = f"Order {order.accession_number}".strip()
        links.append(timelines.Link(name, timelines.path("order", order.public_id)))
    related = [("Split from", study.split_from)] if study.split_from else []
    related += [("Part", part) for part in study.parts.filter(hidden="").order_by("pk")]
    for name, other in related:
        row = StudyException.objects.filter(study=other).first()
        url = reverse("exception", args=[row.public_id]) if row else timelines.path("study", str(other))
        links.append(timelines.Link(f"{name} …{str(other)[-8:]}", url))
    return [link for link in links if link.url and not (study.hidden and link.text in ("Study", "Viewer"))]


def _next(row: StudyException, user: Any) -> str:
    """The exception that is due next."""
    rows = exception_list.exceptions(
        exception_list.Keys(statuses=(ExceptionStatus.OPEN,)), user=user
    ).exclude(pk=row.pk)
    following = rows.values_list("public_id", flat=True).first()
    return reverse("exception", args=[following]) if following else ""
