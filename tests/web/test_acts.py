"""One actor in every act: checked by the service itself, written down alike whichever interface it used."""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.db import transaction
from django.test import Client

import accounts
import archive
import interfaces
import ledger
import reporting
import ris_pacs
import worklist
from accounts import access
from accounts.actor import Actor
from accounts.models import Facility, Role, User
from ledger import audit
from ledger.errors import Forbidden
from ledger.models import AuditEvent
from reporting.models import HoldReason, ReadingItem, Skip
from reporting.reading_worklist.assignment import SkipReason
from tests.actors import ADDRESS, acting
from tests.archive.conftest import home as home
from tests.reporting.conftest import World
from tests.reporting.conftest import world as world
from tests.web.acts import ACTS, Act, Department
from tests.web.pages.world import signed_in
from tests.web.rest.conftest import Api
from tests.web.rest.conftest import hospital as hospital
from web.kernel import authorization

pytestmark = pytest.mark.django_db


@pytest.fixture
def department(world: World, facility: Facility, home: Path) -> Department:
    return Department(world, facility, home)


@pytest.fixture
def stranger(db: None) -> Actor:
    """Somebody with every role, of another facility."""
    user = User.objects.create_user("otto", "correct horse", roles=[*Role])
    user.facilities.add(Facility.objects.create(code="OTHER", name="Other Hospital"))
    return acting(user)


def everything() -> dict[str, list[dict[str, Any]]]:
    return {
        model._meta.label: list(model._default_manager.order_by("pk").values()) for model in apps.get_models()
    }


# Services


@pytest.mark.parametrize("act", ACTS, ids=str)
def test_an_act_is_for_those_who_may_and_leaves_one_row(
    act: Act, department: Department, stranger: Actor
) -> None:
    given = act.given(department)
    AuditEvent.objects.all().delete()
    audit.forget()
    before = everything()
    for other in nobodies(act):
        refused(act, given, other)
    if act.of_facility:
        refused(act, given, stranger)
    assert everything() == before
    with transaction.atomic():
        act.service(**given, by=department.by)
    rows = AuditEvent.objects.values_list("actor", "address", "interface", "code", "action", "outcome")
    assert list(rows) == ([("wanda", ADDRESS, "page", *act.audited, 0)] if act.audited else [])


def nobodies(act: Act) -> Iterator[Actor]:
    """All who may not: each role alone that the policy leaves out, who has left, and another system."""
    for role in Role:
        user = User(username="olga", roles=[role])
        if not access.can(user, act.allowed):
            yield acting(user)
    yield acting(User(username="left", roles=[*Role], is_active=False))
    yield Actor.of_source("HIS")


def refused(act: Act, given: dict[str, Any], by: Actor) -> None:
    with pytest.raises(Forbidden), transaction.atomic():
        act.service(**given, by=by)
    assert by.refusals, "so that it can be written down"


@pytest.mark.parametrize("name", ["next_item", "next_dictation"])
def test_what_is_handed_out_is_of_ones_own_facility(
    name: str, department: Department, stranger: Actor
) -> None:
    act = next(act for act in ACTS if act.service.__name__ == name)
    given = act.given(department)
    with transaction.atomic():
        assert act.service(**given, by=stranger) is None


PRIMITIVES = {
    "account_events.note",
    "assignment.lease_to",
    "authorship.follow",
    "create_order.cancel_unused",
    "create_order.give_back",
    "decision_frame.record",
    "dictations.note",
    "dictations.tell",
    "drafts.note",
    "preview.preview",
    "preview.preview_undo",
    "rechecks.answer",
    "second_person.preview_confirmation",
    "second_person.preview_decline",
}
"""Steps of acts, and decisions that are only tried out."""


def takers() -> Iterator[Callable[..., Any]]:
    """The public functions of the packages below `web` that take who acts."""
    for package in (accounts, archive, interfaces, ledger, reporting, ris_pacs, worklist):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if ".migrations" in found.name or found.name.endswith(("wsgi", "settings")):
                continue
            module = importlib.import_module(found.name)
            for name, function in inspect.getmembers(module, inspect.isfunction):
                is_own = function.__module__ == module.__name__ and not name.startswith("_")
                if is_own and "by" in inspect.signature(function).parameters:
                    by = inspect.signature(function).parameters["by"]
                    if getattr(by.annotation, "__name__", "") in {"Actor", "AuditedActor"}:
                        yield function


def test_every_service_that_takes_an_actor_is_tested_here() -> None:
    found = {f"{one.__module__.rpartition('.')[2]}.{one.__name__}" for one in takers()}
    assert found - PRIMITIVES == {str(act) for act in ACTS}
    assert found >= PRIMITIVES


def test_no_service_can_be_called_without_an_actor() -> None:
    for act in ACTS:
        by = inspect.signature(act.service).parameters["by"]
        assert by.default is inspect.Parameter.empty, act
        assert by.kind is inspect.Parameter.KEYWORD_ONLY, act


# Pages and REST


Way = Callable[[Client, Api], Any]


def post(path: str, **data: Any) -> Way:
    return lambda browser, api: browser.post(path, data)


def call(path: str, body: Any = None) -> Way:
    return lambda browser, api: api.post(path, {} if body is None else body)


def _of_step(department: Department) -> tuple[Way, Way]:
    step = department.step()
    return post("/worklist/acts", do=f"arrive:{step.public_id}"), call(f"/steps/{step.public_id}/arrive")


def _of_order(department: Department) -> tuple[Way, Way]:
    path = f"/orders/{department.order().public_id}/cancel"
    return post(path, reason="twice"), call(path, {"reason": "twice"})


def _of_decision(department: Department) -> tuple[Way, Way]:
    path = f"/exceptions/{department.mismatch().exception.public_id}"
    return (
        post(f"{path}/decide", action="accept", reason="seen", revision="0"),
        call(f"{path}/resolve", {"action": "accept", "reason": "seen", "revision": 0}),
    )


def _of_undo(department: Department) -> tuple[Way, Way]:
    path = f"/exceptions/{department.decided().public_id}"
    return (
        post(f"{path}/decide", action="undo", reason="wrong", revision="1"),
        call(f"{path}/undo", {"reason": "wrong"}),
    )


def _of_item(act: str, form: dict[str, Any], body: dict[str, Any], state: str = "item") -> Any:
    def ways(department: Department) -> tuple[Way, Way]:
        key = STATES[state](department)
        return post(f"/reading/{key}/{act}", **form), call(f"/reading/items/{key}/{act}", body)

    return ways


STATES: dict[str, Callable[[Department], str]] = {
    "item": lambda d: d.item().public_id,
    "held": lambda d: next(act for act in ACTS if str(act) == "assignment.resume").given(d)["item"].public_id,
    "withdrawn": lambda d: (
        next(act for act in ACTS if str(act) == "assignment.reopen").given(d)["item"].public_id
    ),
}


def _of_next(department: Department) -> tuple[Way, Way]:
    department.item()
    return post("/reading/next"), call("/reading/next")


def _of_recheck(department: Department) -> tuple[Way, Way]:
    path = f"/rechecks/{department.recheck().public_id}/still-valid"
    return post(f"/reading{path}", reason="looked"), call(path, {"note": "looked"})


def _of_typing(department: Department) -> tuple[Way, Way]:
    department.spoken()
    return post("/transcription/next"), call("/transcription/next")


def _of_message(department: Department) -> tuple[Way, Way]:
    key = department.inbound().public_id
    return post(f"/messages/{key}/replay", reason="why"), call(f"/hl7/messages/{key}/replay")


BOTH: dict[str, Callable[[Department], tuple[Way, Way]]] = {
    "arrive": _of_step,
    "cancel": _of_order,
    "decide": _of_decision,
    "undo": _of_undo,
    "skip": _of_item("skip", {"why": "not my field"}, {"reason": "not my field"}),
    "hold": _of_item("hold", {"why": "images missing"}, {"reason": "images missing"}),
    "resume": _of_item("resume", {}, {}, "held"),
    "reserve": _of_item("reserve", {}, {}),
    "withdraw": _of_item("withdraw", {"reason": "a phantom"}, {"reason": "a phantom"}),
    "reopen": _of_item("reopen", {}, {}, "withdrawn"),
    "confirm": _of_item("confirm-patient", {"revision": "1"}, {"revision": 1}),
    "next item": _of_next,
    "recheck": _of_recheck,
    "next dictation": _of_typing,
    "replay": _of_message,
}


def left_by(way: Way, browser: Client, api: Api) -> list[dict[str, Any]]:
    """The rows of an act, which is taken back so that the other way finds all as it was."""
    audit.forget()
    with transaction.atomic():
        AuditEvent.objects.all().delete()
        way(browser, api)
        rows = AuditEvent.objects.exclude(action="R").order_by("pk")
        found = list(
            rows.values("actor", "address", "interface", "code", "action", "outcome", "objects_named")
        )
        assert list(audit.find(actor="wanda").exclude(action="R").order_by("pk")) == list(rows)
        transaction.set_rollback(True)
    return found


@pytest.mark.parametrize("name", BOTH)
def test_an_act_leaves_the_same_row_by_page_and_by_rest(name: str, department: Department) -> None:
    by_page, by_rest = BOTH[name](department)
    browser, api = signed_in(department.wanda), Api(department.wanda)
    page, rest = left_by(by_page, browser, api), left_by(by_rest, browser, api)
    assert page and {row.pop("interface") for row in page} == {"page"}
    assert {row.pop("interface") for row in rest} == {"REST"}
    assert page == rest
    assert {(row["actor"], row["address"], row["outcome"]) for row in page} == {("wanda", "127.0.0.1", 0)}


@pytest.mark.parametrize("interface", ["page", "REST"])
def test_what_only_the_service_refuses_is_answered_and_written_down(
    interface: str, department: Department, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that forgets to look changes nothing, and the trail tells though all else is rolled back."""
    monkeypatch.setattr(authorization, "allow", lambda request, action: request.user)
    mara = User.objects.create_user("mara", "correct horse", roles=["manager"])
    mara.facilities.add(department.facility)
    department.item()
    if interface == "page":
        answer = signed_in(mara).post("/reading/next")
    else:
        api = Api(mara)
        answer = api.client.post("/api/v1/reading/next", {}, "application/json", headers=api.headers)
    assert answer.status_code == 403
    row = AuditEvent.objects.get(actor="mara", outcome=audit.SERIOUS_FAILURE)
    assert (row.code, row.interface, row.address) == ("110113", interface, "127.0.0.1")
    assert row.objects_named == [{"type": "action", "id": "report.write"}]


def skipped_by(way: Way, browser: Client, api: Api) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The item and the reasons that a skip leaves; it is taken back."""
    with transaction.atomic():
        way(browser, api)
        item = ReadingItem.objects.values("status", "hold_reason", "hold_note", "revision").get()
        skips = list(Skip.objects.values("user", "reason"))
        transaction.set_rollback(True)
    return item, skips


@pytest.mark.parametrize(
    ("reason", "note", "hold"),
    [
        (SkipReason.NOT_MINE, "", ""),
        (SkipReason.IMAGES_MISSING, "", HoldReason.IMAGES_MISSING),
        (SkipReason.NEED_INFORMATION, "asked the ward", HoldReason.NEED_INFORMATION),
        (SkipReason.OTHER, "I know her", ""),
    ],
)
def test_a_skip_ends_the_same_by_page_and_by_rest(
    reason: SkipReason, note: str, hold: str, department: Department
) -> None:
    key = department.item().public_id
    browser, api = signed_in(department.wanda), Api(department.wanda)
    by_page = post(f"/reading/{key}/skip", why=reason.value, note=note)
    by_rest = call(f"/reading/items/{key}/skip", {"reason": reason.value, "note": note})
    page, rest = skipped_by(by_page, browser, api), skipped_by(by_rest, browser, api)
    assert page == rest
    item, skips = page
    assert (item["hold_reason"], item["hold_note"]) == (hold, note if hold else "")
    assert skips == [{"user": department.wanda.pk, "reason": f"{reason}: {note}" if note else reason.value}]


def test_another_reason_to_skip_has_to_be_said_by_page_and_by_rest(department: Department) -> None:
    key = department.item().public_id
    assert signed_in(department.wanda).post(f"/reading/{key}/skip", {"why": "other"}).status_code == 422
    problem = Api(department.wanda).post(f"/reading/items/{key}/skip", {"reason": "other"}, 422)
    assert problem["errors"][0]["field"] == "note"
    assert not Skip.objects.exists()
