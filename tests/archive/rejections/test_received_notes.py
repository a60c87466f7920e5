"""Rejection notes that come in (IHE RAD TF-2, RAD-66): what they hide, in any order, and what not."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest
from django.db import transaction

from accounts.models import SiteSection, User
from archive.dataset import made_dataset
from archive.decisions.decision_frame import decide, revision
from archive.decisions.reject_images import RejectImages
from archive.decisions.restore_images import RestoreImages
from archive.decisions.split import Split
from archive.decisions.undo import undo
from archive.models import Instance, Rejection, Series, Study, StudyException
from archive.rejections.received_notes import KEY_OBJECT
from archive.rejections.rejected_objects import KIND
from archive.search import study_search
from archive.storage import volumes
from interfaces.hl7.models import Destination, OutboundMessage
from ledger import events, jobs
from ledger.errors import Invalid, Unknown
from ledger.models import Job
from reporting.models import ReadingItem, Recheck
from tests.actors import acting
from tests.archive.hospital import NOW, Hospital
from tests.archive.objects import indexed, received, take
from tests.archive.rejections.notes import note
from worklist.models import Order

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("home")]
AGO = NOW - timedelta(hours=3)
ANNA: dict[str, Any] = {
    "PatientName": "BARS^ANNA",
    "PatientID": "P1",
    "IssuerOfPatientID": "GENHOSP",
    "PatientBirthDate": "19700102",
    "PatientSex": "F",
    "AccessionNumber": "A1",
    "RequestAttributesSequence": [],
    "OtherPatientIDsSequence": [],
    "StudyDate": AGO.strftime("%Y%m%d"),
    "StudyTime": AGO.strftime("%H%M%S"),
}
RITA = {"PatientName": "REAL^RITA", "PatientID": "P2", "PatientBirthDate": "19350517"}


@contextmanager
def world() -> Iterator[None]:
    """What is done in it is forgotten."""
    volumes.forget()
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def image(number: int, series: str = "1.2.3.1", **values: Any) -> Callable[[], None]:
    attributes = {**ANNA, "SOPInstanceUID": f"1.1.{number}", "SeriesInstanceUID": series, **values}
    return lambda: received(**attributes, received_at=AGO + timedelta(seconds=number))


def noted(*named: tuple[str, str, str], **values: Any) -> Callable[[], None]:
    def send() -> None:
        dataset = note(named, **values)
        outcome = take(
            made_dataset.encode(dataset),
            instance=str(dataset.SOPInstanceUID),
            sop_class=KEY_OBJECT,
            received_at=AGO,
        )
        assert not hasattr(outcome, "reason"), outcome

    return send


def arrive(*sent: Callable[[], None]) -> None:
    for send in sent:
        send()
        indexed()
        work()


def work() -> None:
    for job in Job.objects.filter(kind=KIND, state="new"):
        assert jobs.run(job.pk), Job.objects.get(pk=job.pk).last_error


def shown() -> list[str]:
    """The images that are found, by the numbers in their UIDs."""
    found = study_search.series(of=Study.objects.filter(hidden=""))
    rows = study_search.instances(of=found).exclude(sop_class_uid=KEY_OBJECT)
    return sorted(rows.values_list("sop_instance_uid", flat=True))


FIRST = ("1.2.3", "1.2.3.1", "1.1.1")


@pytest.mark.parametrize("code", ["113001", "113037", "113038", "113039"])
def test_what_a_note_names_is_hidden_whatever_came_first(hospital: Hospital, code: str) -> None:
    for order in permutations([image(1), image(2), noted(FIRST, code=code)]):
        with world():
            arrive(*order)
            study = hospital.judged(Study.objects.get())
            assert (shown(), study.instance_count) == (["1.1.2"], 1 + 1), "an image, and the modality's note"
            assert Instance.objects.count() == 3, "all is kept"
            told = [event.kind for event in events.timeline("study", study.public_id)]
            assert told.count("study.rejection.applied") == 1


@pytest.mark.parametrize(
    ("named", "left"),
    [
        (("1.2.3", "1.2.3.1", ""), ["1.1.3"]),
        (("1.2.3", "", ""), []),
        (("1.2.3", "1.2.3.1", "1.1.9"), ["1.1.1", "1.1.2", "1.1.3"]),
        (("1.2.9", "1.2.3.1", "1.1.1"), ["1.1.1", "1.1.2", "1.1.3"]),
        (("1.2.3", "1.2.3.1", "x"), ["1.1.1", "1.1.2", "1.1.3"]),
    ],
)
def test_a_note_names_a_series_or_a_study_as_a_whole(
    hospital: Hospital, named: tuple[str, str, str], left: list[str]
) -> None:
    sent = [image(1), image(2), image(3, "1.2.3.2")]
    for order in ([*sent, noted(named)], [noted(named), *sent]):
        with world():
            arrive(*order)
            assert shown() == left


@pytest.mark.parametrize("values", [{"code": "113000"}, {"scheme": "99LOCAL"}])
def test_other_key_objects_hide_nothing(hospital: Hospital, values: Any) -> None:
    arrive(image(1), image(2), noted(FIRST, **values))
    assert shown() == ["1.1.1", "1.1.2"] and not Rejection.objects.exists()


def test_the_site_may_keep_what_a_note_names(hospital: Hospital) -> None:
    SiteSection.objects.update(content={"rejection_notes": {"113001": "keep"}})
    arrive(image(1), image(2), noted(FIRST))
    assert shown() == ["1.1.1", "1.1.2"]
    assert Rejection.objects.get().state == "ignored"
    arrive(noted(("1.2.3", "1.2.3.1", "1.1.2"), code="113038", SOPInstanceUID="1.1.78"))
    assert shown() == ["1.1.1"]


def test_a_note_never_hides_another_patients_objects(hospital: Hospital) -> None:
    hospital.order("A1", hospital.patient())
    other = noted(FIRST, StudyInstanceUID="1.2.8", **RITA)
    for order in permutations([image(1), image(2), other]):
        with world():
            arrive(*order)
            study = hospital.judged(Study.objects.get(study_instance_uid="1.2.3"))
            assert (shown(), study.verdict) == (["1.1.1", "1.1.2"], "matched")
            assert Rejection.objects.get().state == "held"
            assert StudyException.objects.get(study=study).status == "open"
            kinds = [event.kind for event in events.timeline("study", study.public_id)]
            assert "study.rejection.held" in kinds


def test_a_merged_patients_note_hides_the_survivors_images(hospital: Hospital) -> None:
    hospital.patient()
    hospital.patient("P2", "BARS^ANNA")
    hospital.merge("P2", "P1")
    arrive(image(1), image(2), noted(FIRST, PatientID="P2"))
    assert shown() == ["1.1.2"]


def test_nothing_is_hidden_under_a_signed_report_without_a_person(hospital: Hospital, user: User) -> None:
    hospital.order("A1", hospital.patient())
    arrive(image(1), image(2))
    hospital.judged(Study.objects.get())
    Study.objects.update(reading_status="final")
    arrive(noted(FIRST))
    assert shown() == ["1.1.1", "1.1.2"]
    assert StudyException.objects.get().status == "open"
    with transaction.atomic():
        row = Rejection.objects.get()
        decide(
            RestoreImages(row.public_id),
            study=Study.objects.get(),
            reason="no",
            by=acting(user),
            asked_by="B",
        )
    assert StudyException.objects.get().status == "resolved"


def test_a_study_all_of_which_is_rejected_is_gone_and_its_order_open_again(
    hospital: Hospital, user: User
) -> None:
    hospital.order("A1", hospital.patient())
    arrive(image(1), image(2))
    study = hospital.judged(Study.objects.get())
    assert study.verdict == "matched" and study.procedures.count() == 1
    arrive(noted(("1.2.3", "1.2.3.1", "1.1.1"), ("1.2.3", "1.2.3.1", "1.1.2"), code="113038"))
    study = hospital.judged(study)
    assert (study.hidden, study.procedures.count(), study.patient) == ("noted", 0, None)
    with transaction.atomic():
        row = Rejection.objects.get()
        decide(
            RestoreImages(row.public_id),
            study=study,
            reason="the wrong one",
            by=acting(user),
            expected=revision(study),
        )
    study.refresh_from_db()
    assert (study.hidden, study.procedures.count(), shown()) == ("", 1, ["1.1.1", "1.1.2"])
    with transaction.atomic():
        undo(exception=StudyException.objects.get(study=study), reason="no", by=acting(user))
    study.refresh_from_db()
    assert (study.hidden, study.procedures.count(), shown()) == ("noted", 0, [])
    arrive(image(3))
    assert (Study.objects.get().hidden, shown()) == ("", ["1.1.3"])


def expired(hospital: Hospital, *sent: Callable[[], None]) -> Study:
    """Anna's study of two images, matched, once a note (113039) says that they are kept no longer."""
    Destination.objects.create(name="HIS", host="127.0.0.1", port=1)
    hospital.order("A1", hospital.patient())
    arrive(image(1), image(2))
    assert hospital.judged(Study.objects.get()).verdict == "matched"
    arrive(*sent, noted(("1.2.3", "", ""), code="113039"))
    return hospital.judged(Study.objects.get())


def told() -> list[str]:
    return [one.facts["status"] for one in OutboundMessage.objects.order_by("pk")]


def test_images_whose_retention_has_expired_are_gone_and_their_exam_stays_done(
    hospital: Hospital, user: User
) -> None:
    study = expired(hospital)
    item = ReadingItem.objects.get()
    assert (study.hidden, study.procedures.count(), shown()) == ("expired", 1, [])
    assert (Order.objects.get().status, told()) == ("completed", ["CM"])
    assert (item.status, item.withdrawn_reason) == ("withdrawn", "its images are kept no longer")
    assert not StudyException.objects.filter(status="open").exists()
    with transaction.atomic():
        decide(
            RestoreImages(Rejection.objects.get().public_id),
            study=study,
            reason="the law has changed",
            by=acting(user),
            expected=revision(study),
        )
    study.refresh_from_db()
    assert (study.hidden, study.procedures.count(), shown()) == ("", 1, ["1.1.1", "1.1.2"])
    assert (Order.objects.get().status, told(), ReadingItem.objects.get().status) == (
        "completed",
        ["CM"],
        "ready",
    )
    with transaction.atomic():
        undo(exception=StudyException.objects.get(study=study), reason="no", by=acting(user))
    study.refresh_from_db()
    assert (study.hidden, study.procedures.count(), shown(), told()) == ("expired", 1, [], ["CM"])


def test_of_images_some_of_which_were_poor_and_the_rest_expired_the_exam_stays_done(
    hospital: Hospital,
) -> None:
    study = expired(hospital, noted(FIRST, SOPInstanceUID="1.1.78"))
    assert (study.hidden, study.procedures.count(), told()) == ("expired", 1, ["CM"])


@pytest.mark.parametrize(
    ("reading_status", "hidden"), [("final", "expired"), ("amended", "expired"), ("preliminary", "")]
)
def test_images_expire_under_a_report_that_is_done_and_nobody_is_asked(
    hospital: Hospital, reading_status: str, hidden: str
) -> None:
    def sign() -> None:
        ReadingItem.objects.update(status=reading_status)
        Study.objects.update(reading_status=reading_status)

    study = expired(hospital, sign)
    assert (study.hidden, ReadingItem.objects.get().status) == (hidden, reading_status)
    assert (Recheck.objects.count(), told()) == (0, ["CM"])
    assert StudyException.objects.filter(kind="note_held", status="open").exists() == (not hidden)


def test_images_are_rejected_one_by_one_and_come_back(hospital: Hospital, user: User) -> None:
    hospital.order("A1", hospital.patient())
    arrive(image(1), image(2), image(3, "1.2.3.2"))
    study = hospital.judged(Study.objects.get())
    before = list(Series.objects.order_by("pk").values_list("instance_count", flat=True))

    def reject(*uids: str) -> None:
        with transaction.atomic():
            decide(
                RejectImages(list(uids), "113001", "Positioning"),
                study=study,
                reason="blurred",
                by=acting(user),
                expected=revision(study),
            )

    reject("1.1.1")
    reject("1.1.3")
    study.refresh_from_db()
    assert (shown(), study.instance_count, study.series_count) == (["1.1.2"], 1, 1)
    with pytest.raises(Unknown):
        reject("1.1.1")
    with pytest.raises(Invalid, match="at least one"):
        reject("1.1.2")
    for left in (["1.1.2", "1.1.3"], ["1.1.1", "1.1.2", "1.1.3"]):
        with transaction.atomic():
            undo(exception=StudyException.objects.get(study=study), reason="no", by=acting(user))
        assert shown() == left
    assert list(Series.objects.order_by("pk").values_list("instance_count", flat=True)) == before
    assert hospital.judged(study).verdict == "matched"


def test_a_note_names_what_a_split_moved_by_the_new_uids_as_well(hospital: Hospital, user: User) -> None:
    arrive(image(1), image(2, "1.2.3.2"), image(3, "1.2.3.2"))
    study = hospital.judged(Study.objects.get())
    with transaction.atomic():
        made = decide(Split(["1.2.3.2"]), study=study, reason="why", by=acting(user))
    part = Study.objects.get(public_id=made.parameters["study"])
    moved = Instance.objects.select_related("series").get(sop_instance_uid="1.1.2")
    assert moved.series is not None
    for named, left in (
        ((part.study_instance_uid, moved.series.uid, moved.uid), ["1.1.1", "1.1.3"]),
        ((part.study_instance_uid, moved.series.uid, ""), ["1.1.1"]),
        ((part.study_instance_uid, "", ""), ["1.1.1"]),
    ):
        with world():
            arrive(noted(named))
            assert shown() == left, named


@pytest.mark.parametrize("whose", [{}, RITA])
def test_a_note_is_no_evidence_of_whose_the_images_beside_it_are(
    hospital: Hospital, whose: dict[str, str]
) -> None:
    hospital.order("A1", hospital.patient())
    arrive(image(1), image(2))
    assert hospital.judged(Study.objects.get()).verdict == "matched"
    arrive(noted(FIRST, **whose))
    study = hospital.judged(Study.objects.get())
    assert (study.verdict, study.patient_name) == ("matched", "BARS^ANNA") and "conflicts" not in study.header
    assert study.procedures.exists()
