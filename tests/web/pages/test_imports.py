"""The page of imports: the form, the list, and one import down to its refused files and verdicts."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.models import Facility, Role, User
from archive.models import Import, ImportedStudy, ImportRefusal
from tests.web.markup import read
from tests.web.pages.world import make_study, signed_in
from worklist.models import AssigningAuthority, Patient

pytestmark = pytest.mark.django_db


@pytest.fixture
def tess(employ: Callable[..., User]) -> Client:
    return signed_in(employ("tess", Role.TECHNOLOGIST))


@pytest.fixture
def brought(facility: Facility) -> Callable[..., Import]:
    def make(**values: Any) -> Import:
        usual = {"facility": facility, "kind": "images", "by": "Tess", "actor": "tess", "interface": "page"}
        return Import.objects.create(**{**usual, "source": "disc.zip", "state": "running", **values})

    return make


def test_the_list_is_of_ones_own_facility(tess: Client, brought: Callable[..., Import]) -> None:
    brought(origin="City <Hospital>", files=4, files_done=1)
    brought(source="theirs.zip", facility=Facility.objects.create(code="OTHER", name="Other"))
    text = read(tess.get("/imports"))
    assert "City &lt;Hospital&gt;" in text and "in progress, 1 of 4" in text
    assert "theirs.zip" not in text


def test_an_import_leads_to_refused_files_and_verdicts(
    tess: Client, brought: Callable[..., Import], facility: Facility
) -> None:
    row = brought(state="done", taken=3, refused=2)
    study = make_study(facility, 7)
    for uid in (study.study_instance_uid, "1.9.9"):
        ImportedStudy.objects.create(of=row, study_instance_uid=uid)
    ImportRefusal.objects.create(of=row, number=1, name="<x>.txt", reason="not a DICOM file")
    text = read(tess.get(f"/imports/{row.public_id}"))
    assert "&lt;x&gt;.txt" in text and "Not a DICOM file" in text
    assert "The first 1 are kept." in text
    assert f"/studies/{study.study_instance_uid}" in text and "mismatch" in text
    assert "1 more shows here once the images are read." in text


def test_an_import_is_stopped_once(tess: Client, brought: Callable[..., Import]) -> None:
    path = f"/imports/{brought().public_id}"
    assert "Stop" in read(tess.get(path))
    assert tess.post(path).status_code == 302
    assert "Stopped by" in read(tess.get(path))
    answer = tess.post(path)
    assert answer.status_code == 409 and b"stopped by now" in answer.content


def test_what_came_for_comparison_is_read_after_all(tess: Client, brought: Callable[..., Import]) -> None:
    assert 'name="comparison_only"' in read(tess.get("/imports"))
    row = brought()
    path = f"/imports/{row.public_id}"
    assert "For comparison only" not in read(tess.get(path))
    Import.objects.filter(pk=row.pk).update(comparison_only=True)
    assert "For comparison only" in read(tess.get(path))
    assert tess.post(path, {"act": "read"}).status_code == 302
    page = read(tess.get(path))
    assert "are in the reading list" in page and "For comparison only" not in page
    assert tess.post(path, {"act": "read"}).status_code == 409


def test_the_form_knows_the_patient_that_scans_are_of(tess: Client, facility: Facility) -> None:
    authority = AssigningAuthority.objects.create(namespace="GENHOSP")
    patient = Patient.objects.create(
        facility=facility, authority=authority, value="P1", name="BARS^ANNA", birth_date="19700102", sex="F"
    )
    text = read(tess.get(f"/imports?patient={patient.public_id}"))
    assert 'value="BARS^ANNA"' in text and 'value="1970-01-02"' in text and 'value="GENHOSP"' in text
    assert tess.get(f"/imports?patient={'0' * 32}").status_code == 404


def test_it_is_for_those_who_may_store_images(employ: Callable[..., User], brought: Any) -> None:
    row = brought()
    mia = signed_in(employ("mia", Role.MANAGER))
    assert mia.get("/imports").status_code == 403
    assert mia.post(f"/imports/{row.public_id}").status_code == 403
    assert "/imports" not in read(mia.get("/quality"))
