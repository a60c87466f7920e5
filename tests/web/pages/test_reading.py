"""The pages of reading and transcription, as Django's test client sees them."""

import json
import re
import subprocess
import uuid
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from accounts.models import Facility, Role, SiteSection, User
from archive.models import Study, StudyException
from ledger import clock
from ledger.models import AuditEvent
from reporting.dictation import audio, dictations, transcription
from reporting.models import Dictation, ReadingItem, ReadingLease, Report, ReportTemplate, ReportVersion
from reporting.reading_worklist import assignment
from reporting.rendering.composition import compose
from reporting.reports import drafts
from tests.actors import acting
from tests.archive.conftest import home as home
from tests.reporting.conftest import World
from tests.reporting.conftest import people as people
from tests.reporting.conftest import rada as rada
from tests.reporting.conftest import ruben as ruben
from tests.reporting.conftest import trudy as trudy
from tests.reporting.conftest import world as world
from tests.web.markup import read
from tests.web.pages.world import person, signed_in
from web.pages.reading import reading_rows
from web.pages.reading.report_versions import pieces
from worklist.models import Order, Patient

pytestmark = pytest.mark.django_db
SECOND = b"\1\0" * 16000
EVIL = "</textarea><script>alert(1)</script>\"'&"


def spoken(item: ReadingItem, by: User, *, is_finished: bool = True) -> Dictation:
    with transaction.atomic():
        row = dictations.begin(uuid=str(uuid.uuid4()), item=item, by=acting(by))
        dictations.add_segment(dictation=row, seq=0, name=audio.write(SECOND), data=SECOND, by=acting(by))
        return dictations.finish(dictation=row, segments=1, sha256="", by=acting(by)) if is_finished else row


def text_of(client: Client, path: str, status: int = 200) -> str:
    answer = client.get(path)
    assert answer.status_code == status, answer.content[:2000]
    return read(answer)


def article(page: str) -> str:
    return page.split("<article", 1)[1].split("</article>", 1)[0]


def printed(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200 and answer["Content-Type"] == "application/pdf"
    told = subprocess.run(["pdftotext", "-", "-"], input=answer.content, capture_output=True, check=True)
    return told.stdout.decode()


def data_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script id="page-data" type="application/json">(.*?)</script>', page, re.S)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


class TestWorklist:
    def test_it_shows_stat_first_and_then_what_is_due(self, world: World, rada: User) -> None:
        late, soon, stat = (world.item(f"A{n}", f"P{n}", f"NAME{n}^N") for n in (1, 2, 3))
        now = timezone.now()
        ReadingItem.objects.filter(pk=late.pk).update(due_at=now + timedelta(hours=9))
        ReadingItem.objects.filter(pk=soon.pk).update(due_at=now - timedelta(hours=1))
        ReadingItem.objects.filter(pk=stat.pk).update(band=0, priority="STAT")
        page = text_of(signed_in(rada), "/reading")
        assert page.index("NAME3") < page.index("NAME2") < page.index("NAME1")
        assert "band-stat" in page and "past due" in page
        assert re.search(r"<b>1</b> overdue", page)

    def test_an_empty_list_says_how_it_fills(self, world: World, rada: User) -> None:
        assert "No exams to read" in text_of(signed_in(rada), "/reading")
        assert "No results with these filters" in text_of(signed_in(rada), "/reading?modality=MR")

    @pytest.mark.parametrize(
        ("query", "is_found"),
        [
            ("modality=CT", True),
            ("modality=MR", False),
            ("priority=STAT", False),
            ("status=ready", True),
            ("status=final", False),
            ("mine=1", False),
            ("text=bars", True),
            ("text=A1", True),
            ("text=nobody", False),
            ("sort=-patient", True),
            ("sort=images", True),
            ("sort=%00nonsense&page=9999&status=%3Cscript%3E&priority=x&text=%00", True),
        ],
    )
    def test_filters_are_in_the_url(self, world: World, rada: User, query: str, is_found: bool) -> None:
        world.item()
        assert ("BARS, ANNA" in text_of(signed_in(rada), f"/reading?{query}")) is is_found

    @pytest.mark.parametrize(
        ("text", "is_found"),
        [
            ("000482", True),
            ("482", True),
            ("A-00048215", False),
            ("4821", True),
            ("821", False),
            ("9999", False),
        ],
    )
    def test_the_filter_finds_numbers_as_the_search_box_does(
        self, world: World, rada: User, text: str, is_found: bool
    ) -> None:
        world.item("00048215" if text == "4821" or not is_found else "000482")
        assert ("BARS, ANNA" in text_of(signed_in(rada), f"/reading?text={text}")) is is_found

    def test_people_of_one_name_are_told_apart_by_their_birth_dates(self, world: World, rada: User) -> None:
        item = world.item()
        Patient.objects.filter(pk=item.patient_id).update(birth_date="19700102", sex="F")
        world.item("A2", "P2")
        Patient.objects.filter(value="P2").update(birth_date="", sex="")
        client = signed_in(rada)
        assert f'id="item-{item.public_id}"' in text_of(client, "/reading?text=bars 2.1.1970")
        assert "BARS, ANNA" not in text_of(client, "/reading?text=3.1.1970")
        page = text_of(client, "/reading")
        assert re.search(r">\s*1970-01-02\s+\d+ y\s+F\s*<", page)
        assert re.search(r">\s*birth date not known\s*<", page)

    def test_a_name_that_matches_shows_its_item_once(self, world: World, rada: User) -> None:
        item = world.item()
        item.studies.add(world.hospital.study("A1", "P1", "BARS^ANNA"))
        page = text_of(signed_in(rada), "/reading?text=bars")
        assert page.count(f'id="item-{item.public_id}"') == 1

    def test_the_number_of_queries_does_not_grow(
        self, world: World, rada: User, django_assert_max_num_queries: Any
    ) -> None:
        for number in range(6):
            world.item(f"A{number}", f"P{number}", f"N{number}^N")
        client = signed_in(rada)
        with django_assert_max_num_queries(40):
            text_of(client, "/reading")

    def test_next_hands_out_what_nobody_has(self, world: World, rada: User, ruben: User) -> None:
        first, second = world.item("A1", "P1"), world.item("A2", "P2", "OTHER^O")
        answers = [signed_in(one).post("/reading/next") for one in (rada, ruben, rada)]
        assert {answers[0]["Location"], answers[1]["Location"]} == {
            f"/reading/{first.public_id}",
            f"/reading/{second.public_id}",
        }
        assert answers[2]["Location"] == "/reading"

    def test_passing_over_asks_why_and_may_hold(self, world: World, rada: User) -> None:
        item, client = world.item(), signed_in(rada)
        path = f"/reading/{item.public_id}/skip"
        assert client.post(path, {"why": ""}).status_code == 422
        assert client.post(path, {"why": "other"}).status_code == 422
        assert client.post(path, {"why": "need information", "note": "asked the ward"}).status_code == 302
        item.refresh_from_db()
        assert item.hold_reason == "need information" and item.hold_note == "asked the ward"
        assert client.post("/reading/next")["Location"] == "/reading"

    @pytest.mark.parametrize(
        ("status", "report_status", "is_open"),
        [
            ("not_ready", "draft", False),
            ("reading", "draft", True),
            ("preliminary", "preliminary", True),
            ("reading", "final", False),
            ("reading", "retracted", True),
            ("final", "final", False),
        ],
    )
    def test_the_list_and_the_editor_agree_on_what_is_open(
        self, world: World, rada: User, status: str, report_status: str, is_open: bool
    ) -> None:
        item = world.item()
        world.draft(item, rada)
        Report.objects.update(status=report_status)
        # One that was signed once may be read anew, after a retraction.
        ReadingItem.objects.update(status=status, final_at=timezone.now())
        (row,) = reading_rows.shown(reading_rows.whole(ReadingItem.objects.all()), timezone.now())
        editor = signed_in(rada).get(f"/reading/{item.public_id}")
        assert (row.is_open, editor.context["is_open"]) == (is_open, is_open)

    def test_what_waits_for_a_person_is_on_top(self, world: World, rada: User, trudy: User) -> None:
        item = world.item()
        dictation = spoken(item, rada)
        with transaction.atomic():
            transcription.give_back(
                dictation=dictation, reason="wrong patient suspected", note=EVIL, by=acting(trudy)
            )
        page = text_of(signed_in(rada), "/reading")
        assert "Returned dictation: wrong patient suspected" in page
        assert "Is your text about this patient?" in page and "<script>alert" not in page

    def test_an_open_exception_is_marked(self, world: World, rada: User) -> None:
        item = world.item()
        StudyException.objects.create(study=item.studies.get())
        assert "under investigation" in text_of(signed_in(rada), "/reading")
        assert "Under investigation" in text_of(signed_in(rada), f"/reading/{item.public_id}")


class TestAccess:
    def test_who_may_not_read_is_told_so(self, world: World, people: Callable[..., User]) -> None:
        referrer = people("ralph", Role.REFERRER)
        item = world.item()
        for path in ("/reading", f"/reading/{item.public_id}", "/transcription"):
            text_of(signed_in(referrer), path, 403)

    def test_a_technologist_reads_and_does_not_write(
        self,
        world: World,
        people: Callable[..., User],
    ) -> None:
        tess, item = people("tess", Role.TECHNOLOGIST), world.item()
        page = text_of(signed_in(tess), f"/reading/{item.public_id}")
        assert data_of(page)["isOpen"] is False and 'id="dictation"' not in page
        for act in ("skip", "hold", "reserve", "withdraw"):
            assert signed_in(tess).post(f"/reading/{item.public_id}/{act}").status_code == 403
        assert signed_in(tess).post("/reading/next").status_code == 403

    def test_another_facility_s_item_does_not_exist(self, world: World) -> None:
        elsewhere = Facility.objects.create(code="OTHER", name="Other Hospital", time_zone="UTC")
        item, client = world.item(), signed_in(person(elsewhere, *Role))
        text_of(client, f"/reading/{item.public_id}", 404)
        text_of(client, f"/reading/{item.public_id}/versions", 404)
        assert client.post(f"/reading/{item.public_id}/withdraw", {"reason": "x"}).status_code == 404
        assert "BARS" not in text_of(client, "/reading")

    def test_looking_is_in_the_audit_trail(self, world: World, rada: User) -> None:
        item = world.item()
        text_of(signed_in(rada), f"/reading/{item.public_id}")
        assert item.public_id in json.dumps(list(AuditEvent.objects.values_list("objects_named", flat=True)))


class TestEditor:
    def test_it_begins_with_the_template_and_takes_nothing(self, world: World, rada: User) -> None:
        item = world.item()
        ReportTemplate.objects.create(
            facility=item.facility, name="CT", modality="CT", sections={"technique": "Helical CT."}
        )
        SiteSection.objects.create(name="reporting", content={"macros": {"nad": "No acute abnormality."}})
        page = text_of(signed_in(rada), f"/reading/{item.public_id}")
        data = data_of(page)
        assert "Helical CT.</textarea>" in page
        assert data["report"] is None and data["template"]["name"] == "CT"
        assert data["macros"] == {"nad": "No acute abnormality."}
        item.refresh_from_db()
        assert item.status == "ready"

    def test_odd_text_stays_text(self, world: World, rada: User) -> None:
        item = world.item(name="O'HARA^<b>ANNA")
        world.draft(item, rada, findings="\n" + EVIL, impression="]]> {{ 7|add:1 }}")
        page = text_of(signed_in(rada), f"/reading/{item.public_id}")
        assert "<script>alert" not in page and "<b>ANNA" not in page
        assert data_of(page)["report"]["sections"]["findings"] == "\n" + EVIL
        assert "\n\n&lt;/textarea&gt;" in page and "{{ 7|add:1 }}" in page

    def test_there_is_no_inline_script_or_style(self, world: World, rada: User) -> None:
        item = world.item()
        world.draft(item, rada)
        for path in ("/reading", f"/reading/{item.public_id}", f"/reading/{item.public_id}/versions"):
            page = text_of(signed_in(rada), path)
            assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*(src=|application/json))", page)

    def test_others_who_look_and_who_has_it_are_shown(self, world: World, rada: User, ruben: User) -> None:
        item = world.item()
        with transaction.atomic():
            assignment.take(item=item, by=acting(rada))
        text_of(signed_in(rada), f"/reading/{item.public_id}")
        assert "also viewing: Rada" in text_of(signed_in(ruben), f"/reading/{item.public_id}")

    def test_priors_and_other_reports_of_the_patient(self, world: World, rada: User) -> None:
        prior, item, other = world.item("A1"), world.item("A2"), world.item("A3", "P9", "ELSE^SOMEBODY")
        page = text_of(signed_in(rada), f"/reading/{item.public_id}")
        data = data_of(page)
        assert set(data["patientStudies"]) == {
            *prior.studies.values_list("study_instance_uid", flat=True),
            *item.studies.values_list("study_instance_uid", flat=True),
        }
        assert f"/reading/{prior.public_id}" in page and other.public_id not in page
        assert "/viewer?StudyInstanceUIDs=" in page

    def test_a_new_report_takes_the_indication_from_its_order_and_the_comparison_from_the_best_prior(
        self, world: World, rada: User
    ) -> None:
        prior, item = world.item("A1"), world.item("A2")
        ReportTemplate.objects.create(
            facility=item.facility, name="CT", modality="CT", sections={"comparison": "None."}
        )
        Study.objects.filter(reading_items=prior).update(
            description="CT chest", study_date="20250304", instance_count=2
        )
        Study.objects.filter(reading_items=item).update(description="CT chest", study_date="20260301")
        Order.objects.filter(procedures__reading_items=item).update(
            reason="Cough", clinical_information="Smoker"
        )
        client, path = signed_in(rada), f"/reading/{item.public_id}"
        data = data_of(page := text_of(client, path))
        uid = prior.studies.get().study_instance_uid
        assert data["prior"] == uid and f"{uid}&amp;hangingProtocolId" in page
        wanted = {"indication": "Cough; Smoker", "comparison": "CT chest of 2025-03-04."}
        assert data["suggested"] == wanted and "\nCough; Smoker</textarea>" in page
        world.draft(item, rada, findings="Typed.")
        assert data_of(text_of(client, path))["suggested"] == {}, "what is begun is its author's"

    def test_a_draft_of_somebody_else_is_taken_over_before_it_is_written_on(
        self, world: World, rada: User, ruben: User
    ) -> None:
        item = world.item()
        world.draft(item, ruben, findings="Typed.")
        path = f"/reading/{item.public_id}"
        ReadingLease.objects.update(until=clock.now())
        assert data_of(text_of(signed_in(rada), path))["draftOf"] == str(ruben)
        assert data_of(text_of(signed_in(ruben), path))["draftOf"] == ""
        with transaction.atomic():
            assignment.take(item=item, by=acting(rada), reason="Ruben went home")
        assert data_of(text_of(signed_in(rada), path))["draftOf"] == ""

    def test_of_two_exams_of_one_day_only_the_later_is_compared(self, world: World, rada: User) -> None:
        first, second = world.item("A1"), world.item("A2")
        for item, time in ((first, "0930"), (second, "101500.1")):
            Study.objects.filter(reading_items=item).update(
                description="CT chest", study_date="20260301", study_time=time, instance_count=2
            )
        pages = [text_of(signed_in(rada), f"/reading/{item.public_id}") for item in (first, second)]
        earlier, later = (data_of(page)["suggested"].get("comparison", "") for page in pages)
        assert (earlier, later) == ("", "CT chest of 2026-03-01 09:30.")
        assert "2026-03-01 10:15</td>" in pages[0] and 'data-comparison=""' in pages[0]
        Study.objects.filter(reading_items=first).update(study_time="")
        page = text_of(signed_in(rada), f"/reading/{second.public_id}")
        assert "comparison" not in data_of(page)["suggested"] and 'data-comparison=""' in page

    def test_what_was_reported_of_another_patient_is_not_compared(self, world: World, rada: User) -> None:
        prior, item = world.item("A1"), world.item("A2")
        Study.objects.filter(reading_items=prior).update(
            description="CT chest", study_date="20250304", instance_count=2
        )
        Study.objects.filter(reading_items=item).update(description="CT chest", study_date="20260301")

        def compared() -> bool:
            page = text_of(signed_in(rada), f"/reading/{item.public_id}")
            named = "comparison" in data_of(page)["suggested"]
            assert named == ('data-comparison=""' not in page)
            return bool(named)

        report = world.draft(prior, rada)
        world.sign(report, rada)
        assert compared()
        why = {"text": "Her sister's.", "class_of_change": "wrong patient"}
        world.addendum(report, rada, kind="retraction", **why)
        assert not compared()
        successor = ReadingItem.objects.exclude(pk=prior.pk).get(studies__in=prior.studies.all())
        world.sign(world.draft(successor, rada), rada)
        assert compared(), "read anew: somebody has settled whose they are"

    def test_the_report_of_a_prior_is_read_beside_the_draft(self, world: World, rada: User) -> None:
        prior, item = world.item("A1"), world.item("A2")
        client, path = signed_in(rada), f"/reading/{item.public_id}/prior/{prior.public_id}"
        text_of(client, path, 404)
        report = world.draft(prior, rada)
        world.sign(report, rada)
        world.addendum(report, rada, kind="addendum", text="A nodule as well.")
        page = text_of(client, path)
        assert "The lungs are clear." in page and "A nodule as well." in page
        assert path in text_of(client, f"/reading/{item.public_id}")
        assert prior.public_id in json.dumps(list(AuditEvent.objects.values_list("objects_named", flat=True)))
        stranger = world.item("A3", "P9", "ELSE^SOMEBODY")
        text_of(client, f"/reading/{stranger.public_id}/prior/{prior.public_id}", 404)

    def test_sound_is_unverified_until_the_signature(self, world: World, rada: User) -> None:
        item = world.item()
        spoken(item, rada)
        page = text_of(signed_in(rada), f"/reading/{item.public_id}")
        assert "unverified" in page and "<audio controls" in page
        world.sign(world.draft(item, rada), rada)
        page = text_of(signed_in(rada), f"/reading/{item.public_id}")
        assert "unverified</span>" not in page and '<details id="sound-' in page

    def test_a_signature_can_be_taken_back_for_a_while(self, world: World, rada: User) -> None:
        item = world.item()
        world.sign(world.draft(item, rada), rada)
        page = text_of(signed_in(rada), f"/reading/{item.public_id}")
        assert "data-undo-until" in page and "released unless undone" in page
        assert (
            data_of(page)["isOpen"] is False and "Add to the signed report" in page and "Add addendum" in page
        )

    def test_it_is_taken_back_from_the_page_of_the_next_exam(
        self, world: World, rada: User, ruben: User
    ) -> None:
        item, following = world.item(), world.item("A2", "P2", "NEXT^NORA")
        version = world.sign(world.draft(item, rada), rada)
        client = signed_in(rada)
        client.post("/reading/next")
        path = f"/reading/{following.public_id}"
        undo = f"/reading/{item.public_id}/undo-signature"
        for page in (text_of(client, path), text_of(client, "/reading")):
            assert f'action="{undo}"' in page and "BARS, ANNA" in page and "Undo signature" in page
        assert undo not in text_of(client, f"/reading/{item.public_id}"), "its own page has its own bar"
        assert undo not in text_of(signed_in(ruben), path)
        assert signed_in(ruben).post(undo).status_code == 403
        assert client.post(undo, {"next": path})["Location"] == path
        page = text_of(client, path)
        assert "Signature undone:" in page and f'href="/reading/{item.public_id}"' in page
        version.refresh_from_db()
        assert version.undone_at is not None and undo not in page
        assert client.post(undo, {"next": path}).status_code == 422

    def test_the_sign_box_has_no_dot_for_what_is_not_known(self, world: World, rada: User) -> None:
        item = world.item()
        Patient.objects.filter(value="P1").update(birth_date="")
        page = text_of(signed_in(rada), f"/reading/{item.public_id}")
        box = page[page.index('<dialog id="sign"') :].partition("<fieldset")[0]
        assert "P1" in box and "·" not in box

    def test_the_way_back_names_whom_the_report_was_signed_for(self, world: World, rada: User) -> None:
        item, following = world.item(), world.item("A2", "P2", "NEXT^NORA")
        world.sign(world.draft(item, rada), rada)
        Patient.objects.filter(value="P1").update(name="LATER^LINA")
        page = text_of(signed_in(rada), f"/reading/{following.public_id}")
        bar = page[page.index('id="last-signature"') :][:600]
        assert "<bdi>BARS, ANNA</bdi>" in bar and "LATER" not in bar

    def test_what_a_cancelled_order_means_for_the_report(self, world: World, rada: User) -> None:
        item = world.item()
        Order.objects.update(status="cancelled")
        path = f"/reading/{item.public_id}"
        page = text_of(signed_in(rada), path)
        assert "read the exam or say that no report is needed" in page and ">Return to list<" in page
        world.sign(world.draft(item, rada), rada, overrides={"order_cancelled": "confirmed"})
        page = text_of(signed_in(rada), path)
        assert "the signed report stands" in page and "read the exam" not in page

    def test_one_that_went_out_leaves_the_way_back_to_its_report(self, world: World, rada: User) -> None:
        item, following = world.item(), world.item("A2", "P2", "NEXT^NORA")
        version = world.sign(world.draft(item, rada), rada, kind="preliminary")
        page = text_of(signed_in(rada), f"/reading/{following.public_id}")
        assert f'href="/reading/{item.public_id}"' in page and "undo-signature" not in page
        ReportVersion.objects.filter(pk=version.pk).update(signed_at=timezone.now() - timedelta(minutes=11))
        assert 'class="banner green">' not in text_of(signed_in(rada), "/reading")

    def test_a_patient_in_doubt_is_asked_for(self, world: World, rada: User) -> None:
        item = world.item()
        world.draft(item, rada)
        ReadingItem.objects.filter(pk=item.pk).update(patient_question="The record was merged.")
        client, path = signed_in(rada), f"/reading/{item.public_id}"
        assert "Is the text about this patient?" in text_of(client, path)
        item.refresh_from_db()
        stale = client.post(f"{path}/confirm-patient", {"revision": str(item.revision - 1)})
        assert stale.status_code == 409
        assert client.post(f"{path}/confirm-patient", {"revision": "x"}).status_code == 422
        assert client.post(f"{path}/confirm-patient", {"revision": str(item.revision)}).status_code == 302
        item.refresh_from_db()
        assert item.patient_question == ""

    def test_what_was_kept_is_shown_to_both(self, world: World, rada: User, ruben: User) -> None:
        item = world.item()
        report = world.draft(item, rada)
        with transaction.atomic():
            drafts.keep(
                report=report, sections={"findings": "mine"}, revision=1, by=acting(rada), reason="taken over"
            )
        for one in (rada, ruben):
            page = text_of(signed_in(one), f"/reading/{item.public_id}")
            assert "Saved drafts" in page and ">mine</p>" in page

    def test_withdrawing_and_taking_it_back(self, world: World, rada: User) -> None:
        item, client = world.item(), signed_in(rada)
        path = f"/reading/{item.public_id}"
        assert client.post(f"{path}/withdraw", {"reason": ""}).status_code == 422
        assert client.post(f"{path}/withdraw", {"reason": "a test exposure"}).status_code == 302
        assert "a test exposure" in text_of(client, path)
        assert client.post(f"{path}/reopen").status_code == 302
        assert client.post(f"{path}/nonsense").status_code == 404


class TestSignedReport:
    """What a person reads of a signed report is what counts now."""

    def test_an_addendum_lies_on_top_of_the_text(self, world: World, rada: User) -> None:
        item = world.item()
        report = world.draft(item, rada, findings="The lungs are clear.", impression="Normal.")
        world.sign(report, rada)
        world.addendum(report, rada, text="Seen with the films of 2019.", class_of_change="new information")
        page = article(text_of(signed_in(rada), f"/reading/{item.public_id}"))
        assert page.index("Seen with the films") < page.index("The lungs are clear.")
        assert "new information" in page and "Rada" in page and "RETRACTED" not in page
        signed_on = timezone.localtime(report.versions.latest("number").signed_at, ZoneInfo("Europe/Berlin"))
        assert f"{signed_on:%Y-%m-%d %H:%M}" in page, "paper needs the day, even today's"
        assert "Exam of " in page

    def test_it_says_for_whom_it_was_signed_when_the_patient_is_another_now(
        self, world: World, rada: User
    ) -> None:
        item = world.item()
        report = world.draft(item, rada)
        world.sign(report, rada)
        client, path = signed_in(rada), f"/reading/{item.public_id}"
        same = article(text_of(client, path))
        assert "Patient: BARS, ANNA, born 1970-01-02, P1 GENHOSP" in same and "Signed for" not in same
        Patient.objects.filter(value="P1").update(name="REAL^RITA", birth_date="19800304")
        said = "Signed for BARS, ANNA, born 1970-01-02, P1 GENHOSP; the patient is now REAL, RITA, born 1980"
        for page in (article(text_of(client, path)), article(text_of(client, f"{path}/versions"))):
            assert said in page
        paper = " ".join(printed(client, f"{path}/versions/1.pdf").split())
        assert said in paper and "Patient BARS, ANNA" in paper

    def test_one_of_somebody_else_does_not_simply_hold(self, world: World, rada: User) -> None:
        item = world.item()
        world.sign(world.draft(item, rada), rada)
        world.hospital.patient("P1", "REAL^RITA", birth_date="19990304")
        page = text_of(signed_in(rada), f"/reading/{item.public_id}")
        assert "The patient's record tells of somebody else since the signature." in unescape(page)
        assert "it was signed for BARS, ANNA: correct or retract it." in page and "It holds" not in page

    def test_an_addendum_under_another_name_leaves_the_text_to_whom_it_was_signed_for(
        self, world: World, rada: User
    ) -> None:
        item = world.item()
        report = world.draft(item, rada)
        world.sign(report, rada)
        Patient.objects.filter(value="P1").update(name="REAL^RITA")
        item.refresh_from_db()
        version = world.addendum(report, rada, text="Named meanwhile.")
        document = compose(version)
        assert document.signed_for["name"] == "BARS^ANNA"
        assert any("The text was signed for BARS, ANNA" in text for text in document.notices)
        page = article(text_of(signed_in(rada), f"/reading/{item.public_id}"))
        assert "Patient: BARS, ANNA" in page and "the patient is now REAL, RITA" in page

    def test_a_correction_is_marked_and_the_old_text_gone(self, world: World, rada: User) -> None:
        item = world.item()
        report = world.draft(item, rada, findings="The right hip.", impression="Fracture.")
        world.sign(report, rada)
        sections = {"findings": "The left hip."}
        world.addendum(report, rada, kind="correction", sections=sections, class_of_change="wrong side")
        page = article(text_of(signed_in(rada), f"/reading/{item.public_id}"))
        assert "Corrected" in page and "wrong side" in page
        assert "The left hip." in page and "The right hip." not in page
        world.addendum(report, rada, text="Sent twice.", class_of_change="billing")
        page = article(text_of(signed_in(rada), f"/reading/{item.public_id}"))
        assert "Corrected (billing)" not in page, "that is why it was added to"

    def test_a_retracted_report_says_so_wherever_it_is_shown(
        self, world: World, rada: User, people: Callable[..., User]
    ) -> None:
        item = world.item()
        report = world.draft(item, rada, findings="The lungs are clear.", impression="Normal.")
        world.sign(report, rada)
        world.addendum(report, rada, kind="retraction", text="The images are her sister's.")
        next_item = ReadingItem.objects.exclude(pk=item.pk).get()
        for reader in (rada, people("tess", Role.TECHNOLOGIST)):
            page = text_of(signed_in(reader), f"/reading/{item.public_id}")
            read_as = article(page)
            assert "RETRACTED" in read_as and "The images are her sister&#x27;s." in read_as
            assert f"/reading/{next_item.public_id}" in read_as and "Add addendum" not in read_as
            assert "Saved" not in page.split('id="mark"')[1].split("</span>")[0]
        part = text_of(signed_in(rada), f"/studies/{item.studies.get().study_instance_uid}")
        assert "retracted, must not be used" in part

    def test_on_paper_a_version_says_whether_it_counts(self, world: World, rada: User) -> None:
        item, client = world.item(), signed_in(rada)
        report = world.draft(item, rada)
        path = f"/reading/{item.public_id}/versions"
        world.sign(report, rada)
        assert "REPLACED" not in printed(client, f"{path}/1.pdf")
        world.addendum(report, rada, text="More.")
        assert "SEE ADDENDUM" in printed(client, f"{path}/1.pdf")
        assert "More." in printed(client, f"{path}/2.pdf")
        world.addendum(report, rada, kind="correction", sections={"impression": "Other."})
        assert "REPLACED" in printed(client, f"{path}/1.pdf")
        world.addendum(report, rada, kind="retraction", text="Wrong patient.")
        assert all("RETRACTED" in printed(client, f"{path}/{number}.pdf") for number in (1, 2, 3, 4))
        assert client.get(f"{path}/5.pdf").status_code == 404

    def test_who_only_reads_gets_the_preliminary_text_marked(
        self, world: World, rada: User, people: Callable[..., User]
    ) -> None:
        item = world.item()
        report = world.draft(item, rada, findings="Fracture.", impression="Fracture.")
        world.sign(report, rada, kind="preliminary")
        page = article(text_of(signed_in(people("tess", Role.TECHNOLOGIST)), f"/reading/{item.public_id}"))
        assert "Preliminary" in page and "Fracture." in page
        assert 'id="signed-report"' not in text_of(signed_in(rada), f"/reading/{item.public_id}")

    def test_without_an_order_it_never_says_that_it_is_on_its_way(self, world: World, rada: User) -> None:
        item = world.item()
        item.procedures.clear()
        version = world.sign(world.draft(item, rada), rada)
        ReportVersion.objects.filter(pk=version.pk).update(released_at=timezone.now())
        for path in (f"/reading/{item.public_id}", f"/studies/{item.studies.get().study_instance_uid}"):
            page = text_of(signed_in(rada), path)
            assert "no order: cannot be delivered" in page and "on its way" not in page


class TestVersions:
    def test_each_version_shows_what_it_changed(self, world: World, rada: User) -> None:
        item = world.item()
        report = world.draft(item, rada, findings="The lungs are clear.", impression="Normal.")
        world.sign(report, rada)
        world.addendum(
            report,
            rada,
            kind="correction",
            sections={"findings": "The left lung is clear."},
            class_of_change="missed",
        )
        page = text_of(signed_in(rada), f"/reading/{item.public_id}/versions")
        assert "<del>lungs</del>" in page and "<ins>left</ins>" in page and "missed" in page
        part = text_of(signed_in(rada), f"/studies/{item.studies.get().study_instance_uid}")
        assert "Corrected report, version 2" in part and "replaced" in part

    @pytest.mark.parametrize("before", ["", "a b", "a  b\n\nc", "x " * 9000])
    def test_the_pieces_make_both_texts(self, before: str) -> None:
        after = "a new b\nc"
        found = pieces(before, after)
        assert "".join(one.text for one in found if one.kind != "gone") == after
        assert "".join(one.text for one in found if one.kind != "added") == before


class TestTranscription:
    def test_the_queue_and_its_empty_state(self, world: World, rada: User, trudy: User) -> None:
        client = signed_in(trudy)
        assert "No dictations to type" in text_of(client, "/transcription")
        dictation = spoken(world.item(), rada)
        spoken(world.item("A2", "P2", "OTHER^O"), rada, is_finished=False)
        page = text_of(client, "/transcription")
        assert "BARS, ANNA" in page and "OTHER" not in page and "Rada" in page
        assert client.post("/transcription/next")["Location"] == f"/transcription/{dictation.uuid}"
        assert client.post("/transcription/next")["Location"] == "/transcription"

    def test_the_page_to_type_on(self, world: World, rada: User, ruben: User, trudy: User) -> None:
        dictation = spoken(world.item(), rada)
        page = text_of(signed_in(trudy), f"/transcription/{dictation.uuid}")
        assert data_of(page)["isOpen"] is True and "wrong patient suspected" in page.lower()
        text_of(signed_in(rada), f"/transcription/{dictation.uuid}", 403)
        text_of(signed_in(trudy), "/transcription/nonsense", 404)
        assert not re.search(r"<style|\sstyle=|\son\w+=", page)

    def test_what_another_types_can_be_read(
        self,
        world: World,
        rada: User,
        trudy: User,
        people: Callable[..., User],
    ) -> None:
        dictation = spoken(world.item(), rada)
        with transaction.atomic():
            transcription.take(dictation=dictation, by=acting(trudy))
        tom = people("tom", Role.TRANSCRIPTIONIST)
        page = text_of(signed_in(tom), f"/transcription/{dictation.uuid}")
        assert "Trudy types it" in page and data_of(page)["isOpen"] is False
