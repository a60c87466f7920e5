"""A new decision is one class: once registered it is in REST, on the page, in previews, and can be undone."""

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from accounts.models import User
from archive.coercion import patient_coercion
from archive.decisions import decision_type
from archive.decisions.decision_type import DecisionType, Links, Parameters, register
from archive.decisions.effects import Effect
from archive.decisions.needs import PATIENT, Choice, ChosenFrom, Need
from archive.models import Decision, Study, StudyException
from ledger import event_types
from ledger.models import Event
from tests.archive.hospital import Hospital
from tests.web.rest.conftest import Api, hospital  # noqa: F401
from worklist.models import Patient

pytestmark = pytest.mark.django_db

ROOM = Need(
    name="room",
    meaning="where they were made",
    prompt="Choose the room.",
    example="CT1",
    chosen_from=ChosenFrom.FEW,
    label="Room",
    choices=lambda study: [Choice("CT1", "The old scanner"), Choice("CT2", "The new scanner")],
)


@dataclass(frozen=True)
class MoveRoomParameters(Parameters):
    room: str
    patient: str


@dataclass(frozen=True)
class MoveRoom(DecisionType):
    """The images are of this patient, and were made in this room."""

    kind = "move_room"
    key = "x"
    title = "Move room"
    does = "Say in which room the images were made."
    done = "moved to another room"
    restores = "the old room"
    links = Links.PATIENT
    example_reason = "the label was wrong"

    room: str = field(metadata={"need": ROOM})
    patient: Patient = field(metadata={"need": PATIENT})

    def act(self, study: Study, by: User) -> MoveRoomParameters:
        study.patient = self.patient
        return MoveRoomParameters(self.room, self.patient.public_id)

    @classmethod
    def effects(cls, decision: Decision) -> Sequence[Effect]:
        room = MoveRoomParameters.of(decision).room
        return [Effect("room", f"{room} is {'forgotten' if decision.undone_at else 'noted'}")]


@pytest.fixture(autouse=True)
def only_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let these tests alone know the decision."""
    monkeypatch.setattr(decision_type, "_types", dict(decision_type._types))
    monkeypatch.setattr(event_types, "_declared", dict(event_types._declared))
    register(MoveRoom)


@pytest.fixture
def study(hospital: Hospital) -> Study:  # noqa: F811
    """Images of nobody whom the schedule knows."""
    hospital.patient()
    return hospital.study("A1", "X9", "NOBODY^NORA")


@pytest.fixture
def row(study: Study) -> StudyException:
    return StudyException.objects.get(study=study)


@pytest.fixture
def body() -> dict[str, Any]:
    anna = Patient.objects.get(value="P1").public_id
    return {"action": "move_room", "reason": "the label was wrong", "room": "CT2", "patient": anna}


def words(answer: Any) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())))


def test_rest_previews_does_and_undoes_it(user: User, row: StudyException, body: dict[str, Any]) -> None:
    api, path = Api(user), f"/exceptions/{row.public_id}"
    effects = {one["about"]: one["text"] for one in api.post(f"{path}/preview", body)["effects"]}
    assert effects["room"] == "CT2 is noted" and "; the old room" in effects["undo"]
    assert "BARS, ANNA" in effects["patient"] and not Decision.objects.exists()
    resolved = api.post(f"{path}/resolve", body)
    assert (resolved["status"], resolved["resolution"]) == ("resolved", "move_room")
    kept = {"room": "CT2", "patient": body["patient"]}
    assert resolved["history"][-1]["parameters"] == kept
    assert api.post(f"{path}/undo", {"reason": "it was right"})["status"] == "open"
    assert Study.objects.get().patient is None
    happened = [event_types.of(kind).words for kind in Event.objects.values_list("kind", flat=True)]
    assert happened[-2:] == ["Decided: move room", "Decision undone: move room"]


def test_a_body_has_its_members_and_no_other(user: User, row: StudyException, body: dict[str, Any]) -> None:
    api, path = Api(user), f"/exceptions/{row.public_id}/resolve"
    for left_out in ("room", "patient"):
        problem = api.post(path, {key: value for key, value in body.items() if key != left_out}, 422)
        assert [error["field"] for error in problem["errors"]] == [left_out]
    problem = api.post(path, {**body, "floor": "2"}, 422)
    assert [error["field"] for error in problem["errors"]] == ["floor"]
    described = api.get("/openapi.json")["components"]["schemas"]
    assert "move_room" in described["DecisionKind"]["enum"]
    members = described["Resolution"]["properties"]
    assert members["room"]["description"] == "`move_room`: where they were made"
    assert members["patient"]["description"].startswith("`reassign`, `move_room`: the patient's id;")
    example = {
        "action": "move_room",
        "reason": "the label was wrong",
        "room": "CT1",
        "patient": PATIENT.example,
    }
    assert example in described["Resolution"]["examples"]


def test_the_page_has_its_key_its_choices_and_its_undo(
    user: User, row: StudyException, body: dict[str, Any]
) -> None:
    browser, path = Client(), f"/exceptions/{row.public_id}"
    browser.force_login(user)
    button = re.search(r'<button[^>]*value="move_room"[^>]*>', browser.get(path).content.decode())
    assert button and 'data-key="x"' in button[0] and MoveRoom.does in button[0]
    sent = {"action": "move_room", "revision": 0, "reason": "seen both", "target": f"|{body['patient']}"}
    asked = browser.post(f"{path}/preview", sent)
    assert "Choose the room." in words(asked) and "The new scanner" in words(asked)
    sent["room"] = "CT2"
    assert "CT2 is noted" in words(browser.post(f"{path}/preview", sent))
    unconfirmed = browser.post(f"{path}/decide", sent)
    assert unconfirmed.status_code == 422 and "The images say another person" in words(unconfirmed)
    assert browser.post(f"{path}/decide", {**sent, "although": "1"}).status_code == 302
    assert "moved to another room" in words(browser.get(path))
    undone = {"action": "undo", "revision": 1, "reason": "was right"}
    assert "CT2 is forgotten" in words(browser.post(f"{path}/preview", undone))
    assert browser.post(f"{path}/decide", undone).status_code == 302
    assert Study.objects.get().patient is None and Decision.objects.get().undone_at


def test_it_pins_the_patient_and_gives_the_patients_identity(
    hospital: Hospital,  # noqa: F811
    user: User,
    study: Study,
    row: StudyException,
    body: dict[str, Any],
) -> None:
    Api(user).post(f"/exceptions/{row.public_id}/resolve", body)
    with transaction.atomic():
        hospital.order("A1", hospital.patient("X9", "NOBODY^NORA"))
    judged = hospital.judged(study)
    assert judged.verdict in ("matched", "late_order") and judged.patient is not None
    assert judged.patient.value == "P1"
    assert patient_coercion.identities([judged])[judged.pk].name == "BARS^ANNA"


@pytest.mark.parametrize("guide", ["verdicts.md", "guides/technologist.md"])
def test_the_guides_list_the_decisions_by_their_keys(settings: Any, guide: str) -> None:
    listed = re.findall(
        r"^\| `?([0-9BI])`? \| `?([a-z_ ]+)`? \|", (settings.BASE_DIR / "docs" / guide).read_text(), re.M
    )
    known = [(decided.key, decided.kind) for decided in decision_type.registered() if decided is not MoveRoom]
    assert [(key, name.replace(" ", "_")) for key, name in listed] == known


def test_no_two_decisions_share_a_kind_or_a_key() -> None:
    for name, value in (("kind", "link"), ("key", "1")):
        taken = type("Taken", (MoveRoom,), {"kind": "other", "key": "x", name: value})
        with pytest.raises(ValueError, match="another decision's"):
            register(taken)
