"""The pages: signing in and out, and the overview."""

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from accounts import throttle
from accounts.models import Facility, FailedSignIn, Role, User
from archive.models import ExceptionStatus, Study, StudyException, Verdict
from interfaces.hl7.models import Destination, InboundMessage, OutboundMessage
from ledger.models import AuditEvent
from web.pages import naming
from worklist import identity, ordering
from worklist.identity import Authority, Identifier
from worklist.models import Order
from worklist.origin import Origin
from worklist.statements import Number, OrderStatement, ProcedureStatement, StepStatement

pytestmark = pytest.mark.django_db
WRONG = "do not fit together"
STYLE = Path(__file__).parents[2] / "web" / "static" / "web" / "style.css"


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def sign_in(client: Client, username: str, password: str, **more: str) -> Any:
    return client.post("/sign-in", {"username": username, "password": password, **more})


def place(origin: Origin, number: str, name: str = "BARS^ANNA", **values: Any) -> Order:
    with transaction.atomic():
        patient = identity.register(
            origin=origin,
            identifiers=[Identifier(f"P{number}", Authority("GENHOSP"), "MR")],
            demographics={"name": name, "birth_date": "19700102", "sex": "F"},
        )
        statement = OrderStatement(
            placer=Number(f"PL{number}", "HIS"),
            values={"patient_id": patient.pk, "accession_number": f"A{number}", **values},
            procedures=[
                ProcedureStatement(
                    values={"code": "71260", "description": "CT chest"},
                    steps=[StepStatement(values={"modality": "CT"})],
                )
            ],
        )
        return ordering.apply(statement=statement, origin=origin)


def make_study(facility: Facility, number: int, verdict: str = "mismatch", **values: Any) -> Study:
    now = timezone.now()
    study = Study.objects.create(
        **{
            "facility": facility,
            "study_instance_uid": f"2.25.{number}",
            "patient_name": "REAL^RITA",
            "header_patient_id": f"H{number}",
            "accession_number": f"S{number}",
            "modalities": ["CT"],
            "instance_count": 3,
            "first_received_at": now,
            "last_received_at": now,
            "verdict": verdict,
            **values,
        }
    )
    finding = {"field": "patient_id", "seen": f"H{number}", "expected": "P1", "agreement": 0.0, "weight": 5.0}
    Verdict.objects.create(
        study=study,
        number=1,
        outcome=verdict,
        facts={},
        findings=[finding],
        policy_version="1",
        inputs_digest="x",
    )
    if verdict not in ("matched", "corrected", "pending"):
        StudyException.objects.create(study=study)
    return study


def receive(number: int, **values: Any) -> InboundMessage:
    return InboundMessage.objects.create(
        **{
            "source": "HIS|GENHOSP",
            "control_id": f"MSG{number}",
            "sha256": str(number),
            "raw": b"MSH|^~\\&|",
            "message_type": "ORM^O01",
            "received_at": timezone.now(),
            "status": "applied",
            "ack_code": "AA",
            **values,
        }
    )


# Signing in and out


def test_nobody_sees_the_overview_without_signing_in(client: Client) -> None:
    response = client.get("/")
    assert (response.status_code, response["Location"]) == (302, "/sign-in?next=/")


def test_signing_in_leads_to_where_one_wanted_to_go(client: Client, user: User) -> None:
    assert client.get("/sign-in").status_code == 200
    response = sign_in(client, "anna", "correct horse", next="/?orders=2")
    assert (response.status_code, response["Location"]) == (302, "/?orders=2")
    assert client.get("/").status_code == 200


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
        text = re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", response.content.decode())
        pages.append(text.replace(f'value="{name}"', ""))
    assert WRONG in pages[0]
    assert pages[0] == pages[1] == pages[2]


def test_what_is_typed_as_a_name_is_escaped(client: Client, user: User) -> None:
    assert b"<script>" not in sign_in(client, '"><script>', "wrong").content


@pytest.mark.parametrize("name", ["anna", "nobody"])
def test_after_ten_failures_even_the_right_password_has_to_wait(
    client: Client, user: User, name: str
) -> None:
    for _ in range(throttle.PER_NAME):
        assert sign_in(client, name, "wrong").status_code == 422
    response = sign_in(client, name, "correct horse")
    assert response.status_code == 429
    assert b"Too many attempts. Try again in 10 minutes." in response.content
    assert 0 < int(response["Retry-After"]) <= 600
    assert sign_in(Client(REMOTE_ADDR="10.0.0.9"), "anna", "correct horse").status_code == 302, (
        "another address"
    )
    FailedSignIn.objects.update(at=timezone.now() - throttle.WITHIN - timedelta(seconds=1))
    assert sign_in(client, "anna", "correct horse").status_code == 302


def test_a_success_starts_the_count_anew(client: Client, user: User) -> None:
    for _ in range(throttle.PER_NAME - 1):
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


# The overview


def test_empty_lists_say_how_they_fill(user: User, settings: Any) -> None:
    settings.HL7_ADDRESS = ("127.0.0.1", 2575)
    page = signed_in(user).get("/").content.decode()
    assert "No order has arrived yet. A HIS sends to 127.0.0.1:2575." in page
    assert "No study has arrived yet. A modality sends to" in page
    assert "No message has arrived yet." in page


def test_the_overview_shows_orders_studies_exceptions_and_messages(
    user: User, facility: Facility, origin: Callable[..., Origin]
) -> None:
    place(origin(), "1", priority="STAT")
    make_study(facility, 7)
    StudyException.objects.filter(study=make_study(facility, 8)).update(
        status=ExceptionStatus.RESOLVED, resolution="link"
    )
    receive(1)
    error = {"error_code": 101, "error_location": "ORC^1^2", "error_text": "no number"}
    receive(2, status="failed", ack_code="AE", **error)
    his = Destination.objects.create(name="HIS out", host="127.0.0.1", port=1)
    OutboundMessage.objects.create(
        destination=his, key="k", message_type="ORM^O01", control_id="O1", facts={}, not_before=timezone.now()
    )
    page = " ".join(signed_in(user).get("/").content.decode().split())
    for text in ("BARS, ANNA", "CT chest", "STAT", "A1", "1970-01-02", "<b>1</b> open exception,"):
        assert text in page
    for text in ("REAL, RITA", "from images", "</span> mismatch</span>", "decided: link", "1 mismatch<"):
        assert text in page
    for text in ("MSG1", "101 ORC^1^2", "no number", 'class="ack AE">AE', "HIS out", "</span> out"):
        assert text in page


def test_times_are_in_the_zone_of_the_facility(user: User, facility: Facility) -> None:
    study = make_study(facility, 1)
    Study.objects.filter(pk=study.pk).update(last_received_at="2026-03-02T23:30:00Z")
    page = signed_in(user).get("/").content.decode()
    assert "03-03 00:30" in page and "times in Europe/Berlin" in page


def test_a_name_can_not_bring_its_own_markup(
    user: User, facility: Facility, origin: Callable[..., Origin]
) -> None:
    evil = "<script>alert(1)</script>^\"'><img src=x onerror=alert(1)>"
    place(origin(), "1", name=evil)
    make_study(facility, 7, patient_name=evil, accession_number="<b>x", description=evil)
    receive(1, control_id="<script>x", source="<script>|<i>", error_text="<script>y", message_type="<u>")
    page = signed_in(user).get("/").content.decode()
    assert "<script" not in page and "<img" not in page and "<b>x" not in page and "<i>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_lists_are_paged_by_links_that_keep_the_others(
    user: User, facility: Facility, origin: Callable[..., Origin]
) -> None:
    for number in range(30):
        place(origin(), f"{number:03}")
        make_study(facility, number + 1)
    client = signed_in(user)
    page = client.get("/").content.decode()
    assert "A029" in page and "A001" not in page
    assert 'href="?orders=2#orders" rel="next"' in page
    page = client.get("/?orders=3&studies=2").content.decode()
    assert "A001" in page and 'href="?orders=2&amp;studies=2#orders" rel="prev"' in page
    assert client.get("/?orders=999&studies=x&messages=-1").status_code == 200, "nonsense is the nearest page"


def test_the_number_of_queries_does_not_grow(
    user: User, facility: Facility, origin: Callable[..., Origin], django_assert_max_num_queries: Any
) -> None:
    for number in range(12):
        place(origin(), f"{number:03}")
        make_study(facility, number + 1)
        receive(number)
    client = signed_in(user)
    client.get("/")
    with django_assert_max_num_queries(25):
        client.get("/")


def test_only_ones_own_facility_shows(user: User, facility: Facility, origin: Callable[..., Origin]) -> None:
    other = Facility.objects.create(code="OTHER", name="Other Hospital")
    place(origin(facility=other), "1")
    make_study(other, 7)
    page = signed_in(user).get("/").content.decode()
    assert "BARS" not in page and "REAL" not in page
    assert "<b>0</b> open exceptions" in page


def test_each_role_sees_its_sections(facility: Facility) -> None:
    def sections(*roles: Role) -> set[str]:
        name = "-".join(roles)
        person = User.objects.create_user(name, "correct horse", roles=[role.value for role in roles])
        person.facilities.add(facility)
        return set(re.findall(r'<section id="(\w+)"', signed_in(person).get("/").content.decode()))

    assert sections(Role.RADIOLOGIST) == {"studies", "orders"}
    assert sections(Role.INTEGRATOR) == {"studies", "orders", "messages"}
    assert sections(Role.REFERRER) == set()


def test_what_shows_is_audited_once_an_hour(
    user: User, facility: Facility, origin: Callable[..., Origin]
) -> None:
    order = place(origin(), "1")
    study = make_study(facility, 7)
    client = signed_in(user)
    client.get("/")
    client.get("/")
    named = [thing["id"] for row in AuditEvent.objects.filter(action="R") for thing in row.objects_named]
    assert sorted(named) == sorted([order.public_id, study.study_instance_uid])


# What a browser gets


def test_pages_hold_no_script_and_no_style_of_their_own(user: User, client: Client) -> None:
    for page in (signed_in(user).get("/"), client.get("/sign-in"), client.get("/nothing-here")):
        text = page.content.decode()
        assert not re.search(r"<script|<style|\sstyle=|\son\w+=|javascript:", text)
        assert "script-src 'self'" in page["Content-Security-Policy"]


def test_the_style_sheet_is_there_and_loads_nothing(client: Client) -> None:
    assert "url(" not in STYLE.read_text() and "@import" not in STYLE.read_text()


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_text_has_enough_contrast_in_both_themes() -> None:
    """WCAG 2.2, 1.4.3: at least 4.5:1."""
    dark, light = re.findall(r":root \{(.*?)\}", STYLE.read_text(), re.DOTALL)
    colours: dict[str, str] = {}
    for theme in (dark, light):
        colours |= dict(re.findall(r"--([\w-]+): (#\w{6})", theme))
        texts = ("text", "quiet", "link", "stat", "urgent", "warn", "mismatch", "matched")
        pairs = [(text, ground) for text in texts for ground in ("ground", "panel")]
        pairs += [("mismatch", "mismatch-ground"), ("on-act", "act")]
        for text, ground in pairs:
            first, second = sorted((luminance(colours[text]), luminance(colours[ground])), reverse=True)
            assert (first + 0.05) / (second + 0.05) >= 4.5, (text, ground)


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
    assert naming.shown(name) == written
