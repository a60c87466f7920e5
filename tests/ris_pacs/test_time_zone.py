"""`time_zone: system` is the time on the department's wall, though Django sets TZ for its process."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from accounts.site import FacilitySection
from interfaces.hl7.site import SourceEntry
from tests import databases

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.once

ORDERS: Final = {
    "20260302103000+0100": ("20260302", "103000"),
    "20260302002500+0100": ("20260302", "002500"),
    "20260302235500+0100": ("20260302", "235500"),
    "20260301233000+0000": ("20260302", "003000"),
    "20260702103000": ("20260702", "103000"),  # no offset: the department's own
    # The clock goes from 02:00 to 03:00 on 29 March,
    "20260329013000+0100": ("20260329", "013000"),
    "20260329033000+0200": ("20260329", "033000"),
    "20260329002500+0100": ("20260329", "002500"),
    "20260330002500+0200": ("20260330", "002500"),
    # and from 03:00 back to 02:00 on 25 October.
    "20261025023000+0200": ("20261025", "023000"),
    "20261025023000+0100": ("20261025", "023000"),
    "20261025002500+0200": ("20261025", "002500"),
    "20261026002500+0100": ("20261026", "002500"),
}
"""When orders are to be done, and what a clock in Berlin shows then."""


@pytest.fixture(scope="module")
def berlin(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a department shows on a machine in Berlin."""
    days = ["2026-03-01", "2026-03-02", "2026-03-29", "2026-10-25"]
    asked = json.dumps([list(ORDERS), days])
    home = tmp_path_factory.mktemp("berlin")
    databases.copy_to(home / "ris_pacs.sqlite3")
    printed = _python("-m", "tests.ris_pacs.department_elsewhere", asked, zone="Europe/Berlin", home=home)
    found: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return found


def _python(*arguments: str, zone: str, home: Path) -> str:
    ours = ("RIS_PACS_", "DATABASE_URL", "CELERY_BROKER_URL", "DJANGO_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    environment = {**inherited, "RIS_PACS_HOME": str(home), "TZ": zone}
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_department_has_the_zone_of_its_machine_and_so_have_all_processes(berlin: dict[str, Any]) -> None:
    assert berlin["zone"] == berlin["of children"] == "Europe/Berlin"


def test_orders_are_due_by_the_clock_on_the_wall(berlin: dict[str, Any]) -> None:
    assert berlin["accepted"] == [True] * len(ORDERS)
    assert [tuple(step) for step in berlin["steps"]] == list(ORDERS.values())


def test_orders_are_on_the_worklist_of_their_day(berlin: dict[str, Any]) -> None:
    for day, rows in berlin["shown"].items():
        moments = enumerate(ORDERS.values())
        due = {f"{n:02}": time for n, (date, time) in moments if date == day.replace("-", "")}
        assert set(rows) == set(due)
        for number, time in due.items():
            assert f"{time[:2]}:{time[2:4]}" in rows[number]


def test_the_site_is_applied_again_only_once_the_machine_has_another_zone(berlin: dict[str, Any]) -> None:
    assert berlin["left as it was"]
    assert berlin["moved"][0] == ["20260302", "183000"]  # 10:30 in Berlin
    assert berlin["moved"][9:11] == [["20261025", "093000"], ["20261025", "103000"]]


@pytest.mark.parametrize(
    ("zone", "name"),
    [
        ("Europe/Berlin", "Europe/Berlin"),
        (":America/New_York", "America/New_York"),
        ("/usr/share/zoneinfo/Asia/Kolkata", "Asia/Kolkata"),
        ("UTC", "UTC"),
        ("CET-1CEST,M3.5.0,M10.5.0/3", ""),
        ("No/Where", "UTC"),  # which the C library takes for UTC
    ],
)
def test_a_machine_says_its_zone_in_many_ways(zone: str, name: str, tmp_path: Path) -> None:
    program = "from ris_pacs import system_time_zone; print(system_time_zone.name())"
    assert _python("-c", program, zone=zone, home=tmp_path).strip() in (name, f"Etc/{name}")


def test_a_machine_without_a_named_zone_is_no_zone_for_a_site(settings: Any) -> None:
    settings.SYSTEM_TIME_ZONE = ""
    with pytest.raises(ValueError, match="name the department's here"):
        FacilitySection(code="A", name="A", time_zone="system")
    assert FacilitySection(code="A", name="A", time_zone="Asia/Tokyo").time_zone == "Asia/Tokyo"


def test_a_site_that_names_no_zone_has_that_of_its_machine(settings: Any) -> None:
    settings.SYSTEM_TIME_ZONE = "Asia/Tokyo"
    assert FacilitySection(code="A", name="A").time_zone == "Asia/Tokyo"


def test_a_sender_may_have_a_zone_of_its_own(settings: Any) -> None:
    settings.SYSTEM_TIME_ZONE = "Asia/Tokyo"
    zones = [SourceEntry(name="HIS", time_zone=zone).time_zone for zone in ("", "system", "Europe/Berlin")]
    assert zones == ["", "Asia/Tokyo", "Europe/Berlin"]
    with pytest.raises(ValueError, match="is not a time zone"):
        SourceEntry(name="HIS", time_zone="Berlin")
