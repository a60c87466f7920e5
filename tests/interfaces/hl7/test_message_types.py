"""Who gets which messages: what `messages` in the site file choose, and what a type brings."""

from pathlib import Path

import pytest
from django.db import transaction

from accounts.actor import Actor
from accounts.models import Facility, User
from archive.models import Study
from archive.signals import study_reconciled
from interfaces.hl7.models import Destination, OutboundMessage
from interfaces.hl7.outbound import message_types, messages
from interfaces.hl7.outbound.decision_effects import effects_on_preview
from ledger.models import Event
from reporting.models import ReportVersion
from reporting.signals import version_released
from ris_pacs import site
from ris_pacs.site import SiteFileError
from tests.reporting.rendering.builders import World
from worklist.models import Order, OrderStatus

FILE = """\
facility:
  code: GENHOSP
  name: General Hospital
  time_zone: UTC
hl7:
  destinations:
    - name: HIS
      address: 127.0.0.1:2576
      messages: [order_status]
    - name: EHR
      address: 127.0.0.1:2577
      messages:
        - results
    - name: COPY
      address: 127.0.0.1:2578
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "site.yaml"
    path.write_text(FILE)
    return path


def sent() -> dict[str, list[str]]:
    rows = OutboundMessage.objects.select_related("destination").order_by("pk")
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row.destination.name, []).append(row.kind)
    return found


def both(world: World) -> ReportVersion:
    """A study is matched to its order, and its report is released."""
    version = world.sign("final")
    Order.objects.update(status=OrderStatus.STARTED)
    with transaction.atomic():
        study_reconciled.send(sender=None, study=world.study, outcome="matched", origin_text="")
        version_released.send(sender=None, version=version)
    return version


@pytest.mark.django_db
def test_each_destination_gets_what_its_messages_name(file: Path, facility: Facility, user: User) -> None:
    site.apply(file, by=Actor.system())
    both(World(Facility.objects.get(code="GENHOSP"), user))
    assert sent() == {
        "COPY": ["order_status", "results"],
        "EHR": ["results"],
        "HIS": ["order_status"],
    }


@pytest.mark.django_db
def test_a_change_of_the_file_counts_from_the_next_message_on(file: Path) -> None:
    site.apply(file, by=Actor.system())
    file.write_text(FILE.replace("[order_status]", "[order_status, results]"))
    changes = [str(change) for change in site.apply(file, by=Actor.system())]
    assert changes == ["change    destination HIS: options"]
    chosen = [one for one in messages.ALL if one.is_chosen]
    names = {one.name: [row.name for row in message_types.receivers(one)] for one in chosen}
    assert names.pop("placed_orders") == [], "none is a placer"
    assert names.pop("merges") == names.pop("persons") == [], "none names them"
    assert names == {"order_status": ["COPY", "HIS"], "results": ["COPY", "EHR", "HIS"]}
    assert not site.apply(file, by=Actor.system())


@pytest.mark.parametrize(
    ("old", "new", "line", "text"),
    [
        (
            "- results",
            "- result",
            13,
            "'result' is none of the messages that go out: merges, order_status, persons, ",
        ),
        (
            "[order_status]",
            "[ORM]",
            9,
            "'ORM' is none of the messages that go out: merges, order_status, persons, ",
        ),
        ("[order_status]", "[]", 9, "at least 1 item"),
        ("[order_status]", "order_status", 9, "a valid list"),
    ],
)
def test_what_is_no_message_is_refused_with_its_line(
    file: Path, old: str, new: str, line: int, text: str
) -> None:
    file.write_text(FILE.replace(old, new))
    with pytest.raises(SiteFileError) as refused:
        site.read(file)
    (problem,) = refused.value.problems
    assert problem.line == line and text in problem.text


@pytest.mark.django_db
def test_a_report_that_no_destination_takes_says_so(facility: Facility, user: User) -> None:
    Destination.objects.create(name="HIS", host="127.0.0.1", port=1, options={"messages": ["order_status"]})
    version = both(World(facility, user))
    assert sent() == {"HIS": ["order_status"]}
    told = Event.objects.get(kind="report.undeliverable", subjects__key=version.report.public_id)
    assert "no destination takes reports" in told.details["reason"]


@pytest.mark.django_db
def test_the_words_of_a_preview_come_from_the_type(facility: Facility, user: User) -> None:
    Destination.objects.create(name="HIS", host="127.0.0.1", port=1)
    world = World(facility, user)
    told = effects_on_preview(None, study=Study.objects.get(pk=world.study.pk))
    both(world)
    number = world.order.accession_number
    assert told() == [
        f"HIS is told: order {number} is in process (ORM SC/IP)",
        f"HIS is told: report of order {number} (ORU F)",
    ]


def test_each_type_is_all_there() -> None:
    assert message_types.names() == sorted(one.name for one in messages.ALL if one.is_chosen)
    for one in messages.ALL:
        assert bool(one.made_by) == one.is_chosen
        assert len(one.structure.split("^")) == 3 and one.structure.startswith(one.code)
