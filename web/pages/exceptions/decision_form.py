"""Decide: first all effects in words, then, with a reason, the act. The undo goes the same way."""

from collections.abc import Sequence
from typing import Any, Final

from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST
from pydantic import ValidationError

from accounts.actor import actor_of
from archive import decisions
from archive.decisions import REJECTION_CODES, Effect
from archive.models import DecisionKind, StudyException
from ledger.errors import Conflict, Missing, Refused
from web.kernel import layout
from web.pages.exceptions.decision_actions import BY_KIND, TAKE_BACK, UNDO, Action
from web.pages.exceptions.exception import find
from web.rest import decision_requests
from web.rest.schemas.exceptions import Resolution
from worklist.models import ProcedureCode

_MOST_CODES: Final = 500
_CHOOSE: Final = {
    "scheduled_procedure_step": "Choose the step that the images are of: among the candidates, or search.",
    "patient": "Choose a patient: among the candidates, or search.",
    "series": "Choose the series that become a study of their own, by their boxes below the pictures.",
    "rejection_code": "Choose why it is rejected.",
    "procedure_code": "Choose the procedure that was done.",
}
"""What to do where the domain says that something is missing."""


@require_POST
@layout.may("exception.decide")
def preview(request: HttpRequest, public_id: str) -> HttpResponse:
    """What the decision would do, and what it still needs; nothing is changed."""
    row, action = find(request, public_id), _action(request)
    if action is None:
        return _unreadable(request, row)
    try:
        with transaction.atomic():
            effects = _foretell(request, row, action)
    except Missing as error:
        return _confirm(request, row, action, refused=_explained(error))
    except Refused as error:
        return _confirm(request, row, action, refused=_explained(error), status=422)
    except ValidationError:
        return _unreadable(request, row)
    return _confirm(request, row, action, effects=effects)


@require_POST
@layout.may("exception.decide")
def decide(request: HttpRequest, public_id: str) -> HttpResponse:
    """Do it. Who was second is told who was first and what that was."""
    row, action = find(request, public_id), _action(request)
    back = reverse("exception", args=[public_id])
    if action is None:
        return _unreadable(request, row)
    try:
        with transaction.atomic():
            _act(request, row, action)
    except Conflict as error:
        text = f"{_sentence(error.text)} Nothing was changed. Look at the exception as it stands now."
        return layout.refuse(request, 409, f"{action.name} was not done", text, back)
    except Refused as error:
        return _confirm(request, row, action, refused=_explained(error), status=422)
    except ValidationError:
        return _unreadable(request, row)
    layout.flash(request, f"The study is {action.done}.")
    return HttpResponseRedirect(back)


def _action(request: HttpRequest) -> Action | None:
    kind = request.POST.get("action", "")
    return TAKE_BACK if kind == UNDO else BY_KIND.get(kind)


def _foretell(request: HttpRequest, row: StudyException, action: Action) -> list[Effect]:
    reason = _reason(request) or "preview"
    if action.kind != UNDO:
        return decision_requests.preview(_body(request, action), actor_of(request), row.study)
    return decisions.preview(study=row.study, act=lambda: _undo(request, row, reason))


def _act(request: HttpRequest, row: StudyException, action: Action) -> None:
    if action.kind == UNDO:
        _undo(request, row, _reason(request))
    else:
        decision_requests.decide(_body(request, action), actor_of(request), row.study)


def _undo(request: HttpRequest, row: StudyException, reason: str) -> Any:
    by = actor_of(request)
    return decisions.undo(exception=row, reason=reason, by=by, expected=_revision(request))


def _body(request: HttpRequest, action: Action) -> Resolution:
    """The decision that a form says; `target` is step|patient, either of which may be empty."""
    step, _, patient = request.POST.get("target", "").partition("|")
    takes_patient = action.kind in (DecisionKind.REASSIGN, DecisionKind.CREATE_ORDER)
    return Resolution(
        action=DecisionKind(action.kind),
        reason=_reason(request),
        scheduled_procedure_step=_id(step) if action.kind == DecisionKind.LINK else None,
        patient=_id(patient) if takes_patient else None,
        procedure_code=_line(request, "procedure_code") or None,
        series=request.POST.getlist("series")[:1000],
        code=_line(request, "code") or None,
        revision=_revision(request),
    )


def _id(text: str) -> str | None:
    return text if text.isascii() and text.isalnum() and len(text) <= 64 else None


def _reason(request: HttpRequest) -> str:
    return "".join(c if c.isprintable() else " " for c in request.POST.get("reason", "")).strip()


def _line(request: HttpRequest, name: str) -> str:
    return "".join(c for c in request.POST.get(name, "")[:64] if c.isprintable()).strip()


def _revision(request: HttpRequest) -> int | None:
    """The revision that the person has seen; a form without a number has seen none that there is."""
    text = request.POST.get("revision", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 2**31 - 1


# Answering


def _confirm(
    request: HttpRequest,
    row: StudyException,
    action: Action,
    *,
    effects: Sequence[Effect] = (),
    refused: str = "",
    status: int = 200,
) -> HttpResponse:
    context = {
        "exception": row,
        "study": row.study,
        "action": action,
        "effects": effects,
        "refused": refused,
        "target": request.POST.get("target", "")[:200],
        "series": request.POST.getlist("series")[:1000],
        "revision": request.POST.get("revision", "")[:10],
        "reason": request.POST.get("reason", "")[:2000],
        "code": request.POST.get("code", ""),
        "procedure_code": request.POST.get("procedure_code", ""),
        "codes": REJECTION_CODES.items() if action.kind == DecisionKind.REJECT else (),
        "procedures": _procedures(row) if action.kind == DecisionKind.CREATE_ORDER else (),
    }
    with timezone.override(layout.zone_of(request)):
        return layout.page(request, "web/exceptions/decision_form.html", context, status)


def _procedures(row: StudyException) -> list[ProcedureCode]:
    """The catalogue, what is of the images' modalities first."""
    codes = list(ProcedureCode.objects.order_by("code", "scheme")[:_MOST_CODES])
    return sorted(codes, key=lambda code: code.modality not in row.study.modalities)


def _explained(error: Any) -> str:
    missing = _CHOOSE.get(error.field) if isinstance(error, Missing) else None
    return missing or _sentence(error.text)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "."


def _unreadable(request: HttpRequest, row: StudyException) -> HttpResponse:
    back = reverse("exception", args=[row.public_id])
    return layout.refuse(request, 400, "The request can't be read", "Nothing was changed.", back)
