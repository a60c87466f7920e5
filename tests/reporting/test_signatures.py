"""Drafts and signatures (reading.md 3, 6)."""

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.utils import timezone

from accounts.models import Role, User
from ledger import jobs
from ledger.errors import Forbidden, Invalid
from ledger.models import Job
from reporting.errors import StateConflict
from reporting.models import KeptText, ReadingItem, ReadingLease, Recheck, ReportVersion
from reporting.reading_worklist import assignment, reading_items
from reporting.reports import drafts, rechecks, release_job, report_versions, signatures
from reporting.reports.signing_checks import Shown
from reporting.signals import version_released
from tests.actors import acting
from tests.reporting.conftest import TEXT, World

pytestmark = pytest.mark.django_db


def released(version: ReportVersion) -> list[str]:
    """Do the version's release job; the public ids of the versions that went out."""
    told: list[str] = []

    def note(sender: object, version: ReportVersion, **others: object) -> None:
        told.append(version.public_id)

    version_released.connect(note)
    try:
        Job.objects.filter(kind=release_job.KIND).update(not_before=timezone.now())
        jobs.run(Job.objects.get(kind=release_job.KIND, key=version.public_id).pk)
    finally:
        version_released.disconnect(note)
    return told


class TestDrafts:
    def test_saving_over_an_old_revision_shows_both_texts(
        self, world: World, rada: User, ruben: User
    ) -> None:
        report = world.draft(world.item(), rada)
        with transaction.atomic():
            drafts.save(report=report, sections={"impression": "One."}, revision=1, by=acting(rada))
        with pytest.raises(StateConflict) as refused, transaction.atomic():
            drafts.save(report=report, sections={"impression": "Two."}, revision=1, by=acting(rada))
        assert refused.value.code == "stale_revision"
        assert refused.value.changed["sections"] == {"impression": {"yours": "Two.", "theirs": "One."}}

    def test_who_was_taken_over_keeps_both_texts(self, world: World, rada: User, ruben: User) -> None:
        item = world.item()
        report = world.draft(item, rada)
        with transaction.atomic():
            assignment.take(item=item, by=acting(ruben), reason="urgent")
        with pytest.raises(StateConflict) as refused, transaction.atomic():
            drafts.save(
                report=report, sections={"impression": "Rada's last words."}, revision=1, by=acting(rada)
            )
        assert refused.value.code == "held"
        with transaction.atomic():
            drafts.keep(
                report=report,
                sections={"impression": "Rada's last words."},
                revision=1,
                by=acting(rada),
                reason="taken over",
            )
            drafts.save(report=report, sections={"impression": "Ruben's."}, revision=1, by=acting(ruben))
        kept = {(str(row.author), row.sections["impression"]) for row in KeptText.objects.all()}
        assert kept == {("Rada", "Rada's last words."), ("Rada", "Normal chest.")}

    @pytest.mark.parametrize(
        "sections", [{"haedline": "x"}, {"findings": 4}, {"findings": "a\0b"}, {"findings": "x" * 1_000_001}]
    )
    def test_what_can_not_be_kept_is_refused(
        self, world: World, rada: User, sections: dict[str, object]
    ) -> None:
        report = world.draft(world.item(), rada)
        with pytest.raises(Invalid), transaction.atomic():
            drafts.save(report=report, sections=sections, revision=1, by=acting(rada))

    def test_a_report_of_200_kb_is_kept_whole(self, world: World, rada: User) -> None:
        text = "Ä finding.\n" * 20_000
        report = world.draft(world.item(), rada, findings=text, impression="Long.")
        version = world.sign(report, rada)
        assert report_versions.content_of(version)["sections"]["findings"] == text


class TestSigning:
    def test_a_signature_makes_an_immutable_version_and_marks_the_study_read(
        self, world: World, rada: User
    ) -> None:
        item = world.item()
        report = world.draft(item, rada)
        version = world.sign(report, rada)
        item.refresh_from_db()
        assert item.status == "final" and item.final_at == version.signed_at
        assert item.studies.get().reading_status == "final"
        content = report_versions.content_of(version)
        assert content["sections"] == TEXT and content["header"]["patient"]["name"] == "BARS^ANNA"
        assert content["header"]["procedures"][0]["accession_number"] == "A1"
        assert report_versions.verify(report) == []
        with pytest.raises(TypeError):
            version.save()

    def test_a_flipped_byte_is_named(self, world: World, rada: User) -> None:
        report = world.draft(world.item(), rada)
        first = world.sign(report, rada)
        world.addendum(report, rada, text="Also old films seen.")
        flipped = first.content.replace("Normal", "Hormal")
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE reporting_reportversion SET content = %s WHERE id = %s", [flipped, first.pk]
            )
        assert report_versions.verify(report) == [
            f"report {report.public_id} version 1: its content or its hash was changed"
        ]

    def test_the_command_names_it_as_well(
        self, world: World, rada: User, capsys: pytest.CaptureFixture[str]
    ) -> None:
        report = world.draft(world.item(), rada)
        version = world.sign(report, rada)
        call_command("verify_reports")
        assert capsys.readouterr().out == "1 signed version, no changed\n"
        ReportVersion.objects.filter(pk=version.pk).update(sha256="0" * 64)
        with pytest.raises(SystemExit):
            call_command("verify_reports")
        assert "version 1: its content or its hash was changed" in capsys.readouterr().out

    def test_a_removed_version_is_named(self, world: World, rada: User) -> None:
        report = world.draft(world.item(), rada)
        first = world.sign(report, rada)
        world.addendum(report, rada, text="More.")
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM reporting_reportversion WHERE id = %s", [first.pk])
        assert "version 1 is missing" in report_versions.verify(report)[0]

    def test_signing_twice_makes_one_version(self, world: World, rada: User) -> None:
        report = world.draft(world.item(), rada)
        first = world.sign(report, rada, idempotency_key="k1", revision=1)
        again = world.sign(report, rada, idempotency_key="k1", revision=1)
        assert first == again and ReportVersion.objects.count() == 1
        with pytest.raises(StateConflict):
            world.sign(report, rada, revision=1)

    @pytest.mark.parametrize(
        ("sections", "code"),
        [
            ({"findings": "Clear."}, "empty_impression"),
            ({"findings": "Clear [ ].", "impression": "Normal."}, "open_fields"),
            ({"findings": "Clear [? 01:23].", "impression": "Normal."}, "open_fields"),
        ],
    )
    def test_an_unfinished_text_is_not_signed(
        self, world: World, rada: User, sections: dict[str, str], code: str
    ) -> None:
        report = world.draft(world.item(), rada, **sections)
        with pytest.raises(StateConflict) as refused:
            world.sign(report, rada)
        assert [block.code for block in refused.value.blocks] == [code]
        assert ReportVersion.objects.count() == 0

    def test_what_changed_on_the_way_is_told(self, world: World, rada: User) -> None:
        report = world.draft(world.item(), rada)
        shown = Shown(patient="another", studies=["1.2"], images=99, text_sha256="0" * 64)
        with pytest.raises(StateConflict) as refused:
            world.sign(report, rada, shown=shown)
        codes = {block.code for block in refused.value.blocks}
        assert codes == {"patient_changed", "studies_changed", "new_images", "text_changed"}

    def test_a_viewer_with_another_patient_stops_the_signature(self, world: World, rada: User) -> None:
        report = world.draft(world.item("A1"), rada)
        other = world.item("A2", "P2", "OTHER^OLA").studies.get()
        own = report.item.studies.get()
        with pytest.raises(StateConflict) as refused:
            world.sign(report, rada, shown=Shown(viewer_studies=[other.study_instance_uid]))
        assert refused.value.code == "viewer_other_patient"
        version = world.sign(report, rada, shown=Shown(viewer_studies=[own.study_instance_uid]))
        assert version.number == 1

    def test_a_reason_overrides_and_is_kept_in_the_version(self, world: World, rada: User) -> None:
        report = world.draft(world.item("A1"), rada)
        other = world.item("A2", "P2", "OTHER^OLA").studies.get()
        version = world.sign(
            report,
            rada,
            shown=Shown(viewer_studies=[other.study_instance_uid]),
            overrides={"viewer_other_patient": "the viewer was left open"},
        )
        assert report_versions.content_of(version)["overrides"] == {
            "viewer_other_patient": "the viewer was left open"
        }

    def test_an_open_mismatch_stops_the_signature(self, world: World, rada: User) -> None:
        world.hospital.order("A1", world.hospital.patient("P1", "BARS^ANNA"))
        study = world.hospital.study("A1", "P2", "QUITE^OTHER", birth_date="19330303", sex="M")
        assert study.verdict == "mismatch"
        report = world.draft(ReadingItem.objects.get(studies=study), rada)
        with pytest.raises(StateConflict) as refused:
            world.sign(report, rada)
        assert refused.value.code == "open_mismatch"

    def test_a_merge_in_between_is_asked_about_first(self, world: World, rada: User) -> None:
        item = world.item("A1")
        report = world.draft(item, rada)
        world.hospital.patient("P2", "BARS^ANNA")
        world.hospital.merge("P1", "P2")
        with pytest.raises(StateConflict) as refused:
            world.sign(report, rada)
        assert refused.value.code == "patient_question"
        item.refresh_from_db()
        with transaction.atomic():
            assignment.confirm_patient(item=item, by=acting(rada), revision=item.revision)
        assert report_versions.content_of(world.sign(report, rada))["header"]["patient"]["identifier"] == "P2"

    def test_a_resident_signs_as_preliminary_only(self, world: World, rada: User, people: object) -> None:
        resi = people("resi", Role.RESIDENT)  # type: ignore[operator]
        item = world.item()
        report = world.draft(item, resi)
        with pytest.raises(Forbidden):
            world.sign(report, resi)
        world.sign(report, resi, kind="preliminary")
        item.refresh_from_db()
        assert item.status == "preliminary" and item.preliminary_at
        final = world.sign(report, rada)
        assert (final.number, final.kind) == (2, "final")

    def test_nobody_signs_what_another_writes_on(self, world: World, rada: User, ruben: User) -> None:
        report = world.draft(world.item(), rada)
        with pytest.raises(StateConflict) as refused:
            world.sign(report, ruben)
        assert refused.value.code == "held"


class TestRelease:
    def test_a_version_goes_out_once(self, world: World, rada: User) -> None:
        version = world.sign(world.draft(world.item(), rada), rada)
        assert released(version) == [version.public_id]
        with transaction.atomic():
            jobs.enqueue(release_job.KIND, version.public_id)
        assert released(version) == []
        assert Job.objects.filter(kind=release_job.RENDER, key=version.public_id).count() == 1

    def test_a_signature_can_be_taken_back_until_it_went_out(self, world: World, rada: User) -> None:
        item = world.item()
        report = world.draft(item, rada)
        version = world.sign(report, rada)
        with transaction.atomic():
            signatures.undo(version=version, by=acting(rada))
        item.refresh_from_db()
        report.refresh_from_db()
        assert (item.status, item.final_at, report.status) == ("reading", None, "draft")
        assert item.studies.get().reading_status == "reading"
        assert released(version) == []
        again = world.sign(report, rada)
        assert again.number == 2 and report_versions.verify(report) == []
        assert released(again) == [again.public_id]
        with pytest.raises(StateConflict), transaction.atomic():
            signatures.undo(version=again, by=acting(rada))

    def test_another_person_takes_nothing_back(self, world: World, rada: User, ruben: User) -> None:
        version = world.sign(world.draft(world.item(), rada), rada)
        with pytest.raises(Forbidden), transaction.atomic():
            signatures.undo(version=version, by=acting(ruben))

    def test_urgent_and_preliminary_ones_go_out_at_once(self, world: World, rada: User) -> None:
        version = world.sign(world.draft(world.item(), rada), rada, kind="preliminary")
        assert version.release_at == version.signed_at


class TestAfterwards:
    def test_several_authors_draft_and_the_signature_gives_the_number(
        self, world: World, rada: User, ruben: User
    ) -> None:
        item = world.item()
        report = world.draft(item, rada)
        world.sign(report, rada)
        with transaction.atomic():
            drafts.draft_addendum(report=report, by=acting(rada), text="Rada adds.")
            drafts.draft_addendum(report=report, by=acting(ruben), text="Ruben adds.")
        second, third = world.sign(report, ruben), world.sign(report, rada)
        assert (second.number, third.number) == (2, 3)
        assert report_versions.content_of(second)["text"] == "Ruben adds."
        item.refresh_from_db()
        assert item.status == "amended" and item.studies.get().reading_status == "amended"

    def test_a_correction_replaces_the_text(self, world: World, rada: User) -> None:
        report = world.draft(world.item(), rada)
        world.sign(report, rada)
        version = world.addendum(
            report,
            rada,
            kind="correction",
            sections={"impression": "Left, not right."},
            class_of_change="wrong side",
            changes_care=True,
        )
        report.refresh_from_db()
        assert report.sections["impression"] == "Left, not right."
        content = report_versions.content_of(version)
        assert content["class_of_change"] == "wrong side" and content["changes_care"]

    def test_after_a_retraction_the_images_wait_again_since_when_they_did(
        self, world: World, rada: User
    ) -> None:
        item = world.item()
        report = world.draft(item, rada)
        world.sign(report, rada)
        world.addendum(
            report, rada, kind="retraction", text="Wrong patient.", class_of_change="wrong patient"
        )
        old, new = ReadingItem.objects.order_by("pk")
        assert (old.status, new.status) == ("withdrawn", "ready")
        assert (new.key, new.ready_at) == (item.key, item.ready_at)
        assert new.studies.get().reading_status == "ready"

    def test_an_undone_retraction_brings_the_report_back(self, world: World, rada: User) -> None:
        item = world.item()
        report = world.draft(item, rada)
        world.sign(report, rada)
        version = world.addendum(report, rada, kind="retraction", text="Wrong patient.")
        with transaction.atomic():
            signatures.undo(version=version, by=acting(rada))
        item.refresh_from_db()
        report.refresh_from_db()
        assert (item.status, report.status) == ("final", "final")
        assert item.studies.get().reading_status == "final"

    def test_an_image_after_the_signature_asks_its_signer(self, world: World, rada: User) -> None:
        item = world.item()
        world.sign(world.draft(item, rada), rada)
        study = world.late_image(item)
        with transaction.atomic():
            reading_items.follow_study(None, study=study)
            reading_items.follow_study(None, study=study)
        recheck = Recheck.objects.get()
        assert recheck.signer == rada and recheck.cause == "Images came after the signature."
        with transaction.atomic():
            rechecks.still_valid(recheck=recheck, by=acting(rada), note="adds nothing")
            reading_items.follow_study(None, study=study)
        assert Recheck.objects.filter(closed_at=None).count() == 0

    def test_the_lease_ends_with_the_signature(self, world: World, rada: User) -> None:
        world.sign(world.draft(world.item(), rada), rada)
        assert ReadingLease.objects.get().until <= timezone.now()
