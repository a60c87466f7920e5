"""Whom the things are about that the audit trail names by their ids."""

from collections.abc import Collection, Mapping, Sequence
from itertools import product
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
    """The name and the identifier of the patient of each thing, where it has one whom the user may see.

    Without a patient it is what the images say, and their accession number.
    """
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
    nameless = {(type_, id_) for type_, id_ in things if type_ in _OF_IMAGES and (type_, id_) not in found}
    return {**_as_images_say(user, nameless), **found}


_OF_IMAGES: Final[Mapping[str, Sequence[str]]] = {
    "study": ("study_instance_uid", "public_id"),
    "reading_item": ("reading_items__public_id",),
    "report": ("reading_items__report__public_id",),
}
"""By the type of a thing, by what of a study it is found."""


def _as_images_say(user: User, things: Collection[Thing]) -> dict[Thing, str]:
    """What the headers say of things that are linked to no patient."""
    found: dict[Thing, str] = {}
    unlinked = access.visible(Study.objects.filter(patient=None), user)
    for type_, keys in _OF_IMAGES.items():
        ids = sorted({id_ for one, id_ in things if one == type_ and id_})
        for key, first in product(keys, range(0, len(ids), _AT_ONCE)):
            rows = unlinked.filter(**{f"{key}__in": ids[first : first + _AT_ONCE]})
            for id_, name, value, number in rows.values_list(
                key, "patient_name", "header_patient_id", "accession_number"
            ):
                said = f"{formats.shown(name)} ({value or 'no ID'})"
                found[type_, id_] = f"images say {said}" + (f", accession {number}" if number else "")
    return found
