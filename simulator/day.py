"""A day from its first order to the last report, and what trickles in after it."""

import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from simulator import catalogue, his, plan, station, summary
from simulator.agenda import attempt
from simulator.api import Api
from simulator.clock import Clock
from simulator.hospital import Hospital
from simulator.mllp import Listener
from simulator.plan import Case
from simulator.readers import Pool, Reader
from simulator.station import Station
from simulator.surroundings import Surroundings
from simulator.truth import Record
from simulator.typist import Typist
from simulator.watch import Watch

PROGRESS_EVERY = 60.0
SETTLED = 6.0
"""Real seconds for which nothing may have happened before the day counts as over."""
LONGEST_AFTERMATH = 120.0
"""Real seconds for which verdicts, reports and results of the day are waited for at its end."""
TRICKLE_EVERY = 25.0
"""Real seconds between two orders after the day."""
UNREAD_STAYS = 300.0


@dataclass(frozen=True)
class Wish:
    """What kind of day is asked for. `faults` of None is the usual share; `trickle` goes on after the day."""

    orders: int = 150
    speed: float = 60.0
    seed: int = 1
    faults: int | None = None
    trickle: bool = True
    run: str = ""


class Day:
    """Everybody who works in the hospital, for one day."""

    def __init__(
        self, around: Surroundings, wish: Wish, stop: threading.Event, say: Callable[[str], None]
    ) -> None:
        self.wish, self.stop, self.say = wish, stop, say
        self.run = wish.run or new_run()
        self.cases = plan.day(seed=wish.seed, run=self.run, orders=wish.orders, faults=wish.faults)
        self.clock = Clock(wish.speed, stop)
        self.hospital = Hospital(around, self.cases, self.run, self.clock, say)
        self.pool = Pool()
        self.watch = Watch(self.hospital)
        self.stations = {title: Station(title, self.hospital) for title in catalogue.STATIONS.values()}
        self.readers = [
            Reader("rada", self.hospital, self.pool),
            Reader("ruben", self.hospital, self.pool),
            Reader("resi", self.hospital, self.pool, is_resident=True),
        ]
        self.typist = Typist("trudy", self.hospital, self.pool)
        self.listener: Listener | None = None

    def play(self) -> "summary.Summary":
        """Work until everything of the day is done or the day is stopped; what came of it."""
        began = self.clock.at(0)
        self._listen()
        for case in self.cases:
            self._expect(case)
        hospital = self.hospital
        for one in (hospital.his, hospital.desk, self.watch, self.typist):
            one.start()
        for station_ in self.stations.values():
            station_.start()
        for reader in self.readers:
            reader.start()
        last = max(case.comes_at for case in self.cases)
        self.say(
            f"a hospital day of {len(self.cases)} orders begins: run {self.run}, seed {self.wish.seed}, "
            f"{self.wish.speed:g} times as fast as a real one, exams until {self.clock.at(last):%H:%M}"
        )
        self._wait_for_the_end()
        ended = self.clock.at(self.clock.minute)
        self._settle()
        self.hospital.truth.save(at_once=True)
        found = summary.of(self.hospital, self.pool, self.listener, self.watch, (began, ended))
        return found

    def go_on(self) -> None:
        """Keep the pages alive with an order now and then, until stopped."""
        first = len(self.cases) + 1
        cases = plan.trickle(seed=self.wish.seed, run=self.run, first=first)
        waiting: list[tuple[float, Case]] = []
        for case in itertools.takewhile(lambda _: not self.stop.is_set(), cases):
            case.ordered = self.clock.minute
            case.due = case.ordered + 8
            self.hospital.join(case)
            self._expect(case)
            waiting.append((time.monotonic(), case))
            waiting = self._forget(waiting)
            self.stop.wait(TRICKLE_EVERY)

    def close(self) -> None:
        """Stop everybody; keep the truth of what was done."""
        self.stop.set()
        self.hospital.his.wake()
        self.hospital.desk.wake()
        self.hospital.sender.close()
        if self.listener is not None:
            self.listener.close()

    def _listen(self) -> None:
        address = self.hospital.around.destination
        if address is None:
            return
        try:
            self.listener = Listener(address)
        except OSError as error:
            where = f"{address[0]}:{address[1]}"
            self.say(f"nobody hears what goes out: {where} can't be listened on ({error.strerror})")

    def _expect(self, case: Case) -> None:
        his.plan(self.hospital, case)
        station.plan_desk(self.hospital, case)
        if case.is_imaged:
            self.stations[case.station].add(case)

    def _wait_for_the_end(self) -> None:
        """Wait until nobody has anything left to do."""
        tell_at = time.monotonic() + PROGRESS_EVERY
        quiet_since: float | None = None
        while not self.stop.wait(0.5):
            if time.monotonic() > tell_at:
                self.say(self._progress())
                tell_at += PROGRESS_EVERY
            is_quiet = (
                self.hospital.his.is_empty
                and self.hospital.desk.is_empty
                and all(one.is_idle for one in self.stations.values())
                and self.watch.is_done
                and not self.pool.busy
                and (not any(reader.has_dictations for reader in self.readers))
            )
            quiet_since = (quiet_since or time.monotonic()) if is_quiet else None
            quiet = time.monotonic() - quiet_since if quiet_since is not None else 0.0
            if quiet > LONGEST_AFTERMATH or (quiet > SETTLED and not self._awaited()):
                return

    def _awaited(self) -> bool:
        """Whether a verdict is still pending, or something readable is not read."""
        api = self.hospital.api("rada")
        if api is None:
            return False
        self._learn(api)
        studies = self.hospital.truth.by_study().values()
        if any(record.verdict in ("", "pending") for record in studies):
            return True
        unread = [
            one for one in studies if one.reading_status in ("ready", "preliminary") and not one.given_up
        ]
        return not self.pool.reports_missing and any(Reader.may_read(one, one.verdict) for one in unread)

    def _learn(self, api: Api) -> None:
        """Ask what became of every study that was sent, a page at a time."""
        studies = self.hospital.truth.by_study()
        offset = 0
        while True:
            page = api.get("/studies", limit="500", offset=str(offset))
            for study in page["results"]:
                record = studies.get(study["study_instance_uid"])
                if record is not None:
                    record.verdict, record.reading_status = study["verdict"], study["reading_status"]
                    record.kept = study["instance_count"]
                    self._credit(api, record)
            offset += 500
            if offset >= page["count"]:
                return

    @staticmethod
    def _credit(api: Api, record: Record) -> None:
        """Note when somebody else signed a study, such as a visitor."""
        if record.final_at is not None or record.reading_status not in ("final", "amended"):
            return
        for version in Reader.versions(api, record.study_instance_uid):
            if version["kind"] == "final" and not version["undone_at"]:
                record.final_at = datetime.fromisoformat(version["signed_at"])
                record.note("signed final", record.final_at, by=version["signed_by"])
                return

    def _settle(self) -> None:
        """Wait for the results that are still on their way to the HIS."""
        end = time.monotonic() + LONGEST_AFTERMATH
        while self.listener is not None and time.monotonic() < end and not self.stop.is_set():
            finals = [one for one in self.hospital.truth.of_day() if one.reports]
            there = self.listener.received.results
            if all(one.case.accession_number in there for one in finals):
                return
            self.stop.wait(1)

    def _progress(self) -> str:
        records = self.hospital.truth.of_day()
        hour, minute = divmod(int(self.clock.minute) + 8 * 60, 60)
        ordered = sum(bool(record.first("order placed")) for record in records)
        imaged = sum(bool(record.study_instance_uid) for record in records)
        signed = sum(bool(record.reports) for record in records)
        return f"{hour:02}:{minute:02} in the hospital: {ordered} ordered, {imaged} imaged, {signed} reported"

    def _forget(self, waiting: list[tuple[float, Case]]) -> list[tuple[float, Case]]:
        """Write down and forget cases of after the day that are read, or were not for long."""
        left = []
        for since, case in waiting:
            record = self.hospital.truth.records.get(case.number)
            over = record is None or record.final_at or time.monotonic() - since > UNREAD_STAYS
            if not over:
                left.append((since, case))
            elif record is not None:
                attempt("truth", lambda record=record: self.hospital.truth.append(record), self.say)  # type: ignore[misc]
                self.hospital.leave(case)
        return left


def new_run() -> str:
    """Seven digits that no earlier run has: the minutes since the beginning of 2026 in units of 6 seconds."""
    return f"{int(time.time() - 1_767_225_600) // 6 % 10**7:07}"
