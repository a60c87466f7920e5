"""A report of a small world, and versions of it as a signature makes them."""

from datetime import datetime, timedelta
from typing import Any

from accounts.models import Facility, User
from archive.models import Study
from reporting.models import ReadingItem, Report, ReportVersion
from reporting.reports import report_versions
from tests.conftest import EIGHT
from worklist.models import AssigningAuthority, Order, OrderNumber, Patient, RequestedProcedure

SECTIONS = {
    "indication": "Fall auf die linke Hüfte.",
    "technique": "CT ohne Kontrastmittel.",
    "comparison": "None.",
    "findings": "Größe 12 µm.\nZweite Zeile <b>&amp; ~|^\\ 鈴木 محمد",
    "impression": "No fracture ≥ 2 mm.",
}


class World:
    """One patient, her order, its study, the item and the report."""

    def __init__(self, facility: Facility, user: User, name: str = "Doe^Jane^^Dr.=鈴木^一郎") -> None:
        self.facility, self.user = facility, user
        authority, _ = AssigningAuthority.objects.get_or_create(namespace="GENHOSP")
        self.patient = Patient.objects.create(
            facility=facility, authority=authority, value="4711", type="MR", name=name, birth_date="19700102"
        )
        self.order = self.make_order("A1", self.patient)
        self.study = Study.objects.create(
            facility=facility,
            study_instance_uid="1.2.840.1",
            patient=self.patient,
            study_date="20260302",
            study_time="081500.123",
            study_id="S1",
            description="CT Hip",
            modalities=["CT"],
            first_received_at=EIGHT,
            last_received_at=EIGHT,
            verdict="matched",
        )
        procedures = list(self.order.procedures.all())
        self.study.procedures.set(procedures)
        self.item = ReadingItem.objects.create(
            key=f"procedure:{procedures[0].public_id}",
            facility=facility,
            patient=self.patient,
            ready_at=EIGHT,
            due_at=EIGHT,
        )
        self.item.studies.add(self.study)
        self.item.procedures.set(procedures)
        self.report = Report.objects.create(
            item=self.item, author=user, changed_by=user, changed_at=EIGHT, sections=dict(SECTIONS)
        )

    def make_order(self, accession: str, patient: Patient | None) -> Order:
        """An order with its numbers and one procedure."""
        order = Order.objects.create(
            facility=self.facility,
            patient=patient,
            accession_number=accession,
            requesting_physician="House^Gregory",
            first_received_at=EIGHT,
        )
        OrderNumber.objects.create(order=order, kind="placer", value=f"P{accession}", namespace="HIS")
        OrderNumber.objects.create(order=order, kind="filler", value=f"F{accession}", namespace="RIS")
        RequestedProcedure.objects.create(
            order=order,
            requested_procedure_id=f"RP{accession}",
            study_instance_uid="1.2.840.1",
            code="73700",
            scheme="C4",
            description="CT hip",
        )
        return order

    def sign(self, kind: str = "final", at: datetime | None = None, **values: Any) -> ReportVersion:
        """A released version, as `reporting.reports.signatures` makes it."""
        newest = self.report.versions.order_by("-number").first()
        number = newest.number + 1 if newest else 1
        at = at or EIGHT + timedelta(minutes=number)
        content = report_versions.canonical(
            {
                "format": report_versions.FORMAT,
                "kind": kind,
                "number": number,
                "sections": self.report.sections,
                "text": "",
                "class_of_change": "",
                "changes_care": False,
                "header": report_versions.header(self.report),
                "author": report_versions.person(self.user),
                "signer": report_versions.person(self.user),
                "signed_at": at.isoformat(),
                "template": None,
                **values,
            }
        )
        previous = newest.sha256 if newest else ""
        return ReportVersion.objects.create(
            report=self.report,
            number=number,
            kind=kind,
            content=content,
            previous_sha256=previous,
            sha256=report_versions.chained(previous, content),
            signed_by=self.user,
            signed_at=at,
            release_at=at,
            released_at=at,
        )
