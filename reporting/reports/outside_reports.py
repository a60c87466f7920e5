"""Outside reports: all versions are kept, and show with the studies that they name, whichever came first.

They are found from a study by its UID and the numbers of its orders, and only where both are of one patient;
so a report that comes before its study waits for it.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from django.db.models import F, Prefetch, Q, QuerySet
from django.db.models.functions import Coalesce

from archive.models import Study
from ledger import events
from ledger.row_sets import Table
from reporting import reporting_events
from reporting.models import (
    OutsideDocument,
    OutsideReport,
    OutsideReportReference,
    OutsideReportVersion,
    OutsideStatus,
)
from worklist.models import Order, OrderNumber, Patient, RequestedProcedure
from worklist.provenance import Provenance

READ_OUTSIDE: Final = "read elsewhere: a report came from "
"""Begins the reason for which an item is withdrawn that an outside report answers."""
ANSWERS: Final = (OutsideStatus.FINAL, OutsideStatus.CORRECTED)
_Kind = OutsideReportReference.Kind
_REFERENCES: Final = Table(OutsideReportReference, OutsideReportReference)
_Name = tuple[str, str]


class _Named(NamedTuple):
    """A study or an order by its key, whose it is, and the namespace where a number of an order is it."""

    key: int
    patient: int
    namespace: str = ""


@dataclass(frozen=True)
class Reference:
    """A Study Instance UID, an accession number or an order number that a report names."""

    kind: OutsideReportReference.Kind
    value: str
    namespace: str = ""


@dataclass(frozen=True)
class Document:
    """A document that comes with a report."""

    title: str
    media_type: str
    content: bytes


@dataclass(frozen=True)
class OutsideReportUpdate:
    """What a message says of an outside report."""

    sender: str
    number: str
    namespace: str
    status: OutsideStatus
    references: Sequence[Reference]
    title: str = ""
    text: str = ""
    author: str = ""
    reported_at: datetime | None = None
    documents: Sequence[Document] = ()
    marks_read: bool = False


def take(update: OutsideReportUpdate, patient: int, provenance: Provenance) -> OutsideReportVersion:
    """Keep a version of an outside report, in the caller's transaction; the same again changes nothing."""
    report = _report(update, provenance)
    stamp = provenance.stamp.key()
    if known := report.versions.filter(stamp=stamp).first():
        return known
    newest = report.versions.order_by("-stamp").first()
    is_current = newest is None or newest.stamp < stamp
    if is_current:
        report.versions.filter(is_current=True).update(is_current=False)
    version = OutsideReportVersion.objects.create(
        report=report,
        patient_id=patient,
        stamp=stamp,
        status=update.status,
        title=update.title,
        text=update.text,
        author=update.author,
        reported_at=update.reported_at,
        received_at=provenance.received_at,
        source=provenance.source,
        marks_read=update.marks_read,
        is_current=is_current,
    )
    OutsideReportReference.objects.bulk_create(
        OutsideReportReference(version=version, kind=one.kind, value=one.value, namespace=one.namespace)
        for one in dict.fromkeys(update.references)
    )
    OutsideDocument.objects.bulk_create(
        OutsideDocument(version=version, title=one.title, media_type=one.media_type, content=one.content)
        for one in update.documents
    )
    _note(version, provenance)
    return version


def current(update: OutsideReportUpdate) -> OutsideReportVersion | None:
    """The newest version of the report that an update is of."""
    key = {"sender": update.sender, "number": update.number, "namespace": update.namespace}
    named = {f"report__{name}": value for name, value in key.items()}
    return OutsideReportVersion.objects.filter(is_current=True, **named).first()


def _report(update: OutsideReportUpdate, provenance: Provenance) -> OutsideReport:
    key = {"sender": update.sender, "number": update.number, "namespace": update.namespace}
    made = OutsideReport(**key, facility=provenance.facility)
    OutsideReport.objects.bulk_create([made], ignore_conflicts=True)
    return OutsideReport.objects.select_for_update(of=("self",)).get(**key)


def _note(version: OutsideReportVersion, provenance: Provenance) -> None:
    about = [("patient", version.patient.public_id)]
    about += [("study", study.public_id) for study in studies_of(version)]
    details = {"status": str(version.status), "sender": version.report.sender}
    events.record_all([provenance.entry(reporting_events.OUTSIDE_REPORT, about, **details)])


def studies_of(version: OutsideReportVersion) -> list[Study]:
    """The studies here that a version names, of its patient."""
    wanted = Q()
    for one in version.references.all():
        wanted |= _studies_named(one)
    if not wanted:
        return []
    records = people([version.patient_id])
    rows = Study.objects.filter(wanted, patient__in=records).order_by("study_instance_uid")
    return list(rows.distinct())


def _studies_named(one: OutsideReportReference) -> Q:
    if one.kind == _Kind.STUDY:
        return Q(study_instance_uid=one.value)
    if one.kind == _Kind.ACCESSION:
        order = Q(accession_number=one.value) | Q(order__accession_number=one.value)
        procedures = RequestedProcedure.objects.filter(order).values("pk")
        return Q(accession_number=one.value) | Q(procedures__in=procedures)
    numbers = OrderNumber.objects.filter(kind=one.kind, value=one.value, namespace=one.namespace)
    return Q(procedures__order__in=numbers.values("order"))


def of_studies(studies: Iterable[Study]) -> Mapping[int, list[OutsideReport]]:
    """The outside reports of studies, by the studies' keys; each with its versions, the newest first."""
    found = _newest_by(_names(studies))
    keys = {key: {one.report_id for one in versions} for key, versions in found.items()}
    reports = _with_versions(set().union(*keys.values()))
    return {key: [one for one in reports if one.pk in wanted] for key, wanted in keys.items()}


def newest_of(studies: Iterable[Study]) -> list[OutsideReportVersion]:
    """The newest version of each outside report of studies."""
    found = _newest_by(_names(studies))
    versions = {one.pk: one for some in found.values() for one in some}
    return [versions[key] for key in sorted(versions)]


def of_order(order: Order) -> list[OutsideReport]:
    """The outside reports that name an order of their patient, also those whose study is not here."""
    found = _newest_by(_names_of_order(order))
    return _with_versions({one.report_id for versions in found.values() for one in versions})


def of_people(records: Collection[int]) -> QuerySet[OutsideReport]:
    """All outside reports of patient records, by the records' keys, the newest first."""
    current = OutsideReportVersion.objects.filter(is_current=True, patient__in=records)
    return OutsideReport.objects.filter(pk__in=current.values("report")).order_by("-pk")


def with_versions(rows: QuerySet[OutsideReport]) -> QuerySet[OutsideReport]:
    """The reports with their versions, the newest first, and what came with these but for its content."""
    documents = Prefetch("documents", OutsideDocument.objects.defer("content"))
    versions = OutsideReportVersion.objects.order_by("-stamp").prefetch_related(documents)
    return rows.prefetch_related(Prefetch("versions", versions))


def _newest_by(names: Mapping[_Name, list[_Named]]) -> Mapping[int, set[OutsideReportVersion]]:
    """The newest versions that name things of their patient, by the things' keys."""
    rows = _REFERENCES.select(*_REFERENCES.any_of(["kind", "value"], sorted(names))) if names else []
    newest = OutsideReportVersion.objects.filter(is_current=True).select_related("report")
    current = newest.in_bulk({row.version_id for row in rows})
    named = {one.patient_id for one in current.values()}
    shown_under = roots(named | {one.patient for some in names.values() for one in some})
    found: dict[int, set[OutsideReportVersion]] = defaultdict(set)
    for row in rows:
        version = current.get(row.version_id)
        for one in names[row.kind, row.value] if version else ():
            is_named = row.kind in (_Kind.STUDY, _Kind.ACCESSION) or row.namespace == one.namespace
            if version and is_named and shown_under[version.patient_id] == shown_under[one.patient]:
                found[one.key].add(version)
    return found


def answering(study: Study) -> OutsideReport | None:
    """The outside report that is all that a study needs, by its source's policy."""
    for report in of_studies([study]).get(study.pk, ()):
        newest = next(iter(report.versions.all()))
        if newest.marks_read and newest.status in ANSWERS:
            return report
    return None


def _names_of_order(order: Order) -> Mapping[_Name, list[_Named]]:
    """By what reports may name an order."""
    names: dict[_Name, list[_Named]] = defaultdict(list)
    if order.patient_id is None:
        return names
    own = _Named(order.pk, order.patient_id)
    procedures = list(order.procedures.all())
    for accession in {order.accession_number, *(one.accession_number for one in procedures)} - {""}:
        names[_Kind.ACCESSION.value, accession].append(own)
    for uid in {one.study_instance_uid for one in procedures} - {""}:
        names[_Kind.STUDY.value, uid].append(own)
    for number in order.numbers.all():
        names[number.kind, number.value].append(own._replace(namespace=number.namespace))
    return names


def _names(studies: Iterable[Study]) -> Mapping[_Name, list[_Named]]:
    """By what reports may name studies whose patient is known."""
    names: dict[_Name, list[_Named]] = defaultdict(list)
    studies = [study for study in studies if study.patient_id]
    by_key = {study.pk: _Named(study.pk, study.patient_id or 0) for study in studies}
    for study in studies:
        names[_Kind.STUDY.value, study.study_instance_uid].append(by_key[study.pk])
        if study.accession_number:
            names[_Kind.ACCESSION.value, study.accession_number].append(by_key[study.pk])
    links = Study.procedures.through.objects.filter(study__in=by_key).select_related(
        "requestedprocedure__order"
    )
    of_orders: dict[int, list[_Named]] = defaultdict(list)
    for link in links:
        own, procedure = by_key[link.study_id], link.requestedprocedure
        of_orders[procedure.order_id].append(own)
        for accession in {procedure.accession_number, procedure.order.accession_number} - {""}:
            names[_Kind.ACCESSION.value, accession].append(own)
    for number in OrderNumber.objects.filter(order__in=of_orders):
        for own in of_orders[number.order_id]:
            names[number.kind, number.value].append(own._replace(namespace=number.namespace))
    return names


def _with_versions(keys: Collection[int]) -> list[OutsideReport]:
    return list(with_versions(OutsideReport.objects.filter(pk__in=keys).order_by("pk")))


def people(keys: Collection[int]) -> list[int]:
    """All records of the persons whose records these are."""
    shown_under = set(roots(keys).values())
    rows = Patient.objects.filter(Q(pk__in=shown_under) | Q(survivor__in=shown_under))
    return list(rows.values_list("pk", flat=True))


def roots(keys: Collection[int]) -> dict[int, int]:
    """Under which record each of these shows."""
    rows = Patient.objects.filter(pk__in=keys)
    return dict(rows.values_list("pk", Coalesce(F("survivor_id"), F("pk"))))
