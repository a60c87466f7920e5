"""A hospital with studies that are ready to be read, and the people who read, type and sign."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from accounts.models import Facility, Role, User
from archive.models import Instance, Study
from reporting.models import ReadingItem, Report, ReportVersion
from reporting.reports import drafts, signatures
from tests.actors import acting
from tests.archive.conftest import home as home
from tests.archive.hospital import Hospital
from tests.web.rest.conftest import hospital as hospital

TEXT = {"findings": "The lungs are clear.", "impression": "Normal chest."}


@pytest.fixture
def people(facility: Facility) -> Callable[..., User]:
    """Make a person of a role, once."""

    def make(username: str, *roles: Role) -> User:
        user = User.objects.filter(username=username).first()
        if user is None:
            user = User.objects.create(
                username=username, full_name=username.title(), roles=[r.value for r in roles]
            )
            user.facilities.add(facility)
        return user

    return make


@pytest.fixture
def rada(people: Callable[..., User]) -> User:
    return people("rada", Role.RADIOLOGIST)


@pytest.fixture
def ruben(people: Callable[..., User]) -> User:
    return people("ruben", Role.RADIOLOGIST)


@pytest.fixture
def trudy(people: Callable[..., User]) -> User:
    return people("trudy", Role.TRANSCRIPTIONIST)


class World:
    """What these tests do over and over."""

    def __init__(self, site: Hospital) -> None:
        self.hospital = site

    @property
    def at_once(self) -> AbstractContextManager[None]:
        return transaction.atomic()

    def item(
        self, accession: str = "A1", patient_id: str = "P1", name: str = "BARS^ANNA", **order: Any
    ) -> ReadingItem:
        """An item of a matched study."""
        patient = self.hospital.patient(patient_id, name)
        self.hospital.order(accession, patient, **order)
        study = self.hospital.study(accession, patient_id, name)
        return ReadingItem.objects.get(studies=study)

    def late_image(self, item: ReadingItem) -> Study:
        """One more image of the item's study, which nobody has been told of yet."""
        study = item.studies.get()
        Instance.objects.create(
            sop_instance_uid="1.2.9.1",
            sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
            study_instance_uid=study.study_instance_uid,
            series_instance_uid="1.2.9",
            series=study.series.get(),
            received_at=timezone.now(),
        )
        return study

    def draft(self, item: ReadingItem, by: User, **sections: str) -> Report:
        with transaction.atomic():
            return drafts.begin(item=item, by=acting(by), sections=sections or TEXT)

    def sign(self, report: Report, by: User, **values: Any) -> ReportVersion:
        report.refresh_from_db()
        with transaction.atomic():
            return signatures.sign(
                report=report, by=acting(by), revision=values.pop("revision", report.revision), **values
            )

    def addendum(self, report: Report, by: User, **values: Any) -> ReportVersion:
        with transaction.atomic():
            drafts.draft_addendum(report=report, by=acting(by), **values)
        return self.sign(report, by)


@pytest.fixture
def world(hospital: Hospital, home: Path) -> World:
    return World(hospital)
