"""The rows of the reading worklist: whose images, how long they wait, who has them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from reporting.models import ReadingItem
from reporting.reading_worklist import reading_status
from web.kernel import formats
from web.kernel.waiting_tone import waiting_tone
from worklist.models import Patient


@dataclass(frozen=True)
class Wait:
    """How long an item waits against its target; `percent` is at most 100, `tone` a class of the bar."""

    waited: timedelta
    target: timedelta
    percent: int
    tone: str
    due_at: datetime

    @property
    def is_over(self) -> bool:
        """Whether it is past due."""
        return self.tone == "red"


@dataclass(frozen=True)
class Row:
    """An item as the list shows it."""

    item: ReadingItem
    name: str
    identifier: str
    birth_date: str
    age: str
    sex: str
    images: int
    wait: Wait
    holder: str
    is_held: bool
    under_investigation: bool
    has_mismatch: bool
    order_cancelled: bool

    @property
    def is_open(self) -> bool:
        """Whether it is still to be read or written on."""
        return reading_status.is_open(self.item, getattr(self.item, "report", None))


def whole(rows: "QuerySet[ReadingItem]") -> "QuerySet[ReadingItem]":
    """What the rows of a list come with."""
    rows = rows.select_related(
        "patient__survivor__authority",
        "patient__authority",
        "lease__holder",
        "lease",
        "report__author",
        "reserved_for",
    )
    return rows.prefetch_related("studies")


def shown(items: Iterable[ReadingItem], now: datetime) -> list[Row]:
    """The rows; the items come with what `whole` adds, and with the marks of `assignment.worklist`."""
    return [_row(item, now) for item in items]


def wait(item: ReadingItem, now: datetime) -> Wait:
    """How long an item waits, or waited until it was signed, against its target."""
    end = item.final_at or item.withdrawn_at or now
    waited, target = max(end - item.ready_at, timedelta(0)), item.due_at - item.ready_at
    share = waited / target if target else 1.0
    return Wait(waited, target, min(100, round(share * 100)), waiting_tone(waited, target), item.due_at)


def holder(item: ReadingItem, now: datetime) -> str:
    """Who has an item, in words; empty where nobody does."""
    lease = getattr(item, "lease", None)
    if lease is not None and lease.holder is not None and lease.until > now:
        return f"{lease.holder} (parked)" if lease.parked else str(lease.holder)
    if item.reserved_for is not None and item.reserved_until and item.reserved_until > now:
        return f"reserved for {item.reserved_for}"
    report = getattr(item, "report", None)
    if report is None:
        return ""
    return str(report.author) if report.status != "draft" else f"draft of {report.author}"


def who(patient: Patient | None, studies: Iterable[Any] = ()) -> tuple[str, str, str, str]:
    """Name, identifier, birth date as YYYYMMDD, sex of a patient; without one, what the images say."""
    if patient is not None:
        one = patient.current
        return formats.shown(one.name), one.value, one.birth_date, one.sex
    study = next(iter(studies), None)
    if study is None:
        return "(no patient)", "", "", ""
    return formats.shown(study.patient_name), study.header_patient_id, study.birth_date, study.sex


def _row(item: ReadingItem, now: datetime) -> Row:
    studies = list(item.studies.all())
    name, identifier, born, sex = who(item.patient, studies)
    lease = getattr(item, "lease", None)
    return Row(
        item=item,
        name=name,
        identifier=identifier,
        birth_date=formats.date(born),
        age=formats.age(born, timezone.localdate()),
        sex=sex,
        images=sum(study.instance_count for study in studies),
        wait=wait(item, now),
        holder=holder(item, now),
        is_held=lease is not None and lease.holder is not None and lease.until > now,
        under_investigation=bool(getattr(item, "under_investigation", False)),
        has_mismatch=bool(getattr(item, "has_mismatch", False)),
        order_cancelled=bool(getattr(item, "order_cancelled", False)),
    )
