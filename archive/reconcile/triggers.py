"""Which studies an order or a patient could change the verdict of: found by index, bounded, judged again.

This runs inside the transaction of the message that brings the change, so it asks little: all conditions go
into one query on studies, each of them served by an index of its own.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, Final

from django.db.models import Q

from accounts.models import SiteSection
from archive.models import ReadingStatus, Study
from archive.reconcile import names, policy
from archive.reconcile.candidates import accession_spellings
from archive.reconcile.reconciling import KIND
from ledger import clock, jobs
from worklist import identity
from worklist.models import Order, Patient, RequestedProcedure

MOST: Final = 100
"""Studies that one change has judged again; the newest first."""
MOST_FOUND: Final = 500
MOST_RECORDS: Final = 100
_FINAL: Final = frozenset({ReadingStatus.FINAL, ReadingStatus.AMENDED, ReadingStatus.WITHDRAWN})


def on_order_changed(sender: Any, order: Order, **_: Any) -> None:
    """Judge again what an order that came, changed or went could be the order of."""
    section = SiteSection.read("archive")
    rules = policy.of(section.get("reconcile", {}))
    procedures = list(RequestedProcedure.objects.filter(order=order).defer("stamps"))
    labels = {order.accession_number, *(procedure.accession_number for procedure in procedures)} - {""}
    spellings = [text for label in sorted(labels) for text in accession_spellings(label, rules)]
    links = Study.procedures.through.objects.filter(requestedprocedure__in=[one.pk for one in procedures])
    wanted = (
        Q(accession_number__in=spellings)
        | Q(study_instance_uid__in=[procedure.study_instance_uid for procedure in procedures])
        | Q(pk__in=links.values("study"))
    )
    if order.patient is not None:
        wanted |= _of_people([order.patient])
    _judge_again(wanted, section)


def on_patients_changed(sender: Any, patients: list[Patient], **_: Any) -> None:
    """Judge again what patients that came, changed, merged or parted could be the patients of."""
    records = _records(patients)
    of_patient = dict(
        Order.objects.filter(patient__in=records)
        .order_by("-pk")
        .values_list("pk", "accession_number")[:MOST_RECORDS]
    )
    planned = RequestedProcedure.objects.filter(order__in=of_patient)
    wanted = _of_records(records.values()) | Q(accession_number__in=set(of_patient.values()) - {""})
    if of_patient:
        wanted |= Q(study_instance_uid__in=list(planned.values_list("study_instance_uid", flat=True)))
    _judge_again(wanted, SiteSection.read("archive"))


def _of_people(patients: Iterable[Patient]) -> Q:
    return _of_records(_records(patients).values())


def _records(patients: Iterable[Patient]) -> dict[int, Patient]:
    """These records and all others of the same people, by key."""
    patients = list(patients)
    others = identity.same_person(patients).defer("stamps")[:MOST_RECORDS]
    return {record.pk: record for record in [*others, *patients]}


def _of_records(records: Iterable[Patient]) -> Q:
    """Studies linked to these records, with one of their identifiers, or with their name and birth date."""
    records = list(records)
    wanted = Q(patient__in=[record.pk for record in records])
    wanted |= Q(header_patient_id__in=[record.value for record in records])
    by_date: dict[str, set[str]] = {}
    for record in records:
        if record.name and len(record.birth_date) == 8:
            by_date.setdefault(record.birth_date, set()).update(names.spellings(record.name))
    for date, spellings in sorted(by_date.items()):
        dates = [date, date[:4] + date[6:] + date[4:6]]
        wanted |= Q(patient_name_key__in=sorted(spellings), birth_date__in=dates)
    return wanted


def _judge_again(wanted: Q, section: Mapping[str, Any]) -> None:
    """Ask for the job of each study that is not final, now or once it is quiet."""
    rows = Study.objects.filter(wanted).values_list(
        "study_instance_uid", "last_received_at", "reading_status"
    )
    # Not ordered by the database, which would walk through all studies, the newest first, to find a few.
    found = [(at, uid) for uid, at, status in rows[:MOST_FOUND] if status not in _FINAL]
    quiet = timedelta(seconds=section.get("quiet_seconds", 60))
    for uid, last_received_at in sorted((uid, at) for at, uid in sorted(found, reverse=True)[:MOST]):
        due = last_received_at + quiet
        jobs.want(KIND, uid, not_before=due if due > clock.now() else None)
