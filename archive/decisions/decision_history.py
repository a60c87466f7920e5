"""What was thought and decided of a study, as pages and the API tell it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from archive.models import Decision, DecisionRequest, RequestState, Study, Verdict


@dataclass(frozen=True)
class Happening:
    """A verdict, a decision, the undoing of one, or what waits for a second person and what became of it.

    `kind` is `verdict`, `decision`, `undo`, `waiting` or `declined`; `what` is what it came to.
    `id` names the decision, or what waits.
    """

    at: datetime
    kind: str
    what: str
    by: str = ""
    reason: str = ""
    id: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def meaning(self) -> str:
        """What the decision's code means, if it has one."""
        return str(self.parameters.get("meaning", ""))


def history(study: Study) -> list[Happening]:
    """All of it, the oldest first."""
    happened = [
        Happening(one.made_at, "verdict", one.outcome, reason=one.reason)
        for one in Verdict.objects.filter(study=study).order_by("number")
    ]
    for decision in study.decisions.all():
        happened += _decision(decision)
    for request in study.decision_requests.all():
        happened += _request(request)
    return sorted(happened, key=lambda happening: happening.at)


def _decision(one: Decision) -> list[Happening]:
    id, parameters = one.public_id, one.parameters
    found = [Happening(one.at, "decision", one.kind, one.by, one.reason, id, parameters)]
    if one.undone_at is not None:
        found.append(
            Happening(one.undone_at, "undo", one.kind, one.undone_by, one.undo_reason, id, parameters)
        )
    return found


def _request(one: DecisionRequest) -> list[Happening]:
    found = [Happening(one.at, "waiting", one.kind, one.by, one.reason, one.public_id, one.names)]
    if one.ended_at is not None and one.state == RequestState.DECLINED:
        found.append(
            Happening(one.ended_at, "declined", one.kind, one.ended_by, one.end_reason, one.public_id)
        )
    return found
