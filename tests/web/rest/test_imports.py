"""`/imports`: what is brought by programs, in one body or file by file; what is refused, and why."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from accounts.models import Facility, Role, Token, User
from archive.imports import import_acts, uploaded_file
from archive.models import Import, Instance
from ledger import jobs
from ledger.models import Job
from tests.archive.conftest import home as home
from tests.archive.dataset.builders import encoded, image

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("home", "facility")]
SCAN = {
    "kind": "scans",
    "patient_name": "Bars, Anna",
    "patient_id": "P1",
    "study_date": "2.3.2020",
    "description": "Chest film",
}


class Caller:
    """A program with a token."""

    def __init__(self, user: User) -> None:
        self.client = Client()
        self.headers = {"Authorization": f"Bearer {Token.issue(user=user)}"}

    def bring(self, expect: int = 201, files: dict[str, bytes] | None = None, **said: str) -> Any:
        parts = [SimpleUploadedFile(name, content) for name, content in (files or {}).items()]
        data = {**said, **({"file": parts} if parts else {})}
        return self._body(self.client.post("/api/v1/imports", data, headers=self.headers), expect)

    def put(self, id: str, name: str, content: bytes, expect: int = 200) -> Any:
        answer = self.client.put(
            f"/api/v1/imports/{id}/files",
            content,
            content_type="application/octet-stream",
            query_params={"name": name},
            headers=self.headers,
        )
        return self._body(answer, expect)

    def post(self, path: str, expect: int = 200) -> Any:
        return self._body(self.client.post(f"/api/v1/imports{path}", headers=self.headers), expect)

    def get(self, path: str = "", expect: int = 200) -> Any:
        return self._body(self.client.get(f"/api/v1/imports{path}", headers=self.headers), expect)

    @staticmethod
    def _body(answer: Any, expect: int) -> Any:
        assert answer.status_code == expect, answer.content
        assert (answer["Content-Type"] == "application/problem+json") is (expect >= 400)
        return json.loads(answer.content)


@pytest.fixture
def caller(user: User) -> Caller:
    return Caller(user)


def work() -> None:
    for _ in range(20):
        for job in Job.objects.filter(kind=import_acts.JOB).exclude(state="done"):
            Job.objects.filter(pk=job.pk).update(not_before=timezone.now())
            jobs.run(job.pk)


def test_one_body_is_one_import(caller: Caller) -> None:
    two = [encoded(image(SOPInstanceUID=f"1.2.3.{n}")) for n in (1, 2)]
    row = caller.bring(files={"IM1": two[0], "IM2": two[1], "note.txt": b"x"}, origin=" City  Hospital ")
    assert (row["state"], row["origin"], row["kind"]) == ("running", "City Hospital", "images")
    work()
    done = caller.get(f"/{row['id']}")
    assert (done["state"], done["stored"], done["refused"]) == ("done", 2, 1)
    assert done["source"] == "IM1, IM2, note.txt"
    assert done["refusals"][0]["name"] == "note.txt"
    assert [one["verdict"] for one in done["studies"]] == [None]
    assert [one["id"] for one in caller.get()["results"]] == [row["id"]]


def test_files_follow_one_by_one(caller: Caller, home: Path) -> None:
    id_ = caller.bring(to_follow="yes")["id"]
    for number in (1, 2):
        content = encoded(image(SOPInstanceUID=f"1.2.3.{number}"))
        assert caller.put(id_, f"CD/A/IM{number}", content)["state"] == "receiving"
    assert caller.post(f"/{id_}/start")["state"] == "running"
    caller.put(id_, "CD/late", b"x", expect=409)
    work()
    assert caller.get(f"/{id_}")["stored"] == Instance.objects.count() == 2
    assert not list((home / "spool").glob("import.*"))


def test_priors_are_brought_for_comparison_only(caller: Caller, home: Path) -> None:
    row = caller.bring(to_follow="yes", comparison_only="yes")
    assert row["comparison_only"] is True
    assert caller.post(f"/{row['id']}/read")["comparison_only"] is False
    caller.post(f"/{row['id']}/read", expect=409)
    assert caller.bring(to_follow="yes")["comparison_only"] is False


def test_a_stopped_import_leaves_no_file(caller: Caller, home: Path) -> None:
    id_ = caller.bring(to_follow="yes", files={"a": b"x"})["id"]
    assert caller.post(f"/{id_}/stop")["state"] == "stopped"
    caller.post(f"/{id_}/stop", expect=409)
    caller.post(f"/{id_}/start", expect=409)
    assert not list((home / "spool").iterdir())


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({}, "file"),
        ({"kind": "x"}, "kind"),
        ({**SCAN, "patient_name": ""}, "patient_name"),
        ({**SCAN, "study_date": "soon"}, "study_date"),
        ({**SCAN, "patient_birth_date": "2999-01-01"}, "patient_birth_date"),
        ({**SCAN, "patient_sex": "?"}, "patient_sex"),
        ({"origin": "x" * 201}, "origin"),
        ({"origin": "a\0b"}, "origin"),
    ],
)
def test_what_can_not_be_so_changes_nothing(
    caller: Caller,
    home: Path,
    said: dict[str, str],
    field: str,
) -> None:
    files = {"film.png": b"x"} if said else {}
    problem = caller.bring(expect=422, files=files, **said)
    assert [one["field"] for one in problem["errors"]] == [field]
    assert not Import.objects.exists()
    assert not list((home / "spool").glob("*"))


def test_a_file_outside_or_too_large_is_refused(
    caller: Caller,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    id_ = caller.bring(to_follow="yes")["id"]
    caller.put(id_, "../../x", b"x", expect=422)
    monkeypatch.setattr(import_acts, "LARGEST", 10)
    caller.put(id_, "x", b"x" * 11, expect=422)
    assert not [path for path in (home / "spool").rglob("*") if path.is_file()]


def test_a_full_disk_is_said(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(folder: Path, least: int) -> None:
        raise OSError(28, "full")

    monkeypatch.setattr(uploaded_file.volumes, "check_space", full)
    assert "No space" in caller.bring(expect=409, files={"a": b"x"})["detail"]


def test_a_body_with_too_many_files_and_no_multipart_are_refused(caller: Caller, home: Path) -> None:
    caller.bring(expect=413, files={f"f{number}": b"x" for number in range(101)})
    answer = caller.client.post(
        "/api/v1/imports", b"x", content_type="multipart/form-data; boundary=b", headers=caller.headers
    )
    assert answer.status_code in (400, 422), answer.content
    assert not Import.objects.exists() and not list((home / "spool").glob("*"))


def test_nothing_is_kept_of_who_may_not(employ: Callable[..., User], home: Path) -> None:
    Caller(employ("mia", Role.MANAGER)).bring(expect=403, files={"a": b"x"})
    assert not list((home / "spool").glob("*"))
    other = Facility.objects.create(code="OTHER", name="Other")
    theirs = Import.objects.create(facility=other, kind="images", by="x", actor="x", interface="page")
    caller = Caller(employ("tess", Role.TECHNOLOGIST))
    assert caller.get()["count"] == 0
    caller.get(f"/{theirs.public_id}", expect=404)
    caller.put(theirs.public_id, "a", b"x", expect=404)
    caller.post(f"/{theirs.public_id}/stop", expect=404)


def test_a_page_of_another_origin_brings_nothing(user: User, home: Path) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    answer = client.post("/api/v1/imports", {"file": SimpleUploadedFile("a", b"x")})
    assert answer.status_code == 403
    assert not list((home / "spool").glob("*"))


def test_somebody_has_only_so_many_open_uploads(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_acts, "MOST_OPEN", 1)
    caller.bring(to_follow="yes")
    caller.bring(to_follow="yes", expect=409)
