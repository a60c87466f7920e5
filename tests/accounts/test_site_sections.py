"""Typed sections of the site: read once, the defaults in one place, a change seen within a second."""

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import transaction

from accounts import site_version
from accounts.models import SiteSection, SiteVersion
from accounts.site_sections import Section
from archive.archive_section import ArchiveSection, CoercionScope
from archive.reconcile.reconcile_policy import Policy
from interfaces.dicom.site import DicomSection
from interfaces.hl7.hl7_section import HL7Section
from reporting.reporting_section import ReportingSection
from worklist.worklist_policy import WorklistPolicy

SECTIONS = (ArchiveSection, DicomSection, HL7Section, ReportingSection, WorklistPolicy)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that goes when the test lets it."""
    now = [1000.0]
    monkeypatch.setattr(site_version.time, "monotonic", lambda: now[0])
    return now


def apply_elsewhere(section: type[Section], **content: Any) -> None:
    """What `site apply` does, as another process does it: this one hears of nothing."""
    SiteSection.objects.filter(name=section.row).update(content=content)
    SiteVersion.objects.update(token="another")


@pytest.mark.django_db
@pytest.mark.parametrize("section", SECTIONS)
def test_where_nothing_was_applied_the_defaults_hold(section: type[Section]) -> None:
    assert section.current() == section()


@pytest.mark.parametrize("section", SECTIONS)
def test_what_is_kept_is_what_was_said(section: type[Section]) -> None:
    assert section.kept(section().model_dump(mode="json")) == section()
    assert section.kept({"of_an_older_version": 1}) == section()


@pytest.mark.django_db
def test_the_row_is_over_the_defaults() -> None:
    content = {"quiet_seconds": 5, "amend": "never", "reconcile": {"weights": {"sex": 2}}}
    SiteSection.objects.create(name="archive", content=content)
    section = ArchiveSection.current()
    assert (section.quiet_time, section.amend) == (timedelta(seconds=5), CoercionScope.NEVER)
    assert (section.min_free_mib, section.reconcile.weights["sex"]) == (200, 2)
    assert section.reconcile.weights["patient_id"] == Policy().weights["patient_id"]


@pytest.mark.django_db
def test_in_a_batch_it_costs_nothing(django_assert_num_queries: Any) -> None:
    ArchiveSection.current()
    with django_assert_num_queries(0):
        assert {ArchiveSection.current().quiet_seconds for _ in range(200)} == {60}


@pytest.mark.django_db
def test_a_change_of_our_own_is_seen_at_once() -> None:
    assert DicomSection.current().accept_unknown is False
    row = SiteSection.objects.create(name="dicom", content={"accept_unknown": True})
    assert DicomSection.current().accept_unknown is True
    row.content = {"accept_unknown": False}
    row.save()
    assert DicomSection.current().accept_unknown is False
    SiteSection.objects.update_or_create(name="dicom", defaults={"content": {"accept_unknown": True}})
    assert DicomSection.current().accept_unknown is True
    SiteSection.objects.all().delete()
    assert DicomSection.current().accept_unknown is False


@pytest.mark.django_db
def test_a_change_of_another_process_is_seen_within_a_second(clock: list[float]) -> None:
    SiteSection.objects.create(name="reporting", content={"undo_seconds": 10})
    assert ReportingSection.current().undo_seconds == 10
    apply_elsewhere(ReportingSection, undo_seconds=20)
    clock[0] += 0.9
    assert ReportingSection.current().undo_seconds == 10
    clock[0] += 0.1
    assert ReportingSection.current().undo_seconds == 20


@pytest.mark.django_db
def test_what_did_not_change_is_not_read_again(clock: list[float], django_assert_num_queries: Any) -> None:
    HL7Section.current()
    clock[0] += 60
    with django_assert_num_queries(1):  # for the version alone
        HL7Section.current()


@pytest.mark.django_db
def test_a_change_that_is_rolled_back_does_not_last(clock: list[float]) -> None:
    SiteSection.objects.create(name="hl7", content={"accept_unknown_sources": False})
    with transaction.atomic():
        SiteSection.objects.update_or_create(
            name="hl7", defaults={"content": {"accept_unknown_sources": True}}
        )
        assert HL7Section.current().accept_unknown_sources is True
        transaction.set_rollback(True)
    clock[0] += 1
    assert HL7Section.current().accept_unknown_sources is False


def test_nobody_reads_a_row_past_its_section() -> None:
    """A default beside a reading would be a second one."""
    packages = ("worklist", "archive", "reporting", "interfaces", "web", "ris_pacs")
    paths = [path for package in packages for path in (settings.BASE_DIR / package).rglob("*.py")]
    assert len(paths) > 200
    assert not [path for path in paths if "SiteSection.read" in path.read_text()]


# What single sections add


@pytest.mark.parametrize(
    "overrides",
    [
        {},
        {"weights": {"sex": 2.0}},
        {"allowed": {"patient_id": ["leading zeros"]}, "window_hours": 24.0},
        {"issuer_aliases": {"OLD": "NEW"}, "accession_prefixes": ["A"]},
    ],
)
def test_of_the_reconcile_policy_only_what_differs_is_kept(overrides: dict[str, Any]) -> None:
    section = ArchiveSection.model_validate({"reconcile": overrides})
    content = section.model_dump(mode="json")
    assert content["reconcile"] == overrides
    assert ArchiveSection.kept(content) == section
    assert ArchiveSection.kept(content).reconcile.version == Policy.model_validate(overrides).version


def test_a_target_that_the_site_leaves_out_is_the_usual_one() -> None:
    section = ReportingSection(targets={"STAT": 30})
    assert section.target("STAT") == timedelta(minutes=30) and section.target("LOW") == timedelta(hours=48)
