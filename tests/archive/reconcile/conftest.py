"""A hospital with orders, and studies that come in and become quiet."""

import itertools
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from accounts.models import Facility, SiteSection
from archive.models import Series, Study
from archive.reconcile.reconciling import KIND
from ledger import jobs
from ledger.models import Job
from worklist import identity, ordering, person_name
from worklist.identity import Authority, Identifier
from worklist.models import Order, Patient
from worklist.origin import Origin
from worklist.statements import Number, OrderStatement, ProcedureStatement, StepStatement

GENHOSP = Authority("GENHOSP")
NOW = timezone.now().replace(microsecond=0)


class Hospital:
    """What a HIS says and a modality sends; studies come in three hours ago unless told otherwise."""

    def __init__(self, facility: Facility, origin: Callable[..., Origin]) -> None:
        self.facility = facility
        self._origin = origin
        self._numbers = itertools.count(1)

    def origin(self, received_at: datetime | None = None) -> Origin:
        return self._origin(next(self._numbers), received_at=received_at or NOW - timedelta(days=1))

    def patient(self, value: str = "P1", name: str = "BARS^ANNA", **values: str) -> Patient:
        with transaction.atomic():
            return identity.register(
                origin=self.origin(),
                identifiers=[Identifier(value, GENHOSP, "MR")],
                demographics={"name": name, "birth_date": "19700102", "sex": "F", **values},
            )

    def merge(self, retired: str, survivor: str) -> None:
        with transaction.atomic():
            identity.merge(
                origin=self.origin(),
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
        statement = OrderStatement(
            placer=Number(f"PL{accession}", "HIS"),
            values={"patient_id": patient.pk, "accession_number": accession},
            procedures=[
                ProcedureStatement(
                    id=f"RP{accession}",
                    values={"code": "71260", "description": "CT chest", **procedure},
                    steps=[StepStatement(id=f"SP{accession}", values=step)],
                )
            ],
        )
        with transaction.atomic():
            return ordering.apply(statement=statement, origin=self.origin(received_at))

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
                "patient_name_key": person_name.keys(name)[0],
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
            jobs.want(KIND, study.study_instance_uid)
        return self.done(study)

    def done(self, study: Study) -> Study:
        """Do the study's job, if it is due."""
        job = Job.objects.get(kind=KIND, key=study.study_instance_uid)
        jobs.run(job.pk)
        job.refresh_from_db()
        assert not job.last_error, job.last_error
        return Study.objects.get(pk=study.pk)


@pytest.fixture
def hospital(facility: Facility, origin: Callable[..., Origin]) -> Hospital:
    SiteSection.objects.create(name="archive", content={"quiet_seconds": 60, "reconcile": {}})
    return Hospital(facility, origin)
