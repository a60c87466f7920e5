"""Appointments and arrivals: SIU and A10 beside orders, whichever comes first (HL7 v2.5.1 10.4, 3.3.10)."""

import itertools
import random
from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from accounts.models import Facility, Role, User
from interfaces.hl7.inbound import inbox, sources
from interfaces.hl7.models import InboundMessage, Source
from ledger import event_types
from ledger.models import Event
from tests.actors import acting
from worklist.models import (
    Appointment,
    IdentityException,
    Order,
    Patient,
    PatientArrival,
    PatientLink,
    ScheduledProcedureStep,
    StatusEvent,
)
from worklist.mwl.explanation import why_not
from worklist.mwl.matching_keys import WorklistKeys
from worklist.mwl.query import select
from worklist.schedule import appointment_effects, step_actions

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("site"), pytest.mark.once]
Say = Callable[..., bytes]
MOST = 24
PID = "PID|1||P1^^^GENHOSP^MR||BARS^ANNA||19700102|F"
OTHER = "PID|1||P2^^^GENHOSP^MR||BARS^BERTA||19700102|F"


def send(raw: bytes, expected: str = "AA") -> bytes:
    answer = inbox.receive(raw, peer="")
    assert answer is not None and f"MSA|{expected}|".encode() in answer, answer
    return answer


def options(**changed: object) -> None:
    source = Source.objects.get()
    source.options |= changed
    source.save()
    sources._kept.clear()


def obr(code: str = "71260", start: str = "", accession: str = "") -> str:
    return f"OBR|1|||{code}^CT^C4{'|' * 14}{accession}{'|' * 6}CT|||^^^{start}"


def order(say: Say, *obrs: str, at: int = 0, pid: str = PID, number: str = "A") -> bytes:
    return say("ORM^O01", pid, f"ORC|NW|{number}^HIS", *(obrs or (obr(),)), at=at)


def sch(start: str = "202603051000", refs: str = "A^HIS", number: str = "7", status: str = "") -> str:
    return f"SCH|{number}^SCHED|{number}^FILL||||NOREASON^Ill|||||^^^{start}{'|' * 14}{status}|{refs}"


def siu(say: Say, event: str, segment: str, *more: str, at: int = 1, pid: str = PID) -> bytes:
    return say(f"SIU^{event}", segment, pid, *more, at=at)


def steps() -> list[tuple[str, str, str, bool, bool]]:
    """Code, day, status, whether a time is said, whether stations see it."""
    rows = ScheduledProcedureStep.objects.select_related("procedure").order_by("procedure__code", "pk")
    return [
        (s.procedure.code, s.local_date + s.local_time[:4], s.status, s.is_timed, s.on_worklist) for s in rows
    ]


def clear() -> None:
    Appointment.objects.all().delete()
    PatientArrival.objects.all().delete()
    IdentityException.objects.all().delete()
    Order.objects.all().delete()
    PatientLink.objects.all().delete()
    Patient.objects.update(survivor=None)
    Patient.objects.all().delete()
    InboundMessage.objects.all().delete()


def ends(messages: Sequence[bytes]) -> set[str]:
    """What every order of arrival comes to, of many messages some orders by chance."""
    found = set()
    every = list(itertools.permutations(messages))
    for arrivals in every if len(every) <= MOST else random.Random(len(every)).sample(every, MOST):
        for raw in arrivals:
            send(raw)
        acts = sorted((act.kind, act.stamp[:14]) for act in StatusEvent.objects.all())
        found.add(repr([(code, day if rest[1] else "", *rest) for code, day, *rest in steps()] + acts))
        clear()
    return found


def test_an_appointment_says_when_whichever_comes_first(say: Say) -> None:
    messages = [order(say, obr(start="202603040900"), at=0), siu(say, "S12", sch(), at=1)]
    assert len(ends(messages)) == 1
    for raw in messages:
        send(raw)
    assert steps() == [("71260", "202603051100", "scheduled", True, True)]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([("S12", "202603051000"), ("S13", "202603061000")], ("202603061100", "scheduled", True, True)),
        ([("S12", "202603051000"), ("S14", "")], ("202603051100", "scheduled", True, True)),
        ([("S12", "202603051000"), ("S15", "202603051000")], (None, "scheduled", False, True)),
        ([("S12", "202603051000"), ("S17", "")], (None, "scheduled", False, True)),
        ([("S12", "202603051000"), ("S26", "")], ("202603051100", "no-show", True, False)),
        (
            [("S12", "202603051000"), ("S26", ""), ("S13", "202603061000")],
            ("202603061100", "scheduled", True, True),
        ),
        ([("S12", "202603051000"), ("S15", ""), ("S26", "")], ("202603051100", "no-show", True, False)),
    ],
)
def test_every_order_of_arrival_of_a_history_ends_alike(
    say: Say, events: list[tuple[str, str]], expected: tuple[str | None, str, bool, bool]
) -> None:
    messages = [siu(say, event, sch(start), at=at) for at, (event, start) in enumerate(events, 1)]
    messages.insert(0, order(say, obr(start="202603040900")))
    assert len(ends(messages)) == 1
    for raw in messages:
        send(raw)
    ((_, day, *rest),) = steps()
    assert rest == list(expected[1:]) and day == (expected[0] or day)
    assert Order.objects.get().status == "scheduled", "an appointment that is cancelled cancels no order"


def began(say: Say, status: str, at: int) -> bytes:
    return say("ORM^O01", f"ORC|{'CA' if status == 'CA' else 'SC'}|A^HIS|||{status}", at=at)


@pytest.mark.parametrize(
    ("late", "began_by", "expected"),
    [
        (["S13"], "IP", "started"),
        (["S15"], "CM", "completed"),
        (["S16"], "CA", "cancelled"),
        (["S17"], "IP", "started"),
        (["S26"], "CM", "completed"),
        (["S26"], "CA", "cancelled"),
        (["S15", "S26"], "IP", "started"),
    ],
)
def test_an_appointment_says_nothing_of_an_exam_that_has_begun_whatever_comes_first(
    say: Say, late: list[str], began_by: str, expected: str
) -> None:
    messages = [order(say), siu(say, "S12", sch("202603051000")), began(say, began_by, at=2)]
    messages += [siu(say, event, sch("202603061000"), at=at) for at, event in enumerate(late, 3)]
    assert len(ends(messages)) == 1
    for raw in messages:
        send(raw)
    ((_, day, status, is_timed, _),) = steps()
    assert (day, status, is_timed) == ("202603051100", expected, True)
    assert Order.objects.get().status == expected
    kind = "appointment.exam_has_ended" if began_by == "CA" else "appointment.exam_has_begun"
    told = Event.objects.filter(kind=kind).values_list("source", flat=True)
    newest = InboundMessage.objects.order_by("-pk")[: len(late)]
    assert sorted(told)[-len(late) :] and {f"hl7:{row.public_id}" for row in newest} <= set(told)


def test_nobody_stayed_away_from_an_exam_that_took_place_even_if_it_was_said_before(say: Say) -> None:
    messages = [
        order(say),
        siu(say, "S12", sch("202603051000")),
        siu(say, "S26", sch(), at=2),
        began(say, "IP", at=3),
    ]
    assert len(ends(messages)) == 1
    for raw in messages:
        send(raw)
    assert [one[1:4] for one in steps()] == [("202603051100", "started", True)]


def test_what_was_said_of_an_appointment_before_the_exam_began_counts_however_late_it_comes(say: Say) -> None:
    messages = [
        order(say),
        siu(say, "S12", sch("202603051000")),
        siu(say, "S13", sch("202603051200"), at=2),
        began(say, "CM", at=3),
        siu(say, "S13", sch("202603061000"), at=4),
    ]
    assert len(ends(messages)) == 1
    for raw in reversed(messages):
        send(raw)
    assert [one[1:4] for one in steps()] == [("202603051300", "completed", True)]


def test_the_worklist_shows_the_new_time(say: Say) -> None:
    send(order(say, obr(start="202603040900")))
    send(siu(say, "S12", sch("202603051000")))
    send(siu(say, "S13", sch("202603061000"), at=2))
    (step,) = ScheduledProcedureStep.objects.filter(local_date="20260306", on_worklist=True)
    assert step.local_time == "110000"
    told = Event.objects.filter(kind="step.booked").order_by("pk").values_list("details__start", flat=True)
    assert list(told) == ["2026-03-05 11:00", "2026-03-06 11:00"]


def test_an_order_that_is_newer_than_its_appointment_says_when(say: Say) -> None:
    messages = [
        order(say, obr(start="202603040900"), at=0),
        siu(say, "S12", sch("202603051000"), at=1),
        order(say, obr(start="202603070900"), at=2),
    ]
    assert len(ends(messages)) == 1
    for raw in messages:
        send(raw)
    assert steps()[0][1] == "202603071000"


def test_each_procedure_is_booked_by_the_appointment_or_the_service_that_names_it(say: Say) -> None:
    both = order(say, obr("71260"), obr("70450"))
    one = siu(say, "S12", sch("202603051000"), "RGS|1", "AIS|1||71260^^C4|202603051000")
    other = siu(say, "S12", sch("202603051100", number="8"), "RGS|1", "AIS|1||70450^^C4|202603051130", at=2)
    assert len(ends([both, one, other])) == 1
    for raw in (one, other, both):
        send(raw)
    assert [row[:2] for row in steps()] == [("70450", "202603051230"), ("71260", "202603051100")]


def test_a_second_appointment_stands_when_the_first_is_cancelled_later(say: Say) -> None:
    messages = [
        order(say),
        siu(say, "S12", sch("202603051000"), at=1),
        siu(say, "S12", sch("202603061000", number="8"), at=2),
        siu(say, "S15", sch(""), at=3),
    ]
    assert len(ends(messages)) == 1
    for raw in messages:
        send(raw)
    assert steps()[0][1] == "202603061100"


def test_an_appointment_that_is_for_another_order_after_all_lets_the_first_go(say: Say) -> None:
    messages = [
        order(say, obr(start="202603040900")),
        order(say, obr("70450", start="202603040900"), number="B"),
        siu(say, "S12", sch("202603051000"), at=1),
        siu(say, "S14", sch("202603051000", refs="B^HIS"), at=2),
    ]
    for raw in messages:
        send(raw)
    found = {code: (day, timed) for code, day, _, timed, _ in steps()}
    assert found["70450"] == ("202603051100", True) and not found["71260"][1]


@pytest.mark.parametrize("by", ["placer without namespace", "filler", "accession", "mapped"])
def test_the_order_is_found_by_each_of_its_numbers(say: Say, by: str) -> None:
    more = []
    segment = sch(refs="")
    if by == "placer without namespace":
        segment = sch(refs="A")
    elif by == "filler":
        segment = sch(refs="") + "|F^RIS"
    elif by == "accession":
        more = [obr(accession="ACC1")]
    else:
        options(mapping={"appointment_accession": ["ZAP-1"]})
        more = ["ZAP|ACC1"]
    raw = say("ORM^O01", PID, "ORC|NW|A^HIS|F^RIS", obr(accession="ACC1"))
    for arrivals in ((raw, siu(say, "S12", segment, *more)), (siu(say, "S12", segment, *more), raw)):
        for one in arrivals:
            send(one)
        assert steps()[0][1] == "202603051100"
        clear()


def test_an_appointment_of_another_patient_is_refused_or_waits_and_is_told(say: Say) -> None:
    send(order(say, obr(start="202603040900")))
    answer = send(siu(say, "S12", sch(), pid=OTHER), "AE")
    assert b"PID^1^3" in answer and not Appointment.objects.exists()
    assert steps()[0][1] == "202603041000"
    clear()
    send(siu(say, "S12", sch(), pid=OTHER))
    send(order(say, obr(start="202603040900")))
    assert steps()[0][1] == "202603041000"
    assert Event.objects.filter(kind="appointment.of_another_patient").count() == 1
    assert IdentityException.objects.get().status == "open"
    send(say("ADT^A40", OTHER, "MRG|P1^^^GENHOSP^MR", at=5))
    assert steps()[0][1] == "202603051100", "they are one person after all"
    assert Appointment.objects.get().conflict == ""
    assert IdentityException.objects.get().status == "closed"


def test_its_message_is_found_by_its_number_and_its_orders(say: Say) -> None:
    send(siu(say, "S12", sch(number="SCH7")))
    found = InboundMessage.objects.get().keys.values_list("value", flat=True)
    assert {"SCH7", "A", "P1"} <= set(found)


def test_an_appointment_that_waits_is_told_and_one_without_any_number_is_refused(say: Say) -> None:
    send(siu(say, "S12", sch()))
    assert Event.objects.filter(kind="appointment.waits").count() == 1
    assert b"SCH^1^2" in send(say("SIU^S12", "SCH|", PID), "AE")
    assert b"SCH" in send(say("SIU^S12", PID), "AE")
    assert b"SCH^1^2" in send(siu(say, "S12", sch(number="9" * 251)), "AE")
    assert b"SCH^1^11" in send(siu(say, "S12", sch("tomorrow", number="9")), "AE")


def test_a_person_may_reopen_what_the_scheduling_system_called_a_no_show(say: Say) -> None:
    send(order(say))
    send(siu(say, "S12", sch()))
    send(siu(say, "S26", sch(), at=2))
    person = User.objects.create(username="tech", roles=[Role.TECHNOLOGIST])
    person.facilities.set(Facility.objects.all())
    step = ScheduledProcedureStep.objects.get()
    assert step.status == "no-show"
    with transaction.atomic():
        step_actions.change_step(by=acting(person), step=step, kind=StatusEvent.Kind.REOPEN)
    send(order(say, at=3))
    step.refresh_from_db()
    assert step.status == "scheduled"


def test_who_arrives_at_an_imaging_location_has_arrived_for_the_steps_of_the_day(say: Say) -> None:
    options(imaging_locations=["RAD^CT1"])
    today = timezone.now().strftime("20260302")
    messages = [
        order(say, obr(start=f"{today}0900"), number="A"),
        order(say, obr("70450", start="202603030900"), number="B"),
        say("ADT^A10", PID, "PV1|1|O|RAD^CT1^2", at=1),
        say("ADT^A10", PID, "PV1|1|O|WARD", at=2),
    ]
    assert len(ends(messages)) == 1
    for raw in messages:
        send(raw)
    assert {code: status for code, _, status, *_ in steps()} == {"71260": "arrived", "70450": "scheduled"}
    send(siu(say, "S12", sch("202603031000"), at=3))
    (first, *_) = (row for row in steps() if row[0] == "71260")
    assert first[1:3] == ("202603021000", "arrived"), "who is here keeps the place until a person acts"


def test_an_arrival_counts_for_whom_the_patient_turns_out_to_be(say: Say) -> None:
    options(imaging_locations=["RAD"])
    messages = [
        order(say, obr(start="202603020900")),
        say("ADT^A10", OTHER, "PV1|1|O|W1||||||||RAD", at=1),
        say("ADT^A40", OTHER, "MRG|P1^^^GENHOSP^MR", at=2),
    ]
    assert len(ends(messages)) == 1
    for raw in messages:
        send(raw)
    assert steps()[0][2] == "arrived"


def test_what_was_written_at_the_same_moment_is_looked_for_again(
    say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(siu(say, "S12", sch()))
    with monkeypatch.context() as patched:
        patched.setattr(appointment_effects, "settle", lambda orders, cause=None: [])
        send(order(say))
    assert not steps()[0][3]
    Appointment.objects.update(received_at=timezone.now() - 2 * appointment_effects.LOOK_AGAIN)
    assert appointment_effects._batch() == 1 and appointment_effects._batch() == 0
    assert steps()[0][3]


@pytest.mark.parametrize("bad", ["202603", "2026", "NOW"])
def test_a_time_that_can_not_be_read_hides_none_that_can(say: Say, bad: str) -> None:
    send(order(say))
    send(siu(say, "S12", sch(start=bad)), "AE")
    assert not Appointment.objects.exists()
    send(siu(say, "S12", sch(start=bad), "RGS|1", "AIS|1||71260^CT^C4|202603051000", at=2))
    assert steps()[0][1] == "202603051100"
    send(siu(say, "S13", sch(start="202603061000"), "RGS|1", f"AIS|1||71260^CT^C4|{bad}", at=3))
    assert steps()[0][1] == "202603061100"
    told = Event.objects.filter(kind="hl7.values_left_out").order_by("pk")
    assert [one.details["locations"] for one in told] == [["SCH^1^11"], ["AIS^1^4"]]


def arrived(say: Say, at: int = 2) -> bytes:
    return say("ADT^A10", PID, "PV1|1|O|RAD", at=at)


LATER = {"S14": "moved", "S15": "cancelled", "S16": "cancelled", "S17": "deleted", "S26": "no-show"}


@pytest.mark.parametrize("event", LATER)
def test_who_has_arrived_keeps_the_place_whatever_is_said_of_the_appointment_then(
    say: Say, event: str
) -> None:
    options(imaging_locations=["RAD"])
    messages = [
        order(say, obr(start="202602200900")),
        siu(say, "S12", sch("202603021000")),
        arrived(say),
        siu(say, event, sch("202603031000"), at=3),
    ]
    assert len(ends(messages)) == 1
    for raw in messages:
        send(raw)
    assert [row[1:] for row in steps()] == [("202603021100", "arrived", True, True)]
    step = ScheduledProcedureStep.objects.get()
    assert step.booking["but"]["what"] == LATER[event] and step in select(WorklistKeys())
    told = Event.objects.filter(kind="appointment.after_arrival").latest("pk")
    assert told.source == f"hl7:{InboundMessage.objects.latest('pk').public_id}"
    assert ("2026-03-03 11:00" in event_types.of(told.kind).say(told.details)) == (event == "S14")
    person = User.objects.create(username="tech", roles=[Role.TECHNOLOGIST])
    person.facilities.set(Facility.objects.all())
    with transaction.atomic():
        step_actions.undo(by=acting(person), act=StatusEvent.objects.get(kind="arrive"))
    step.refresh_from_db()
    now = {"S14": "scheduled", "S26": "no-show"}.get(event, "scheduled")
    assert (step.status, step.awaits_time) == (now, event in ("S15", "S16", "S17"))
    assert step.local_date == "20260303" or event != "S14"


def test_who_arrives_after_a_no_show_was_reported_is_here(say: Say) -> None:
    options(imaging_locations=["RAD"])
    messages = [
        order(say),
        siu(say, "S12", sch("202603021000")),
        siu(say, "S26", sch(), at=2),
        arrived(say, at=3),
    ]
    assert len(ends(messages)) == 1
    for raw in messages:
        send(raw)
    assert [row[1:] for row in steps()] == [("202603021100", "arrived", True, True)]
    assert "but" not in ScheduledProcedureStep.objects.get().booking


def test_who_comes_again_on_the_new_day_is_on_that_days_list(say: Say) -> None:
    options(imaging_locations=["RAD"])
    messages = [
        order(say),
        siu(say, "S12", sch("202603021000")),
        arrived(say),
        siu(say, "S14", sch("202603031000"), at=3),
        arrived(say, at=4).replace(b"|20260302", b"|20260303", 1),
    ]
    for raw in messages:
        send(raw)
    assert [row[1:] for row in steps()] == [("202603031100", "arrived", True, True)]


@pytest.mark.parametrize("event", ["S15", "S16", "S17"])
def test_a_step_whose_appointment_was_given_up_is_to_be_scheduled(say: Say, event: str) -> None:
    messages = [order(say, obr(start="202603040900")), siu(say, "S12", sch("202603051000"))]
    messages.append(siu(say, event, sch(""), at=2))
    assert len(ends(messages)) == 1
    for raw in messages:
        send(raw)
    step = ScheduledProcedureStep.objects.get()
    assert step.awaits_time and step.booking["reason"] == "Ill"
    for keys in (WorklistKeys(), WorklistKeys(patient_id="P1"), WorklistKeys(accession_number="A")):
        assert step not in select(keys)
        assert ("time", "a time") in [(one.about, one.wanted) for one in why_not(step, keys)]
    send(siu(say, "S12", sch("202603061000"), at=3))
    step.refresh_from_db()
    assert not step.awaits_time and step in select(WorklistKeys())
    assert why_not(step, WorklistKeys()) == []


def test_another_time_of_the_order_ends_the_wait_and_an_order_without_any_never_waits(say: Say) -> None:
    send(order(say))
    assert not ScheduledProcedureStep.objects.get().awaits_time
    send(siu(say, "S15", sch("")))
    assert ScheduledProcedureStep.objects.get().awaits_time
    send(order(say, obr(start="202603070900"), at=2))
    assert not ScheduledProcedureStep.objects.get().awaits_time and steps()[0][1] == "202603071000"


def test_who_comes_though_the_appointment_was_given_up_is_due_when_she_came(say: Say) -> None:
    send(order(say))
    send(siu(say, "S15", sch("")))
    person = User.objects.create(username="tech", roles=[Role.TECHNOLOGIST])
    person.facilities.set(Facility.objects.all())
    step, at = ScheduledProcedureStep.objects.get(), timezone.now() + timedelta(days=3)
    with transaction.atomic():
        step_actions.change_step(by=acting(person), step=step, kind=StatusEvent.Kind.ARRIVE, at=at)
    step.refresh_from_db()
    assert (step.due, step.awaits_time, step.status) == (at, False, "arrived") and step in select(
        WorklistKeys()
    )


def test_a_no_show_is_told_in_its_own_words_and_keeps_its_time(say: Say) -> None:
    for raw in (order(say), siu(say, "S12", sch("202603051000")), siu(say, "S26", sch(), at=2)):
        send(raw)
    told = [
        event_types.of(one.kind).say(one.details) for one in Event.objects.filter(kind__startswith="step.")
    ]
    assert "The patient did not come to the appointment of 2026-03-05 11:00" in told
    assert not any("to be scheduled" in one for one in told)


def test_an_appointment_that_is_older_than_its_orders_time_is_told_as_such(say: Say) -> None:
    send(order(say, obr(start="202603070900"), at=2))
    send(siu(say, "S12", sch("202603051000"), at=1))
    (told,) = Event.objects.filter(kind="step.order_counts")
    assert told.details["start"] == "2026-03-05 11:00" and not Event.objects.filter(kind="step.booked")


@pytest.mark.parametrize(("ail", "room"), [("RAD^CT2", "CT2"), ("RAD", "RAD"), ("^CT2", "CT2")])
def test_the_room_of_the_appointment_is_the_exams(say: Say, ail: str, room: str) -> None:
    options(mapping={"location": []})
    send(order(say))
    send(siu(say, "S12", sch(), "PV1|1|O|WARD^12", "RGS|1", f"AIL|1||{ail}"))
    assert ScheduledProcedureStep.objects.get().location == room
