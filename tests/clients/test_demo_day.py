"""A tiny hospital day, by the simulator's own command, against the running system."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.clients.system import PASSWORD, ROOT, System

PEOPLE = ("tess", "rada", "ruben", "resi", "trudy", "mara")
ORDERS, FAULTS = 8, 3


@pytest.fixture
def day(system: System, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """A day of eight orders, everybody played by the administrator, who holds every role."""
    token = system.token()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("RIS_PACS_")},
        "RIS_PACS_HOME": str(tmp_path),
        "RIS_PACS_HTTP": system.environment["RIS_PACS_HTTP"],
        "RIS_PACS_DICOM": system.environment["RIS_PACS_DICOM"],
        "RIS_PACS_HL7": system.environment["RIS_PACS_HL7"],
        "RIS_PACS_HL7_DESTINATION": "",
        "RIS_PACS_DEMO_TOKENS": json.dumps(dict.fromkeys(PEOPLE, token)),
        "RIS_PACS_DEMO_PASSWORD": PASSWORD,
    }
    options = ["--once", "--orders", str(ORDERS), "--faults", str(FAULTS), "--speed", "1200", "--seed", "3"]
    return subprocess.run(
        [sys.executable, "-m", "simulator", *options],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=110,
    )


def test_every_seeded_fault_is_caught_and_no_sound_study_is_flagged(
    day: subprocess.CompletedProcess[str], tmp_path: Path
) -> None:
    assert day.returncode == 0, day.stdout + day.stderr
    table = (tmp_path / "demo" / "summary.txt").read_text()
    records = [json.loads(line) for line in (tmp_path / "demo" / "truth.jsonl").read_text().splitlines()]

    (total,) = [line.split() for line in table.splitlines() if line.split()[:1] == ["all"]]
    assert total == ["all", str(FAULTS), str(FAULTS), str(FAULTS)], table
    assert "wrongly flagged 0" in table
    assert "Unforeseen" not in table
    assert len(records) == ORDERS
    assert sum(record["at_fault"] for record in records) == FAULTS
    imaged = [record for record in records if record["images"]["made"]]
    assert all(record["images"]["stored"] == record["images"]["sent"] for record in imaged)
    readable = [record for record in imaged if record["expected_verdict"] in ("matched", "corrected")]
    assert readable
    assert all(record["final_at"] for record in readable), table
