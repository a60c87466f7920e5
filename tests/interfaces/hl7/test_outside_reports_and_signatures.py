"""Reports of others that come, are corrected or withdrawn while an exam is read, and after it was signed."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from reporting.errors import StateConflict
from reporting.models import OutsideReport, ReadingItem, Recheck, Report
from reporting.reports import signing_checks
from reporting.reports.signing_checks import Shown
from tests.archive.conftest import home as home
from tests.interfaces.hl7.test_outside_results import SENDER, obr, obx, oru, send
from tests.reporting.conftest import World
from tests.reporting.conftest import people as people
from tests.reporting.conftest import rada as rada
from tests.reporting.conftest import world as world
from tests.web.pages.world import signed_in

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("site")]
Say = Callable[..., bytes]


def opened(user: User, item: ReadingItem) -> list[str]:
    """The versions of outside reports that the editor says it shows."""
    page = signed_in(user).get(f"/reading/{item.public_id}").content.decode()
    found = re.search(r'<script id="page-data" type="application/json">(.*?)</script>', page, re.S)
    assert found
    versions: list[str] = json.loads(found[1])["outsideReports"]
    return versions


def polled(user: User, item: ReadingItem) -> list[dict[str, Any]]:
    """What the open editor is told every few seconds."""
    answer = signed_in(user).get(f"/api/v1/reading/items/{item.public_id}")
    found: list[dict[str, Any]] = answer.json()["outside_reports"]
    return found


NEWS = {
    "came": [obr("F", filler="R2^OUT"), obx("x")],
    "was corrected": [obr("C"), obx("MASSIVE PE")],
    "was withdrawn": [obr("X"), obx("No PE")],
    "was changed": [obr("F"), obx("MASSIVE PE")],
}


@pytest.mark.parametrize("became", NEWS)
def test_what_others_report_meanwhile_is_told_to_the_open_editor_and_acknowledged_before_the_signature(
    say: Say, world: World, rada: User, became: str
) -> None:
    item = world.item()
    send(oru(say, obr(), obx("No PE")))
    report = world.draft(item, rada)
    shown = Shown(outside_reports=opened(rada, item))
    assert shown.outside_reports == [one["id"] for one in polled(rada, item)]
    assert not signing_checks.of_item(item, shown)
    send(oru(say, *NEWS[became], at=1))
    assert {one["id"] for one in polled(rada, item)} - set(shown.outside_reports or ())
    with pytest.raises(StateConflict) as refused:
        world.sign(report, rada, shown=shown)
    (block,) = refused.value.blocks
    assert block.asks
    told = f"the outside report “CT chest” from {SENDER} {became}"
    assert block.text == f"since you worked on this, {told}: read it before you sign"
    anew = Shown(outside_reports=opened(rada, item))
    assert [one.text for one in signing_checks.of_item(item, anew)] == [block.text], "the draft is older"
    Report.objects.filter(pk=report.pk).update(changed_at=timezone.now())
    assert not signing_checks.of_item(item, Shown(outside_reports=opened(rada, item))), "read and saved since"
    assert world.sign(report, rada, shown=shown, overrides={block.code: "confirmed"}).number == 1
    assert not Recheck.objects.exists(), "it was read before the signature"


def test_a_yes_to_one_version_is_none_to_the_next(say: Say, world: World, rada: User) -> None:
    item = world.item()
    report = world.draft(item, rada)
    codes = set()
    for at, text in enumerate(["No PE", "MASSIVE PE"]):
        send(oru(say, obr("C"), obx(text), at=at))
        with pytest.raises(StateConflict) as refused:
            world.sign(report, rada, shown=Shown(outside_reports=[]), overrides=dict.fromkeys(codes, "yes"))
        codes = {block.code for block in refused.value.blocks}


def test_a_report_that_names_another_study_now_is_told_of(say: Say, world: World, rada: User) -> None:
    item = world.item()
    send(oru(say, obr(), obx("No PE")))
    shown = Shown(outside_reports=opened(rada, item))
    send(oru(say, obr("C", accession="A9"), obx("No PE"), at=1))
    (block,) = signing_checks.of_item(item, shown)
    assert "is no longer of this exam" in block.text


@pytest.mark.parametrize(
    ("became", "is_asked"), [("was corrected", 1), ("was withdrawn", 1), ("was changed", 1), ("came", 0)]
)
def test_who_signed_is_asked_where_others_take_back_what_they_reported(
    say: Say, world: World, rada: User, became: str, is_asked: int
) -> None:
    item = world.item()
    send(oru(say, obr(), obx("No PE")))
    world.sign(world.draft(item, rada), rada)
    news = oru(say, *NEWS[became], at=1)
    send(news)
    send(news)
    rows = Recheck.objects.filter(item=item, signer=rada)
    causes = ["An outside report of the exam was corrected or withdrawn after the signature."] * is_asked
    assert [one.cause for one in rows] == causes


def test_an_open_recheck_tells_of_it_too_and_a_version_that_is_old_asks_nobody(
    say: Say, world: World, rada: User
) -> None:
    item = world.item()
    send(oru(say, obr(), obx("No PE"), at=5))
    world.sign(world.draft(item, rada), rada)
    send(oru(say, obr("C"), obx("older"), at=1))
    assert not Recheck.objects.exists()
    Recheck.objects.create(
        item=item, signer=rada, cause="Images came.", raised_at=item.ready_at, due_at=item.ready_at
    )
    send(oru(say, obr("C"), obx("MASSIVE PE"), at=6))
    send(oru(say, obr("X"), obx("MASSIVE PE"), at=7))
    assert Recheck.objects.get().cause.count("An outside report") == 1
    assert Recheck.objects.get().cause.startswith("Images came. An")


def test_systems_that_one_source_takes_in_have_their_own_numbers(say: Say, world: World) -> None:
    world.item()
    first = oru(say, obr(filler="R1"), obx("one"))
    send(first)
    send(first.replace(b"|HIS|", b"|LAB|", 1))
    senders = OutsideReport.objects.values_list("sender", flat=True)
    assert sorted(senders) == [SENDER, SENDER.replace("HIS", "LAB")]
