"""Who has a thing before them, so that two who could act on it see each other. It blocks nobody."""

from collections.abc import Collection
from datetime import timedelta
from typing import Final

from django.db import connection

from accounts.models import Presence, User
from ledger import clock
from ledger.public_id import PublicModel

LASTS: Final = timedelta(seconds=120)
"""How long somebody counts as present after their page was last heard of."""


def look(thing: PublicModel, *, user: User) -> None:
    """Note that a person has a thing before them, for the next two minutes."""
    assert connection.in_atomic_block
    now = clock.now()
    named = {"type": _type(thing), "key": thing.public_id, "user": user}
    if Presence.objects.filter(**named, until__gte=now).update(until=now + LASTS):
        return
    Presence.objects.filter(until__lt=now).delete()
    row = Presence(**named, since=now, until=now + LASTS)
    Presence.objects.bulk_create([row], ignore_conflicts=True)


def lookers(things: Collection[PublicModel], *, but: User | None = None) -> dict[str, list[Presence]]:
    """Who else looks at these things now, by their public IDs, those who came first first."""
    types, keys = {_type(thing) for thing in things}, [thing.public_id for thing in things]
    rows = Presence.objects.filter(type__in=types, key__in=keys, until__gte=clock.now()).exclude(user=but)
    found: dict[str, list[Presence]] = {}
    for row in rows.select_related("user").order_by("since", "pk"):
        found.setdefault(row.key, []).append(row)
    return found


def others(thing: PublicModel, *, user: User) -> list[Presence]:
    """Who but a user looks at one thing now."""
    return lookers([thing], but=user).get(thing.public_id, [])


def _type(thing: PublicModel) -> str:
    return str(thing._meta.label_lower)
