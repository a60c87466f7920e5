"""The exceptions list: what people see of it, by any of its filters, in a total order."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from accounts import access
from archive.models import ExceptionStatus, Series, Study, StudyException, Verdict
from worklist.patients import patient_search, typed_dates


@dataclass(frozen=True)
class Keys:
    """What is asked for; an empty key asks for all."""

    statuses: Sequence[str] = ()
    verdicts: Sequence[str] = ()
    kinds: Sequence[str] = ()
    modalities: Sequence[str] = ()
    station: str = ""
    text: str = ""


def exceptions(keys: Keys, *, user: Any, order: str = "due") -> QuerySet[StudyException]:
    """The exceptions of the user's facilities that fit every key, by default those due first.

    `order` is due, age, verdict, patient or status, a `-` before it turns it round.
    """
    rows = of_user(user).exclude(status=ExceptionStatus.NONE)
    if keys.statuses:
        rows = rows.filter(status__in=keys.statuses)
    if keys.verdicts:
        rows = rows.filter(study__verdict__in=keys.verdicts)
    if keys.kinds:
        rows = rows.filter(kind__in=keys.kinds)
    if keys.modalities or keys.station:
        series = Series.objects.filter(study=OuterRef("study"))
        if keys.modalities:
            rows = rows.filter(Exists(series.filter(modality__in=keys.modalities)))
        if keys.station:
            rows = rows.filter(Exists(series.filter(station_ae_title=keys.station)))
    if keys.text:
        rows = rows.filter(_with_text(keys.text))
    return _sorted(rows, order)


def of_user(user: Any) -> QuerySet[StudyException]:
    """All exceptions of the user's facilities, those on hidden studies included."""
    return StudyException.objects.filter(study__in=access.visible(Study.objects.order_by(), user))


def whole(rows: QuerySet[StudyException]) -> QuerySet[StudyException]:
    """The rows with all that a list shows of them; `newest_verdict` is a key."""
    newest = Verdict.objects.filter(study=OuterRef("study")).order_by("-number").values("pk")[:1]
    return rows.select_related(
        "study__facility", "study__patient__authority", "study__patient__survivor__authority"
    ).annotate(newest_verdict=Subquery(newest))


def _with_text(text: str) -> Q:
    today = timezone.localdate()
    people = patient_search.of_persons(patient_search.meant(text, today))
    name, days = typed_dates.beside(text, today)
    return (
        _called(text)
        | Q(study__birth_date__in=typed_dates.days(text, today))
        | (_called(name) & Q(study__birth_date__in=days))
        | Q(study__header_patient_id=text)
        | Q(study__accession_number=text)
        | Q(study__study_instance_uid=text)
        | Q(study__patient__in=people.values("pk"))
    )


def _called(name: str) -> Q:
    """Studies whose images give a name."""
    called = Q(pk__in=[])
    for key in patient_search.spellings(name):
        called |= Q(study__patient_name_key__contains=key.rstrip("^"))
    return called


def _sorted(rows: QuerySet[StudyException], order: str) -> QuerySet[StudyException]:
    sort = order.removeprefix("-")
    if sort == "patient":
        name = Coalesce("study__patient__survivor__name_key", "study__patient__name_key")
        rows = rows.annotate(name_key=Coalesce(name, F("study__patient_name_key")))
    column = {
        "age": "opened_at",
        "verdict": "study__verdict",
        "patient": "name_key",
        "status": "status",
    }.get(sort, "due_at")
    # The youngest has the least age.
    turned = order.startswith("-") != (sort == "age")
    return rows.order_by(("-" if turned else "") + column, ("-" if turned else "") + "id")
