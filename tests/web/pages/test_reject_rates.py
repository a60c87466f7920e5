"""Reject analysis (AAPM TG-305): reasons, rates, repeats apart, down to the studies, and as CSV."""

import csv
import io
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from accounts import site_version
from accounts.models import Facility, Role, SiteSection, User
from archive.archive_section import REJECT_REASONS
from archive.decisions.decision_frame import decide
from archive.decisions.reject import Reject
from archive.models import Instance, Series, Study
from ledger.errors import Invalid
from tests.actors import acting
from tests.archive.hospital import Hospital
from tests.web.markup import read
from tests.web.pages.world import person, signed_in
from tests.web.rest.conftest import hospital as hospital
from worklist.models import Station

pytestmark = pytest.mark.django_db
DAYS = "from=2026-03-01&to=2026-03-31"


@pytest.fixture
def take(hospital: Hospital) -> Any:
    """Make a study of chest radiographs."""
    numbers = iter(range(1, 1000))

    def make(room: str, operator: str, *views: str, day: str = "20260302", modality: str = "DX") -> Study:
        study = hospital.study(
            f"X{next(numbers)}",
            modalities=[modality],
            study_date=day,
            series={
                "modality": modality,
                "station_ae_title": room,
                "body_part": "CHEST",
                "header": {"operators_name": operator},
            },
        )
        series = Series.objects.get(study=study)
        for view in views:
            Instance.objects.create(
                sop_instance_uid=f"1.2.5.{next(numbers)}",
                sop_class_uid="1.2.840.10008.5.1.4.1.1.1.1",
                study_instance_uid=study.study_instance_uid,
                series_instance_uid=series.series_instance_uid,
                series=series,
                header={"view_position": view},
                received_at=study.first_received_at,
            )
        return study

    return make


def reject(study: Study, by: User, code: str = "113001", cause: str | None = None) -> None:
    with transaction.atomic():
        decide(Reject(code, cause), study=study, reason="seen", by=acting(by))


@pytest.fixture
def march(take: Any, user: User) -> Study:
    """Of ten radiographs two were rejected; one view was taken twice; one was of a wrong entry."""
    Station.objects.create(ae_title="DX1", location="Room 1")
    for _ in range(3):
        take("DX1", "TORRES^TESS", "PA", "LL")
    take("DX2", "MOON^MAX", "PA", "PA")
    bad = take("DX1", "TORRES^TESS", "PA")
    reject(bad, user, cause="Positioning")
    reject(take("DX2", "MOON^MAX", "LL"), user)
    reject(take("DX2", "MOON^MAX", "PA"), user, "113038")
    take("CT1", "MOON^MAX", "PA", modality="CT")
    take("DX1", "TORRES^TESS", "PA", day="20260502")
    return bad


def table(browser: Client, by: str, more: str = "") -> dict[str, list[str]]:
    answer = browser.get(f"/quality.csv?{DAYS}&by={by}{more}")
    assert answer["Content-Type"].startswith("text/csv"), answer.content[:500]
    rows = list(csv.reader(io.StringIO(answer.content.decode())))
    assert rows[0][0] == by
    return {row[0]: row[1:] for row in rows[1:]}


def test_rates_by_each_dimension(march: Study, user: User) -> None:
    browser = signed_in(user)
    everything = ["2", "8", "20", "1", "12.5"]
    assert table(browser, "room") == {
        "Room 1": ["1", "6", "14.286", "0", "0"],
        "DX2": ["1", "2", "33.333", "1", "50"],
        "all": everything,
    }
    assert table(browser, "technologist")["MOON, MAX"] == ["1", "2", "33.333", "1", "50"]
    assert table(browser, "projection")["CHEST PA"][:2] == ["1", "5"]
    assert {key: row[0] for key, row in table(browser, "reason").items()} == {
        "Positioning": "1",
        "not said": "1",
        "all": "2",
    }
    assert table(browser, "reason")["Positioning"][2] == "10"
    assert table(browser, "month") == {"2026-03": everything, "all": everything}


def test_one_gets_from_a_row_to_its_studies(march: Study, user: User) -> None:
    browser = signed_in(user)
    page = read(browser.get(f"/quality?{DAYS}"))
    assert "2 of 10 radiographs rejected" in page and "20.0&nbsp;%" in page
    narrowed = table(browser, "reason", "&room=Room+1")
    assert narrowed["Positioning"][0] == "1" and "not said" not in narrowed
    page = read(browser.get(f"/quality?{DAYS}&by=reason&room=Room+1"))
    assert march.study_instance_uid in page and "1 of 7 radiographs rejected" in page


def test_what_can_not_be_asked_is_said(user: User) -> None:
    browser = signed_in(user)
    assert browser.get("/quality?by=shoe").status_code == 422
    assert browser.get("/quality?from=2020-01-01&to=2026-01-01").status_code == 422
    assert browser.get("/quality?from=x&to=2026-13-01").status_code == 200
    assert "No radiographs in these days" in read(browser.get("/quality"))


def test_the_analysis_is_for_those_who_may_and_of_their_facility(march: Study, facility: Facility) -> None:
    assert signed_in(person(facility, Role.TRANSCRIPTIONIST)).get("/quality").status_code == 403
    manager = person(facility, Role.MANAGER)
    assert table(signed_in(manager), "room")["all"][0] == "2"
    manager.facilities.clear()
    assert table(signed_in(manager), "room") == {"all": ["0", "0", "", "0", ""]}


def test_the_site_says_which_reasons_there_are(take: Any, user: User) -> None:
    study = take("DX1", "TORRES^TESS", "PA")
    assert "Positioning" in REJECT_REASONS
    with pytest.raises(Invalid, match="Positioning"):
        reject(study, user, cause="Bad luck")
    SiteSection.objects.filter(name="archive").update(content={"reject_reasons": ["Bad luck"]})
    site_version.forget()
    reject(study, user, cause="Bad luck")
