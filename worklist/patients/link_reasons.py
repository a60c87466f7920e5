"""Why records show under another: a number was retired, two were linked, or came in one message."""

from collections.abc import Iterable, Mapping
from typing import Final

from django.db.models import Q

from worklist.models import LinkKind, Patient, PatientLink

_BY_WEIGHT: Final = (LinkKind.SAME_MESSAGE, LinkKind.LINK, LinkKind.MERGE)
"""What says more of a record comes later."""


def why(records: Iterable[Patient]) -> Mapping[int, PatientLink]:
    """The link that says most of each of these records, by their keys; a merge only of the one it retires."""
    keys = {one.pk for one in records}
    is_theirs = Q(retired__in=keys) | Q(survivor__in=keys, kind__in=_BY_WEIGHT[:2])
    rows = PatientLink.objects.filter(is_theirs, kind__in=_BY_WEIGHT, closed_by="", conflict="")
    found: dict[int, PatientLink] = {}
    for link in sorted(rows.select_related("survivor"), key=_weight):
        ends = [link.retired_id] if link.kind == LinkKind.MERGE else [link.retired_id, link.survivor_id]
        found |= {key: link for key in ends if key in keys}
    return found


def _weight(link: PatientLink) -> tuple[int, str]:
    return _BY_WEIGHT.index(LinkKind(link.kind)), link.stamp
