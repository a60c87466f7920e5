"""The shell: rail, lights, themes, who may see what, and what it says when something is wrong."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from accounts.models import Facility, Role, User
from interfaces.hl7.models import Destination, OutboundMessage
from ledger import clock
from ledger.models import AuditEvent, Heartbeat, Job, JobState
from tests.web.markup import read
from tests.web.pages.world import person, signed_in
from web.kernel import health, layout

pytestmark = pytest.mark.django_db


def rail(page: str) -> list[str]:
    nav = page[page.index('<nav class="rail"') :]
    return re.findall(r"</svg><span>(\w+)</span>", nav[: nav.index("</nav>")])


def test_each_role_has_its_rail_and_its_start(facility: Facility) -> None:
    for role in Role:
        user = person(facility, role)
        paths = [path for _, path in layout.rail(user)]
        assert len(paths) <= 7
        response = signed_in(user).get("/")
        if role == Role.REFERRER:
            assert (response.status_code, paths) == (200, [])
            assert b"Your roles give no access here" in response.content
        else:
            assert response.status_code == (302 if paths else 200)
            assert not paths or response["Location"] in paths


def test_a_technologist_starts_at_the_worklist(facility: Facility) -> None:
    client = signed_in(person(facility, Role.TECHNOLOGIST))
    assert client.get("/")["Location"] == "/worklist"
    assert rail(read(client.get("/worklist")))[0] == "Worklist"


def test_who_may_not_is_told_so_and_it_is_audited(facility: Facility) -> None:
    """PS3.15 A.5.3.12, Security Alert."""
    response = signed_in(person(facility, Role.REFERRER)).get("/worklist")
    assert response.status_code == 403
    assert b"Your roles don&#x27;t allow it" in response.content
    assert AuditEvent.objects.filter(code="110113", outcome=8).count() == 1


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_a_theme_is_kept_in_the_browser(user: User, theme: str) -> None:
    client = signed_in(user)
    assert 'data-theme="' not in read(client.get("/status"))
    assert client.post("/theme", {"theme": theme, "next": "/status"})["Location"] == "/status"
    assert f'<html lang="en" data-theme="{theme}">' in read(client.get("/status"))
    client.post("/theme", {"theme": "system"})
    assert 'data-theme="' not in read(client.get("/status"))


@pytest.mark.parametrize(
    "elsewhere", ["//evil.example", "https://evil.example/", r"/\evil.example", "x" * 5000]
)
def test_a_theme_never_leads_to_another_site(user: User, elsewhere: str) -> None:
    response = signed_in(user).post("/theme", {"theme": '"><script>', "next": elsewhere})
    assert response["Location"] == "/" and not response.cookies.get("theme")


def test_the_page_names_who_and_where_one_is(user: User) -> None:
    page = read(signed_in(user).get("/status"))
    assert "Anna" in page and "General Hospital" in page and "Times in Europe/Berlin" in page


def test_somebody_of_no_facility_is_told_so() -> None:
    user = User.objects.create_user("new", "correct horse", roles=["technologist"])
    assert b"You belong to no facility yet" in signed_in(user).get("/status").content


# Lights


def state(name: str) -> tuple[str, str]:
    light = next(light for light in health.lights() if light.name == name)
    return light.state, light.text


@pytest.mark.parametrize(
    ("age", "wanted"),
    [
        (2, ("ok", "")),
        (30, ("late", "no heartbeat for 30 s")),
        (600, ("down", "no heartbeat for 10 min")),
    ],
)
def test_a_process_is_known_by_its_heartbeat(db: None, age: int, wanted: tuple[str, str]) -> None:
    Heartbeat.objects.create(process="dicom", instance="a", at=clock.now() - timedelta(seconds=age))
    assert state("dicom") == wanted
    assert state("hl7") == ("down", "has not started")


def test_a_queue_that_stands_is_seen(db: None) -> None:
    assert state("out") == ("ok", "")
    his = Destination.objects.create(
        name="HIS", host="h", port=1, stalled_since=clock.now() - timedelta(minutes=3)
    )
    assert state("out") == ("late", "sending stopped 3 min ago")
    OutboundMessage.objects.create(
        destination=his,
        key="k",
        message_type="ORM",
        control_id="1",
        facts={},
        not_before=timezone.now(),
        status="held",
    )
    assert state("out") == ("down", "1 refused by the receiver")


def test_work_that_waits_or_failed_is_seen(db: None) -> None:
    assert state("work") == ("ok", "")
    job = Job.objects.create(kind="x", key="1", not_before=clock.now() - timedelta(minutes=5))
    assert state("work") == ("late", "the oldest waits for 5 min")
    Job.objects.filter(pk=job.pk).update(state=JobState.ERROR)
    assert state("work") == ("down", "1 failed for good")


def late_report(minutes: int, **values: Any) -> OutboundMessage:
    """A report that the HIS has not been told of for so long."""
    his = Destination.objects.create(name="HIS", host="h", port=1, **values)
    later = timezone.now() + timedelta(minutes=4)
    message = OutboundMessage.objects.create(
        destination=his,
        key="k",
        kind="results",
        message_type="ORU",
        control_id="1",
        facts={},
        not_before=later,
    )
    OutboundMessage.objects.update(created_at=clock.now() - timedelta(minutes=minutes))
    return message


def all_well() -> list[health.Light]:
    names = ("web", "dicom", "hl7", "worker", "sweeper", "storage", "out", "work")
    return [health.Light(name, health.OK) for name in names]


def top_bar(page: str) -> str:
    bar = page[page.index('id="health"') :]
    return bar[: bar.index("</ul>")]


def test_clinicians_see_one_light_in_their_words(facility: Facility, monkeypatch: Any) -> None:
    monkeypatch.setattr("web.kernel.health.lights", all_well)
    client = signed_in(person(facility, Role.RADIOLOGIST))
    bar = top_bar(read(client.get("/status")))
    assert bar.count("<li>") == 1 and "light ok" in bar
    late_report(14)
    bar = top_bar(read(client.get("/status")))
    assert bar.count("<li>") == 1 and "light late" in bar and "Reports to HIS delayed 14 min" in bar


@pytest.mark.parametrize("status", ["waiting", "held", "stopped"])
def test_a_report_is_delayed_whatever_keeps_it(db: None, status: str) -> None:
    late_report(20)
    OutboundMessage.objects.update(status=status)
    light = health.clinical(all_well())
    assert (light.state, light.label) == ("down", "Reports to HIS delayed 20 min")


@pytest.mark.parametrize("status", ["delivered", "skipped"])
def test_a_report_that_nobody_waits_for_is_not_delayed(db: None, status: str) -> None:
    late_report(20)
    OutboundMessage.objects.update(status=status)
    assert health.clinical(all_well()).state == "ok"


@pytest.mark.parametrize("name", ["dicom", "hl7", "worker", "sweeper", "storage", "work"])
def test_the_one_light_shows_the_worst_and_counts_the_rest(db: None, name: str) -> None:
    late_report(5)
    others = [light for light in all_well() if light.name != name]
    light = health.clinical([*others, health.Light(name, health.DOWN, "x")])
    assert (light.name, light.state, light.text) == (name, "down", "and 1 more")


def test_who_runs_the_system_sees_all_lights(facility: Facility) -> None:
    for role in (Role.ADMINISTRATOR, Role.INTEGRATOR):
        assert top_bar(read(signed_in(person(facility, role)).get("/status"))).count("<li>") == 8


def test_a_standing_queue_can_be_tried_now(facility: Facility) -> None:
    message = late_report(3, stalled_since=clock.now() - timedelta(minutes=3))
    client = signed_in(person(facility, Role.INTEGRATOR))
    for page in ("/status", "/messages/destinations/HIS"):
        assert "Try HIS now" in read(client.get(page))
    response = client.post("/messages/destinations/HIS/try-now", {"next": "/status"})
    assert response["Location"] == "/status"
    message.refresh_from_db()
    assert message.not_before <= clock.now()
    assert Job.objects.get(kind="hl7.deliver", key="HIS").not_before <= clock.now()


def test_clinicians_are_not_offered_to_try_a_queue(facility: Facility) -> None:
    late_report(3, stalled_since=clock.now() - timedelta(minutes=3))
    client = signed_in(person(facility, Role.RADIOLOGIST))
    assert "Try HIS now" not in read(client.get("/status"))
    assert client.post("/messages/destinations/HIS/try-now").status_code == 403


def test_every_light_leads_to_its_reason_and_its_remedy(user: User) -> None:
    page = read(signed_in(user).get("/status"))
    assert 'href="/status#dicom"' in page and '<tr id="dicom">' in page
    assert "has not started" in page and "`make run` starts it" in page


def test_a_full_disk_is_red(user: User, monkeypatch: Any) -> None:
    monkeypatch.setattr("ledger.readiness.free_bytes", lambda: 100 * 2**20)
    assert state("storage") == ("down", "only 100 MiB are free")


# Sessions


def test_what_a_page_fetches_by_itself_keeps_no_session_alive(user: User) -> None:
    client = signed_in(user)
    client.get("/status")
    Session.objects.update(expire_date=timezone.now() + timedelta(seconds=60))
    client.get("/status", headers={"X-Live": "1"})
    assert Session.objects.get().expire_date < timezone.now() + timedelta(seconds=61)
    client.get("/status")
    assert Session.objects.get().expire_date > timezone.now() + timedelta(minutes=20)


def test_a_refusal_says_what_happened_and_leads_on(client: Client, user: User) -> None:
    for response in (client.get("/nothing-here"), signed_in(user).get("/nothing-here")):
        page = read(response)
        assert response.status_code == 404
        assert "data-explain" in page and 'href="/"' in page
    assert 'class="rail"' in page and 'id="search"' in page
