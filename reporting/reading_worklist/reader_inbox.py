"""What lies on a person's desk, and what belongs to the patient of an item: selectors for pages."""

from datetime import timedelta
from typing import Final

from django.db.models import QuerySet

from accounts import access
from accounts.models import User
from archive.models import Study
from ledger import clock
from reporting.models import (
    AddendumDraft,
    Dictation,
    DictationState,
    KeptText,
    ReadingItem,
    Recheck,
    Report,
    ReportVersion,
)
from reporting.reading_worklist import authorship, reading_status
from worklist.models import Patient, ScheduledProcedureStep

MOST_PRIORS: Final = 200
JUST_SIGNED: Final = timedelta(minutes=10)
"""How long the way back to a report that was signed is shown."""


def rechecks(user: User) -> QuerySet[Recheck]:
    """Open rechecks that wait for `user`, the most due first."""
    rows = Recheck.objects.filter(signer=user, closed_at=None)
    return rows.select_related("item__patient__survivor").order_by("due_at", "pk")


def questions(user: User) -> QuerySet[ReadingItem]:
    """Items of which `user` is the author, and is asked whether they are about that patient."""
    rows = access.visible(ReadingItem.objects.all(), user)
    rows = rows.filter(status__in=reading_status.OPEN).exclude(patient_question="")
    mine = rows.filter(pk__in=authorship.items_of(user).values("pk"))
    return mine.select_related("patient__survivor").order_by("due_at", "pk")


def last_signed(user: User) -> ReportVersion | None:
    """What `user` signed last, a moment ago, also where the signature was undone."""
    rows = ReportVersion.objects.filter(signed_by=user, signed_at__gt=clock.now() - JUST_SIGNED)
    return rows.select_related("report__item__patient__survivor").order_by("-signed_at", "-pk").first()


def unfinished(user: User) -> QuerySet[Dictation]:
    """Dictations that `user` began and never handed on."""
    rows = Dictation.objects.filter(author=user, state=DictationState.RECORDING, sample_count__gt=0)
    return rows.select_related("item__patient__survivor").order_by("pk")


def items_of_patient(item: ReadingItem, user: User) -> QuerySet[ReadingItem]:
    """All items of the item's patient, the newest first; the item alone where no patient is known."""
    rows = access.visible(ReadingItem.objects.all(), user)
    records = records_of(item)
    rows = rows.filter(patient__in=records) if records else rows.filter(pk=item.pk)
    return rows.select_related("lease__holder", "report__author", "reserved_for").order_by("-ready_at", "-pk")


def studies_of_patient(item: ReadingItem, user: User) -> QuerySet[Study]:
    """All studies of the item's patient, the newest first; the item's own where no patient is known."""
    rows = access.visible(Study.objects.filter(hidden=""), user)
    records = records_of(item)
    rows = rows.filter(patient__in=records) if records else rows.filter(reading_items=item)
    return rows.order_by("-study_date", "-study_time", "-pk")[:MOST_PRIORS]


def records_of(item: ReadingItem) -> list[Patient]:
    """All records that are the item's patient."""
    if item.patient is None:
        return []
    current = item.patient.current
    return [current, *Patient.objects.filter(survivor=current)]


def steps_of(item: ReadingItem) -> QuerySet[ScheduledProcedureStep]:
    """What was to be done for the item."""
    return ScheduledProcedureStep.objects.filter(procedure__reading_items=item).order_by("pk")


def spoken(item: ReadingItem) -> QuerySet[Dictation]:
    """The item's dictations, as they were begun."""
    return Dictation.objects.filter(item=item).select_related("author", "typist").order_by("pk")


def versions_of(report: Report) -> QuerySet[ReportVersion]:
    """What was signed, the newest first."""
    return ReportVersion.objects.filter(report=report).select_related("signed_by").order_by("-number")


def addendum_of(report: Report, user: User) -> AddendumDraft | None:
    """The user's open draft of an addendum, correction or retraction."""
    return AddendumDraft.objects.filter(report=report, author=user, is_open=True).first()


def kept_of(report: Report) -> QuerySet[KeptText]:
    """Texts that were kept when somebody's act came between, the newest first."""
    return KeptText.objects.filter(report=report).select_related("author").order_by("-pk")


def open_recheck(item: ReadingItem) -> Recheck | None:
    """The item's open recheck."""
    return Recheck.objects.filter(item=item, closed_at=None).select_related("signer").first()
