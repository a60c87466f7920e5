"""When a disc or a scan was imported says nothing of when its exam was."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from archive.imports import import_sources
from archive.models import Verdict
from archive.reconcile.order_evidence import hours_apart
from tests.archive.hospital import NOW, Hospital
from tests.archive.reconcile.builders import BEFORE, DUE, LATER, candidate, facts, judge
from worklist.models import ScheduledProcedureStep

pytestmark = pytest.mark.django_db
SOURCES = sorted(import_sources.IMPORTED)


def brought(hospital: Hospital, source: str, day: str, accession: str = "", **values: Any) -> Verdict:
    """A film or a letter that is imported now."""
    modality = values.pop("modality", "OT")
    series = {"station_ae_title": source, "modality": modality}
    study = hospital.study(accession, study_date=day, modalities=[modality], series=series, **values)
    return Verdict.objects.filter(study=study).latest("number")


def day_of(moment: datetime) -> str:
    return f"{moment.astimezone(ZoneInfo('Europe/Berlin')):%Y%m%d}"


@pytest.mark.parametrize("modality", ["OT", "DOC", "CT"])
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("day", ["20190506", ""])
def test_an_old_one_is_not_offered_the_exam_of_the_day_of_its_import(
    hospital: Hospital, source: str, modality: str, day: str
) -> None:
    hospital.order("A1", hospital.patient())
    verdict = brought(hospital, source, day, modality=modality)
    assert (verdict.outcome, verdict.candidates) == ("unscheduled", [])


@pytest.mark.parametrize("source", SOURCES)
def test_an_order_that_comes_after_the_import_is_no_late_one(hospital: Hospital, source: str) -> None:
    patient = hospital.patient()
    study = brought(hospital, source, "20190506", modality="CT").study
    hospital.order("A1", patient, received_at=NOW)
    assert hospital.judged(study).verdict == "unscheduled"


def test_the_order_of_its_own_day_is_offered(hospital: Hospital) -> None:
    patient = hospital.patient()
    start = datetime(2019, 5, 6, 16, 40, tzinfo=ZoneInfo("UTC"))
    hospital.order("A1", patient, start=start, received_at=start - timedelta(days=1))
    hospital.order("A2", patient)
    verdict = brought(hospital, import_sources.SCANNER, "20190506", modality="CT")
    assert verdict.outcome == "probable"
    assert [one["accession_number"] for one in verdict.candidates] == ["A1"]
    time = {one["field"]: one for one in verdict.findings}["time"]
    assert (time["agreement"], time["normaliser"]) == (1.0, "0.0 h apart"), "no more than the day is known"


def test_a_scan_under_the_number_of_an_exam_of_today_does_not_end_it(hospital: Hospital) -> None:
    hospital.order("A1", hospital.patient())
    assert brought(hospital, import_sources.SCANNER, "20190506", "A1", modality="CT").outcome == "probable"
    assert ScheduledProcedureStep.objects.get().status == "scheduled"
    today = day_of(NOW - timedelta(hours=3))
    assert brought(hospital, import_sources.SCANNER, today, "A1", modality="CT").outcome == "matched"


def test_only_the_acquisition_of_what_was_imported_counts() -> None:
    for source in SOURCES:
        old = facts(station_ae_titles=(source,), acquired_at="2019-05-06T00:00:00+00:00")
        assert hours_apart(old, candidate()) > 24 * 365
        assert hours_apart(facts(station_ae_titles=(source,), acquired_at=""), candidate()) > 24 * 300
    assert hours_apart(facts(acquired_at="2019-05-06T00:00:00+00:00"), candidate()) == 0, "a wrong clock"
    mixed = facts(station_ae_titles=("CT1", "SCAN"), acquired_at="2019-05-06T00:00:00+00:00")
    assert hours_apart(mixed, candidate()) == 0, "a form that was scanned to the exam"


def test_a_cancel_before_the_import_is_none_before_an_exam_of_unknown_time() -> None:
    cancelled = candidate(cancelled_at=BEFORE, status="cancelled")
    unknown = facts(station_ae_titles=("SCAN",), acquired_at="", received_at=LATER)
    found = {one.field: one for one in judge(unknown, cancelled).findings}
    assert found["order_status"].agreement is None and found["time"].seen == ""
    made = facts(station_ae_titles=("SCAN",), acquired_at=DUE, received_at=LATER)
    found = {one.field: one for one in judge(made, cancelled).findings}
    assert found["order_status"].contradicts
