"""The same object again under another header: kept as a version, taken once the study is quiet."""

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import OperationalError, transaction
from pydicom.dataset import Dataset

from accounts.models import SiteSection, User
from archive.dataset import made_dataset
from archive.decisions import second_person
from archive.decisions.accept import Accept
from archive.decisions.decision_frame import decide as decide_on
from archive.decisions.decision_frame import revision
from archive.decisions.decision_type import DecisionType
from archive.decisions.reject import Reject
from archive.decisions.reject_images import RejectImages
from archive.decisions.resent_header import KeepHeader, TakeHeader
from archive.decisions.undo import undo as undo_decision
from archive.index import resent_objects
from archive.models import (
    Decision,
    Instance,
    ObjectVersion,
    Quarantined,
    Series,
    StoredFile,
    Study,
    StudyException,
)
from archive.storage import fsck, intake, object_versions
from archive.storage.intake import Accepted, NotKept, Outcome, Reason, Repeated, Resent
from interfaces.hl7.models import Destination, OutboundMessage
from ledger import events, jobs
from ledger.errors import Conflict
from ledger.models import Job
from tests.actors import acting
from tests.archive.dataset.builders import IMPLICIT_LITTLE_ENDIAN, encoded, image
from tests.archive.hospital import NOW, Hospital
from tests.archive.objects import files_in, indexed, take
from tests.archive.rejections.notes import note
from worklist.models import ScheduledProcedureStep

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("home")]
AGO = NOW - timedelta(hours=3)
SR, KEY_OBJECT = "1.2.840.10008.5.1.4.1.1.88.11", "1.2.840.10008.5.1.4.1.1.88.59"
ANNA: dict[str, Any] = {
    "PatientName": "BARS^ANNA",
    "PatientID": "P1",
    "PatientBirthDate": "19700102",
    "PatientSex": "F",
    "AccessionNumber": "A1",
    "IssuerOfPatientID": "GENHOSP",
    "RequestAttributesSequence": [],
    "OtherPatientIDsSequence": [],
    "StudyDate": AGO.strftime("%Y%m%d"),
    "StudyTime": AGO.strftime("%H%M%S"),
}
WRONG = {**ANNA, "PatientName": "REAL^RITA", "PatientID": "P2", "AccessionNumber": "X9"}


def send(
    number: int = 1, *, calling_ae: str = "CT1", syntax: str = "", minute: int = 0, **attributes: Any
) -> Outcome:
    dataset = image(**{**ANNA, "SOPInstanceUID": f"1.1.{number}", **attributes})
    values = {"transfer_syntax": syntax} if syntax else {}
    return take(
        encoded(dataset, *values.values()),
        instance=f"1.1.{number}",
        received_at=AGO + timedelta(minutes=minute),
        calling_ae=calling_ae,
        **values,
    )


def document(sop_class: str, text: str = "seen", **attributes: Any) -> Outcome:
    """An object without pixels."""
    dataset = image(**{**ANNA, "SOPClassUID": sop_class, "SOPInstanceUID": "1.1.9", **attributes})
    for name in ("PixelData", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit"):
        del dataset[name]
    for name in ("PixelRepresentation", "SamplesPerPixel", "PhotometricInterpretation"):
        del dataset[name]
    said = Dataset()
    said.ValueType, said.TextValue = "TEXT", text
    dataset.ContentSequence = [said]
    return take(encoded(dataset), instance="1.1.9", sop_class=sop_class, received_at=AGO)


def work() -> Study:
    """Index, and do what is due until nothing is; the study."""
    indexed()
    for _ in range(10):
        due = Job.objects.filter(kind__startswith="archive.", state__in=("new", "retry"))
        for job in due.order_by("kind"):
            Job.objects.filter(pk=job.pk).update(not_before=NOW - timedelta(days=1))
            jobs.run(job.pk)
            job.refresh_from_db()
            assert not job.last_error, job.last_error
        indexed()
        if not due.exists():
            return Study.objects.order_by("pk")[0]
    raise AssertionError("there is always more to do")


def site(**values: Any) -> None:
    row, _ = SiteSection.objects.get_or_create(name="archive", defaults={"content": {}})
    row.content |= values
    row.save()


def said(study: Study) -> str:
    found = events.timeline("study", study.public_id)
    return "\n".join(f"{one.kind} {one.details}" for one in found)


def decide(study: Study, decision: DecisionType, user: User) -> Any:
    with transaction.atomic():
        return second_person.decide(
            decision, study=study, reason="looked", by=acting(user), expected=revision(study)
        )


def undo(study: Study, user: User) -> None:
    with transaction.atomic():
        row = StudyException.objects.get(study=study)
        undo_decision(exception=row, reason="wrong", by=acting(user))


def status(study: Study) -> str:
    return StudyException.objects.get(study=study).status


@pytest.fixture
def wrong(hospital: Hospital) -> Study:
    """Two images under a wrong entry; the right patient has an order."""
    hospital.order("A1", hospital.patient())
    for number in (1, 2):
        send(number, **WRONG)
    study = work()
    assert (study.verdict, study.patient) == ("unscheduled", None)
    return study


# By itself


def test_a_corrected_header_that_comes_again_decides_whose_images_these_are(wrong: Study) -> None:
    old = {path: path.read_bytes() for path in files_in("volumes")}
    assert [type(send(number)) for number in (1, 2)] == [Resent, Resent]
    study = work()
    assert (study.verdict, study.patient_name, study.accession_number) == ("matched", "BARS^ANNA", "A1")
    assert study.patient is not None and study.patient.value == "P1"
    assert "conflicts" not in study.header
    assert (study.instance_count, study.series_count, Instance.objects.count()) == (2, 1, 2)
    assert status(study) == "closed"
    assert "2 objects: Accession Number “X9” → “A1”; Patient's Name “REAL^RITA” → “BARS^ANNA”" in said(study)
    # Nothing that came is gone, nothing is twice, and sent once more it changes nothing.
    assert all(path.read_bytes() == content for path, content in old.items())
    assert (len(files_in("volumes")), StoredFile.objects.filter(is_current=True).count()) == (4, 2)
    assert isinstance(send(1), Repeated)
    assert isinstance(send(2, syntax=IMPLICIT_LITTLE_ENDIAN), Repeated)
    assert (len(files_in("volumes")), ObjectVersion.objects.count()) == (4, 2)
    assert fsck.check(checksums=True, leave_alone=0).is_good


def test_one_image_of_several_that_is_corrected_leaves_a_contradiction(wrong: Study) -> None:
    send(1)
    study = work()
    assert study.header["conflicts"]["patient_name"] == ["REAL^RITA"]
    assert study.verdict != "matched"
    send(2)
    assert work().verdict == "matched"


def test_only_the_last_of_several_corrections_counts_and_the_way_back_is_open(wrong: Study) -> None:
    other = {**WRONG, "PatientName": "REAL^RITTA"}
    for number in (1, 2):
        send(number, **{**WRONG, "PatientName": "REAL^R"})
        send(number, **other)
    study = work()
    assert study.patient_name == "REAL^RITTA"
    assert "“REAL^RITA” → “REAL^RITTA”" in said(study)
    states = ObjectVersion.objects.order_by("number").values_list("number", "state").distinct()
    assert list(states) == [(2, "superseded"), (3, "taken")]
    for number in (1, 2):
        assert isinstance(send(number, **WRONG), Resent)
    study = work()
    assert (study.patient_name, study.verdict, study.patient) == ("REAL^RITA", "unscheduled", None)


# Of images that belong to somebody


@pytest.fixture
def anna(hospital: Hospital) -> Study:
    """Two images of Anna, matched; Rita has an order as well."""
    hospital.order("A1", hospital.patient())
    hospital.order("X9", hospital.patient("P2", "REAL^RITA", birth_date="19350517", sex="M"))
    send(1), send(2)
    study = work()
    assert (study.verdict, study.procedures.count()) == ("matched", 1)
    return study


RITA = {**WRONG, "PatientBirthDate": "19350517", "PatientSex": "M"}


def whose(study: Study) -> tuple[str, str]:
    assert study.patient is not None
    return study.patient.value, study.patient_name


@pytest.mark.parametrize("source", ["CT1", "WS2"])
@pytest.mark.parametrize("is_decided", [False, True])
def test_images_move_to_another_patient_only_by_a_person(
    anna: Study, user: User, source: str, is_decided: bool
) -> None:
    if is_decided:
        decide(anna, Accept(), user)
    send(1, calling_ae=source, **RITA), send(2, calling_ae=source, **RITA)
    study = work()
    assert (*whose(study), study.verdict) == ("P1", "BARS^ANNA", "matched")
    row = StudyException.objects.get(study=study)
    assert (row.status, row.kind) == ("open", "resent")
    assert {one.held_because for one in ObjectVersion.objects.all()} == {"person"}
    assert "another patient than the one to whom the images belong" in resent_objects.held(study)[0].why
    decide(study, TakeHeader(), user)
    study = work()
    assert study.patient_name == "REAL^RITA"
    if not is_decided:
        assert (*whose(study), study.verdict) == ("P2", "REAL^RITA", "matched")
        undo(study, user)
        study = work()
        assert (*whose(study), status(study)) == ("P1", "BARS^ANNA", "open")
        decide(study, KeepHeader(), user)
        assert whose(work()) == ("P1", "BARS^ANNA")


@pytest.mark.parametrize(
    ("said", "is_held"),
    [
        ({"PatientID": "P7"}, True),
        ({"PatientName": "REAL^RITA", "PatientBirthDate": "19350517"}, True),
        ({"PatientName": "REAL^RITA", "PatientBirthDate": "19350517", "PatientID": ""}, True),
        ({"PatientName": "BARS^ANNA MARIA"}, False),
        ({"PatientBirthDate": "19700201"}, False),
        ({"PatientSex": "M"}, False),
        ({"SeriesDescription": "thin"}, False),
    ],
)
def test_another_description_of_the_same_patient_is_no_other_patient(
    anna: Study, said: dict[str, str], is_held: bool
) -> None:
    send(1, **said), send(2, **said)
    work()
    assert {(one.state, one.held_because) for one in ObjectVersion.objects.all()} == {
        ("held", "person") if is_held else ("taken", "")
    }


def test_a_description_changes_bit_by_bit_but_not_to_somebody_else(anna: Study, user: User) -> None:
    decide(anna, Accept(), user)
    send(1, PatientName="REAL^RITA"), send(2, PatientName="REAL^RITA")
    work()
    send(1, **{**RITA, "PatientID": "P1"}), send(2, **{**RITA, "PatientID": "P1"})
    study = work()
    assert (study.patient_name, study.birth_date, status(study)) == ("REAL^RITA", "19700102", "open")
    assert set(object_versions.held(study).values_list("held_because", flat=True)) == {"person"}


def test_what_the_record_once_said_names_nobody_else(anna: Study, hospital: Hospital) -> None:
    hospital.patient(name="WED^ANNE", birth_date="19700203")
    (
        send(1, PatientName="WED^ANNE", PatientBirthDate="19700203"),
        send(2, PatientName="WED^ANNE", PatientBirthDate="19700203"),
    )
    assert work().patient_name == "WED^ANNE"
    send(1, SeriesDescription="x"), send(2, SeriesDescription="x")
    assert work().patient_name == "BARS^ANNA"


def test_a_router_that_sends_the_header_from_before_undoes_no_correction(
    hospital: Hospital, user: User
) -> None:
    hospital.order("A1", hospital.patient())
    send(1, AccessionNumber="X9"), send(2, AccessionNumber="X9")
    work()
    send(1), send(2)
    assert work().verdict == "matched"
    send(1, calling_ae="ROUTER", AccessionNumber="X9"), send(2, calling_ae="ROUTER", AccessionNumber="X9")
    study = work()
    assert (study.verdict, study.accession_number, status(study)) == ("matched", "A1", "open")
    assert set(object_versions.held(study).values_list("held_because", flat=True)) == {"old"}
    decide(study, KeepHeader(), user)
    assert isinstance(send(1, calling_ae="ROUTER", AccessionNumber="X9"), Repeated)
    assert status(work()) == "resolved"


def test_a_header_that_comes_again_before_the_first_was_looked_at(hospital: Hospital) -> None:
    hospital.order("A1", hospital.patient())
    send(**WRONG)
    send()
    study = work()
    assert (study.verdict, study.patient_name) == ("matched", "BARS^ANNA")
    assert [one.outcome for one in study.verdicts.all()] == ["matched"]


def test_an_image_moves_to_the_series_that_its_header_names(wrong: Study) -> None:
    send(2, **{**WRONG, "SeriesInstanceUID": "1.2.3.7", "Modality": "MR", "Rows": 4})
    study = work()
    found = Series.objects.filter(study=study).order_by("pk")
    assert [(one.series_instance_uid, one.modality, one.instance_count) for one in found] == [
        ("1.2.3.1", "CT", 1),
        ("1.2.3.7", "MR", 1),
    ]
    send(1, **{**WRONG, "SeriesInstanceUID": "1.2.3.7", "Modality": "MR"})
    study = work()
    (one,) = Series.objects.filter(study=study)
    assert (one.series_instance_uid, one.instance_count, study.modalities) == ("1.2.3.7", 2, ["MR"])


@pytest.mark.parametrize("sop_class", [SR, KEY_OBJECT])
def test_a_document_with_another_header_is_taken_like_an_image(hospital: Hospital, sop_class: str) -> None:
    hospital.order("A1", hospital.patient())
    assert isinstance(document(sop_class, **WRONG), Accepted)
    work()
    assert isinstance(document(sop_class), Resent)
    study = work()
    assert (study.patient_name, study.accession_number) == ("BARS^ANNA", "A1")
    assert isinstance(document(sop_class), Repeated)
    assert not Quarantined.objects.exists()


# By policy, and where a person has to decide


def test_a_source_may_have_to_be_asked_about(wrong: Study, user: User) -> None:
    site(resend_by_source={"QA": "exception"})
    send(1, calling_ae="QA")
    send(2, calling_ae="QA")
    study = work()
    assert (study.patient_name, status(study)) == ("REAL^RITA", "open")
    assert "needs" not in said(study) and "study.resent.held" in said(study)
    decide(study, TakeHeader(), user)
    study = work()
    assert (study.patient_name, study.verdict, status(study)) == ("BARS^ANNA", "matched", "resolved")
    undo(study, user)
    study = work()
    assert (study.patient_name, study.verdict, status(study)) == ("REAL^RITA", "unscheduled", "open")
    decide(study, KeepHeader(), user)
    study = work()
    assert study.patient_name == "REAL^RITA"
    assert isinstance(send(1, calling_ae="QA"), Repeated)  # what was declined stays so
    work()
    assert not object_versions.held(study).exists()


def test_a_source_may_be_refused(wrong: Study) -> None:
    site(resend="refuse", resend_by_source={"CT2": "newest"})
    before = files_in("volumes")
    outcome = send(1)
    assert isinstance(outcome, NotKept) and outcome.reason is Reason.NOT_TAKEN and outcome.comment
    assert files_in("volumes") == before and not Quarantined.objects.exists()
    assert not ObjectVersion.objects.exists()
    assert isinstance(send(1, **WRONG), Repeated)
    assert isinstance(send(1, calling_ae="CT2"), Resent)


def test_a_refused_source_may_repeat_any_version_that_is_here(wrong: Study) -> None:
    assert isinstance(send(1), Resent)
    work()
    site(resend="refuse")
    before, versions = files_in("volumes"), list(ObjectVersion.objects.values())
    assert isinstance(send(1, **WRONG), Repeated), "the first header"
    assert isinstance(send(1), Repeated), "the one that counts"
    assert isinstance(send(1, PatientID="P9"), NotKept)
    assert files_in("volumes") == before and list(ObjectVersion.objects.values()) == versions
    assert not Quarantined.objects.exists()
    assert Instance.objects.get(sop_instance_uid="1.1.1").times_received == 4


@pytest.mark.parametrize("policy", ["newest", "exception"])
def test_another_document_under_one_uid_waits_for_a_person(hospital: Hospital, policy: str) -> None:
    site(resend=policy)
    document(SR)
    work()
    assert isinstance(document(SR, "something else"), Resent)
    study = work()
    assert status(study) == "open"
    assert ObjectVersion.objects.get().held_because == "content"


def test_a_header_that_names_another_study_waits_and_once_taken_stays_in_its_study(
    wrong: Study, user: User
) -> None:
    for number in (1, 2):
        send(number, StudyInstanceUID="1.2.77")
    study = work()
    assert (Study.objects.count(), study.patient_name, status(study)) == (1, "REAL^RITA", "open")
    decide(study, TakeHeader(), user)
    study = work()
    assert (study.study_instance_uid, study.patient_name, study.instance_count) == ("1.2.3", "BARS^ANNA", 2)
    assert isinstance(send(1, StudyInstanceUID="1.2.77"), Repeated)


def test_what_comes_later_lies_where_the_header_was_taken_until_that_is_undone(
    wrong: Study, user: User
) -> None:
    for number in (1, 2):
        send(number, StudyInstanceUID="1.2.77")
    work()
    decide(wrong, TakeHeader(), user)
    work()
    send(3, StudyInstanceUID="1.2.77")
    send(4, StudyInstanceUID="1.2.77", SeriesInstanceUID="1.2.3.9")
    study = work()
    assert (Study.objects.count(), study.verdict, study.instance_count) == (1, "matched", 4)
    assert set(Series.objects.values_list("series_instance_uid", "instance_count")) == {
        ("1.2.3.1", 3),
        ("1.2.3.9", 1),
    }
    undo(study, user)
    work()
    assert set(Study.objects.values_list("study_instance_uid", "patient_name", "instance_count")) == {
        ("1.2.3", "REAL^RITA", 2),
        ("1.2.77", "BARS^ANNA", 2),
    }
    assert not Instance.objects.filter(series=None).exists()


@pytest.mark.parametrize(
    ("named", "left"),
    [
        (("1.2.3", "1.2.3.1", "1.1.1"), {"1.1.2", "1.1.3"}),
        (("1.2.77", "1.2.3.1", "1.1.1"), {"1.1.2", "1.1.3"}),
        (("1.2.3", "1.2.3.1", ""), set()),
        (("1.2.3", "", ""), set()),
    ],
)
def test_a_note_names_what_another_study_s_header_was_taken_for_as_it_is_shown_too(
    wrong: Study, user: User, named: tuple[str, str, str], left: set[str]
) -> None:
    send(3, **WRONG)
    send(1, StudyInstanceUID="1.2.77"), send(2, StudyInstanceUID="1.2.77")
    work()
    decide(wrong, TakeHeader(), user)
    work()
    taken = note([named], **ANNA, StudyInstanceUID="1.2.3")
    dataset = note([named], **{**ANNA, **(WRONG if len(left) == 0 else {})})
    for number, one in enumerate((taken, dataset)):
        one.SOPInstanceUID = uid = f"1.1.7{number}"
        take(made_dataset.encode(one), instance=uid, sop_class=KEY_OBJECT, received_at=AGO)
    work()
    shown = Instance.objects.filter(rejection=None).exclude(sop_class_uid=KEY_OBJECT)
    assert set(shown.values_list("sop_instance_uid", flat=True)) == left


def test_under_a_signed_report_nothing_changes_without_a_second_person(
    wrong: Study, user: User, other: User
) -> None:
    send(1), send(2)
    assert work().verdict == "matched"
    Study.objects.update(reading_status="final")
    send(1, **WRONG), send(2, **WRONG)
    study = work()
    assert (study.patient_name, study.verdict, status(study)) == ("BARS^ANNA", "matched", "open")
    assert set(ObjectVersion.objects.filter(state="held").values_list("held_because", flat=True)) == {
        "signed"
    }
    Study.objects.update(reading_status="final")  # there is no report here that would keep it so
    asked = decide(study, TakeHeader(), user)
    assert work().patient_name == "BARS^ANNA"
    with transaction.atomic():
        second_person.confirm(request=asked, reason="I saw it", by=acting(other))
    assert work().patient_name == "REAL^RITA"


def test_a_rejected_study_stays_rejected_and_somebody_is_told(wrong: Study, user: User) -> None:
    decide(wrong, Reject("113038"), user)
    send(1), send(2)
    study = work()
    assert (study.hidden, study.patient_name, status(study)) == ("rejected", "REAL^RITA", "open")
    with pytest.raises(Conflict):
        decide(study, TakeHeader(), user)
    undo(study, user)
    study = work()
    assert (study.hidden, status(study)) == ("", "open")
    decide(study, TakeHeader(), user)
    assert work().verdict == "matched"


def test_a_rejected_study_whose_resent_header_is_set_aside_is_at_rest(wrong: Study, user: User) -> None:
    decide(wrong, Reject("113038"), user)
    send(1)
    study = work()
    decide(study, KeepHeader(), user)
    study = work()
    assert (study.hidden, status(study)) == ("rejected", "resolved")


def test_a_rejected_image_that_comes_again_says_nothing_of_its_study(hospital: Hospital, user: User) -> None:
    hospital.order("A1", hospital.patient())
    for number in (1, 2, 3):
        send(number)
    study = work()
    assert (study.verdict, study.instance_count) == ("matched", 3)
    decide(study, RejectImages(["1.1.3"], "113001"), user)
    send(3, **WRONG)
    study = work()
    assert (study.verdict, study.patient_name, study.instance_count) == ("matched", "BARS^ANNA", 2)
    assert study.procedures.exists() and status(study) == "open"
    decide(study, KeepHeader(), user)
    send(2, PatientName="BARS^ANNE")
    study = work()
    assert (study.instance_count, Series.objects.get(study=study, modality="CT").instance_count) == (2, 2)


def shown() -> list[str]:
    rows = Instance.objects.filter(rejection=None, series__study__hidden="")
    return sorted(rows.exclude(calling_ae_title=settings.AE_TITLE).values_list("sop_instance_uid", flat=True))


def test_the_repeat_of_a_poor_study_is_shown_and_judged_by_itself(
    anna: Study, user: User, hospital: Hospital
) -> None:
    Destination.objects.create(name="HIS", host="127.0.0.1", port=1)
    decide(anna, Reject("113001", "Positioning"), user)
    work()
    assert ScheduledProcedureStep.objects.get(procedure__order__accession_number="A1").status == "scheduled"
    send(1, StudyDescription="sent again")
    assert (work().hidden, shown()) == ("rejected", [])
    send(7, minute=5), send(8, minute=5)
    study = work()
    assert (study.hidden, shown(), study.instance_count) == ("", ["1.1.7", "1.1.8"], 2)
    assert (study.verdict, *whose(study)) == ("matched", "P1", "BARS^ANNA")
    assert ScheduledProcedureStep.objects.get(procedure__order__accession_number="A1").status == "completed"
    assert [one.facts["status"] for one in OutboundMessage.objects.order_by("pk")] == ["CM"]
    assert not StudyException.objects.filter(study=study, kind="images_after_rejection").exists()
    send(2, StudyDescription="sent again")
    assert (work().instance_count, shown()) == (2, ["1.1.7", "1.1.8"])
    decide(study, KeepHeader(), user)
    assert work().hidden == ""
    undo(study, user), undo(study, user)
    study = work()
    assert (study.hidden, shown(), study.verdict) == ("", ["1.1.1", "1.1.2", "1.1.7", "1.1.8"], "matched")


def test_a_repeat_that_is_rejected_as_well_comes_back_by_itself(anna: Study, user: User) -> None:
    decide(anna, Reject("113001"), user)
    send(7)
    assert work().hidden == ""
    decide(anna, Reject("113001"), user)
    assert (work().hidden, shown()) == ("rejected", [])
    send(8)
    study = work()
    assert (study.hidden, shown(), study.verdict) == ("", ["1.1.8"], "matched")
    undo(study, user)
    assert shown() == ["1.1.7", "1.1.8"]
    undo(study, user)
    study = work()
    assert (shown(), study.verdict, study.instance_count) == (
        ["1.1.1", "1.1.2", "1.1.7", "1.1.8"],
        "matched",
        4,
    )


def test_images_into_a_study_of_a_wrong_worklist_entry_are_said_to_be_there(wrong: Study, user: User) -> None:
    decide(wrong, Reject("113038"), user)
    assert status(work()) == "resolved"
    Decision.objects.update(at=AGO - timedelta(minutes=1))
    send(7)
    study = work()
    row = StudyException.objects.get(study=study)
    assert (study.hidden, row.status, row.kind) == ("rejected", "open", "images_after_rejection")
    undo(study, user)
    study = work()
    assert (study.hidden, StudyException.objects.get(study=study).kind) == ("", "verdict")
    decide(study, Reject("113038"), user)
    assert status(work()) == "resolved"


@pytest.mark.parametrize(
    "measures", [{"RescaleSlope": "2"}, {"PixelSpacing": ["1", "1"]}, {"ImageOrientationPatient": [0] * 6}]
)
def test_another_scale_of_the_same_pixels_waits_for_a_person(wrong: Study, measures: dict[str, Any]) -> None:
    send(1, **measures)
    study = work()
    assert ObjectVersion.objects.get().held_because == "content"
    assert (study.verdict, status(study)) == ("unscheduled", "open")


def test_another_decision_does_not_hide_what_waits(wrong: Study, user: User) -> None:
    site(resend="exception")
    send(1)
    study = work()
    decide(study, Reject("113001"), user)
    assert status(study) == "open"
    with pytest.raises(Conflict), transaction.atomic():
        decide_on(TakeHeader(), study=study, reason="x", by=acting(user), expected=revision(study))


def test_nothing_is_decided_where_nothing_waits(wrong: Study, user: User) -> None:
    for decision in (TakeHeader(), KeepHeader()):
        with pytest.raises(Conflict):
            decide(wrong, decision, user)


# Bounds and faults


def test_so_many_versions_are_kept_and_the_sender_is_told(wrong: Study) -> None:
    outcomes = [send(1, PatientID=f"P{number}") for number in range(10, 10 + object_versions.MOST + 1)]
    assert [type(one) for one in outcomes[: object_versions.MOST - 1]] == [Resent] * (
        object_versions.MOST - 1
    )
    assert {one.reason for one in outcomes[object_versions.MOST - 1 :]} == {Reason.NOT_TAKEN}  # type: ignore[union-attr]
    assert len(files_in("volumes")) == object_versions.MOST + 1


def test_a_lost_answer_of_the_database_loses_no_file(wrong: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows may be there: then their file must be too, and sending again changes nothing more."""
    monkeypatch.setattr(intake, "_was_lost", lambda error: True)
    keep = object_versions.keep

    def lose(*args: Any, **values: Any) -> None:
        keep(*args, **values)
        transaction.on_commit(fail)

    def fail() -> None:
        raise OperationalError("server closed the connection unexpectedly")

    with monkeypatch.context() as patched:
        patched.setattr(object_versions, "keep", lose)
        outcome = send(1)
    assert isinstance(outcome, NotKept) and outcome.reason is Reason.OUT_OF_RESOURCES
    assert isinstance(send(1), Repeated)
    assert isinstance(send(2), Resent)
    assert work().verdict == "matched"
    assert fsck.check(checksums=True, leave_alone=0).is_good


def test_what_comes_while_the_headers_are_read_is_not_passed_over(wrong: Study) -> None:
    send(1), send(2)
    claim = jobs.Claim(0, resent_objects.KIND, "1.2.3", {}, 1, 1, 1, 0)
    prepared = resent_objects.prepare(claim)
    send(1, PatientName="BARS^ANNA MARIA")
    with transaction.atomic():
        resent_objects.apply(claim, prepared)
    assert set(ObjectVersion.objects.values_list("state", flat=True)) == {"waiting"}
    send(1)
    assert work().verdict == "matched"


def test_versions_are_told_apart_by_what_they_mean_not_how_it_is_written(hospital: Hospital) -> None:
    send(1)
    same = {"PatientName": "BARS^ANNA ", "StudyDescription": "", "SpecificCharacterSet": "ISO_IR 100"}
    assert isinstance(send(1, **same, OtherPatientIDsSequence=None), Repeated)
    assert isinstance(send(1, SamplesPerPixel=1, SeriesNumber=3), Resent)
    (found,) = ObjectVersion.objects.get().differences
    assert (found["name"], found["before"], found["after"]) == ("Series Number", "2", "3")


@pytest.fixture
def other(user: User) -> User:
    made = User.objects.create_user("rita", "correct horse", full_name="Rita", roles=user.roles)
    made.facilities.set(user.facilities.all())
    return made
