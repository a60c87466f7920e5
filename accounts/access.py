"""The one access policy: which role may do what."""

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from django.db.models import Model, QuerySet

from accounts.models import Facility, Role, User

_Row = TypeVar("_Row", bound=Model)
_EVERYONE = frozenset(Role) - {Role.REFERRER}
_CLINICAL = frozenset({Role.TECHNOLOGIST, Role.RADIOLOGIST, Role.RESIDENT, Role.ADMINISTRATOR})
_READERS = frozenset({Role.RADIOLOGIST, Role.RESIDENT})

_MAY: dict[str, frozenset[Role]] = {
    "patient.view": _EVERYONE,
    "patient.link": _CLINICAL,
    "patient.merge": frozenset({Role.TECHNOLOGIST, Role.RADIOLOGIST, Role.ADMINISTRATOR}),
    "order.view": _EVERYONE,
    "order.place": _CLINICAL | {Role.INTEGRATOR},
    "order.cancel": _CLINICAL | {Role.INTEGRATOR},
    "step.change": _CLINICAL,
    "study.view": _EVERYONE,
    "study.store": _CLINICAL | {Role.INTEGRATOR},
    "exception.view": _EVERYONE,
    "exception.decide": _CLINICAL,
    "identity.decide": _CLINICAL | {Role.INTEGRATOR},
    "message.view": frozenset({Role.INTEGRATOR, Role.ADMINISTRATOR}),
    "message.replay": frozenset({Role.INTEGRATOR, Role.ADMINISTRATOR}),
    "site.change": frozenset({Role.ADMINISTRATOR}),
    "station.view": frozenset({Role.TECHNOLOGIST, Role.INTEGRATOR, Role.ADMINISTRATOR}),
    "queue.view": frozenset({Role.INTEGRATOR, Role.ADMINISTRATOR}),
    "quarantine.decide": frozenset({Role.INTEGRATOR, Role.ADMINISTRATOR}),
    "job.retry": frozenset({Role.INTEGRATOR, Role.ADMINISTRATOR}),
    "user.manage": frozenset({Role.ADMINISTRATOR}),
    "report.view": _EVERYONE,
    "report.write": _READERS,
    "report.sign": frozenset({Role.RADIOLOGIST}),
    "report.sign_preliminary": _READERS,
    "reading.supervise": frozenset({Role.ADMINISTRATOR}),
    "dictation.hear": _READERS | {Role.TRANSCRIPTIONIST},
    "transcription.type": frozenset({Role.TRANSCRIPTIONIST}),
    "quality.view": frozenset({Role.TECHNOLOGIST, Role.MANAGER, Role.RADIOLOGIST, Role.ADMINISTRATOR}),
    "turnaround.view": frozenset({Role.MANAGER, Role.RADIOLOGIST, Role.ADMINISTRATOR}),
}


DUTIES: Final[Mapping[str, str]] = {
    Role.TECHNOLOGIST: "runs the day: arrive, start, complete; decides exceptions",
    Role.RADIOLOGIST: "reads, dictates, signs; decides exceptions",
    Role.RESIDENT: "reads and dictates; signs preliminary reports only",
    Role.TRANSCRIPTIONIST: "types what was dictated",
    Role.REFERRER: "sees nothing yet",
    Role.MANAGER: "sees turnaround and lists",
    Role.INTEGRATOR: "sees messages and queues, replays messages, settles identities, places orders",
    Role.ADMINISTRATOR: "manages users and the site; decides exceptions; supervises reading",
}
"""The same in words, as those who give roles read it."""


def can(user: Any, action: str) -> bool:
    """Whether `user` may do `action`; raises KeyError for an action that is not in the table."""
    allowed = _MAY[action]
    return isinstance(user, User) and user.is_active and user.has_role(*allowed)


def visible(rows: "QuerySet[_Row]", user: Any) -> "QuerySet[_Row]":
    """Those of `rows`, which have a `facility`, that belong to a facility of `user`."""
    return rows.filter(facility__users=user)


def sees_all(user: Any) -> bool:
    """Whether every facility is one of the user's, so that a long list need not be joined to be narrowed."""
    return not Facility.objects.exclude(users=user).exists()
