"""Decide: first all effects in words, then, with a reason, the act. The undo goes the same way."""

from collections.abc import Sequence
from typing import Any, Final

from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from accounts.actor import actor_of
from archive.decisions import decision_type, second_person
from archive.decisions.decision_type import DecisionType, Links, Named
from archive.decisions.effects import Effect
from archive.decisions.needs import MOST_STEPS, ChosenFrom, Need
from archive.decisions.preview import OTHER_PERSON, preview_undo
from archive.decisions.preview import preview as effects_of
from archive.decisions.second_person import Confirm, Decline
from archive.decisions.undo import Undo
from archive.models import Decision, DecisionRequest, Study, StudyException
from archive.storage import generated_objects
from ledger.errors import Conflict, Decided, Missing, Refused
from web.kernel import layout
from web.kernel.choice_fields import ChoiceField
from web.pages.exceptions.exception import find

Beside = Undo | Confirm | Decline
"""What one does about a decision that there is."""
Action = type[DecisionType] | type[Beside]
"""What a button of the exception does."""
_IN_FORM: Final = (ChosenFrom.FEW, ChosenFrom.MANY, ChosenFrom.IMAGES)
"""What is chosen in the form itself."""
ALTHOUGH: Final = "although"
"""The field by which a person says that images of another person's headers are this patient's."""
_MOST_CHOSEN: Final = 1000
_BESIDE: Final = {one.kind: one for one in (Undo, Confirm, Decline)}


@require_POST
@layout.may("exception.decide")
def preview(request: HttpRequest, public_id: str) -> HttpResponse:
    """What the decision would do, and what it still needs; nothing is changed."""
    row, action = find(request, public_id), _action(request)
    if action is None:
        return _unreadable(request, row)
    try:
        with transaction.atomic():
            effects = _preview(request, row, action)
    except Missing as error:
        return _confirm(request, row, action, refused=_explained(error, action))
    except Refused as error:
        return _confirm(request, row, action, refused=_explained(error, action), status=422)
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
            if effects := _unsaid(request, row, action):
                refused = "The images say another person. Confirm that they are this patient's, or cancel."
                return _confirm(request, row, action, effects=effects, refused=refused, status=422)
            made = _act(request, row, action)
    except Conflict as error:
        text = f"{_sentence(error.text)} Nothing was changed. Look at the exception as it stands now."
        if isinstance(error, Decided):
            back = f"{back}#decision-{error.decision}"
        return layout.refuse(request, 409, f"{action.title} was not done", text, back)
    except Refused as error:
        return _confirm(request, row, action, refused=_explained(error, action), status=422)
    if isinstance(made, DecisionRequest) and action is not Decline:
        layout.flash(request, f"{action.title} waits until a second person confirms it.")
    else:
        layout.flash(request, _done(action, made))
    return HttpResponseRedirect(back)


def _action(request: HttpRequest) -> Action | None:
    kind = request.POST.get("action", "")
    return _BESIDE.get(kind) or decision_type.find(kind)


def _preview(request: HttpRequest, row: StudyException, action: Action) -> list[Effect]:
    if issubclass(action, Undo):
        return preview_undo(exception=row, **_by(request))
    if issubclass(action, Confirm):
        return second_person.preview_confirmation(request=_waiting(row), by=actor_of(request))
    if issubclass(action, Decline):
        return second_person.preview_decline(request=_waiting(row), by=actor_of(request))
    return effects_of(_decision(request, row, action), study=row.study, **_by(request))


def _act(request: HttpRequest, row: StudyException, action: Action) -> Decision | DecisionRequest:
    if issubclass(action, Undo):
        return second_person.undo(exception=row, **_by(request))
    reason, by = _reason(request), actor_of(request)
    if issubclass(action, Confirm):
        return second_person.confirm(request=_waiting(row), reason=reason, by=by)
    if issubclass(action, Decline):
        return second_person.decline(request=_waiting(row), reason=reason, by=by)
    return second_person.decide(_decision(request, row, action), study=row.study, **_by(request))


def _done(action: Action, made: Decision | DecisionRequest) -> str:
    if action is Confirm and isinstance(made, Decision):
        done = Undo.done if made.undone_at else decision_type.of(made).done
        return f"Confirmed. The study is {done}."
    return f"The study is {action.done}."


def _unsaid(request: HttpRequest, row: StudyException, action: Action) -> list[Effect]:
    """The effects, where one is that the headers say another person and nobody has said that it is so."""
    links = issubclass(action, DecisionType) and action.links is not Links.NOTHING
    if not links or request.POST.get(ALTHOUGH):
        return []
    effects = _preview(request, row, action)
    return effects if _asks(effects) else []


def _asks(effects: Sequence[Effect]) -> bool:
    return any(effect.about == OTHER_PERSON for effect in effects)


def _waiting(row: StudyException) -> DecisionRequest:
    found = second_person.waiting(row.study)
    if found is None:
        raise Conflict("nothing waits for a second person any more", "state")
    return found


def _by(request: HttpRequest) -> dict[str, Any]:
    """Who decides, why, and the revision that was seen."""
    return {"by": actor_of(request), "reason": _reason(request), "expected": _revision(request)}


def _decision(request: HttpRequest, row: StudyException, action: type[DecisionType]) -> DecisionType:
    """The decision that a form says. No exam is proposed: where the study has none, the form names one."""
    names: Named = {needed.need.name: _name(request, needed.need) for needed in action.needs()}
    for needed in action.needs():
        is_open = needed.need.chosen_from is ChosenFrom.STEPS and row.study.patient is None
        if is_open and not names[needed.need.name] and not request.POST.get("also"):
            raise needed.need.missing()
    return action.named(names, layout.user_of(request))


def _name(request: HttpRequest, need: Need) -> str | Sequence[str] | None:
    """What a form names as a need; its `target` is step|patient, either of which may be empty."""
    step, _, patient = request.POST.get("target", "").partition("|")
    match need.chosen_from:
        case ChosenFrom.STEPS:
            return _id(step)
        case ChosenFrom.MORE_STEPS:
            return _more_steps(request, step)
        case ChosenFrom.PATIENTS:
            return _id(patient)
        case ChosenFrom.SERIES:
            return request.POST.getlist("series")[:1000]
        case ChosenFrom.IMAGES:
            return request.POST.getlist(need.name)[:1000]
        case ChosenFrom.FEW | ChosenFrom.MANY:
            return _line(request, need.name)


def _more_steps(request: HttpRequest, step: str) -> list[str]:
    """The chosen exam and those that the images belong to as well, where there are any."""
    also = list(filter(None, map(_id, request.POST.getlist("also")[:MOST_STEPS])))
    return also and [*filter(None, [_id(step)]), *also][:MOST_STEPS]


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
        "although": ALTHOUGH if _asks(effects) and issubclass(action, DecisionType) else "",
        "is_confirmed": bool(request.POST.get(ALTHOUGH)),
        "refused": refused,
        "target": request.POST.get("target", "")[:200],
        "series": request.POST.getlist("series")[:1000],
        "also": request.POST.getlist("also")[:MOST_STEPS],
        "revision": request.POST.get("revision", "")[:10],
        "reason": request.POST.get("reason", "")[:2000],
        "fields": _fields(request, row, action) if issubclass(action, DecisionType) else [],
    }
    with timezone.override(layout.zone_of(request)):
        return layout.page(request, "web/exceptions/decision_form.html", context, status)


def _fields(request: HttpRequest, row: StudyException, action: type[DecisionType]) -> list[ChoiceField]:
    """The needs that are chosen in the form itself."""
    return [
        ChoiceField(
            name=needed.need.name,
            label=needed.need.label,
            choices=needed.need.choices(row.study),
            chosen=request.POST.get(needed.need.name, ""),
            several=request.POST.getlist(needed.need.name)[:_MOST_CHOSEN],
            is_several=needed.need.most is not None,
            is_list=needed.need.chosen_from is ChosenFrom.MANY,
            is_required=needed.is_required,
            pictures=_pictures(row.study) if needed.need.chosen_from is ChosenFrom.IMAGES else {},
            open_text="Choose…" if needed.is_required else needed.need.if_open,
        )
        for needed in action.needs()
        if needed.need.chosen_from in _IN_FORM
    ]


def _pictures(study: Study) -> dict[str, str]:
    """The paths of the pictures of a study's images, by SOP Instance UID (PS3.18 10.4.1.1.5)."""
    rows = generated_objects.instances_of_others(study).select_related("series")[:_MOST_CHOSEN]
    found = {}
    for row in rows:
        assert row.series is not None
        uids = {"study": study.study_instance_uid, "series": row.series.uid, "instance": row.uid}
        found[row.uid] = f"{reverse('dicomweb-thumbnail', kwargs=uids)}?viewport=128,128"
    return found


def _explained(error: Any, action: Action) -> str:
    if isinstance(error, Missing) and issubclass(action, DecisionType):
        for needed in action.needs():
            if error.field == needed.need.missing().field:
                return _prompt(needed.need, action)
    return _sentence(error.text)


def _prompt(need: Need, action: type[DecisionType]) -> str:
    """What to press where it is chosen outside the form; else what the need asks for."""
    if need.chosen_from not in (ChosenFrom.STEPS, ChosenFrom.PATIENTS):
        return need.prompt
    return (
        f"{need.prompt} Go to one of the possible matches with j and press {action.key},"
        " or choose one with x. Press / to find others."
    )


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "."


def _unreadable(request: HttpRequest, row: StudyException) -> HttpResponse:
    back = reverse("exception", args=[row.public_id])
    return layout.refuse(request, 400, "The request can't be read", "Nothing was changed.", back)
