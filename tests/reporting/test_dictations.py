"""Dictation and transcription (reading.md 4, 5)."""

import hashlib
import uuid

import pytest
from django.db import transaction

from accounts.models import User
from ledger.errors import Forbidden, Invalid
from reporting.dictation import audio, dictations, transcription
from reporting.errors import StateConflict
from reporting.models import Dictation, KeptText, OwnerSpan, ReadingItem, Recheck, Report
from reporting.reading_worklist import assignment
from tests.actors import acting
from tests.reporting.conftest import World

pytestmark = pytest.mark.django_db

SECOND = b"\1\0" * 16000


def spoken(item: ReadingItem, by: User, seconds: int = 2) -> Dictation:
    with transaction.atomic():
        dictation = dictations.begin(uuid=str(uuid.uuid4()), item=item, by=acting(by))
        for seq in range(seconds):
            dictations.add_segment(
                dictation=dictation, seq=seq, name=audio.write(SECOND), data=SECOND, by=acting(by)
            )
        whole = hashlib.sha256(SECOND * seconds).hexdigest()
        return dictations.finish(dictation=dictation, segments=seconds, sha256=whole, by=acting(by))


class TestDictating:
    def test_sound_is_kept_as_it_came(self, world: World, rada: User) -> None:
        item = world.item()
        dictation = spoken(item, rada, 3)
        assert dictation.seconds == 3 and dictation.state == "queued"
        item.refresh_from_db()
        assert item.status == "dictated" and item.dictated_at
        names = dictation.segments.order_by("seq").values_list("name", "size")
        total = audio.HEADER_BYTES + 3 * len(SECOND)
        sound = b"".join(audio.wav([n for n, _ in names], [s for _, s in names], 16000, 0, total))
        assert len(sound) == total and sound[audio.HEADER_BYTES :] == SECOND * 3
        part = audio.wav([n for n, _ in names], [s for _, s in names], 16000, 40, 32050)
        assert b"".join(part) == sound[40:32050]

    def test_sending_again_changes_nothing(self, world: World, rada: User) -> None:
        item, name = world.item(), str(uuid.uuid4())
        with transaction.atomic():
            dictation = dictations.begin(uuid=name, item=item, by=acting(rada))
            assert dictations.begin(uuid=name, item=item, by=acting(rada)) == dictation
            one = dictations.add_segment(dictation=dictation, seq=0, name="a", data=SECOND, by=acting(rada))
            two = dictations.add_segment(dictation=dictation, seq=0, name="b", data=SECOND, by=acting(rada))
            assert one == two
            with pytest.raises(StateConflict):
                dictations.add_segment(dictation=dictation, seq=0, name="c", data=SECOND * 2, by=acting(rada))

    def test_missing_segments_are_named(self, world: World, rada: User) -> None:
        with transaction.atomic():
            dictation = dictations.begin(uuid=str(uuid.uuid4()), item=world.item(), by=acting(rada))
            dictations.add_segment(dictation=dictation, seq=2, name="a", data=SECOND, by=acting(rada))
            with pytest.raises(StateConflict) as refused:
                dictations.finish(dictation=dictation, segments=3, sha256="", by=acting(rada))
        assert refused.value.changed == {"missing": [0, 1]}

    def test_other_samples_than_were_recorded_are_refused(self, world: World, rada: User) -> None:
        with transaction.atomic():
            dictation = dictations.begin(uuid=str(uuid.uuid4()), item=world.item(), by=acting(rada))
            dictations.add_segment(
                dictation=dictation, seq=0, name=audio.write(SECOND), data=SECOND, by=acting(rada)
            )
            with pytest.raises(StateConflict) as refused:
                dictations.finish(dictation=dictation, segments=1, sha256="0" * 64, by=acting(rada))
        assert refused.value.code == "sha256"

    def test_the_patient_is_bound_at_the_first_sample(self, world: World, rada: User) -> None:
        with pytest.raises(StateConflict) as refused, transaction.atomic():
            dictations.begin(uuid=str(uuid.uuid4()), item=world.item(), by=acting(rada), patient="another")
        assert refused.value.code == "patient_changed"

    @pytest.mark.parametrize("data", [b"", b"\1", b"\1\0" * (5 << 20)])
    def test_half_samples_and_heaps_are_refused(self, world: World, rada: User, data: bytes) -> None:
        with transaction.atomic():
            dictation = dictations.begin(uuid=str(uuid.uuid4()), item=world.item(), by=acting(rada))
            with pytest.raises(Invalid):
                dictations.add_segment(dictation=dictation, seq=0, name="a", data=data, by=acting(rada))

    def test_a_discarded_one_is_kept_and_the_reader_has_the_item_again(
        self, world: World, rada: User, ruben: User
    ) -> None:
        item = world.item()
        dictation = spoken(item, rada)
        with pytest.raises(Forbidden), transaction.atomic():
            dictations.discard(dictation=dictation, by=acting(ruben), reason="no")
        with transaction.atomic():
            dictations.discard(dictation=dictation, by=acting(rada), reason="coughing only")
        item.refresh_from_db()
        assert item.status == "reading"
        assert all((audio.folder() / row.name).exists() for row in dictation.segments.all())


class TestTranscription:
    def test_a_dictation_is_typed_and_waits_for_its_author(
        self, world: World, rada: User, trudy: User
    ) -> None:
        item = world.item()
        spoken(item, rada)
        with transaction.atomic():
            dictation = transcription.next_dictation(by=acting(trudy))
        assert dictation and dictation.typist == trudy
        with transaction.atomic():
            dictation = transcription.save(
                dictation=dictation, sections={"findings": "Lungs clear."}, revision=1, by=acting(trudy)
            )
            transcription.finish(
                dictation=dictation, sections={"impression": "Normal."}, revision=2, by=acting(trudy)
            )
        item.refresh_from_db()
        assert item.status == "transcribed" and item.typed_at
        report = Report.objects.get(item=item)
        assert report.author == rada
        assert report.sections == {"findings": "Lungs clear.", "impression": "Normal."}
        owners = list(OwnerSpan.objects.filter(item=item).order_by("id").values_list("owner", flat=True))
        assert owners == ["queue", "reader", "typist", "signer"]
        world.sign(report, rada)
        assert Dictation.objects.get().state == "closed"

    def test_typed_text_never_replaces_what_the_author_wrote(
        self, world: World, rada: User, trudy: User
    ) -> None:
        item = world.item()
        report = world.draft(item, rada, findings="Written.")
        dictation = spoken(item, rada)
        with transaction.atomic():
            transcription.finish(
                dictation=dictation, sections={"findings": "Said."}, revision=1, by=acting(trudy)
            )
        report.refresh_from_db()
        assert report.sections["findings"] == "Written.\n\nSaid."

    def test_two_never_type_the_same(self, world: World, rada: User, trudy: User, user: User) -> None:
        dictation = spoken(world.item(), rada)
        with transaction.atomic():
            transcription.take(dictation=dictation, by=acting(trudy))
            assert transcription.next_dictation(by=acting(user)) is None
            with pytest.raises(StateConflict):
                transcription.take(dictation=dictation, by=acting(user))

    def test_the_author_takes_it_back_until_typing_begins(
        self, world: World, rada: User, trudy: User
    ) -> None:
        dictation = spoken(world.item(), rada)
        with transaction.atomic():
            transcription.take(dictation=dictation, by=acting(trudy))
        with pytest.raises(StateConflict), transaction.atomic():
            dictations.reclaim(dictation=dictation, by=acting(rada))

    def test_a_suspected_wrong_patient_stops_the_item(self, world: World, rada: User, trudy: User) -> None:
        item = world.item()
        dictation = spoken(item, rada)
        with pytest.raises(Invalid), transaction.atomic():
            transcription.give_back(dictation=dictation, reason="bored", note="", by=acting(trudy))
        with transaction.atomic():
            transcription.give_back(
                dictation=dictation, reason="wrong patient suspected", note="says Mr", by=acting(trudy)
            )
        item.refresh_from_db()
        assert item.status == "reading" and "suspects" in item.patient_question
        assert list(transcription.returned(user=rada)) == [dictation]
        with pytest.raises(StateConflict) as refused:
            world.sign(Report.objects.filter(item=item).first() or world.draft(item, rada), rada)
        assert refused.value.code == "patient_question"

    def test_what_came_back_goes_to_who_took_the_item_over_and_ends_with_a_new_dictation(
        self, world: World, rada: User, ruben: User, trudy: User
    ) -> None:
        item = world.item()
        first = spoken(item, rada)
        with transaction.atomic():
            transcription.give_back(dictation=first, reason="poor audio", note="", by=acting(trudy))
        assert list(transcription.returned(user=rada)) == [first]
        with transaction.atomic():
            assignment.take(item=item, by=acting(ruben), reason="Rada went home")
        second = spoken(item, ruben)
        first.refresh_from_db()
        assert first.state == "closed" and not transcription.returned(user=rada)
        with transaction.atomic():
            transcription.give_back(dictation=second, reason="incomplete", note="", by=acting(trudy))
        assert list(transcription.returned(user=ruben)) == [second]
        third = spoken(item, ruben)
        with transaction.atomic():
            sections = {"findings": "Typed."}
            transcription.finish(dictation=third, sections=sections, revision=1, by=acting(trudy))
        assert Report.objects.get(item=item).author == ruben

    def test_who_speaks_on_anothers_draft_becomes_its_author(
        self, world: World, rada: User, ruben: User
    ) -> None:
        report = world.draft(world.item(), rada)
        with transaction.atomic():
            assignment.take(item=report.item, by=acting(ruben), reason="Rada went home")
        spoken(report.item, ruben)
        report.refresh_from_db()
        assert report.author == ruben

    def test_what_is_typed_after_the_signature_is_kept_beside_the_report(
        self, world: World, rada: User, trudy: User
    ) -> None:
        item = world.item()
        report = world.draft(item, rada)
        dictation = spoken(item, rada)
        world.sign(report, rada)
        with transaction.atomic():
            sections = {"findings": "Late words."}
            transcription.finish(dictation=dictation, sections=sections, revision=1, by=acting(trudy))
        report.refresh_from_db()
        assert report.sections["findings"] == "The lungs are clear."
        assert KeptText.objects.get(report=report).sections == {"findings": "Late words."}
        asked = Recheck.objects.get(item=item, closed_at=None)
        assert asked.signer == rada and "typed after the signature" in asked.cause

    def test_a_text_with_open_marks_is_not_signed(self, world: World, rada: User, trudy: User) -> None:
        item = world.item()
        dictation = spoken(item, rada)
        with transaction.atomic():
            transcription.finish(
                dictation=dictation,
                sections={"findings": "A [? 00:01] mass.", "impression": "See above."},
                revision=1,
                by=acting(trudy),
            )
        with pytest.raises(StateConflict) as refused:
            world.sign(Report.objects.get(item=item), rada)
        assert refused.value.code == "open_fields"
