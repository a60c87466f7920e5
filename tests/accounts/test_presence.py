"""Who has a thing before them: seen by the others for two minutes, whatever kind of thing it is."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import transaction

from accounts import presence
from accounts.models import Presence, Token, User
from ledger import clock

pytestmark = pytest.mark.django_db


@pytest.fixture
def berta(facility: object) -> User:
    return User.objects.create_user("berta")


@pytest.fixture
def look() -> Callable[..., None]:
    def looks(thing: User | Token, user: User) -> None:
        with transaction.atomic():
            presence.look(thing, user=user)

    return looks


def test_each_sees_the_others_and_not_themselves(user: User, berta: User, look: Callable[..., None]) -> None:
    look(user, user)
    look(user, berta)
    look(user, berta)
    assert [one.user for one in presence.others(user, user=user)] == [berta]
    assert [one.user for one in presence.others(user, user=berta)] == [user]
    seen = presence.lookers([user, berta])
    assert [one.user for one in seen[user.public_id]] == [user, berta], "who came first comes first"
    assert berta.public_id not in seen


def test_it_is_told_since_when_somebody_looks(user: User, berta: User, look: Callable[..., None]) -> None:
    look(user, berta)
    [first] = presence.others(user, user=user)
    look(user, berta)
    [second] = presence.others(user, user=user)
    assert second.since == first.since and second.until > first.until


def test_who_went_away_is_seen_no_more_and_comes_anew(
    user: User, berta: User, look: Callable[..., None]
) -> None:
    look(user, berta)
    ago = clock.now() - timedelta(hours=1)
    Presence.objects.update(since=ago, until=ago + presence.LASTS)
    assert presence.others(user, user=user) == []
    look(user, berta)
    assert presence.others(user, user=user)[0].since > ago
    assert Presence.objects.count() == 1


def test_things_of_two_kinds_are_told_apart(user: User, berta: User, look: Callable[..., None]) -> None:
    Token.issue(user=user)
    token = Token.objects.get()
    Token.objects.update(public_id=user.public_id)
    token.refresh_from_db()
    look(token, berta)
    assert presence.others(user, user=user) == []
    assert [one.user for one in presence.others(token, user=user)] == [berta]


def test_nobody_looks_at_nothing() -> None:
    assert presence.lookers([]) == {}
