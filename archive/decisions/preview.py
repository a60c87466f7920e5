"""What a decision would do, in words: the act itself, tried out in a savepoint that is rolled back.

So what is shown can't drift from what is done. Those above add their own: see `study_previewing`.
"""

from collections.abc import Callable
from typing import Any, Final

from django.db import connection, transaction

from accounts.actor import Actor
from archive.decisions import decision_frame, decision_type
from archive.decisions.decision_frame import SecondPersonNeeded
from archive.decisions.decision_type import DecisionType, Links
from archive.decisions.effects import Effect, Seen, changes, seen
from archive.decisions.undo import undo
from archive.models import Decision, Study, StudyException
from archive.reconcile import person_comparison
from archive.signals import study_previewing

OTHER_PERSON: Final = "other_person"
"""The effect that name, birth date or sex of the headers are another person's: a page asks about it."""
OTHER_NUMBER: Final = "other_number"
"""The effect that only the patient ID is another's."""
_NO_REASON: Final = "preview"
"""Stands for the reason: nobody has to give one before the effects are known."""


def preview(
    decision: DecisionType, *, study: Study, reason: str, by: Actor, expected: int | None = None
) -> list[Effect]:
    """Decide, say what that changed, and take all back; raises what deciding raises."""
    reason = reason if reason.strip() else _NO_REASON

    def act(asked_by: str) -> Decision:
        return decision_frame.decide(
            decision, study=study, reason=reason, by=by, expected=expected, asked_by=asked_by
        )

    return _or_asked(study, act, by)


def preview_undo(
    *, exception: StudyException, reason: str, by: Actor, expected: int | None = None
) -> list[Effect]:
    """Undo the newest decision, say what that changed, and take all back; raises what the undo raises."""
    reason = reason if reason.strip() else _NO_REASON

    def act(asked_by: str) -> Decision:
        return undo(exception=exception, reason=reason, by=by, expected=expected, asked_by=asked_by)

    return _or_asked(exception.study, act, by)


def _or_asked(study: Study, act: Callable[[str], Decision], by: Actor) -> list[Effect]:
    """What the act does, and where a second person is needed for it, that it waits for one."""
    try:
        return tried(study, lambda: act(""))
    except SecondPersonNeeded as needed:
        waits = Effect("second_person", f"Waits until a second person confirms it: {needed.text}")
        return [waits, *tried(study, lambda: act(str(by)))]


def tried(study: Study, act: Callable[[], Decision]) -> list[Effect]:
    """Act, say what that changed, and take all back."""
    assert connection.in_atomic_block
    with transaction.atomic():
        before = seen(study)
        tellers: list[Any] = [tell for _, tell in study_previewing.send(sender=None, study=study) if tell]
        decision = act()
        decided = decision_type.of(decision)
        effects = [*_other_person(study, decision), *changes(before, seen(study))]
        effects += decided.effects(decision)
        effects += [Effect("outside", text) for tell in tellers for text in tell()]
        if decision.undone_at is None:
            effects.append(_undo(decided, before))
        transaction.set_rollback(True)
    return effects


def _other_person(study: Study, decision: Decision) -> list[Effect]:
    """That the headers say another person than whom a decision says that the images are of."""
    if decision.undone_at is not None or decision_type.of(decision).links is Links.NOTHING:
        return []
    patient = Study.objects.select_related("patient__survivor").get(pk=study.pk).patient
    if patient is None:
        return []
    (found,) = person_comparison.contradictions(study, [patient.current]).values()
    if not found:
        return []
    about = OTHER_PERSON if {one.field for one in found} - {"patient_id"} else OTHER_NUMBER
    return [Effect(about, f"Another person: {person_comparison.words(found)}")]


def _undo(decided: type[DecisionType], before: Seen) -> Effect:
    restored = [f"patient {before.patient}", f"procedures {before.procedures}"]
    restored += [f"exception {before.exception}", *filter(None, [decided.restores])]
    return Effect("undo", "Undo brings back: " + "; ".join(restored))
