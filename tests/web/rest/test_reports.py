"""`/studies/{uid}/reports`, `/reports`, `/reading`, `/dictations`, `/transcription`."""

import base64
import json
import uuid
from pathlib import Path

import pytest
from django.test import Client

from accounts.models import Role, User
from interfaces.hl7.models import Destination
from ledger.models import AuditEvent
from reporting.models import Dictation, ReportVersion
from tests.archive.conftest import home as home
from tests.archive.hospital import Hospital
from tests.web.rest.conftest import Api

pytestmark = pytest.mark.django_db

TEXT = {"findings": "No acute finding.", "impression": "Normal chest, bar check."}
PCM = base64.b64encode(b"\1\0" * 16000).decode()


@pytest.fixture
def uid(hospital: Hospital, home: Path) -> str:
    hospital.order("A1", hospital.patient("P1", "BARS^ANNA"))
    return hospital.study("A1", "P1", "BARS^ANNA").study_instance_uid


@pytest.fixture
def destination() -> Destination:
    return Destination.objects.create(name="HIS", host="127.0.0.1", port=9, version="2.5.1")


def signed(api: Api, uid: str) -> dict[str, object]:
    report = api.post(f"/studies/{uid}/reports", {"sections": TEXT}, expect=201)
    body = {"password": "correct horse", "revision": report["revision"]}
    return api.post(f"/reports/{report['id']}/sign", body)


def test_a_report_goes_from_the_first_word_to_the_signature(api: Api, uid: str) -> None:
    report = api.post(f"/studies/{uid}/reports", {"sections": TEXT}, expect=201)
    assert report["status"] == "draft" and report["sections"] == TEXT and report["author"] == "Anna"
    assert api.get("/studies", study_instance_uid=uid)["results"][0]["reading_status"] == "reading"
    changed = api.patch(f"/reports/{report['id']}", {"sections": {"impression": "Normal."}, "revision": 1})
    assert changed["revision"] == 2
    final = api.post(f"/reports/{report['id']}/sign", {"password": "correct horse", "revision": 2})
    assert final["status"] == "final" and final["signed_by"] == "Anna" and len(final["hash"]) == 64
    assert api.get("/studies", study_instance_uid=uid)["results"][0]["reading_status"] == "final"
    assert api.get(f"/studies/{uid}/reports")["results"][0]["version"] == 1
    assert api.get(f"/reports/{report['id']}/versions")["problems"] == []


def test_a_stale_revision_is_told_what_changed(api: Api, uid: str) -> None:
    report = api.post(f"/studies/{uid}/reports", {"sections": TEXT}, expect=201)
    api.patch(f"/reports/{report['id']}", {"sections": {"impression": "One."}, "revision": 1})
    body = {"sections": {"impression": "Two."}, "revision": 1}
    problem = api.patch(f"/reports/{report['id']}", body, expect=409)
    assert problem["code"] == "stale_revision"
    assert problem["changed"]["sections"] == {"impression": {"yours": "Two.", "theirs": "One."}}
    sign = {"password": "correct horse", "revision": 1}
    assert api.post(f"/reports/{report['id']}/sign", sign, expect=409)["code"] == "stale_revision"


def test_a_wrong_password_signs_nothing_and_is_audited(api: Api, uid: str) -> None:
    report = api.post(f"/studies/{uid}/reports", {"sections": TEXT}, expect=201)
    body = {"password": "wrong", "revision": 1}
    api.post(f"/reports/{report['id']}/sign", body, expect=403)
    for _ in range(9):
        api.post(f"/reports/{report['id']}/sign", body, expect=403)
    body["password"] = "correct horse"
    api.post(f"/reports/{report['id']}/sign", body, expect=429)
    assert ReportVersion.objects.count() == 0
    assert AuditEvent.objects.filter(code="110114", outcome=4).count() == 10


def test_what_stands_in_the_way_is_listed(api: Api, uid: str) -> None:
    report = api.post(f"/studies/{uid}/reports", {"sections": {"findings": "[ ]"}}, expect=201)
    problem = api.post(
        f"/reports/{report['id']}/sign", {"password": "correct horse", "revision": 1}, expect=409
    )
    assert [block["code"] for block in problem["blocks"]] == ["open_fields", "empty_impression"]


def test_what_a_signature_would_meet_is_told_before_the_password(
    api: Api, uid: str, hospital: Hospital, destination: Destination
) -> None:
    report = api.post(f"/studies/{uid}/reports", {"sections": {"findings": "[side]"}}, expect=201)
    path, revision = f"/reports/{report['id']}/signing-checks", report["revision"]
    found = api.post(path, {"shown": {"images": 99}})
    assert [block["code"] for block in found["blocks"]] == [
        "brackets_findings",
        "empty_impression",
        "new_images",
    ]
    assert found["kind"] == "final" and found["obstacle"] == ""
    assert found["recipients"] == [{"destination": "HIS", "accession_number": "A1"}]
    again = api.get(f"/reports/{report['id']}")
    assert again["revision"] == revision and again["status"] == "draft"
    alone = hospital.study("", "P7", "NOBODY^KNOWS").study_instance_uid
    report = api.post(f"/studies/{alone}/reports", {"sections": TEXT}, expect=201)
    found = api.post(f"/reports/{report['id']}/signing-checks", {})
    assert found["recipients"] == [] and found["obstacle"] == "no order: cannot be delivered"


def test_an_addendum_is_signed_by_the_same_call(api: Api, uid: str) -> None:
    report = signed(api, uid)
    draft = api.post(f"/reports/{report['id']}/addenda", {"text": "One more thing."}, expect=201)
    assert draft["addenda"][0]["text"] == "One more thing."
    body = {"password": "correct horse", "revision": draft["revision"]}
    assert api.post(f"/reports/{report['id']}/sign", body)["status"] == "amended"
    assert [v["kind"] for v in api.get(f"/reports/{report['id']}/versions")["results"]] == [
        "final",
        "addendum",
    ]


def test_the_same_idempotency_key_signs_once(api: Api, uid: str) -> None:
    report = api.post(f"/studies/{uid}/reports", {"sections": TEXT}, expect=201)
    headers = {**api.headers, "Idempotency-Key": "k1"}
    body = json.dumps({"password": "correct horse", "revision": 1})
    for _ in range(2):
        answer = api.client.post(
            f"/api/v1/reports/{report['id']}/sign", body, content_type="application/json", headers=headers
        )
        assert answer.status_code == 200
    assert ReportVersion.objects.count() == 1


def test_a_study_without_a_verdict_is_not_ready(api: Api, hospital: Hospital) -> None:
    study = hospital.study("", at=hospital.provenance().received_at.replace(year=2090))
    api.post(f"/studies/{study.study_instance_uid}/reports", {}, expect=409)


def test_the_next_item_is_leased(api: Api, uid: str) -> None:
    item = api.post("/reading/next", {})
    assert item["lease"]["mine"] and item["studies"] == [uid] and item["patient"]["name"] == "BARS^ANNA"
    api.post("/reading/next", {}, expect=404)
    renewed = api.post(f"/reading/items/{item['id']}/renew", {"fence": item["lease"]["fence"]})
    assert renewed["lease"]["until"] >= item["lease"]["until"]
    listed = api.get("/reading/items")
    assert listed["count"] == 1 and listed["overdue"] == 0
    given_back = api.post(f"/reading/items/{item['id']}/release", {"fence": item["lease"]["fence"]})
    assert given_back["status"] == "ready" and given_back["lease"] is None


def test_a_dictation_in_one_piece_is_heard_and_typed(api: Api, uid: str) -> None:
    report = api.post(f"/studies/{uid}/reports", {}, expect=201)
    name = str(uuid.uuid4())
    body = {"id": name, "sample_rate": 16000, "pcm": PCM}
    for _ in range(2):
        dictation = api.post(f"/reports/{report['id']}/dictations", body, expect=201)
    assert (dictation["state"], dictation["seconds"], Dictation.objects.count()) == ("queued", 1.0, 1)
    sound = api.client.get(f"/api/v1/dictations/{name}/audio", headers=api.headers)
    assert b"".join(sound.streaming_content)[:4] == b"RIFF"
    part = api.client.get(
        f"/api/v1/dictations/{name}/audio", headers={**api.headers, "Range": "bytes=44-143"}
    )
    assert part.status_code == 206 and part["Content-Range"] == "bytes 44-143/32044"
    assert len(b"".join(part.streaming_content)) == 100
    taken = api.post("/transcription/next")
    assert taken["id"] == name
    typed = {"sections": {"impression": "Typed."}, "revision": taken["revision"]}
    assert api.post(f"/dictations/{name}/type", typed)["state"] == "typed"
    assert api.get(f"/reports/{report['id']}")["sections"]["impression"] == "Typed."
    assert AuditEvent.objects.filter(objects_named__icontains="dictation").exists()


def test_segments_may_come_in_any_order_and_twice(api: Api, uid: str) -> None:
    item, name = api.get("/reading/items")["results"][0]["id"], str(uuid.uuid4())
    api.post(f"/reading/items/{item}/dictations", {"id": name}, expect=201)
    for seq in (1, 0, 1):
        answer = api.client.put(
            f"/api/v1/dictations/{name}/segments/{seq}",
            b"\1\0" * (1000 + seq),
            content_type="application/octet-stream",
            headers=api.headers,
        )
        assert answer.status_code == 200, answer.content
    done = api.post(f"/dictations/{name}/finish", {"segments": 2})
    assert done["state"] == "queued" and done["seconds"] == round(2001 / 16000, 3)


@pytest.mark.parametrize(
    ("role", "status"), [(Role.TRANSCRIPTIONIST, 403), (Role.TECHNOLOGIST, 403), (Role.RADIOLOGIST, 201)]
)
def test_who_may_write(api: Api, uid: str, user: User, role: Role, status: int) -> None:
    user.roles = [role.value]
    user.save()
    api.post(f"/studies/{uid}/reports", {"sections": TEXT}, expect=status)


def test_another_facilitys_report_does_not_exist(api: Api, uid: str, user: User) -> None:
    report = api.post(f"/studies/{uid}/reports", {"sections": TEXT}, expect=201)
    user.facilities.clear()
    api.get(f"/reports/{report['id']}", expect=404)
    api.post(f"/studies/{uid}/reports", {}, expect=404)
    assert api.get("/reading/items")["count"] == 0


def test_the_session_needs_a_csrf_token(uid: str, user: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    answer = client.post(f"/api/v1/studies/{uid}/reports", b"{}", content_type="application/json")
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "body",
    [
        {"sections": {"haedline": "x"}},
        {"sections": {"findings": "a\0b"}},
        {"sections": []},
        {"template": "none such"},
        {"other": 1},
    ],
)
def test_bad_bodies_change_nothing(api: Api, uid: str, body: dict[str, object]) -> None:
    api.post(f"/studies/{uid}/reports", body, expect=422)
    assert api.get(f"/studies/{uid}/reports")["count"] == 0
