"""A hospital with orders, and studies that come in and become quiet."""

import itertools
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.models import Facility
from archive.models import Series, Study
from archive.reconcile.reconcile_job import KIND
from ledger import jobs
from ledger.models import Job
from worklist.models import Order, Patient
from worklist.orders import order_application
from worklist.orders.order_content import OrderContent, ProcedureContent, StepContent
from worklist.orders.order_update import Number, OrderUpdate, ProcedureUpdate, StepUpdate
from worklist.patients import identity, person_names
from worklist.patients.identifiers import Authority, Identifier
from worklist.provenance import Provenance

GENHOSP = Authority("GENHOSP")
NOW = timezone.now().replace(microsecond=0)


class Hospital:
    """What a HIS says and a modality sends; studies come in three hours ago unless told otherwise."""

    def __init__(self, facility: Facility, provenance: Callable[..., Provenance]) -> None:
        self.facility = facility
        self._provenance = provenance
        self._numbers = itertools.count(1)

    def provenance(self, received_at: datetime | None = None) -> Provenance:
        return self._provenance(next(self._numbers), received_at=received_at or NOW - timedelta(days=1))

    def patient(self, value: str = "P1", name: str = "BARS^ANNA", **values: str) -> Patient:
        with transaction.atomic():
            return identity.register(
                provenance=self.provenance(),
                identifiers=[Identifier(value, GENHOSP, "MR")],
                demographics={"name": name, "birth_date": "19700102", "sex": "F", **values},
            )

    def merge(self, retired: str, survivor: str) -> None:
        with transaction.atomic():
            identity.merge(
                provenance=self.provenance(),
                survivor=Identifier(survivor, GENHOSP),
                retired=Identifier(retired, GENHOSP),
            )

    def order(
        self, accession: str, patient: Patient, received_at: datetime | None = None, **values: Any
    ) -> Order:
        procedure = {
            name: values.pop(name) for name in ("study_instance_uid", "laterality") if name in values
        }
        step = {"modality": "CT", "station_ae_title": "CT1", "start": NOW - timedelta(hours=3), **values}
        update = OrderUpdate(
            placer=Number(f"PL{accession}", "HIS"),
            content=OrderContent(patient_id=patient.pk, accession_number=accession),
            procedures=[
                ProcedureUpdate(
                    id=f"RP{accession}",
                    content=ProcedureContent(**{"code": "71260", "description": "CT chest", **procedure}),
                    steps=[StepUpdate(id=f"SP{accession}", content=StepContent(**step))],
                )
            ],
        )
        with transaction.atomic():
            return order_application.apply(update=update, provenance=self.provenance(received_at))

    def study(
        self, accession: str = "", patient_id: str = "P1", name: str = "BARS^ANNA", **values: Any
    ) -> Study:
        at = values.pop("at", NOW - timedelta(hours=3))
        series = values.pop("series", {})
        number = next(self._numbers)
        study = Study.objects.create(
            **{
                "facility": self.facility,
                "study_instance_uid": f"1.2.3.{number}",
                "patient_name": name,
                "patient_name_key": person_names.keys(name)[0],
                "header_patient_id": patient_id,
                "issuer_of_patient_id": "GENHOSP",
                "birth_date": "19700102",
                "sex": "F",
                "accession_number": accession,
                "modalities": ["CT"],
                "first_received_at": at,
                "last_received_at": at,
                **values,
            }
        )
        Series.objects.create(
            **{
                "study": study,
                "series_instance_uid": f"1.2.4.{number}",
                "modality": "CT",
                "station_ae_title": "CT1",
                **series,
            }
        )
        return self.judged(study)

    def judged(self, study: Study) -> Study:
        """Ask for the job and do it."""
        with transaction.atomic():
            jobs.enqueue(KIND, study.study_instance_uid)
        return self.done(study)

    def done(self, study: Study) -> Study:
        """Do the study's job, if it is due."""
        job = Job.objects.get(kind=KIND, key=study.study_instance_uid)
        jobs.run(job.pk)
        job.refresh_from_db()
        assert not job.last_error, job.last_error
        return Study.objects.get(pk=study.pk)
