"""The inbox killed at each of its crash points: a resend ends in one order, whatever was lost."""

import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from accounts.actor import Actor
from ris_pacs import site
from tests import databases
from tests.clients.system import ROOT, System, answer_code, order_message, send_mllp
from tests.faults.driving import Ledger, Listener, Load, account

POINTS = (
    "mllp.frame_read",
    "mllp.before_commit",
    "mllp.after_commit",
    "hl7w.after_claim",
    "hl7w.mid_effects",
    "hl7w.before_commit",
    "hl7w.after_commit",
    "mllp.after_ack",
)
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]


@pytest.fixture
def home(tmp_path: Path, transactional_db: None) -> System:
    """A home whose listener the tests start themselves."""
    system = System(tmp_path / "home", databases.url_for_others(), RIS_PACS_DEBUG="1")
    system.home.mkdir()
    site.apply(settings.DEMO_SITE, by=Actor.system())
    return system


def listener(home: System, crash: str = "") -> Listener:
    return Listener(home.environment, home.hl7_port, crash)


@pytest.mark.parametrize("point", POINTS)
def test_a_resend_after_the_crash_ends_in_one_order(home: System, point: str) -> None:
    accession = "C" + point.replace(".", "").replace("_", "").upper()[:12]
    message = order_message(accession)
    with listener(home, point) as killed:
        try:
            first = [answer_code(a) for a in send_mllp(home.hl7_port, message)]
        except OSError:
            first = []
        killed.wait_killed()
    assert first == (["AA"] if point == "mllp.after_ack" else [])
    with listener(home):
        (answer,) = send_mllp(home.hl7_port, message)
        assert answer_code(answer) == "AA"
    assert account(Ledger(orders=[accession])) == {"lost": 0, "twice": 0, "stuck": 0}


def test_a_loss_would_be_seen(home: System, tmp_path: Path) -> None:
    """The negative control: an order that was never sent counts as lost."""
    load = Load(home, tmp_path)
    with listener(home):
        load.send_until_accepted("K0000000001")
    load.ledger.orders.append("K0000000002")
    assert account(load.ledger)["lost"] == 1


@pytest.mark.once
def test_crash_points_are_refused_outside_of_a_test_build(home: System) -> None:
    environment = {**home.environment, "RIS_PACS_DEBUG": "0", "ENGINE_CRASH": "mllp.after_ack"}
    refused = subprocess.run(
        [sys.executable, "manage.py", "check"], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert refused.returncode == 78 and "ENGINE_CRASH" in refused.stderr
