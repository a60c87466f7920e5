"""Whom the things are about that the audit trail names by their ids."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from django.db.models import QuerySet

from accounts import access
from accounts.models import User
from archive.models import Study
from ledger.audit import Thing
from reporting.models import ReadingItem, Report
from web.kernel import formats
from worklist.models import Order, Patient

_AT_ONCE: Final = 5000
"""Ids that one query asks for."""


def whose(user: User, things: Collection[Thing]) -> Mapping[Thing, str]:
    """The name and the identifier of the patient of each thing, where it has one whom the user may see."""
    found: dict[Thing, str] = {}
    items = access.visible(ReadingItem.objects.all(), user)
    sources: tuple[tuple[str, QuerySet[Any], str, str], ...] = (
        ("patient", access.visible(Patient.objects.all(), user), "public_id", ""),
        ("order", access.visible(Order.objects.all(), user), "public_id", "patient__"),
        ("study", access.visible(Study.objects.all(), user), "study_instance_uid", "patient__"),
        ("study", access.visible(Study.objects.all(), user), "public_id", "patient__"),
        ("reading_item", items, "public_id", "patient__"),
        ("report", Report.objects.filter(item__in=items), "public_id", "item__patient__"),
    )
    for type_, rows, key, path in sources:
        ids = sorted({id_ for one, id_ in things if one == type_ and id_})
        for first in range(0, len(ids), _AT_ONCE):
            wanted = rows.filter(**{f"{key}__in": ids[first : first + _AT_ONCE], f"{path}pk__gt": 0})
            for id_, name, value in wanted.values_list(key, f"{path}name", f"{path}value"):
                found[type_, id_] = f"{formats.shown(name)} ({value})".strip()
    return found
