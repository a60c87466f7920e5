"""The truth about the day: one JSON object a line for each order or study. The product never reads it."""

import contextlib
import json
import os
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from simulator.clock import now
from simulator.faults import EXPECTED, Fault, expected_verdict
from simulator.plan import Case

SAVE_EVERY = 5.0
"""Seconds between two savings, at least."""


@dataclass
class Record:
    """What was done about one case, and what came of it. Times are real ones."""

    case: Case
    happened: list[dict[str, Any]] = field(default_factory=list)
    header: dict[str, str] = field(default_factory=dict)
    study_instance_uid: str = ""
    images: int = 0
    sent: int = 0
    stored: int = 0
    acquired_at: datetime | None = None
    completed_at: datetime | None = None
    completed_within: timedelta = timedelta()
    """By how much the system may have noted it earlier or later: half the time that telling it took."""
    linked_at: datetime | None = None
    final_at: datetime | None = None
    reports: int = 0
    verdict: str = ""
    reading_status: str = ""
    kept: int = 0
    """What the product said last of verdict, reading and number of images; that is no part of the truth."""
    given_up: bool = False
    """Whether its reader could not go on with it."""

    def note(self, what: str, at: datetime | None = None, **details: Any) -> datetime:
        """Note that something was done, now if nothing else is said."""
        at = at or now()
        self.happened.append({"at": at.isoformat(timespec="milliseconds"), "what": what, **details})
        return at

    def first(self, what: str) -> str:
        """When something was first done; empty if it was not."""
        return next((one["at"] for one in self.happened if one["what"] == what), "")

    def as_json(self) -> dict[str, Any]:
        """The record as it is written."""
        case = self.case
        return {
            "run": case.run,
            "case": case.number,
            "accession_number": case.accession_number,
            "placer_order_number": f"PL{case.key}",
            "is_ordered": case.fault is not Fault.UNSCHEDULED,
            "fate": case.fate.value,
            "patient": {
                "patient_id": case.person.patient_id,
                "name": case.person.dicom_name,
                "birth_date": case.person.birth_date,
                "sex": case.person.sex,
            },
            "procedure_code": case.procedure.code,
            "modality": case.procedure.modality,
            "station": case.station,
            "priority": {"S": "STAT", "A": "HIGH", "R": "ROUTINE"}[case.priority],
            "fault": case.fault.name.lower() if case.fault else None,
            "truth": EXPECTED[case.fault].says if case.fault else "",
            "at_fault": bool(case.fault and EXPECTED[case.fault].at_fault),
            "expected_verdict": expected_verdict(case.fault) if case.is_imaged else None,
            "study_instance_uid": self.study_instance_uid,
            "header_as_sent": self.header,
            "images": {"made": self.images, "sent": self.sent, "stored": self.stored},
            "acquired_at": _text(self.acquired_at),
            "completed_at": _text(self.completed_at),
            "completed_within_seconds": round(self.completed_within.total_seconds(), 3),
            "final_at": _text(self.final_at),
            "reports_signed": self.reports,
            "happened": self.happened,
        }


class Truth:
    """All records of a run, kept in `truth.jsonl` behind those of earlier runs."""

    def __init__(self, folder: Path, cases: Iterable[Case]) -> None:
        self._path = folder / "truth.jsonl"
        self._turn = threading.Lock()
        self._saved = 0.0
        self._is_over = False
        self.records = {case.number: Record(case) for case in cases}
        self._day = set(self.records)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._earlier = self._path.read_text() if self._path.exists() else ""

    def of_day(self) -> list[Record]:
        """The records of the day itself, without what trickles in after it."""
        return [record for number, record in self.records.items() if number in self._day]

    def of(self, case: Case) -> Record:
        """The record of a case; one of after the day is new."""
        return self.records.setdefault(case.number, Record(case))

    def by_study(self) -> dict[str, Record]:
        """The records of studies that were sent, by Study Instance UID."""
        return {
            record.study_instance_uid: record
            for record in list(self.records.values())
            if record.study_instance_uid
        }

    def save(self, *, at_once: bool = False) -> None:
        """Write the day to disk, whole, unless that was done a moment ago."""
        with self._turn:
            if self._is_over or (not at_once and time.monotonic() - self._saved < SAVE_EVERY):
                return
            lines = [json.dumps(record.as_json(), ensure_ascii=False) for record in self.of_day()]
            beside = self._path.with_suffix(".new")
            beside.write_text(self._earlier + "".join(f"{line}\n" for line in lines))
            os.replace(beside, self._path)
            self._saved = time.monotonic()

    def append(self, record: Record) -> None:
        """Add a record of after the day at the end of the file, and forget it; the day stays as it is."""
        with self._turn:
            self._is_over = True
            with open(self._path, "a") as file:
                file.write(json.dumps(record.as_json(), ensure_ascii=False) + "\n")
            with contextlib.suppress(KeyError):
                del self.records[record.case.number]


def read(path: Path, run: str) -> Iterator[dict[str, Any]]:
    """The records of one run."""
    for line in path.read_text().splitlines():
        record = json.loads(line)
        if record["run"] == run:
            yield record


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="milliseconds") if moment else None
