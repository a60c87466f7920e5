"""Splitting and rejecting: what moves, what is hidden, and that an undo brings all rows back."""

import contextlib
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from accounts.models import User
from archive.decisions.accept import Accept
from archive.decisions.decision_frame import SecondPersonNeeded, revision
from archive.decisions.decision_frame import decide as decide_on
from archive.decisions.decision_type import DecisionType
from archive.decisions.link import Link
from archive.decisions.preview import preview
from archive.decisions.reject import Reject
from archive.decisions.reject_images import RejectImages
from archive.decisions.reject_series import RejectSeries
from archive.decisions.split import Split
from archive.decisions.undo import undo as undo_decision
from archive.models import Decision, Instance, Series, Study, StudyException, Verdict
from archive.rejections import written_notes
from archive.search import study_search
from archive.signals import study_settled, study_withdrawn
from ledger import jobs
from ledger.errors import Conflict, Invalid, Missing, Refused, Unknown
from ledger.models import Job
from reporting.models import ReadingItem
from tests.actors import acting
from tests.archive.hospital import NOW, Hospital
from tests.archive.objects import files_in, indexed, received
from worklist.models import ScheduledProcedureStep

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("home")]
AGO = NOW - timedelta(hours=3)
ANNA: dict[str, Any] = {
    "PatientName": "BARS^ANNA",
    "PatientID": "P1",
    "PatientBirthDate": "19700102",
    "PatientSex": "F",
    "AccessionNumber": "A1",
    "SeriesInstanceUID": "1.2.3.1",
}
RITA: dict[str, Any] = {
    "PatientName": "REAL^RITA",
    "PatientID": "P2",
    "PatientBirthDate": "19350517",
    "PatientSex": "F",
    "AccessionNumber": "A2",
    "SeriesInstanceUID": "1.2.3.2",
}


def take(number: int, minute: int = 0, **attributes: Any) -> None:
    received(
        **{
            "SOPInstanceUID": f"1.1.{number}",
            "IssuerOfPatientID": "GENHOSP",
            "RequestAttributesSequence": [],
            "OtherPatientIDsSequence": [],
            "StudyDate": AGO.strftime("%Y%m%d"),
            "StudyTime": AGO.strftime("%H%M%S"),
            **attributes,
        },
        received_at=AGO + timedelta(minutes=minute),
    )


@pytest.fixture
def two(hospital: Hospital) -> Study:
    """A study with a series of Anna and one of Rita, both of whom have an order."""
    hospital.order("A1", hospital.patient())
    hospital.order("A2", hospital.patient("P2", "REAL^RITA", birth_date="19350517"))
    take(1, **ANNA)
    take(2, **RITA)
    take(3, 1, **ANNA)
    indexed()
    study = hospital.judged(Study.objects.get())
    assert study.verdict == "mismatch"
    return study


def decide(
    decision: DecisionType, study: Study, by: User, reason: str = "looked at both", **values: Any
) -> Decision:
    with transaction.atomic():
        return decide_on(decision, study=study, reason=reason, by=acting(by), **values)


def split(study: Study, by: User, *series: str, **values: Any) -> Study:
    decision = decide(Split(list(series or ("1.2.3.2",))), study, by, **values)
    return Study.objects.get(public_id=decision.parameters["study"])


def undo(study: Study, by: User) -> Decision:
    with transaction.atomic():
        return undo_decision(
            exception=StudyException.objects.get(study=study), reason="was wrong", by=acting(by)
        )


def work() -> None:
    """Do what is due, besides the writing of notes."""
    for _ in range(10):
        due = Job.objects.filter(kind__startswith="archive.", state__in=("new", "retry"))
        due = due.exclude(kind=written_notes.KIND)
        for job in due.order_by("kind"):
            Job.objects.filter(pk=job.pk).update(not_before=NOW - timedelta(days=1))
            jobs.run(job.pk)
            job.refresh_from_db()
            assert not job.last_error, job.last_error
        if not due.exists():
            return
    raise AssertionError("there is always more to do")


def rows(study: Study) -> dict[str, Any]:
    """Everything of a study that people and doors see."""
    exception = StudyException.objects.filter(study=study).values("status", "resolution", "opened_at").first()
    newest = Verdict.objects.filter(study=study).order_by("number").last()
    assert newest is not None
    return {
        "study": Study.objects.filter(pk=study.pk).values().get(),
        "procedures": set(study.procedures.values_list("pk", flat=True)),
        "series": list(Series.objects.filter(study=study).order_by("pk").values()),
        "instances": list(Instance.objects.filter(series__study=study).order_by("pk").values()),
        "exception": exception,
        "verdict": (newest.outcome, newest.findings, newest.candidates, newest.study_evidence),
    }


def test_a_split_makes_two_studies_each_with_its_own_patient_and_verdict(two: Study, user: User) -> None:
    files = {path: path.read_bytes() for path in files_in("volumes")}
    part = split(two, user)
    whole = Study.objects.get(pk=two.pk)
    assert (whole.verdict, whole.patient_name, whole.instance_count) == ("matched", "BARS^ANNA", 2)
    assert (part.verdict, part.patient_name, part.instance_count) == ("matched", "REAL^RITA", 1)
    assert (whole.patient.value, part.patient.value) == ("P1", "P2")
    assert "conflicts" not in whole.header
    assert (part.split_from, part.accession_number, part.series_count) == (whole, "A2", 1)
    assert part.study_instance_uid.startswith("2.25.")
    assert (whole.exception.status, whole.exception.resolution) == ("resolved", "split")
    assert not StudyException.objects.filter(study=part).exists()
    assert {path: path.read_bytes() for path in files_in("volumes")} == files


@pytest.fixture
def one_number(hospital: Hospital) -> Study:
    """Images of two people under Anna's number, as a person sees only in the pictures."""
    hospital.order("A1", hospital.patient())
    hospital.order("A2", hospital.patient("P2", "REAL^RITA", birth_date="19350517"))
    take(1, **ANNA)
    take(2, **{**ANNA, "SeriesInstanceUID": "1.2.3.2"})
    indexed()
    study = hospital.judged(Study.objects.get())
    assert study.verdict == "matched"
    return study


def links(study: Study) -> list[str]:
    return list(study.procedures.values_list("order__accession_number", flat=True))


def items(study: Study) -> list[str]:
    return list(ReadingItem.objects.filter(studies=study).values_list("status", flat=True))


def test_a_part_that_its_headers_give_to_the_same_order_waits_for_a_person(
    hospital: Hospital, one_number: Study, user: User
) -> None:
    part = split(one_number, user, expected=0)
    for _ in range(2):
        assert (part.verdict, part.patient, links(part), items(part)) == ("matched", None, [], [])
        assert (part.exception.status, part.exception.kind) == ("open", "split_off")
        assert (links(Study.objects.get(pk=one_number.pk)), items(one_number)) == (["A1"], ["ready"])
        part = hospital.judged(part)
    step = ScheduledProcedureStep.objects.get(procedure__order__accession_number="A2")
    decide(Link(step), part, user, expected=0)
    part = hospital.judged(part)
    assert (links(part), items(part), part.exception.status) == (["A2"], ["ready"], "resolved")
    undo(part, user)
    part = hospital.judged(part)
    assert (links(part), items(part), part.exception.status) == ([], ["withdrawn"], "open")
    decide(Accept(), part, user, expected=revision(part))
    assert items(part) == ["ready"]
    undo(part, user)
    undo(one_number, user)
    assert links(Study.objects.get(pk=one_number.pk)) == ["A1"]
    assert Study.objects.get(pk=part.pk).hidden == "joined"


def test_the_same_split_makes_the_same_study_again(two: Study, user: User) -> None:
    part = split(two, user)
    undo(two, user)
    assert Study.objects.get(pk=part.pk).hidden == "joined"
    again = split(two, user)
    assert (again.pk, again.hidden, again.verdict) == (part.pk, "", "matched")


def test_what_comes_later_goes_where_its_series_went(hospital: Hospital, two: Study, user: User) -> None:
    part = split(two, user)
    take(4, 5, **RITA)
    take(5, 5, **ANNA)
    take(6, 6, **{**ANNA, "SeriesInstanceUID": "1.2.3.9"})
    indexed()
    counts = {study.pk: study.instance_count for study in Study.objects.all()}
    assert counts == {two.pk: 4, part.pk: 2}
    assert set(Instance.objects.values_list("study_instance_uid", flat=True)) == {"1.2.3"}, "as received"
    assert hospital.done(part).verdict == "matched" == hospital.done(two).verdict


def test_where_a_part_does_not_fit_it_is_an_exception_of_its_own(
    hospital: Hospital, two: Study, user: User
) -> None:
    take(7, 2, **{**RITA, "SeriesInstanceUID": "1.2.3.3", "PatientName": "NOBODY^NORA", "PatientID": "X"})
    indexed()
    hospital.judged(two)
    part = split(two, user, "1.2.3.2", "1.2.3.3")
    assert (part.verdict, part.exception.status) == ("mismatch", "open")
    before = {row.sop_instance_uid: row.uid for row in Instance.objects.filter(series__study=part)}
    inner = split(part, user, Series.objects.get(series_instance_uid="1.2.3.3").uid)
    moved = Instance.objects.filter(series__study=inner)
    assert moved and all(row.uid not in (row.sop_instance_uid, before[row.sop_instance_uid]) for row in moved)
    assert (inner.split_from, Study.objects.get(pk=part.pk).verdict) == (part, "matched")
    with pytest.raises(Conflict, match="split by Anna"):
        undo(two, user)
    undo(part, user)
    assert {row.sop_instance_uid: row.uid for row in Instance.objects.filter(series__study=part)} == before
    undo(two, user)
    assert {row.given_uid for model in (Series, Instance) for row in model.objects.all()} == {""}
    assert {row.moved_from for row in Series.objects.all()} == {None}
    assert {row.study for row in Series.objects.all()} == {two}


@pytest.mark.parametrize(
    ("series", "error"),
    [
        ([], Missing),
        (["1.2.3.7"], Unknown),
        (["1.2.3.1", "1.2.3.2"], Invalid),
        (["1.2.3.2"] * 3 + ["\0"], Unknown),
    ],
)
def test_a_split_names_some_of_the_series(two: Study, user: User, series: list[str], error: Any) -> None:
    with pytest.raises(error) as caught:
        decide(Split(series), two, user)
    assert caught.value.field == "series"
    assert Study.objects.count() == 1


DECISIONS: dict[str, DecisionType] = {
    "split": Split(["1.2.3.2"]),
    "reject": Reject("113001"),
    "reject_series": RejectSeries(["1.2.3.2"], "113001"),
    "reject_images": RejectImages(["1.1.1"], "113001"),
}


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
)
@given(
    st.lists(st.sampled_from(["anna", "rita", "new", "reject", "undo", *DECISIONS]), min_size=1, max_size=6)
)
@example(["reject", "anna", "reject", "new", "split", "undo"])
@example(["reject", "new", "reject_images", "anna", "undo", "rita"])
def test_an_undo_ends_as_if_nothing_had_been_decided(
    hospital: Hospital, two: Study, user: User, steps: list[str]
) -> None:
    headers = {"anna": ANNA, "rita": RITA, "new": {**ANNA, "SeriesInstanceUID": "1.2.3.9"}}

    def do(number: int, step: str) -> None:
        if step in headers:
            take(number, 10, **headers[step])
            indexed()
            hospital.judged(two)
            work()
            return
        if step == "undo":
            if Decision.objects.filter(study=two, undone_at=None).exists():
                undo(two, user)
            return
        with contextlib.suppress(Refused):  # not after what was done before
            decide(DECISIONS[step], Study.objects.get(pk=two.pk), user, expected=revision(two))
        work()

    ends = []
    for decided in (False, True):
        with transaction.atomic():
            for number, step in enumerate(steps, start=10):
                if decided or step in headers:
                    do(number, step)
            while Decision.objects.filter(study=two, undone_at=None).exists():
                undo(two, user)
            work()
            ends.append(rows(hospital.judged(two)))
            transaction.set_rollback(True)
    for end in ends:  # their keys and the moment of indexing are of the run
        for row in [*end["series"], *end["instances"]]:
            for name in ("id", "public_id", "series_id", "indexed_at"):
                row.pop(name, None)
    assert ends[0] == ends[1]


def test_a_rejected_study_is_hidden_until_the_undo(two: Study, user: User) -> None:
    before = rows(two)
    decision = decide(Reject("113037"), two, user)
    assert decision.parameters == {"code": "113037", "meaning": "Rejected for Patient Safety Reasons"}
    assert not study_search.studies(user=user).exists()
    study = Study.objects.get(pk=two.pk)
    assert (study.hidden, study.exception.resolution) == ("rejected", "reject")
    assert Instance.objects.count() == len(files_in("volumes")) == 3
    with pytest.raises(Conflict, match="undo that first"):
        decide(Accept(), two, user, expected=revision(two))
    undo(two, user)
    assert rows(two) == before
    assert study_search.studies(user=user).get() == two


@pytest.mark.parametrize("code", ["113039", "113001 ", "1", "x"])
def test_a_rejection_has_a_code_that_a_person_may_give(two: Study, user: User, code: str) -> None:
    with pytest.raises(Invalid, match="113001 Rejected for Quality Reasons"):
        decide(Reject(code), two, user)


def test_what_is_signed_is_neither_split_nor_rejected_by_one_person(two: Study, user: User) -> None:
    Study.objects.update(reading_status="final")
    for decision in (Reject("113001"), Split(["1.2.3.2"])):
        with pytest.raises(SecondPersonNeeded, match="final") as caught:
            decide(decision, two, user)
        assert caught.value.field == "reading_status"


def test_those_above_hear_of_what_is_withdrawn_and_settled(
    hospital: Hospital, two: Study, user: User
) -> None:
    heard: list[Any] = []

    def withdrawn(sender: Any, **told: Any) -> None:
        heard.append(("withdrawn", told["study"].pk, [p.order.accession_number for p in told["procedures"]]))

    def settled(sender: Any, **told: Any) -> None:
        heard.append(("settled", told["study"].pk, told["study"].procedures.count()))

    study_withdrawn.connect(withdrawn)
    study_settled.connect(settled)
    try:
        part = split(two, user)
        decide(Reject("113038"), part, user, expected=0)
        undo(part, user)
        undo(two, user)
    finally:
        study_withdrawn.disconnect(withdrawn)
        study_settled.disconnect(settled)
    assert [one for one in heard if one[0] == "withdrawn"] == [
        ("withdrawn", part.pk, ["A2"]),
        ("withdrawn", part.pk, ["A2"]),
        ("withdrawn", two.pk, ["A1"]),
    ]
    assert {one[1] for one in heard if one[0] == "settled"} == {two.pk, part.pk}


def test_a_match_that_an_order_change_takes_away_is_withdrawn(hospital: Hospital) -> None:
    order = hospital.order("A1", hospital.patient())
    study = hospital.study("A1")
    assert study.verdict == "matched"
    heard: list[Any] = []

    def withdrawn(sender: Any, **told: Any) -> None:
        heard.append(told["origin_text"].partition(":")[0])

    study_withdrawn.connect(withdrawn)
    try:
        Study.objects.filter(pk=study.pk).update(patient_name="OTHER^OTTO", birth_date="19350517", sex="M")
        assert hospital.judged(study).procedures.count() == 0
    finally:
        study_withdrawn.disconnect(withdrawn)
    assert heard == ["verdict"] and order.accession_number == "A1"


def test_a_preview_says_what_the_act_then_does_and_changes_nothing(two: Study, user: User) -> None:
    before, made = rows(two), Decision.objects.count()
    with transaction.atomic():
        effects = preview(Split(["1.2.3.2"]), study=two, reason="", by=acting(user))
    assert rows(two) == before and Decision.objects.count() == made and Study.objects.count() == 1
    told = {effect.about: effect for effect in effects}
    part = split(two, user)
    assert told["patient"].after == "BARS, ANNA (P1^^^GENHOSP)"
    assert told["verdict"].after == Study.objects.get(pk=two.pk).verdict
    assert told["part"].after == part.study_instance_uid
    assert "REAL, RITA (P2^^^GENHOSP)" in told["part"].text and "A2" in told["part"].text
    assert "all series in one study" in told["undo"].text


def test_a_doubtful_study_is_under_investigation(hospital: Hospital, two: Study, user: User) -> None:
    other = hospital.study("A1")
    assert study_search.under_investigation([two, other]) == {two.pk}
    decide(Accept(), two, user)
    assert study_search.under_investigation([two, other]) == set()


def test_a_rejected_series_is_hidden_counted_and_comes_back(two: Study, user: User) -> None:
    before = rows(two)
    decision = decide(RejectSeries(["1.2.3.2"], "113001", "Positioning"), two, user)
    part = Study.objects.get(public_id=decision.parameters["study"])
    assert (part.hidden, part.series.count()) == ("rejected", 1)
    assert study_search.studies(user=user).get() == two
    assert Study.objects.get(pk=two.pk).verdict == "matched", "what is left is judged by itself"
    kept = Decision.objects.get(study=part).parameters
    assert (kept["code"], kept["cause"]) == ("113001", "Positioning")
    undo(two, user)
    assert rows(two) == before
    part.refresh_from_db()
    assert part.hidden == "joined"


def test_what_is_hidden_is_nothing_to_read(hospital: Hospital, user: User) -> None:
    hospital.order("A1", hospital.patient())
    take(1, **ANNA)
    take(2, **{**ANNA, "SeriesInstanceUID": "1.2.3.2"})
    indexed()
    study = hospital.judged(Study.objects.get())

    def read() -> set[int]:
        (item,) = ReadingItem.objects.exclude(status="withdrawn")
        return set(item.studies.values_list("pk", flat=True))

    part = split(study, user)
    assert read() == {study.pk}
    decide(Link(ScheduledProcedureStep.objects.get()), part, user, expected=0)
    assert read() == {study.pk, part.pk}
    undo(part, user)
    undo(study, user)
    assert read() == {study.pk} and Study.objects.get(pk=part.pk).reading_status == "not_ready"
    decide(RejectSeries(["1.2.3.2"], "113001"), study, user)
    assert read() == {study.pk}
    undo(study, user)
    assert read() == {study.pk}


def test_what_comes_later_for_a_rejected_series_stays_hidden(
    hospital: Hospital, two: Study, user: User
) -> None:
    decision = decide(RejectSeries(["1.2.3.2"], "113001"), two, user)
    take(10, **RITA)
    indexed()
    part = Study.objects.get(public_id=decision.parameters["study"])
    hospital.judged(part)
    part.refresh_from_db()
    assert (part.instance_count, part.hidden, part.patient) == (2, "rejected", None)


@pytest.mark.parametrize(
    ("series", "code", "cause"),
    [([], "113001", None), (["1.2.3.2"], "1", None), (["1.2.3.2"], "113001", "x")],
)
def test_a_rejection_of_series_names_series_code_and_reason(
    two: Study, user: User, series: list[str], code: str, cause: str | None
) -> None:
    with pytest.raises((Invalid, Missing)):
        decide(RejectSeries(series, code, cause), two, user)
    assert not Decision.objects.exists()
