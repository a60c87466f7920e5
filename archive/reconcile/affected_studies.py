"""Which studies an order or a patient could change the verdict of: found by index, bounded, judged again.

This runs inside the transaction of the message that brings the change, so it asks little: all conditions go
into one union, each part of which is served by an index of its own (an OR of them would read all studies).
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from django.db.models import Q

from archive.archive_section import ArchiveSection
from archive.models import ReadingStatus, Study
from archive.reconcile import name_agreement
from archive.reconcile.candidates import accession_spellings
from archive.reconcile.reconcile_job import KIND
from ledger import clock, jobs
from worklist.models import Order, Patient, RequestedProcedure
from worklist.patients import identity

MOST: Final = 100
"""Studies that one change has judged again; the newest first."""
MOST_FOUND: Final = 500
MOST_RECORDS: Final = 100
_FINAL: Final = frozenset({ReadingStatus.FINAL, ReadingStatus.AMENDED, ReadingStatus.WITHDRAWN})
_COLUMNS: Final = ("study_instance_uid", "last_received_at", "reading_status")


def on_order_changed(sender: Any, order: Order, **_: Any) -> None:
    """Judge again what an order that came, changed or went could be the order of."""
    section = ArchiveSection.current()
    procedures = list(RequestedProcedure.objects.filter(order=order).defer("stamps"))
    labels = {order.accession_number, *(procedure.accession_number for procedure in procedures)} - {""}
    spellings = [text for label in sorted(labels) for text in accession_spellings(label, section.reconcile)]
    wanted = [Q(accession_number__in=spellings)] if spellings else []
    if procedures:
        wanted.append(Q(study_instance_uid__in=[procedure.study_instance_uid for procedure in procedures]))
        wanted.append(Q(procedures__in=[procedure.pk for procedure in procedures]))
    if order.patient is not None:
        wanted += _of_records(_records([order.patient]).values())
    _judge_again(wanted, section)


def on_patients_changed(sender: Any, patients: list[Patient], **_: Any) -> None:
    """Judge again what patients that came, changed, merged or parted could be the patients of."""
    records = _records(patients)
    orders = Order.objects.filter(patient__in=records).order_by("-pk").values_list("pk", "accession_number")
    of_patient = dict(orders[:MOST_RECORDS])
    wanted = _of_records(records.values())
    if of_patient:
        planned = RequestedProcedure.objects.filter(order__in=of_patient)
        wanted.append(Q(accession_number__in=set(of_patient.values()) - {""}))
        wanted.append(Q(study_instance_uid__in=list(planned.values_list("study_instance_uid", flat=True))))
    _judge_again(wanted, ArchiveSection.current())


def _records(patients: Iterable[Patient]) -> dict[int, Patient]:
    """These records and all others of the same people, by key."""
    patients = list(patients)
    others = identity.same_person(patients).defer("stamps")[:MOST_RECORDS]
    return {record.pk: record for record in [*others, *patients]}


def _of_records(records: Iterable[Patient]) -> list[Q]:
    """Studies linked to these records, with one of their identifiers, or with their name and birth date."""
    records = list(records)
    wanted = [
        Q(patient__in=[record.pk for record in records]),
        Q(header_patient_id__in=[record.value for record in records]),
    ]
    by_date: dict[str, set[str]] = {}
    for record in records:
        if record.name and len(record.birth_date) == 8:
            by_date.setdefault(record.birth_date, set()).update(name_agreement.spellings(record.name))
    for date, spellings in sorted(by_date.items()):
        dates = [date, date[:4] + date[6:] + date[4:6]]
        wanted.append(Q(patient_name_key__in=sorted(spellings), birth_date__in=dates))
    return wanted


def _judge_again(wanted: Sequence[Q], section: ArchiveSection) -> None:
    """Ask for the job of each study that is not final, now or once it is quiet."""
    parts = [Study.objects.filter(condition).values_list(*_COLUMNS) for condition in wanted]
    if not parts:
        return
    rows = parts[0].union(*parts[1:]) if len(parts) > 1 else parts[0]
    # Not ordered by the database, which would walk through all studies, the newest first, to find a few.
    found = [(at, uid) for uid, at, status in rows[:MOST_FOUND] if status not in _FINAL]
    newest = sorted(found, reverse=True)[:MOST]
    for uid, last_received_at in sorted((uid, at) for at, uid in newest):
        due = last_received_at + section.quiet_time
        jobs.enqueue(KIND, uid, not_before=due if due > clock.now() else None)
