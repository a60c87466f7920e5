"""What it would change to merge, link or part two patient records, in numbers and in words."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from archive.models import Study
from interfaces.hl7.outbound import message_types
from interfaces.hl7.outbound.messages import merges
from reporting.models import Report
from web.kernel import formats
from worklist.models import LinkKind, Order, Patient
from worklist.patients import identity, link_forecast

_ACTS: Final = {LinkKind.MERGE: "merge", LinkKind.LINK: "link", LinkKind.UNLINK: "part"}


@dataclass(frozen=True)
class Person:
    """A record that would show, those that would show under it, and what they have."""

    shown: Patient
    records: Sequence[Patient]
    orders: int
    studies: int
    reports: int

    @property
    def name(self) -> str:
        """As a person reads it."""
        return f"{formats.shown(self.shown.name) or '(no name)'} ({self.shown.value})"

    @property
    def has(self) -> str:
        """What the records have, in words."""
        counts = ((self.orders, "order"), (self.studies, "study"), (self.reports, "report"))
        return ", ".join(_counted(*one) for one in counts)


@dataclass(frozen=True)
class Effects:
    """The persons of now, those of afterwards, the records that change hands, and all of it in words."""

    before: Sequence[Person]
    after: Sequence[Person]
    moving: Person | None
    words: Sequence[str]


def of(kind: LinkKind, record: Patient, other: Patient) -> Effects:
    """What comes of it if two records are merged, linked or parted now."""
    rows = identity.same_person([record, other]).select_related("authority", "survivor__authority")
    people = {one.pk: one for one in rows}
    now = {key: one.survivor_id or key for key, one in people.items()}
    then = link_forecast.shown_with(kind, record, other)
    before, after = _persons(people, now), _persons(people, then)
    moving = [people[key] for key in people if now[key] != then[key]]
    gone = _person(people[then[moving[0].pk]], moving) if moving else None
    words = _parted(after, gone) if kind == LinkKind.UNLINK else _joined(kind, record, after, gone)
    return Effects(before, after, gone, [*words, *_for_the_his(kind, record, other)])


def _persons(people: Mapping[int, Patient], shown: Mapping[int, int]) -> list[Person]:
    groups: dict[int, list[Patient]] = {}
    for key in sorted(people):
        groups.setdefault(shown[key], []).append(people[key])
    return [_person(people[key], records) for key, records in groups.items()]


def _person(shown: Patient, records: Sequence[Patient]) -> Person:
    keys = [one.pk for one in records]
    return Person(
        shown,
        records,
        Order.objects.filter(patient__in=keys).count(),
        Study.objects.filter(patient__in=keys).count(),
        Report.objects.filter(item__patient__in=keys).count(),
    )


def _joined(kind: LinkKind, record: Patient, after: Sequence[Person], moving: Person | None) -> Iterable[str]:
    if moving is None or len(after) != 1:
        yield "Nothing would be shown otherwise than now."
        return
    values = _listed(moving.records)
    yield f"{values} will show under {after[0].name}, with {moving.has}."
    yield f"The name shown for all of it will be {formats.shown(after[0].shown.name) or '(no name)'}."
    if kind == LinkKind.MERGE:
        yield f"The number {record.value} is retired; messages that name it are still understood."
    else:
        yield "Both numbers stay in use."
    if moving.reports:
        yield "Whoever signed the reports is asked whether they still hold."


def _parted(after: Sequence[Person], moving: Person | None) -> Iterable[str]:
    if moving is None:
        yield "Nothing would be shown otherwise than now."
        return
    for person in after:
        yield f"{_listed(person.records)} will show as {person.name}, with {person.has}."
    if moving.reports:
        yield "Whoever signed the reports is asked whether they still hold."


def _for_the_his(kind: LinkKind, record: Patient, other: Patient) -> Iterable[str]:
    act = _ACTS[kind]
    if told := [one.name for one in message_types.receivers(merges.MERGES)]:
        yield f"{' and '.join(told)} will be told by message."
    else:
        yield f"Nobody else is told: have the HIS {act} {record.value} and {other.value} as well."
    if kind == LinkKind.UNLINK:
        yield "A newer merge or link of the HIS joins them again."
    yield "It can be undone on the patient's page."


def _listed(records: Sequence[Patient]) -> str:
    return " and ".join(one.value for one in records)


def _counted(count: int, word: str) -> str:
    plural = "studies" if word == "study" else f"{word}s"
    return f"{count or 'no'} {word if count == 1 else plural}"
