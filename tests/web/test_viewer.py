"""Who gets the image viewer, for which studies, and what it may load."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Facility, User
from archive.models import Study
from ledger.models import AuditEvent
from tests.web.markup import read
from web.kernel import content_security
from web.pages import viewer

pytestmark = pytest.mark.django_db
Open = Callable[..., Any]


@pytest.fixture(autouse=True)
def _fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viewer, "_bundle", lambda: Path("/nowhere/ohif-01234567/app.bundle.0f.js"))


@pytest.fixture
def study(facility: Facility) -> Study:
    now = timezone.now()
    return Study.objects.create(
        facility=facility,
        study_instance_uid="1.2.3",
        patient_name="BARS^ANNA=山田",
        instance_count=3,
        first_received_at=now,
        last_received_at=now,
    )


@pytest.fixture
def open_viewer(client: Client, user: User) -> Open:
    client.force_login(user)
    return lambda query="StudyInstanceUIDs=1.2.3": client.get(f"/viewer?{query}")


def test_it_is_ohif_with_our_settings_and_a_policy_of_its_own(open_viewer: Open, study: Study) -> None:
    answer = open_viewer()
    text = read(answer)

    assert answer.status_code == 200 and "<title>BARS ANNA · Images</title>" in text
    assert 'src="/static/vendor/ohif-01234567/app.bundle.0f.js"' in text
    assert 'data-base="/static/vendor/ohif-01234567/"' in text and "app-config.js" in text
    assert answer["Content-Security-Policy"] == content_security.VIEWER_POLICY
    assert "no-store" in answer["Cache-Control"]
    (event,) = AuditEvent.objects.filter(code="110103", actor=study.facility.users.get().username)
    assert event.objects_named == [{"type": "study", "id": "1.2.3"}]


def test_the_policy_lets_nothing_in_from_elsewhere() -> None:
    for policy in (content_security.VIEWER_POLICY, content_security.VIEWER_WORKER_POLICY):
        assert policy.startswith("default-src 'none'; ") and "http" not in policy and "*" not in policy
    assert "'unsafe-eval'" not in content_security.VIEWER_POLICY
    headers: dict[str, str] = {}
    content_security.static_headers(headers, "", "/static/vendor/ohif-01234567/8097.bundle.js")
    assert headers["Content-Security-Policy"] == content_security.VIEWER_WORKER_POLICY
    content_security.static_headers(headers, "", "/static/web/style.css")
    assert headers["Content-Security-Policy"] == content_security.POLICY


@pytest.mark.parametrize(
    "uids", ["", "1.2.4", "1.2.3,1.2.4", "../x", "1.2.3 or 1=1", ",".join(f"1.2.{n}" for n in range(30))]
)
def test_what_is_not_there_is_404(open_viewer: Open, study: Study, uids: str) -> None:
    assert open_viewer(f"StudyInstanceUIDs={uids}").status_code == 404
    assert open_viewer("").status_code == 404


def test_a_study_of_another_facility_is_not_there_and_the_attempt_is_noted(
    open_viewer: Open, study: Study, user: User
) -> None:
    user.facilities.set([Facility.objects.create(code="OTHER", name="Other", time_zone="UTC")])

    assert open_viewer().status_code == 404
    assert AuditEvent.objects.filter(code="110113", actor="anna").exists()


def test_without_a_role_for_it_it_does_not_open(open_viewer: Open, study: Study, user: User) -> None:
    user.roles = []
    user.save()

    assert open_viewer().status_code == 403


def test_a_study_without_images_says_so(open_viewer: Open, study: Study) -> None:
    Study.objects.update(instance_count=0)

    answer = open_viewer()
    assert answer.status_code == 404 and b"This study has no images" in answer.content


def test_where_it_was_not_fetched_it_says_how_to_get_it(
    open_viewer: Open, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(viewer, "_bundle", lambda: None)

    answer = open_viewer()
    assert answer.status_code == 503 and b"start it again" in answer.content


def test_a_slash_leads_to_it(open_viewer: Open, client: Client) -> None:
    assert client.get("/viewer/?StudyInstanceUIDs=1.2.3")["Location"] == "/viewer?StudyInstanceUIDs=1.2.3"


def test_one_who_is_not_signed_in_comes_back_after_it(client: Client) -> None:
    answer = client.get("/viewer?StudyInstanceUIDs=1.2.3")
    assert answer["Location"] == "/sign-in?next=/viewer%3FStudyInstanceUIDs%3D1.2.3"


def test_the_images_of_a_study_write_its_session_once_a_minute(client: Client, user: User) -> None:
    client.force_login(user)
    client.get("/dicom-web/studies")
    with CaptureQueriesContext(connection) as queries:
        client.get("/dicom-web/studies")
    assert not [query for query in queries if "UPDATE" in query["sql"] and "session" in query["sql"]]
