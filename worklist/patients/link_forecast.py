"""What links between records come to now, and would come to with one more: nothing is changed by asking."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from django.db.models import Q

from worklist.models import LinkKind, Patient, PatientLink
from worklist.patients import identity, record_links
from worklist.patients.patient_records import LinkRecord
from worklist.patients.record_links import Standing

_NEWEST: Final = "~"
"""A stamp that is newer than all."""


@dataclass(frozen=True)
class Joint:
    """A record that shows under another, and the link because of which it does."""

    record: Patient
    link: PatientLink


def joints(record: Patient) -> list[Joint]:
    """How the records of a person hang together."""
    links = _links_around({record.survivor_id or record.pk})
    standing = Standing([_record(one) for one in links.values()])
    people = identity.same_person([record]).select_related("authority", "facility").order_by("pk")
    found = ((one, standing.joint(one.pk)) for one in people)
    return [Joint(one, links[joint.id]) for one, joint in found if joint is not None]


def shown_with(kind: LinkKind, record: Patient, other: Patient) -> dict[int, int]:
    """Under which record each of theirs would show if they were merged, linked or parted now, by keys."""
    links = _links_around({record.survivor_id or record.pk, other.survivor_id or other.pk})
    one_more = LinkRecord(0, record.pk, other.pk, kind, _NEWEST)
    standing = Standing([*(_record(one) for one in links.values()), one_more])
    return {one.pk: standing.root(one.pk) for one in identity.same_person([record, other])}


def _links_around(keys: Collection[int]) -> dict[int, PatientLink]:
    """All links that count of the records that links connect to these, the oldest first."""
    found: dict[int, PatientLink] = {}
    front = set(keys)
    known: set[int] = set()
    while front:
        known |= front
        rows = PatientLink.objects.filter(Q(retired__in=front) | Q(survivor__in=front), closed_by="")
        rows = rows.select_related("retired__authority", "retired__facility", "survivor__authority")
        new = {row.pk: row for row in rows}
        found |= new
        front = {end for row in new.values() for end in (row.retired_id, row.survivor_id)} - known
    return {row.pk: row for row in sorted(found.values(), key=_age)}


def _record(link: PatientLink) -> LinkRecord:
    return LinkRecord(link.pk, link.retired_id, link.survivor_id, link.kind, link.stamp)


def _age(link: PatientLink) -> tuple[str, int, str, str]:
    return (*record_links.age(_record(link)), str(link.retired), str(link.survivor))
