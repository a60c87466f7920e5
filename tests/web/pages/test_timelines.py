"""Events in words: what pages and the API say of each."""

import pytest
from django.db import transaction

from accounts.models import User
from ledger import event_types, events
from ledger.models import Event
from reporting import reporting_events
from web.pages import timelines

pytestmark = pytest.mark.django_db


def test_every_event_is_said_in_words_of_its_own(user: User) -> None:
    types = list(event_types.declared())
    with transaction.atomic():
        for type_ in types:
            details = {name: f"some {name}" for name in type_.needs}
            events.record(type_, about=[("thing", "1")], source="EHR", actor="Anna", **details)
    entries = timelines.entries(Event.objects.order_by("id"), user)
    assert len(types) == len(entries) > 90
    for type_, entry in zip(types, entries, strict=True):
        assert entry.words == type_.say({name: f"some {name}" for name in type_.needs}, "EHR")
        assert (entry.tone, entry.who) == (type_.tone, "Anna")
        assert "EHR" in entry.words or (entry.source and entry.source.text == "EHR")


def test_what_the_words_say_is_not_said_twice(user: User) -> None:
    about = [("reading_item", "1")]
    with transaction.atomic():
        events.record(reporting_events.HELD, about=about, reason="need information", note="")
        events.record(reporting_events.SKIPPED, about=about, reason="not my field")
    skipped, held = timelines.of("reading_item", "1", user)
    assert (held.words, held.reason) == ("Reading put on hold: need information", "")
    assert (skipped.words, skipped.reason) == ("Exam skipped", "not my field")
