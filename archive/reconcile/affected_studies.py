"""Which studies orders or patients could change the verdict of: found by index, bounded, judged again.

This runs inside the transaction of the messages that bring the change, so it asks little: all conditions go
into one union, each part of which is served by an index of its own (an OR of them would read all studies).
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Q

from archive.archive_section import ArchiveSection
from archive.models import HAS_SIGNATURE, Outcome, ReadingStatus, Study
from archive.reconcile import name_agreement
from archive.reconcile.candidate_search import accession_spellings, among
from archive.reconcile.phantom_patterns import PhantomPatterns
from archive.reconcile.reconcile_job import JUDGED, KIND
from archive.reconcile.reconcile_policy import Policy
from ledger import clock, jobs
from ledger.row_sets import Condition, Table, any_of
from ledger.wildcards import fits
from worklist.models import RequestedProcedure, StatusEvent
from worklist.orders.order_aggregate import OrderAggregate
from worklist.patients import people
from worklist.patients.patient_records import PatientRecord
from worklist.patients.people import PersonRecord

MOST: Final = 100
"""Studies that one change has judged again; the newest first."""
MOST_FOUND: Final = 500
MOST_BY_PATTERN: Final = 1000
_SEEN_EVERYWHERE: Final = timedelta(seconds=5)
"""After what time every process goes by a site file that was applied."""
MOST_RECORDS: Final = 100
_FINAL: Final = frozenset({ReadingStatus.FINAL, ReadingStatus.AMENDED, ReadingStatus.WITHDRAWN})
_LINKS: Final = Study.procedures.through._meta.db_table
_PROCEDURES: Final = RequestedProcedure._meta.db_table


@dataclass(frozen=True)
class _Found:
    study_instance_uid: str
    last_received_at: datetime
    reading_status: str
    patient_id: int | None


_STUDIES: Final = Table(Study, _Found)


def on_orders_changed(
    sender: Any, orders: Sequence[OrderAggregate], newcomers: Sequence[PatientRecord] = (), **_: Any
) -> None:
    """Judge again what orders that came, changed or went could be the orders of."""
    new = {record.id: PersonRecord.of(record) for record in newcomers}
    keys = {one.order.patient_id for one in orders if one.order.patient_id is not None}
    records = [
        *(new[key] for key in sorted(keys & new.keys())),
        *people.records_of(keys - new.keys(), MOST_RECORDS),
    ]
    wanted = [*_of_orders(orders, ArchiveSection.current().reconcile), *_of_records(records)]
    ended = [key for one in orders if _has_ended(one) for key in (row.id for row in one.procedures)]
    if not _judge_again(wanted, len(orders), also_final=list(_linked_to(ended))):
        for order in orders:  # one of them alone could be of so many that the others would be passed over
            on_orders_changed(sender, [order], newcomers)


def on_patients_changed(sender: Any, patients: Sequence[PatientRecord], **_: Any) -> None:
    """Judge again what patients that came, changed, merged or parted could be the patients of."""
    records = people.records_of([patient.id for patient in patients], MOST_RECORDS)
    orders = people.newest_orders(records, MOST_RECORDS * len(patients))
    wanted = list(_of_records(records))
    if orders:
        wanted.append(among("accession_number", {order.accession_number for order in orders} - {""}))
        condition, keys = any_of(["order_id"], ["bigint"], [[order.id] for order in orders])
        planned = f"SELECT study_instance_uid FROM {_PROCEDURES} WHERE {condition}"
        wanted.append((f"study_instance_uid IN ({planned})", keys))
    newest_of = frozenset(record.id for record in records)
    if not _judge_again(wanted, len(patients), newest_of=newest_of):
        for patient in patients:
            on_patients_changed(sender, [patient])


def on_phantoms_changed(before: PhantomPatterns, now: PhantomPatterns) -> None:
    """Judge again what other patterns could keep apart, or no longer: the newest, and nothing signed."""
    if before == now:
        return
    condition = Q(verdict=Outcome.PHANTOM)
    for pattern in now.patient_ids:
        condition |= fits("header_patient_id", pattern, ignore_case=True)
    for pattern in now.patient_names:
        condition |= fits("patient_name", f"*{pattern}*", ignore_case=True)
    rows = Study.objects.filter(condition, first_quiet_at__isnull=False)
    rows = rows.exclude(reading_status__in=HAS_SIGNATURE).order_by("-last_received_at", "-pk")
    uids = rows.values_list("study_instance_uid", flat=True)[:MOST_BY_PATTERN]
    jobs.enqueue_all(KIND, dict.fromkeys(uids, clock.now() + _SEEN_EVERYWHERE))


def _of_orders(orders: Iterable[OrderAggregate], policy: Policy) -> Iterable[Condition]:
    """Studies with an accession number or a planned UID of the orders, or linked to one of them."""
    labels, uids, linked = set(), set(), set()
    for one in orders:
        labels |= {one.order.accession_number, *(row.accession_number for row in one.procedures)} - {""}
        uids |= {row.study_instance_uid for row in one.procedures}
        linked |= set() if one.is_new else {row.id for row in one.procedures}
    spellings = {text for label in labels for text in accession_spellings(label, policy)}
    if spellings:
        yield among("accession_number", spellings)
    if uids:
        yield among("study_instance_uid", uids)
    yield from _linked_to(linked)


def _linked_to(procedures: Iterable[int]) -> Iterable[Condition]:
    """Studies that are linked to procedures."""
    if found := sorted(key for key in set(procedures) if key > 0):
        condition, keys = any_of(["requestedprocedure_id"], ["bigint"], [[key] for key in found])
        yield f"id IN (SELECT study_id FROM {_LINKS} WHERE {condition})", keys


def _has_ended(order: OrderAggregate) -> bool:
    """Whether an order was ever cancelled, taken back since or not: its images are looked at again."""
    return any(
        event.kind in (StatusEvent.Kind.CANCEL, StatusEvent.Kind.DISCONTINUE) for event in order.events
    )


def _of_records(records: Sequence[PersonRecord]) -> Iterable[Condition]:
    """Studies linked to these records, with one of their identifiers, or with their name and birth date."""
    if not records:
        return
    yield any_of(["patient_id"], ["bigint"], [[record.id] for record in records])
    yield among("header_patient_id", {record.value for record in records})
    people = set()
    for record in records:
        if record.name and len(record.birth_date) == 8:
            date = record.birth_date
            for spelling in name_agreement.spellings(record.name):
                people |= {(spelling, date), (spelling, date[:4] + date[6:] + date[4:6])}
    if people:
        names, found = among("patient_name_key", {name for name, _ in people})
        both, parameters = any_of(["patient_name_key", "birth_date"], ["text", "text"], sorted(people))
        yield f"{names} AND {both}", [*found, *parameters]


def _judge_again(
    wanted: Sequence[Condition],
    changes: int,
    *,
    also_final: Sequence[Condition] = (),
    newest_of: Collection[int] = (),
) -> bool:
    """Ask for the job of each study that is not final, now or once it is quiet.

    Of final ones those `also_final`, and the newest study of each of some patients.

    False, and nothing is asked for, where several changes together find more than is looked at.
    """
    if not wanted:
        return True
    # Not ordered by the database, which would walk through all studies, the newest first, to find a few.
    found = _STUDIES.found_by_any(wanted, MOST_FOUND)
    open_ = [one for one in found if one.reading_status not in _FINAL]
    open_ += _newest(one for one in found if one.patient_id in newest_of)
    open_ += _STUDIES.found_by_any(also_final, MOST) if also_final else []
    if changes > 1 and (len(found) == MOST_FOUND or len(open_) > MOST):
        return False
    newest = sorted(set(open_), key=lambda one: (one.last_received_at, one.study_instance_uid), reverse=True)[
        :MOST
    ]
    if newest:
        now, quiet = clock.now(), ArchiveSection.current().quiet_time
        due = {one.study_instance_uid: one.last_received_at + quiet for one in newest}
        due.pop(JUDGED.get(), None)
        jobs.enqueue_all(KIND, {uid: at if at > now else None for uid, at in due.items()})
    return True


def _newest(found: Iterable[_Found]) -> list[_Found]:
    """Of each patient the study that last received something, where it is final."""
    newest: dict[int | None, _Found] = {}
    for one in found:
        known = newest.setdefault(one.patient_id, one)
        newest[one.patient_id] = max(
            known, one, key=lambda study: (study.last_received_at, study.study_instance_uid)
        )
    return [one for one in newest.values() if one.reading_status in _FINAL]
