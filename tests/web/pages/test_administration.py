"""Administration: the site, users, tokens, queues, quarantine, the audit trail."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from accounts import site_sync, users
from accounts.actor import Actor
from accounts.models import Facility, Role, SiteSection, Token, User
from archive.models import Quarantined
from interfaces.hl7.models import Destination, Source
from ledger import audit, jobs, queues
from ledger.errors import Conflict
from ledger.models import AuditEvent, Event, Job, JobState
from tests.actors import ADDRESS, integrator
from tests.web.markup import read
from tests.web.pages.world import person, signed_in
from worklist.models import Station

pytestmark = pytest.mark.django_db
PASSWORD = "seven green bottles 7"


@pytest.fixture
def admin(facility: Facility) -> User:
    return person(facility, Role.ADMINISTRATOR)


def page(client: Client, path: str, expect: int = 200) -> str:
    response = client.get(f"/administration{path}")
    assert response.status_code == expect, response.content[:2000]
    return read(response)


def post(client: Client, path: str, expect: int, **data: Any) -> str:
    response = client.post(f"/administration{path}", data)
    assert response.status_code == expect, response.content[:2000]
    return read(response)


def acts() -> list[str]:
    """The acts of administration in the audit trail, the oldest first."""
    rows = AuditEvent.objects.filter(code=audit.SECURITY_ALERT, outcome=audit.SUCCESS).order_by("id")
    return [one["id"] for row in rows for one in row.objects_named if one["type"] == "act"]


# Who may

ONLY_ADMINISTRATORS = ("/site", "/users", "/users/new", "/tokens", "/audit")
INTEGRATORS_TOO = ("/queues", "/quarantine")


@pytest.mark.parametrize("role", list(Role))
def test_each_page_is_for_those_whose_roles_allow_it(facility: Facility, role: Role) -> None:
    client = signed_in(person(facility, role))
    runs = role in (Role.ADMINISTRATOR, Role.INTEGRATOR)
    for path in ONLY_ADMINISTRATORS:
        page(client, path, 200 if role is Role.ADMINISTRATOR else 403)
    for path in INTEGRATORS_TOO:
        page(client, path, 200 if runs else 403)
    answer = client.get("/administration")
    first = "/administration/site" if role is Role.ADMINISTRATOR else "/administration/queues"
    assert (answer.status_code, answer.get("Location")) == ((302, first) if runs else (403, None))


@pytest.mark.parametrize(
    "path", ["/users/new", "/tokens/new", "/users/{}", "/users/{}/password", "/tokens/{}/revoke"]
)
def test_nobody_else_can_act(facility: Facility, admin: User, path: str) -> None:
    Token.issue(user=admin, name="x")
    client = signed_in(person(facility, Role.INTEGRATOR))
    key = Token.objects.get().public_id if "token" in path else admin.public_id
    post(client, path.format(key), 403, username="x", password=PASSWORD, user="administrator", name="x")
    assert User.objects.count() == 2 and Token.objects.filter(revoked_at=None).count() == 1


# Users


def test_a_user_is_made_and_can_sign_in(admin: User, facility: Facility) -> None:
    client = signed_in(admin)
    data = {"full_name": "Rita Ray", "roles": ["radiologist"], "facilities": [facility.public_id]}
    weak = post(client, "/users/new", 422, username="rita", password="12345", **data)
    assert "too short" in weak and "Rita Ray" in weak, "what was typed stays"
    post(client, "/users/new", 302, username="rita", password=PASSWORD, **data)
    rita = User.objects.get(username="rita")
    assert (rita.roles, [one.code for one in rita.facilities.all()]) == (["radiologist"], ["GENHOSP"])
    assert Client().login(username="rita", password=PASSWORD)
    assert acts() == ["user.made"] and PASSWORD not in str(list(Event.objects.values()))
    for name in ("RITA", " rita ", "", "a\x00b", "x" * 200):
        post(client, "/users/new", 422, username=name, password=PASSWORD, **data)
    assert "Rita Ray" in page(client, "/users?q=ray&role=radiologist")
    assert "No results with these filters" in page(client, "/users?q=nobody")


def test_a_user_is_changed_and_deactivated(admin: User, facility: Facility) -> None:
    rita = person(facility, Role.RADIOLOGIST)
    text = Token.issue(user=rita, name="x")
    theirs, client = signed_in(rita), signed_in(admin)
    assert theirs.get("/").status_code == 302
    data = {"full_name": "Rita", "roles": ["resident", "manager"], "facilities": [], "is_active": "yes"}
    post(client, f"/users/{rita.public_id}", 302, **data)
    rita.refresh_from_db()
    assert (rita.full_name, rita.roles, rita.facilities.count()) == ("Rita", ["resident", "manager"], 0)
    event = Event.objects.get(kind="user.changed")
    assert event.details["changes"]["roles"] == [["radiologist"], ["resident", "manager"]]
    post(client, f"/users/{rita.public_id}", 302, **data)
    assert Event.objects.filter(kind="user.changed").count() == 1, "nothing differed"
    post(client, f"/users/{rita.public_id}", 302, **{**data, "is_active": ""})
    assert theirs.get("/")["Location"].startswith("/sign-in")
    assert Token.user_of(text) is None
    assert acts() == ["user.changed"] * 2
    assert "not active" in page(client, "/users?state=inactive")


@pytest.mark.parametrize("taken", [{"roles": ["manager"], "is_active": "yes"}, {"roles": ["administrator"]}])
def test_the_last_administrator_stays(admin: User, facility: Facility, taken: dict[str, Any]) -> None:
    """A second one who can't sign in, by being inactive or without a password, does not count."""
    client = signed_in(admin)
    for number, values in enumerate(({"is_active": False}, {})):
        other = User.objects.create_user(f"other{number}", PASSWORD, roles=["administrator"], **values)
        if not values:
            other.set_unusable_password()
            other.save()
    shown = post(client, f"/users/{admin.public_id}", 422, **taken)
    assert "last administrator who can sign in" in shown
    admin.refresh_from_db()
    assert admin.is_active and admin.roles == ["administrator"] and not acts()
    User.objects.create_user("second", PASSWORD, roles=["administrator"])
    post(client, f"/users/{admin.public_id}", 302, **taken)
    with transaction.atomic(), pytest.raises(Conflict):
        users.change(
            User.objects.get(username="second"),
            by=Actor.system(),
            full_name="",
            roles=[],
            facilities=[],
            is_active=True,
        )


def test_a_password_is_set_and_ends_other_sessions(admin: User, facility: Facility) -> None:
    rita = person(facility, Role.RADIOLOGIST)
    theirs, client = signed_in(rita), signed_in(admin)
    assert "too common" in post(client, f"/users/{rita.public_id}/password", 422, password="password1")
    post(client, f"/users/{rita.public_id}/password", 302, password=PASSWORD)
    assert theirs.get("/")["Location"].startswith("/sign-in")
    assert Client().login(username=rita.username, password=PASSWORD) and acts() == ["user.password_set"]
    post(client, f"/users/{admin.public_id}/password", 302, password=PASSWORD)
    page(client, "/users"), "one's own session goes on"


# Tokens


def test_a_token_is_shown_once_and_revoked(admin: User) -> None:
    client = signed_in(admin)
    shown = post(client, "/tokens/new", 200, user="administrator", name="script <b>")
    (text,) = re.findall(r'value="(rp_[\w-]+)"', shown)
    assert text not in page(client, "/tokens") and "script &lt;b&gt;" in page(client, "/tokens")
    assert text not in str([list(model.objects.values()) for model in (Token, Event, AuditEvent)])
    bearer = {"headers": {"Authorization": f"Bearer {text}"}}
    assert Client().get("/api/v1/patients", **bearer).status_code == 200
    token = Token.objects.get()
    assert token.last_used_at is not None and "just now" in page(client, "/tokens")
    post(client, f"/tokens/{token.public_id}/revoke", 302)
    assert Client().get("/api/v1/patients", **bearer).status_code == 401
    post(client, f"/tokens/{token.public_id}/revoke", 409)
    assert acts() == ["token.issued", "token.revoked"]
    assert "script" in page(client, "/tokens?state=revoked")


@pytest.mark.parametrize(("name", "of"), [("", "administrator"), ("x", "nobody"), ("x", "gone")])
def test_a_token_that_would_not_do_is_not_issued(admin: User, name: str, of: str) -> None:
    User.objects.create_user("gone", PASSWORD, is_active=False)
    post(signed_in(admin), "/tokens/new", 422, user=of, name=name)
    assert not Token.objects.exists() and not acts()


def test_the_use_of_a_token_is_written_every_few_minutes_only(
    admin: User, django_assert_num_queries: Any
) -> None:
    text = Token.issue(user=admin)
    Token.user_of(text)
    with django_assert_num_queries(1):
        Token.user_of(text)


# Queues


def make_job(state: str, number: int = 1) -> Job:
    return Job.objects.create(
        kind="archive.index",
        key=f"k{number}",
        state=state,
        not_before=timezone.now(),
        errors=5,
        last_error="<b>no room",
    )


def test_failed_work_is_shown_and_tried_again(admin: User) -> None:
    job = make_job(JobState.ERROR)
    make_job(JobState.DONE, 2)
    make_job(JobState.NEW, 3)
    client = signed_in(admin)
    assert "&lt;b&gt;no room" in page(client, "/queues")
    (kind,) = queues.kinds_of_jobs()
    assert (kind.kind, kind.waiting, kind.stuck) == ("archive.index", 1, 1) and kind.oldest
    post(client, f"/queues/jobs/{job.public_id}/again", 302)
    job.refresh_from_db()
    assert (job.state, job.errors, job.wanted) == (JobState.NEW, 0, 2)
    assert Event.objects.get(kind="job.tried_again").actor == "administrator"
    assert "another state" in post(client, f"/queues/jobs/{job.public_id}/again", 409)
    post(client, f"/queues/jobs/{'0' * 32}/again", 404)
    with transaction.atomic(), pytest.raises(Conflict):
        jobs.try_again(Job.objects.get(key="k2"), by=integrator("x"))


def test_what_was_kept_aside_can_be_downloaded_and_never_shown(
    admin: User, settings: Any, tmp_path: Path
) -> None:
    settings.HOME = tmp_path
    client = signed_in(admin)
    assert "Quarantine is empty" in page(client, "/quarantine")
    (tmp_path / "quarantine").mkdir()
    (tmp_path / "quarantine" / "abc.dcm").write_bytes(b"<script>evil</script>")
    rows = [
        Quarantined.objects.create(
            name=name, reason="broken", text="<script>", size=21, sha256=name, calling_ae_title="CT1"
        )
        for name in ("abc.dcm", "gone.dcm")
    ]
    shown = page(client, "/quarantine?reason=broken&q=CT1")
    assert "&lt;script&gt;" in shown and "the file is not there" in shown
    answer = client.get(f"/administration/quarantine/{rows[0].public_id}/file")
    assert b"".join(answer.streaming_content) == b"<script>evil</script>"
    assert (
        answer["Content-Disposition"].startswith("attachment")
        and "sandbox" in answer["Content-Security-Policy"]
    )
    assert answer["Content-Type"] == "application/octet-stream"
    assert AuditEvent.objects.filter(code=audit.EXPORT).count() == 1
    page(client, f"/quarantine/{rows[1].public_id}/file", 404)
    assert "No results with these filters" in page(client, "/quarantine?q=MR1")


# The audit trail


def test_the_trail_is_filtered_and_parted(admin: User) -> None:
    with transaction.atomic():
        for number in range(60):
            audit.note(integrator("rita"), audit.QUERY, audit.READ, ("patient", f"p{number}"))
        things = [("message", f"{number:032x}") for number in range(12)]
        audit.note(integrator("<b>"), audit.EXPORT, audit.READ, *things, outcome=audit.SERIOUS_FAILURE)
    client = signed_in(admin)
    User.objects.create(username="rita", full_name="Rita Rau")
    shown = page(client, "/audit?actor=rita")
    assert "Rita Rau" in shown and f"{ADDRESS} page" in shown
    assert "of 60" in page(client, "/audit?actor=rita") and "1–50" in page(client, "/audit")
    text = page(client, "/audit?outcome=failed")
    assert (
        "&lt;b&gt;" in text and "and 4 more" in text and "refused" in text and f"/messages/{1:032x}" in text
    )
    assert "1–1 of 1" in page(client, f"/audit?kind={audit.EXPORT}")
    today = f"{timezone.localdate():%Y-%m-%d}"
    assert "No results with these filters" in page(client, "/audit?until=2020-01-01")
    assert "of 60" in page(client, f"/audit?actor=rita&since={today}&until={today}")
    assert "of 60" in page(client, "/audit?actor=rita&since=nonsense&until=2020-99-99&page=9999")
    assert AuditEvent.objects.filter(objects_named=[{"type": "audit trail", "id": "all"}]).exists()


# The site


def test_the_site_shows_what_is_in_force(
    admin: User, facility: Facility, monkeypatch: pytest.MonkeyPatch
) -> None:
    Station.objects.create(ae_title="CT1", from_site_file=True)
    Station.objects.create(ae_title="MR9", edited_at=timezone.now())
    Station.objects.create(ae_title="US9")
    Source.objects.create(name="HIS", facility=facility, options={"processing_ids": ["P", "T"]})
    Destination.objects.create(name="OUT", host="h", port=1)
    Destination.objects.create(name="EHR", host="h", port=2, options={"messages": ["results"]})
    SiteSection.objects.create(name="archive", content={"quiet_seconds": 5, "reconcile": {"a": {"b": True}}})
    client = signed_in(admin)
    state = site_sync.FileState("/x/site.yaml", changes=[site_sync.Change("station CT1", "change", "name")])
    monkeypatch.setattr(site_sync, "file_state", lambda: state)
    text = page(client, "/site")
    for part in (
        "CT1",
        "edited here",
        "not in the site file",
        "processing ids: P, T",
        "reconcile.a.b",
        "in 1 place",
        '<td class="quiet">order_status, results</td>',
        '<td class="quiet">results</td>',
    ):
        assert part in text, part
    broken = site_sync.FileState("/x/site.yaml", problems=["line 3: worklist.stations: <b> is no list"])
    monkeypatch.setattr(site_sync, "file_state", lambda: broken)
    assert "line 3: worklist.stations: &lt;b&gt;" in page(client, "/site")
    monkeypatch.setattr(site_sync, "file_state", lambda: None)
    page(client, "/site")


def test_the_site_file_is_read_as_it_is_now(admin: User, settings: Any, tmp_path: Path) -> None:
    settings.SITE_FILE = tmp_path / "site.yaml"
    client = signed_in(admin)
    assert "can&#x27;t be read" in page(client, "/site")
    settings.SITE_FILE.write_text("facility: {code: X}\n")
    assert "line 1: facility.name" in page(client, "/site")
    settings.SITE_FILE.write_text("facility: {code: GENHOSP, name: Changed}\n")
    assert "facility GENHOSP" in page(client, "/site") and not Facility.objects.filter(name="Changed")
