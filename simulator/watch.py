"""Those who wait for what the system says of a study: who brings a late order, and who settles exceptions."""

import threading
from typing import Any

from simulator import his
from simulator.agenda import attempt
from simulator.api import Api, Refused
from simulator.clock import now
from simulator.faults import Fault
from simulator.hospital import Hospital
from simulator.truth import Record

LINKABLE = frozenset({Fault.MARRIED, Fault.LATE_ORDER, Fault.ACCESSION_TYPO})
"""What a technologist may link without asking anybody; every second of these stays open for the visitor."""


class Watch:
    """Looks at studies and exceptions now and then, in a thread of its own."""

    def __init__(self, hospital: Hospital) -> None:
        self._hospital = hospital
        self._api = hospital.api("tess")
        self._placed: set[int] = set()
        self._decided: dict[int, int] = {}
        self.decisions = 0

    @property
    def is_done(self) -> bool:
        """Whether every late order that has images was placed."""
        return all(record.case.number in self._placed for record in self._late())

    def start(self) -> None:
        """Begin."""
        threading.Thread(target=self._run, name="watch", daemon=True).start()

    def _run(self) -> None:
        clock = self._hospital.clock
        while not clock.stop.wait(max(1.0, clock.seconds(2))):
            if self._api is not None:
                attempt("late orders", lambda: self._bring_late_orders(self._api), self._hospital.say)  # type: ignore[arg-type]
                attempt("exceptions", lambda: self._settle(self._api), self._hospital.say)  # type: ignore[arg-type]

    def _late(self) -> list[Record]:
        records = list(self._hospital.truth.records.values())
        return [one for one in records if one.case.fault is Fault.LATE_ORDER and one.study_instance_uid]

    def _bring_late_orders(self, api: Api) -> None:
        """Place an order once the system has said of its images that nobody ordered them."""
        for record in self._late():
            case = record.case
            if case.number in self._placed:
                continue
            if api.study(record.study_instance_uid).get("verdict", "pending") == "pending":
                continue
            his.order(self._hospital, case)
            self._placed.add(case.number)

    def _settle(self, api: Api) -> None:
        """Link what fits and only asks for a person."""
        studies = self._hospital.truth.by_study()
        for exception in api.get("/exceptions", status="open", limit="200")["results"]:
            record = studies.get(exception["study_instance_uid"])
            if record is None or record.case.fault not in LINKABLE or record.case.number % 2:
                continue
            tries = self._decided.get(record.case.number, 0)
            if tries < 3 and exception["verdict"] in ("probable", "late_order"):
                self._decided[record.case.number] = tries + 1
                self._link(api, exception, record)

    def _link(self, api: Api, exception: dict[str, Any], record: Record) -> None:
        wanted = record.case.accession_number
        fitting = [one for one in exception["candidates"] if one["accession_number"] == wanted]
        if not fitting:
            return
        act = {
            "action": "link",
            "scheduled_procedure_step": fitting[0]["step"],
            "reason": "Asked the patient: name, birth date and order agree.",
        }
        try:
            api.post(f"/exceptions/{exception['id']}/resolve", act)
        except Refused as refusal:
            self._hospital.trouble("technologist", f"link refused with {refusal.status}", record.case)
            return
        record.linked_at = now()
        record.note("study linked by tess", record.linked_at)
        self.decisions += 1
