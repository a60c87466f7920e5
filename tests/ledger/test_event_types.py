"""Kinds of events: declared once, said in words, refused where nobody has declared them."""

import pytest
from django.db import models, transaction

from ledger import event_types, events
from ledger.event_types import EventType, UnknownEvent
from ledger.jobs import TRIED_AGAIN
from ledger.models import Event


class Colour(models.TextChoices):
    LIGHT_GREY = "light_grey"


def said(words: str, source: str = "", **details: object) -> str:
    types = {"colour": event_types.labels(Colour), "fields": {"birth_date": "birth date", "key": ""}}
    return EventType("a.b", words, labels=types).say(details, source)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (said("Sent to {source} as {name}", "EHR", name="A_1"), "Sent to EHR as A_1"),
        (said("Report begun[ with {template}]", template="CT"), "Report begun with CT"),
        (said("Report begun[ with {template}]", template=""), "Report begun"),
        (said("Report begun[ with {template}]"), "Report begun"),
        (said("Held[: {reason}][ ({note})]", note="soon"), "Held (soon)"),
        (said("Changed: {names}", names=["name", "sex"]), "Changed: name, sex"),
        (said("Painted {colour}", colour="light_grey"), "Painted light grey"),
        (said("Data changed[: {fields}]", fields=["birth_date", "key"]), "Data changed: birth date"),
        (said("Data changed[: {fields}]", fields=["key"]), "Data changed"),
        (said("Came from {name}", name="[{source}]{name}"), "Came from [{source}]{name}"),
        (said("Version {version} stored", version=0), "Version 0 stored"),
    ],
)
def test_words_are_filled_from_the_details(text: str, expected: str) -> None:
    assert text == expected


def test_what_words_need_is_what_is_not_optional() -> None:
    type_ = EventType("a.b", "{one} to {source}[ for {two}]")
    assert (type_.needs, type_.details) == ({"one"}, {"one", "two", "source"})


def test_in_short_it_begins_small() -> None:
    assert EventType("a.b", "Order cancelled").in_short == "order cancelled"
    assert EventType("a.b", "{one} was merged", short="merge").in_short == "merge"


def test_a_kind_is_declared_once() -> None:
    with pytest.raises(ValueError, match="twice"):
        event_types.declare(TRIED_AGAIN.kind, "Something else")


def test_what_an_older_version_recorded_is_called_by_its_kind() -> None:
    assert event_types.of("study.gone_away").say({}) == "Study gone away"


@pytest.mark.django_db
def test_an_unknown_kind_is_refused() -> None:
    for stranger in (EventType("a.b", "Anything"), EventType(TRIED_AGAIN.kind, "Words of somebody else")):
        with pytest.raises(UnknownEvent, match="nobody"), transaction.atomic():
            events.record(stranger, about=[("job", "1")])
    assert not Event.objects.exists()


@pytest.mark.django_db
def test_a_detail_that_the_words_need_is_missed() -> None:
    with pytest.raises(UnknownEvent, match="needs kind_of_job"), transaction.atomic():
        events.record(TRIED_AGAIN, about=[("job", "1")])
    assert not Event.objects.exists()
