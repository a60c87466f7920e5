"""What waits for a person: grouped, taken off, put back, assigned; replayed in order, exactly once."""

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import Count

from accounts.actor import Actor
from accounts.models import Facility, Role, User
from interfaces.hl7.inbound import inbox
from interfaces.hl7.inspect import bulk_replay, message_repair, work_acts, work_list
from interfaces.hl7.literal_conditions import STUCK, WAITS_IN_REPLAY
from interfaces.hl7.models import (
    Destination,
    InboundMessage,
    OutboundMessage,
    ReplayedMessage,
)
from interfaces.hl7.outbound import delivery, destination_pause, outbox
from ledger import clock, jobs
from ledger.errors import Conflict, Invalid
from ledger.models import Event, Job
from tests import databases
from tests.actors import acting
from tests.clients.system import ROOT, System
from worklist.models import Order, ProcedureCode

pytestmark = pytest.mark.django_db
Say = Callable[..., bytes]
PID = "PID|1||{}^^^GENHOSP^MR||BARS^ANNA||{}|F"
GOOD, BAD = "19700102", "1970-1-2"


@pytest.fixture
def by(user: User) -> Actor:
    return acting(user)


def receive(raw: bytes) -> InboundMessage:
    inbox.receive(raw, peer="127.0.0.1")
    return InboundMessage.objects.latest("id")


def order(number: int, code: str = "UNKNOWN", patient: str = "P1") -> tuple[str, ...]:
    return (
        PID.format(patient, GOOD),
        f"ORC|NW|PL{number}^HIS",
        f"OBR|1|PL{number}^HIS||{code}^SOMETHING^L" + "|" * 14 + f"A{number}",
    )


def run_jobs() -> None:
    while job := Job.objects.filter(kind=bulk_replay.JOB, state__in=("new", "retry")).first():
        jobs.run(job.pk)


def stuck(number: int, text: str, status: str = "held") -> OutboundMessage:
    there, _ = Destination.objects.get_or_create(name="EHR", defaults={"host": "h", "port": 1})
    return OutboundMessage.objects.create(
        destination=there,
        key=str(number),
        control_id=f"O{number}",
        facts={},
        not_before=clock.now(),
        status=status,
        last_error=text,
    )


# Groups


@pytest.mark.usefixtures("site")
def test_messages_are_grouped_by_error_place_and_partner_whichever_segment_it_is_in(say: Say) -> None:
    for number in range(3):
        receive(say("ORM^O01", *order(number)))
    two = order(9, "71260^CT^C4|" + "|" * 21 + "CT")
    receive(say("ORM^O01", *order(7, "71260")[:2], two[2].replace("PL9", "PL7"), *order(8)[1:]))
    receive(say("ADT^A08", PID.format("P1", BAD)))
    for number, text in ((1, "AE 204 unknown P1"), (2, "AE 204 unknown P2"), (3, "can't be written: x")):
        stuck(number, text)
    found = {(one.direction, one.partner, one.code, one.place): one.number for one in work_list.groups()}
    assert found == {
        ("in", "HIS|GENHOSP", "103", "OBR-4"): 4,
        ("in", "HIS|GENHOSP", "102", "PID-7"): 1,
        ("out", "EHR", "AE 204", ""): 2,
        ("out", "EHR", "", "can't be written: x"): 1,
    }
    for one in work_list.groups():
        same = work_list.group(one.key)
        assert same == one and work_list.messages_of(one).count() == one.number
    assert work_list.count() == 8


@pytest.mark.usefixtures("site")
def test_errors_of_whom_a_message_names_are_one_group_for_each_reason(say: Say) -> None:
    """Two patients in one PID-3, another's order, another's visit: one code, and places that coincide."""
    ProcedureCode.objects.create(code="UNKNOWN", scheme="L", description="x", modality="CT")
    _forget_the_site()
    both = PID.format("P1^^^GENHOSP^MR~P2", GOOD)
    receive(say("ORM^O01", *order(1)))
    receive(say("ADT^A01", PID.format("P1", GOOD), "PV1|1|I" + "|" * 17 + "V1"))
    for number in (2, 3):
        receive(say("ADT^A08", both))
        receive(say("ORM^O01", *order(1, patient=f"P{number}")))
    receive(say("ADT^A42", PID.format("P2", GOOD), "MRG|P2^^^GENHOSP^MR||||V1", "PV1|1|I" + "|" * 17 + "V2"))
    found = [one for one in work_list.groups() if one.place == "PID-3"]
    assert {one.example: one.number for one in found} == {
        "two patients of one assigning authority are named; a merge is said by A40": 2,
        "the order is another patient's": 2,
        "the visit or account is another patient's": 1,
    }
    assert all(one.is_about_who for one in found)
    for one in found:
        rows = list(work_list.messages_of(one))
        assert len(rows) == one.number and {row.error_text for row in rows} == {one.example}
        assert work_list.group(one.key) == one


@pytest.mark.usefixtures("site")
def test_a_message_leaves_the_list_by_itself_when_its_repair_succeeds_and_not_before(
    say: Say, by: Actor
) -> None:
    row = receive(say("ADT^A08", PID.format("P1", BAD)))
    text = bytes(row.raw).decode()
    message_repair.replay(row, text.replace(BAD, "nonsense"), by=by, reason="first try")
    assert work_list.count() == 1, "a replay that fails is not listed, and changes nothing"
    failed = InboundMessage.objects.latest("id")
    message_repair.replay(failed, text.replace(BAD, GOOD), by=by, reason="second try")
    row.refresh_from_db()
    assert work_list.count() == 0 and (row.status, row.settled) == ("failed", "replayed")


@pytest.mark.usefixtures("site")
def test_a_large_message_leaves_it_too_with_its_last_portion(
    say: Say, by: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    from interfaces.hl7.inbound import message_application

    monkeypatch.setattr(message_application, "PORTION", 1)
    groups = [part for number in (1, 2) for part in order(number)[1:]]
    row = receive(say("ORM^O01", PID.format("P1", GOOD), *groups))
    assert row.status == "failed"
    ProcedureCode.objects.create(code="UNKNOWN", scheme="L", description="x", modality="CT")
    _forget_the_site()
    message_repair.replay(row, by=by, reason="catalogue")
    assert Order.objects.count() == 2 and work_list.count() == 0


def _forget_the_site() -> None:
    from accounts import site_version

    site_version.forget()


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL is told values, too")
def test_no_message_is_read_for_the_list_but_those_on_it(facility: Facility) -> None:
    rows = work_list.open_messages().order_by()
    groups = rows.values("source", "status", "error_code", "error_location", "error_reason")
    replayed = ReplayedMessage.objects.filter(WAITS_IN_REPLAY, run=1).order_by("position")
    plans = [
        groups.annotate(number=Count("id")).explain(),
        OutboundMessage.objects.filter(STUCK, destination=1).explain(),
        replayed.explain(),
    ]
    for plan, index in zip(plans, ("inbound_to_work_off", "outbound_stuck", "replay_waiting"), strict=True):
        assert index in plan and "TEMP B-TREE" not in plan


# What people do


@pytest.mark.usefixtures("site")
def test_done_and_ignored_leave_the_list_and_can_be_put_back(say: Say, by: Actor) -> None:
    rows = [receive(say("ADT^A08", PID.format(f"P{n}", BAD))) for n in range(3)]
    before = InboundMessage.objects.filter(pk=rows[0].pk).values().get()
    assert work_acts.done(rows[:1], by=by, reason="registered by hand") == 1
    assert work_acts.ignore(rows[1:2], by=by, reason="a test patient") == 1
    with pytest.raises(Invalid):
        work_acts.ignore(rows, by=by, reason="")
    assert [row.pk for row in work_list.open_messages()] == [rows[2].pk]
    assert work_acts.done(rows, by=by) == 1, "the others were off it"
    assert work_acts.put_back(rows, by=by) == 3 and work_list.count() == 3
    after = InboundMessage.objects.filter(pk=rows[0].pk).values().get()
    assert after == before
    told = Event.objects.filter(subjects__key=rows[0].public_id).order_by("id")
    assert [(one.kind, one.details.get("reason"), one.actor) for one in told][-2:] == [
        ("hl7.work_done", "registered by hand", "Anna"),
        ("hl7.work_reopened", "", "Anna"),
    ]


@pytest.mark.usefixtures("site")
def test_messages_are_assigned_to_those_who_may_see_to_them(
    say: Say, by: Actor, user: User, facility: Facility
) -> None:
    rows = [receive(say("ADT^A08", PID.format(f"P{n}", BAD))) for n in range(2)]
    out = stuck(1, "AE 204")
    tess = User.objects.create_user("tess", "correct horse", roles=[Role.TECHNOLOGIST])
    with pytest.raises(Invalid):
        work_acts.assign(rows, to=tess, by=by)
    assert work_acts.assign(rows[:1], to=user, by=by) == 1
    assert work_acts.assign([out], to=user, by=by) == 1
    assert sum(one.number for one in work_list.groups("mine", user)) == 2
    assert sum(one.number for one in work_list.groups("nobody")) == 1
    assert work_acts.assign(rows[:1], to=None, by=by) == 1
    assert sum(one.number for one in work_list.groups("mine", user)) == 1


# Replay in bulk


@pytest.mark.usefixtures("site")
def test_fifty_messages_are_replayed_in_the_order_in_which_they_were_received(say: Say, by: Actor) -> None:
    rows = [receive(say("ORM^O01", *order(number, patient=f"P{number}"))) for number in range(50)]
    now = clock.now()
    for place, row in enumerate(reversed(rows)):  # those stored last came first
        InboundMessage.objects.filter(pk=row.pk).update(received_at=now + timedelta(seconds=place))
    ProcedureCode.objects.create(code="UNKNOWN", scheme="L", description="x", modality="CT")
    _forget_the_site()
    run = bulk_replay.begin(rows, by=by, reason="catalogue was wrong")
    run_jobs()
    run.refresh_from_db()
    assert (run.state, run.applied, run.failed) == ("done", 50, 0)
    assert Order.objects.count() == 50 and work_list.count() == 0
    again = InboundMessage.objects.exclude(replay_of=None).order_by("id")
    assert [row.replay_of_id for row in again] == [row.pk for row in reversed(rows)]


@pytest.mark.usefixtures("site")
def test_a_replay_stops_at_the_first_error_and_goes_on_behind_it(say: Say, by: Actor) -> None:
    rows = [receive(say("ORM^O01", *order(number))) for number in range(2)]
    rows.append(receive(say("ADT^A08", PID.format("P1", BAD))))
    rows += [receive(say("ORM^O01", *order(number))) for number in range(3, 5)]
    ProcedureCode.objects.create(code="UNKNOWN", scheme="L", description="x", modality="CT")
    _forget_the_site()
    run = bulk_replay.begin(rows, by=by, reason="catalogue")
    run_jobs()
    run.refresh_from_db()
    assert (run.state, run.applied, run.failed, Order.objects.count()) == ("stopped", 2, 1, 2)
    bulk_replay.go_on(run, by=by)
    run_jobs()
    run.refresh_from_db()
    assert (run.state, run.applied, run.failed, Order.objects.count()) == ("done", 4, 1, 4)
    with pytest.raises(Conflict):
        bulk_replay.stop(run, by=by)


@pytest.mark.usefixtures("site")
def test_one_that_does_not_stop_says_what_failed(say: Say, by: Actor) -> None:
    rows = [receive(say("ADT^A08", PID.format(f"P{n}", BAD))) for n in range(3)]
    run = bulk_replay.begin(rows, by=by, reason="try", stop_at_error=False)
    run_jobs()
    run.refresh_from_db()
    assert (run.state, run.applied, run.failed) == ("done", 0, 3) and work_list.count() == 3


@pytest.mark.usefixtures("site")
def test_what_a_person_was_quicker_with_is_skipped_and_no_message_waits_in_two_runs(
    say: Say, by: Actor
) -> None:
    rows = [receive(say("ADT^A08", PID.format(f"P{n}", BAD))) for n in range(2)]
    run = bulk_replay.begin(rows, by=by, reason="x", stop_at_error=False)
    with pytest.raises(Conflict):
        bulk_replay.begin(rows, by=by, reason="x")
    work_acts.done(rows[:1], by=by)
    run_jobs()
    run.refresh_from_db()
    assert (run.state, run.failed) == ("done", 1)
    assert not rows[0].replays.exists()


TOGETHER = ("hl7w.mid_effects", "hl7w.before_commit", "replay.together")
ALONE = ("replay.stored", "hl7w.mid_effects", "hl7w.before_commit", "hl7w.after_commit", "replay.applied")
WORKER = """
from ledger import jobs
from ledger.models import Job
jobs.run(Job.objects.get(kind="hl7.bulk_replay").pk)
"""


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("point", "is_faulty"),
    [*((point, False) for point in TOGETHER), *((point, True) for point in ALONE)],
)
def test_a_worker_that_is_killed_applies_nothing_twice_and_nothing_is_left_out(
    say: Say, site: Facility, by: Actor, tmp_path: Any, point: str, is_faulty: bool
) -> None:
    rows = [receive(say("ORM^O01", *order(number))) for number in range(3)]
    faulty = [receive(say("ADT^A08", PID.format("P1", BAD)))] if is_faulty else []
    ProcedureCode.objects.create(code="UNKNOWN", scheme="L", description="x", modality="CT")
    _forget_the_site()
    run = bulk_replay.begin([*rows, *faulty], by=by, reason="catalogue")
    home = System(tmp_path / "home", databases.url_for_others(), RIS_PACS_DEBUG="1")
    killed = subprocess.run(
        [sys.executable, "manage.py", "shell", "-v", "0", "-c", WORKER],
        cwd=ROOT,
        env={**os.environ, **home.environment, "ENGINE_CRASH": point},
        capture_output=True,
    )
    assert killed.returncode == -9, killed.stderr.decode()
    Job.objects.update(lease_until=clock.now() - timedelta(seconds=1))
    jobs.run(Job.objects.get(kind=bulk_replay.JOB).pk)
    run_jobs()
    run.refresh_from_db()
    assert (run.state, run.applied, run.failed) == ("stopped" if is_faulty else "done", 3, len(faulty))
    assert [row.replays.filter(status="applied").count() for row in rows] == [1, 1, 1]
    assert Order.objects.count() == 3 and work_list.count() == len(faulty)
    assert Event.objects.filter(kind="hl7.message_replayed_in_bulk").count() == 3 + len(faulty)


# Destinations


def test_a_paused_destination_is_sent_nothing_until_it_is_resumed(
    by: Actor, facility: Facility, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = stuck(1, "", "waiting")
    there = row.destination
    begun: list[str] = []
    monkeypatch.setattr(delivery, "_drain", lambda destination, line, lease: begun.append(destination.name))
    destination_pause.pause(there, by=by, reason="they move house")
    jobs_of = Job.objects.filter(kind=outbox.JOB)
    there.refresh_from_db()
    with pytest.raises(Conflict):
        destination_pause.pause(there, by=by, reason="again")
    with pytest.raises(Conflict):
        outbox.try_now(there, by=by)
    jobs.enqueue(outbox.JOB, "EHR")
    jobs.run(jobs_of.get().pk)
    assert not begun
    destination_pause.resume(there, by=by)
    there.refresh_from_db()
    assert there.paused_since is None and jobs_of.get().state == "new"
    jobs.run(jobs_of.get().pk)
    assert begun == ["EHR"]
    with pytest.raises(Conflict):
        destination_pause.resume(there, by=by)
