"""A station and its technologist: patients come, are found on the worklist and imaged; images are sent."""

import queue
import random
import threading
from dataclasses import asdict
from datetime import datetime, timedelta

from simulator import his, images
from simulator.agenda import attempt
from simulator.api import Api, Refused
from simulator.clock import now
from simulator.console import Header, from_entry, from_paper, spoilt
from simulator.faults import Fault
from simulator.hospital import Hospital
from simulator.modality import Modality, entry_of
from simulator.plan import Case, Fate

ARRIVES_BEFORE, NO_SHOW_AFTER = 6.0, 12.0
"""Minutes before and after an exam was due, at which a patient arrives or is given up."""
PATIENCE = 15.0
"""Real seconds for which a technologist waits for an order to show on the worklist."""
NOT_ON_WORKLIST = "not on the worklist"


def plan_desk(hospital: Hospital, case: Case) -> None:
    """Put on the front desk's agenda that the patient arrives, or does not.

    Whose entry is picked for somebody else is given up only after that.
    """
    is_picked = any(
        one.fault is Fault.WRONG_ENTRY and one.partner == case.number for one in hospital.cases.values()
    )
    if case.fate is Fate.NO_SHOW and not is_picked:
        hospital.desk.add(case.comes_at + NO_SHOW_AFTER, lambda: _mark(hospital, case, "no-show"))
    elif case.fate is Fate.DONE and case.is_ordered:
        minute = max(case.ordered + 0.5, case.comes_at - ARRIVES_BEFORE)
        hospital.desk.add(minute, lambda: _mark(hospital, case, "arrive"))


class Station:
    """One modality, with a queue of patients before it; works through it in a thread of its own."""

    def __init__(self, title: str, hospital: Hospital) -> None:
        self.title = title
        self._hospital = hospital
        self._modality = Modality(title, hospital.around, hospital.clock.stop, hospital.say)
        self._queue: queue.PriorityQueue[tuple[float, int, Case]] = queue.PriorityQueue()
        self._dice = random.Random(title)
        self._busy = threading.Lock()

    def add(self, case: Case) -> None:
        """Let a patient queue up."""
        self._queue.put((case.comes_at, case.number, case))

    @property
    def is_idle(self) -> bool:
        """Whether nobody waits, and nobody is being imaged."""
        return self._queue.empty() and not self._busy.locked()

    def start(self) -> None:
        """Open."""
        threading.Thread(target=self._run, name=self.title, daemon=True).start()

    def _run(self) -> None:
        clock = self._hospital.clock
        while not clock.stop.is_set():
            with self._busy:
                case = self._next()
                if case is not None:
                    attempt(self.title, lambda case=case: self._image(case), self._hospital.say)  # type: ignore[misc]
            if case is None:
                clock.stop.wait(min(0.5, clock.seconds(1)))

    def _next(self) -> Case | None:
        """Who is due first, once due; urgent ones that came meanwhile are before them."""
        try:
            minute, number, case = self._queue.get_nowait()
        except queue.Empty:
            return None
        if minute > self._hospital.clock.minute:
            self._queue.put((minute, number, case))
            return None
        return case

    def _image(self, case: Case) -> None:
        hospital, record = self._hospital, self._hospital.record(case)
        header = self._header(case)
        if header is None:
            return
        if case.is_ordered and case.fate is Fate.DONE:
            _mark(hospital, case, "start")
        minutes = case.procedure.minutes * self._dice.uniform(0.5, 0.9)
        if case.fate is Fate.DONE and not hospital.clock.wait(minutes):
            return
        if case.fault is Fault.MARRIED:
            his.marry(hospital, case)
        self._acquire(case, header)
        if case.fate is Fate.DONE and case.is_ordered:
            record.completed_at = _mark(hospital, case, "complete")
        if case.fault is Fault.MERGED:
            his.merge(hospital, case)
        partner = hospital.partner(case)
        if case.fault is Fault.WRONG_ENTRY and partner is not None:
            _mark(hospital, partner, "no-show")
        hospital.truth.save()

    def _acquire(self, case: Case, header: Header) -> None:
        hospital, record = self._hospital, self._hospital.record(case)
        record.header = {name: str(value) for name, value in asdict(header).items()}
        record.study_instance_uid = header.study_instance_uid
        record.acquired_at = now().replace(microsecond=0) - timedelta(days=case.days_ago)
        exam = images.Exam(
            key=case.key,
            header=header,
            procedure=case.procedure,
            station=self.title,
            began=record.acquired_at,
            compressed=case.number % 2 == 1,
        )
        objects = list(images.make(exam))
        record.images = len(objects)
        for turn in range(2 if case.fault is Fault.DUPLICATE else 1):
            if turn:
                hospital.clock.wait(1)
            sent, stored = self._modality.store(objects)
            record.sent += sent
            record.stored += stored
            record.note("images sent again" if turn else "images sent", count=sent, stored=stored)

    def _header(self, case: Case) -> Header | None:
        """What the console has of this patient; None where the order never came."""
        hospital = self._hospital
        if not case.is_ordered or case.fate is Fate.PRIOR:
            if case.fate is Fate.PRIOR:
                hospital.is_ordered(case, 60)
            header = from_paper(case, images.study_uid(case.key))
            return spoilt(case, header, hospital.partner(case))
        wanted = hospital.partner(case) if case.fault is Fault.WRONG_ENTRY else case
        assert wanted is not None
        if not hospital.is_ordered(wanted, 60):
            hospital.trouble(self.title, "never ordered", wanted)
            return None
        entry, waited = None, 0.0
        while entry is None and waited < PATIENCE and not hospital.clock.stop.is_set():
            entry = entry_of(self._modality.worklist(), wanted.accession_number)
            if entry is None:
                hospital.clock.stop.wait(1)
                waited += 1
        if entry is None:
            hospital.trouble(self.title, NOT_ON_WORKLIST, wanted)
            return None
        hospital.record(case).note("found on the worklist", accession_number=wanted.accession_number)
        return spoilt(case, from_entry(entry), hospital.partner(case))


def _mark(hospital: Hospital, case: Case, act: str) -> datetime | None:
    """Tell the system what a patient or a technologist did; when, or None where it did not take it."""
    api: Api | None = hospital.api("tess")
    if api is None or not hospital.is_ordered(case, 30):
        return None
    step = api.step_of(case.accession_number)
    if not step:
        hospital.trouble("technologist", "order not found", case)
        return None
    before, record = now(), hospital.record(case)
    try:
        api.post(f"/steps/{step['id']}/{act}")
    except Refused as refusal:
        if refusal.status != 409 or act != "arrive":
            hospital.trouble("technologist", f"{act} refused with {refusal.status}", case)
        return None
    half = (now() - before) / 2
    if act == "complete":
        record.completed_within = half
    return record.note(act, before + half)
