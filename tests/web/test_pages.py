"""Signing in and out, and what a browser gets."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts import sign_in_throttle
from accounts.models import FailedSignIn, User
from ledger.models import AuditEvent
from tests.web.markup import read
from web.kernel import formats, health
from worklist.patients import person_names

pytestmark = pytest.mark.django_db
WRONG = "User name or password is wrong"
STYLE = Path(__file__).parents[2] / "web" / "static" / "web" / "style.css"


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def sign_in(client: Client, username: str, password: str, **more: str) -> Any:
    return client.post("/sign-in", {"username": username, "password": password, **more})


# Signing in and out


def test_nobody_sees_a_page_without_signing_in(client: Client) -> None:
    response = client.get("/")
    assert (response.status_code, response["Location"]) == (302, "/sign-in?next=/")


def test_signing_in_leads_to_where_one_wanted_to_go(client: Client, user: User) -> None:
    assert client.get("/sign-in").status_code == 200
    response = sign_in(client, "anna", "correct horse", next="/status?x=2")
    assert (response.status_code, response["Location"]) == (302, "/status?x=2")
    assert client.get("/status").status_code == 200


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example/", "//evil.example", "javascript:alert(1)", r"/\evil"]
)
def test_signing_in_never_leads_to_another_site(client: Client, user: User, elsewhere: str) -> None:
    assert sign_in(client, "anna", "correct horse", next=elsewhere)["Location"] == "/"


def test_the_session_has_a_new_key_after_signing_in(client: Client, user: User) -> None:
    session = client.session
    session["planted"] = True
    session.save()
    sign_in(client, "anna", "correct horse")
    assert client.session.session_key != session.session_key


def test_a_wrong_name_and_a_wrong_password_look_the_same(client: Client, user: User) -> None:
    User.objects.create_user("gone", "correct horse", is_active=False)
    pages = []
    for name, password in (("anna", "wrong"), ("nobody", "wrong"), ("gone", "correct horse")):
        response = sign_in(client, name, password)
        assert response.status_code == 422
        text = re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", read(response))
        pages.append(text.replace(f'value="{name}"', ""))
    assert WRONG in pages[0]
    assert pages[0] == pages[1] == pages[2]


def test_what_is_typed_as_a_name_is_escaped(client: Client, user: User) -> None:
    assert b"<script>" not in sign_in(client, '"><script>', "wrong").content


@pytest.mark.parametrize("name", ["anna", "nobody"])
def test_after_ten_failures_even_the_right_password_has_to_wait(
    client: Client, user: User, name: str
) -> None:
    for _ in range(sign_in_throttle.PER_NAME):
        assert sign_in(client, name, "wrong").status_code == 422
    response = sign_in(client, name, "correct horse")
    assert response.status_code == 429
    assert b"Too many attempts. Try again in 10 minutes." in response.content
    assert 0 < int(response["Retry-After"]) <= 600
    assert sign_in(Client(REMOTE_ADDR="10.0.0.9"), "anna", "correct horse").status_code == 302, (
        "another address"
    )
    FailedSignIn.objects.update(at=timezone.now() - sign_in_throttle.WITHIN - timedelta(seconds=1))
    assert sign_in(client, "anna", "correct horse").status_code == 302


def test_a_success_starts_the_count_anew(client: Client, user: User) -> None:
    for _ in range(sign_in_throttle.PER_NAME - 1):
        sign_in(client, "anna", "wrong")
    assert sign_in(client, "anna", "correct horse").status_code == 302
    assert not FailedSignIn.objects.exists()


def test_signing_in_and_out_is_audited(client: Client, user: User) -> None:
    """PS3.15 A.5.3.13, User Authentication; a name that nobody has may be a password, so it isn't kept."""
    sign_in(client, "my secret password", "")
    sign_in(client, "my secret password", "x")
    sign_in(client, "anna", "correct horse")
    client.post("/sign-out")
    rows = AuditEvent.objects.filter(code="110114").order_by("pk")
    assert [(row.actor, row.outcome) for row in rows] == [("unknown", 4), ("anna", 0), ("anna", 0)]


def test_signing_out_ends_the_session_and_needs_a_form(client: Client, user: User) -> None:
    sign_in(client, "anna", "correct horse")
    assert client.get("/sign-out").status_code == 405
    assert client.post("/sign-out")["Location"] == "/sign-in"
    assert client.get("/").status_code == 302


def test_forms_from_elsewhere_are_refused(user: User) -> None:
    client = Client(enforce_csrf_checks=True)
    response = sign_in(client, "anna", "correct horse")
    assert response.status_code == 403
    assert b"no longer valid" in response.content


def test_a_text_that_no_database_can_keep_is_refused(client: Client, user: User) -> None:
    assert sign_in(client, "an\0na", "x").status_code == 422


# What a browser gets


def test_pages_hold_no_script_and_no_style_of_their_own(user: User, client: Client) -> None:
    for page in (signed_in(user).get("/status"), client.get("/sign-in"), client.get("/nothing-here")):
        text = read(page)
        assert not re.search(r"<script(?! [^>]*src=)|<style|\sstyle=|\son\w+=|javascript:", text)
        assert "script-src 'self'" in page["Content-Security-Policy"]


def test_the_style_sheet_is_there_and_loads_nothing(client: Client) -> None:
    assert "url(" not in STYLE.read_text() and "@import" not in STYLE.read_text()


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("theme", [1, 2], ids=["daylight", "reading room"])
def test_text_has_enough_contrast(theme: int) -> None:
    """WCAG 2.2, 1.4.3: at least 4.5:1."""
    found = re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)", STYLE.read_text())
    colours = {colour[0]: colour[theme] for colour in found}
    texts = ("text", "quiet", "link", "stat", "urgent", "warn", "mismatch", "matched", "unread")
    grounds = ("ground", "panel", "raised", "current", "chosen")
    pairs = [(text, ground) for text in texts for ground in grounds]
    pairs += [("mismatch", "mismatch-ground"), ("text", "mismatch-ground"), ("on-act", "act")]
    for text, ground in pairs:
        first, second = sorted((luminance(colours[text]), luminance(colours[ground])), reverse=True)
        assert (first + 0.05) / (second + 0.05) >= 4.5, (text, ground, (first + 0.05) / (second + 0.05))


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("BARS^ANNA", "BARS, ANNA"),
        ("BARS", "BARS"),
        ("^ANNA", "ANNA"),
        ("BARS^ANNA^MARIA^DR^JR", "BARS, DR ANNA MARIA JR"),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", "Yamada, Tarou (山田, 太郎) (やまだ, たろう)"),
        ("=山田^太郎", "山田, 太郎"),
        ("", "(no name)"),
        ("a^b^c^d^e^f^g", "a, d b c e"),
    ],
)
def test_names_are_written_as_people_write_them(name: str, written: str) -> None:
    assert formats.shown(name) == written


def test_who_has_no_name_yet_is_called_by_number() -> None:
    assert person_names.called("BARS^ANNA", "P1") == "BARS, ANNA"
    assert person_names.called("", "TXG12") == person_names.called("^^", "TXG12") == "patient TXG12"


@pytest.mark.parametrize("name", sorted(health._CLINICAL))
def test_the_one_light_is_mild_where_a_part_is_late_and_plain_where_it_failed(db: None, name: str) -> None:
    late, failed = (health.clinical([*_fine(name), health.Light(name, state)]) for state in ("late", "down"))
    assert late.label != failed.label and (late.state, failed.state) == ("late", "down")
    assert not re.search(r"can't|failed|\b[Nn]o\b|not ", late.label), late.label


def _fine(but: str) -> list[health.Light]:
    return [health.Light(name, health.OK) for name in health._CLINICAL if name != but]
