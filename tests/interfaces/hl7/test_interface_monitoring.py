"""What is kept of traffic, what is usual, when somebody is told, and of what."""

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from django.core import mail
from django.test import Client

from accounts import site_version
from accounts.models import Facility, SiteSection, User
from interfaces.hl7.inbound import inbox
from interfaces.hl7.models import (
    Alarm,
    Destination,
    InboundMessage,
    OpenConnections,
    OutboundMessage,
    Source,
    TrafficCount,
    TrafficWatermark,
)
from interfaces.hl7.monitoring import (
    alarm_notices,
    alarms,
    interface_state,
    traffic_counting,
    usual_rates,
)
from interfaces.hl7.wire.connection_list import ConnectionList
from ledger import clock, heartbeat, jobs
from ledger.models import Event, Job
from ris_pacs import settings as settings_module

pytestmark = pytest.mark.django_db
Say = Callable[..., bytes]
PID = "PID|1||P1^^^GENHOSP^MR||BARS^ANNA||19700102|F"
MONDAY = datetime(2026, 3, 30, 10, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    """Set the clock."""

    def set_(time: datetime) -> None:
        monkeypatch.setattr(clock, "now", lambda: time)

    return set_


def store(number: int, at: datetime, **values: Any) -> InboundMessage:
    return InboundMessage.objects.create(
        **{
            "source": "HIS|GENHOSP",
            "control_id": f"C{number}",
            "sha256": str(number),
            "raw": b"MSH|^~\\&|HIS|GENHOSP",
            "received_at": at,
            "status": "applied",
            **values,
        }
    )


def learn(per_hour: int, until: datetime = MONDAY, days: int = 28, partner: str = "HIS|GENHOSP") -> None:
    """Count `per_hour` messages in each hour of the days before."""
    first = until.replace(hour=0, minute=0) - timedelta(days=days)
    hours = int((until - first) / timedelta(hours=1))
    TrafficCount.objects.bulk_create(
        TrafficCount(
            direction="in", partner=partner, kind="message", hour=first + timedelta(hours=n), number=per_hour
        )
        for n in range(hours)
    )


def counted() -> dict[tuple[str, str, str], int]:
    found: dict[tuple[str, str, str], int] = {}
    for row in TrafficCount.objects.all():
        key = (row.partner, row.kind, row.place)
        found[key] = found.get(key, 0) + row.number
    return found


def count_all() -> None:
    while traffic_counting.count():
        pass


# Counts


@pytest.mark.usefixtures("site")
def test_each_message_is_counted_once_by_sender_hour_error_and_value_left_out(
    say: Say, at: Callable[[datetime], None]
) -> None:
    now = clock.now()
    inbox.receive(say("ADT^A08", PID), peer="1")
    inbox.receive(say("ADT^A08", PID.replace("19700102", "1970-1-2")), peer="1")
    inbox.receive(say("ADT^A08", PID.replace("|F", "|nonsense")), peer="1")
    for _ in range(3):
        at(now + timedelta(minutes=1))
        count_all()
    sender = "HIS|GENHOSP"
    assert counted() == {
        (sender, "message", ""): 3,
        (sender, "error", "102 PID-7"): 1,
        (sender, "left_out", "PID-8"): 1,
    }
    inbox.replay(InboundMessage.objects.earliest("id"))
    at(now + timedelta(minutes=2))
    count_all()
    assert counted()[sender, "message", ""] == 3, "a replay is no traffic"


def test_what_died_between_counting_and_committing_is_counted_later(
    at: Callable[[datetime], None], monkeypatch: pytest.MonkeyPatch, facility: Facility
) -> None:
    at(MONDAY - 10 * MINUTE)
    count_all()
    at(MONDAY)
    store(1, MONDAY - MINUTE)
    monkeypatch.setattr(TrafficWatermark, "save", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        traffic_counting.count()
    assert not TrafficCount.objects.exists()
    monkeypatch.undo()
    monkeypatch.setattr(clock, "now", lambda: MONDAY)
    count_all()
    assert counted() == {("HIS|GENHOSP", "message", ""): 1}


def test_history_is_learnt_from_when_counting_begins_and_old_counts_go(
    at: Callable[[datetime], None], facility: Facility
) -> None:
    for days in (1, 10, 27, 40):
        store(days, MONDAY - timedelta(days=days))
    at(MONDAY)
    count_all()
    assert counted() == {("HIS|GENHOSP", "message", ""): 3}
    at(MONDAY + timedelta(days=61))
    count_all()
    assert not TrafficCount.objects.exists()


def test_counting_costs_the_same_however_many_messages_are_stored(
    at: Callable[[datetime], None], facility: Facility, django_assert_max_num_queries: Any
) -> None:
    for number in range(300):
        store(number, MONDAY - timedelta(seconds=number), source=f"S{number % 40}|X")
    at(MONDAY + MINUTE)
    with django_assert_max_num_queries(16):
        count_all()
    assert sum(counted().values()) == 300


def test_a_sender_that_changes_its_name_with_each_message_fills_no_table(
    at: Callable[[datetime], None], facility: Facility, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traffic_counting, "MOST", 10)
    for number in range(30):
        store(number, MONDAY + number * timedelta(seconds=10), source=f"S{number}|X")
        at(MONDAY + number * timedelta(seconds=10) + timedelta(seconds=8))
        count_all()
    assert TrafficCount.objects.count() == 10


def test_a_replay_is_no_sign_of_life(at: Callable[[datetime], None], site: Facility) -> None:
    row = store(1, MONDAY - timedelta(hours=1))
    store(2, MONDAY, replay_of=row, control_id="C1", replay_number=1)
    at(MONDAY + MINUTE)
    count_all()
    assert interface_state.last_received() == {"HIS|GENHOSP": MONDAY - timedelta(hours=1)}


# What is usual


def test_working_days_and_weekends_are_learnt_apart_and_one_bad_day_changes_nothing(
    facility: Facility,
) -> None:
    start = MONDAY.replace(minute=0) - timedelta(days=28)
    for day in range(28):
        at = start + timedelta(days=day)
        number = 0 if day == 3 else 5 if at.weekday() >= 5 else 100
        TrafficCount.objects.create(
            direction="in", partner="HIS|GENHOSP", kind="message", hour=at, number=number
        )
    usual, sender = usual_rates.learnt(MONDAY), ("in", "HIS|GENHOSP")
    berlin = {offset: MONDAY + timedelta(days=offset) for offset in (0, -2)}
    assert usual.at(sender, berlin[-2]) == 5
    assert usual.at(sender, berlin[0] + timedelta(hours=3)) == 0
    assert usual.at(("in", "NEW|X"), MONDAY) is None


def test_nothing_is_usual_before_three_such_days(facility: Facility) -> None:
    learn(10, days=2)
    assert usual_rates.learnt(MONDAY).at(("in", "HIS|GENHOSP"), MONDAY) is None


def test_the_expected_is_the_sum_of_the_hours(facility: Facility) -> None:
    learn(10)
    usual, sender = usual_rates.learnt(MONDAY), ("in", "HIS|GENHOSP")
    assert usual.expected(sender, MONDAY - timedelta(hours=2), MONDAY) == 20
    assert usual.expected(sender, MONDAY - 15 * MINUTE, MONDAY) == 2.5


# Alarms


def open_alarms() -> list[tuple[str, str]]:
    return list(Alarm.objects.filter(cleared_at=None).order_by("id").values_list("kind", "partner"))


@pytest.mark.usefixtures("site")
def test_a_feed_that_goes_silent_raises_one_alarm_that_ends_with_the_next_message(
    at: Callable[[datetime], None],
) -> None:
    learn(60)
    store(1, MONDAY - 14 * MINUTE)
    at(MONDAY)
    count_all()
    alarms.check()
    assert not open_alarms(), "14 messages are missing"
    for minutes in (2, 10, 40):
        at(MONDAY + minutes * MINUTE)
        alarms.check()
        assert open_alarms() == [("silent", "HIS|GENHOSP")]
    assert "No message from HIS · GENHOSP since 2026-03-30 12:16 CEST" in Alarm.objects.get().text
    store(2, MONDAY + 40 * MINUTE)
    alarms.check()
    assert not open_alarms() and Alarm.objects.get().cleared_at == MONDAY + 40 * MINUTE
    assert list(Event.objects.order_by("id").values_list("kind", flat=True)) == [
        "hl7.alarm_raised",
        "hl7.alarm_cleared",
    ]


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize(
    ("silence", "minutes", "is_silent"),
    [("learnt", 9, False), ("learnt", 600, False), ("off", 6000, False), (30, 29, False), (30, 30, True)],
)
def test_a_quiet_sender_raises_none_unless_a_limit_is_set(
    at: Callable[[datetime], None], silence: Any, minutes: int, is_silent: bool
) -> None:
    Source.objects.update(options={"silence_alarm": silence})
    learn(0)
    store(1, MONDAY)
    at(MONDAY + 2 * MINUTE)
    count_all()
    at(MONDAY + minutes * MINUTE)
    alarms.check()
    assert bool(open_alarms()) == is_silent


def test_a_destination_that_stops_falls_behind_or_refuses_raises_its_alarm(
    at: Callable[[datetime], None], facility: Facility
) -> None:
    there = Destination.objects.create(name="EHR", host="127.0.0.1", port=1)
    row = OutboundMessage.objects.create(
        destination=there, key="1", control_id="1", facts={}, not_before=MONDAY
    )
    OutboundMessage.objects.update(created_at=MONDAY - 20 * MINUTE)
    at(MONDAY)
    alarms.check()
    assert open_alarms() == [("backlog", "EHR")]
    Destination.objects.update(stalled_since=MONDAY - 6 * MINUTE)
    alarms.check()
    assert open_alarms() == [("stalled", "EHR")]
    Destination.objects.update(stalled_since=None)
    OutboundMessage.objects.filter(pk=row.pk).update(status="held", last_error="AE 204")
    alarms.check()
    assert open_alarms() == [("undecided", "EHR")]
    assert Alarm.objects.get(cleared_at=None).text == "1 message to EHR needs a decision"
    told = Event.objects.count()
    OutboundMessage.objects.create(
        destination=there, key="2", control_id="2", facts={}, not_before=MONDAY, status="held"
    )
    alarms.check()
    assert Alarm.objects.get(cleared_at=None).text == "2 messages to EHR need a decision"
    assert Event.objects.count() == told
    Destination.objects.update(is_active=False)
    alarms.check()
    assert not open_alarms()


@pytest.mark.usefixtures("site")
def test_many_errors_within_an_hour_raise_an_alarm(at: Callable[[datetime], None]) -> None:
    for number in range(21):
        store(number, MONDAY - MINUTE, status="failed", error_code=103, error_location="OBR^1^4")
    at(MONDAY)
    count_all()
    alarms.check()
    assert open_alarms() == [("errors", "HIS|GENHOSP")]
    at(MONDAY + timedelta(hours=2))
    alarms.check()
    assert not open_alarms()


# Who is told


class Hook(BaseHTTPRequestHandler):
    """Keeps what is posted; answers with the status that is set."""

    status = 200
    got: list[dict[str, Any]] = []

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.status == 200:
            self.got.append(body)
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def hook(facility: Facility, settings: Any) -> Iterator[type[Hook]]:
    Hook.status, Hook.got = 200, []
    server = HTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/secret"
    content = {"alarms": {"mail": ["it@example.org"], "webhooks": [address]}}
    SiteSection.objects.create(name="hl7", content=content)
    site_version.forget()
    settings.EMAIL_HOST = "mail.example.org"
    yield Hook
    server.shutdown()
    server.server_close()


def stop_destination() -> None:
    since = clock.now() - timedelta(hours=1)
    Destination.objects.create(name="EHR", host="127.0.0.1", port=1, stalled_since=since)


def run_notices() -> None:
    for job in Job.objects.filter(kind=alarm_notices.JOB).exclude(state="done").order_by("id"):
        Job.objects.filter(pk=job.pk).update(not_before=clock.now())
        jobs.run(job.pk)


@pytest.mark.django_db(transaction=True)
def test_an_alarm_and_its_end_are_told_by_mail_and_webhook_once_each(hook: type[Hook]) -> None:
    stop_destination()
    for _ in range(2):
        alarms.check()
        run_notices()
    Destination.objects.update(stalled_since=None)
    for _ in range(2):
        alarms.check()
        run_notices()
    assert [(one["state"], one["kind"], one["partner"]) for one in hook.got] == [
        ("raised", "stalled", "EHR"),
        ("ended", "stalled", "EHR"),
    ]
    assert [one.subject for one in mail.outbox] == [
        "[RIS/PACS] Sending to EHR stopped",
        "[RIS/PACS] Ended: Sending to EHR stopped",
    ]
    assert mail.outbox[0].to == ["it@example.org"]
    assert not Job.objects.filter(key__contains="secret").exists()


@pytest.mark.django_db(transaction=True)
def test_a_webhook_that_fails_harms_no_mail_and_is_tried_again(hook: type[Hook]) -> None:
    stop_destination()
    hook.status = 503
    alarms.check()
    run_notices()
    assert len(mail.outbox) == 1 and not hook.got
    assert "HTTP 503" not in str(hook.got)
    hook.status = 200
    run_notices()
    assert len(mail.outbox) == 1 and len(hook.got) == 1


@pytest.mark.django_db(transaction=True)
def test_without_a_mail_server_the_work_fails_and_says_why(hook: type[Hook], settings: Any) -> None:
    settings.EMAIL_HOST = ""
    stop_destination()
    alarms.check()
    for _ in range(jobs.MAX_ERRORS):
        run_notices()
    job = Job.objects.get(state="error")
    assert "RIS_PACS_SMTP names no mail server" in job.last_error


# The state of each


def test_unknown_senders_are_seen_and_declared_ones_that_never_sent(
    at: Callable[[datetime], None], facility: Facility
) -> None:
    Source.objects.create(name="the HIS", application="HIS", facility_name="GENHOSP", facility=facility)
    Source.objects.create(name="the lab", application="LAB", facility_name="*", facility=facility)
    store(1, MONDAY - MINUTE)
    store(2, MONDAY - MINUTE, source="STRANGER|X", status="refused", error_code=200)
    at(MONDAY)
    count_all()
    found = {one.name: one for one in interface_state.read().senders}
    assert {name: one.entry and one.entry.name for name, one in found.items()} == {
        "HIS|GENHOSP": "the HIS",
        "STRANGER|X": None,
        "LAB|*": "the lab",
    }
    assert found["STRANGER|X"].errors == [("200", 1)] and not found["LAB|*"].has_sent
    alarms.check()
    assert not open_alarms()


def test_open_connections_show_whose_they_are_and_go_with_their_listener(site: Facility, say: Say) -> None:
    connected = ConnectionList()
    first, second = connected.opened("10.0.0.1"), connected.opened("10.0.0.2")
    first.heard(say("ADT^A08", PID))
    heartbeat.beat("hl7")
    connected.write()
    (sender,) = [one for one in interface_state.read().senders if one.connected]
    assert sender.name == "HIS|GENHOSP" and sender.connected
    assert (sender.connected.number, sender.connected.peers) == (1, ["10.0.0.1"])
    assert OpenConnections.objects.count() == 2
    connected.closed(first)
    connected.closed(second)
    connected.write()
    assert not OpenConnections.objects.exists()
    connected.opened("10.0.0.3").heard(b"rubbish")
    connected.write()
    heartbeat.stop("hl7")
    assert not [one for one in interface_state.read().senders if one.connected]


def test_an_empty_system_says_what_to_do_and_unknown_senders_show_on_the_page(
    at: Callable[[datetime], None], user: User
) -> None:
    client = Client()
    client.force_login(user)
    text = client.get("/messages/interfaces").content.decode()
    assert "Nobody has sent anything yet" in text and "Name a destination in the site file" in text
    store(1, clock.now() - MINUTE, source="STRANGER|X", status="refused", error_code=200)
    count_all()
    text = client.get("/messages/interfaces").content.decode()
    assert "STRANGER · X" in text and "unknown sender" in text
    (sender,) = client.get("/api/v1/hl7/interfaces").json()["senders"]
    assert sender["source"] is None and sender["errors"] == [{"place": "200", "number": 1}]


@pytest.mark.usefixtures("site")
def test_metrics_say_the_same(at: Callable[[datetime], None]) -> None:
    learn(60)
    store(1, MONDAY - 60 * MINUTE, source='ODD"\\|X')
    store(2, MONDAY - 30 * MINUTE)
    at(MONDAY)
    count_all()
    alarms.check()
    text = Client().get("/metrics").content.decode()
    for line in (
        'ris_pacs_hl7_last_message_age_seconds{direction="in",partner="HIS|GENHOSP"} 1800',
        'ris_pacs_hl7_messages_usual_by_now{direction="in",partner="HIS|GENHOSP"} 30',
        'ris_pacs_hl7_alarm{kind="silent",direction="in",partner="HIS|GENHOSP"} 1',
        r'ris_pacs_hl7_last_message_age_seconds{direction="in",partner="ODD\"\\|X"} 3600',
    ):
        assert line in text


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("", ("", None)),
        ("smtp://mail.example.org", ("mail.example.org", None)),
        ("smtps://me:p%40ss@mail.example.org:4465", ("mail.example.org", 4465)),
        ("mail.example.org:25", None),
        ("smtp://", None),
        ("smtp://mail.example.org:99999", None),
        ("http://mail.example.org", None),
    ],
)
def test_the_mail_server_is_read_or_refused_without_its_password(
    text: str, server: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RIS_PACS_SMTP", text)
    if server is None:
        with pytest.raises(SystemExit):
            settings_module._mail_server()
        assert text not in capsys.readouterr().err.replace("smtp://, smtps://", "")
    else:
        found = settings_module._mail_server()
        assert (found.hostname or "", found.port) == server
