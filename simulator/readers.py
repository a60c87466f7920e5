"""Radiologists: take what is ready, urgent studies first, write or dictate, and sign over REST."""

import base64
import random
import threading
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any

from simulator import texts
from simulator.agenda import attempt
from simulator.api import Api, Refused
from simulator.clock import now
from simulator.hospital import Hospital
from simulator.plan import Case, Fate, Reading
from simulator.truth import Record

MINUTES = {"CT": 5.0, "MR": 6.0, "US": 2.5, "CR": 1.5}
"""How long a report takes, by modality."""
READABLE = frozenset({"matched", "corrected"})
ATTEMPTS = 4
TYPIST_TAKES = 25.0
"""Minutes after which the author of a dictation that nobody typed types it himself."""


class Pool:
    """What the readers know of each other: who has which study, and whether reports can be made at all."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._taken: set[str] = set()
        self.busy = 0
        self.counts: dict[str, int] = {}
        self.reports_missing = False
        self.spoken: dict[str, dict[str, str]] = {}
        """What was said in a dictation, by its UUID: what its typist hears."""

    def take(self, uid: str) -> bool:
        """Whether the study is now the caller's."""
        with self._turn:
            if uid in self._taken:
                return False
            self._taken.add(uid)
            self.busy += 1
            return True

    def done(self, uid: str, *, give_back: bool = False) -> None:
        """The caller is through with the study; another one may take it if it is given back."""
        with self._turn:
            self.busy -= 1
            if give_back:
                self._taken.discard(uid)

    def count(self, what: str) -> None:
        """Count something that was done."""
        with self._turn:
            self.counts[what] = self.counts.get(what, 0) + 1


class Reader:
    """One radiologist, or a resident, who signs preliminarily only."""

    def __init__(self, user: str, hospital: Hospital, pool: Pool, *, is_resident: bool = False) -> None:
        self.user = user
        self._hospital = hospital
        self._pool = pool
        self._api = hospital.api(user)
        self._is_resident = is_resident
        self._dice = random.Random(f"{user} {hospital.run}")
        self._dictated: list[tuple[float, dict[str, Any], Record]] = []

    def start(self) -> None:
        """Begin to read."""
        if self._api is not None:
            threading.Thread(target=self._run, name=self.user, daemon=True).start()

    @property
    def has_dictations(self) -> bool:
        """Whether something dictated waits for its typist."""
        return bool(self._dictated)

    def _run(self) -> None:
        clock = self._hospital.clock
        while not clock.stop.is_set():
            found: list[bool] = []
            attempt(self.user, lambda found=found: found.append(self._read_one()), self._hospital.say)  # type: ignore[misc]
            if found != [True]:
                clock.stop.wait(10 if self._pool.reports_missing else max(1.0, min(5.0, clock.seconds(2))))

    def _read_one(self) -> bool:
        """Read what is most due; whether there was anything."""
        assert self._api is not None
        if self._sign_typed(self._api):
            return True
        wanted = self._most_due(self._api)
        if wanted is None:
            return False
        record, is_preliminary = wanted
        uid = record.study_instance_uid
        is_over = False
        try:
            is_over = self._finish(self._api, record) if is_preliminary else self._report(self._api, record)
        finally:
            # A preliminary report is taken up again, by an attending.
            self._pool.done(uid, give_back=not is_over or (self._is_resident and not is_preliminary))
        return True

    def _most_due(self, api: Api) -> tuple[Record, bool] | None:
        studies = self._hospital.truth.by_study()
        found: list[tuple[tuple[bool, bool, str], Record, bool]] = []
        for status in ("ready",) if self._is_resident else ("preliminary", "ready"):
            for study in api.get("/studies", reading_status=status, limit="200")["results"]:
                record = studies.get(study["study_instance_uid"])
                if record is None or record.given_up or not self.may_read(record, study["verdict"]):
                    continue
                is_preliminary = status == "preliminary"
                if not is_preliminary and (self._is_mine_to_prepare(record.case) != self._is_resident):
                    continue
                case = record.case
                rank = (case.priority != "S", case.fate is not Fate.PRIOR, str(record.acquired_at))
                found.append((rank, record, is_preliminary))
        for _, record, is_preliminary in sorted(found, key=lambda one: one[0]):
            if self._pool.take(record.study_instance_uid):
                return record, is_preliminary
        return None

    @staticmethod
    def may_read(record: Record, verdict: str) -> bool:
        """Nobody signs what may be another patient's."""
        return verdict in READABLE or record.linked_at is not None

    @staticmethod
    def versions(api: Api, uid: str) -> list[dict[str, Any]]:
        """All that was signed of a study."""
        reports = api.get(f"/studies/{uid}/reports")["results"]
        return [one for report in reports for one in api.get(f"/reports/{report['id']}/versions")["results"]]

    def _is_mine_to_prepare(self, case: Case) -> bool:
        """Whether a resident writes it first."""
        return case.reading is Reading.PRELIMINARY and "resi" in self._hospital.around.tokens

    # Writing

    def _report(self, api: Api, record: Record) -> bool:
        """Write a report and sign it; whether that is done, as far as this reader is concerned."""
        case, uid = record.case, record.study_instance_uid
        words = texts.sections(
            self._dice,
            body_part=case.procedure.body_part,
            technique=case.procedure.description,
            indication=case.reason,
        )
        begun = {name: words[name] for name in ("indication", "technique", "comparison")}
        try:
            report = api.post(f"/studies/{uid}/reports", {"sections": begun})
        except Refused as refusal:
            return self._could_not_begin(record, refusal)
        self._pool.reports_missing = False
        record.note("report begun", by=self.user)
        minutes = MINUTES[case.procedure.modality] * self._dice.uniform(0.6, 1.5)
        self._hospital.clock.wait(minutes * 0.7)
        if case.reading is Reading.DICTATED and self._dictate(api, report, words, record):
            self._dictated.append((self._hospital.clock.minute + TYPIST_TAKES, words, record))
            return True
        report = self._write(api, report, words, uid)
        self._hospital.clock.wait(minutes * 0.3)
        kind = "preliminary" if self._is_resident else "final"
        return self._sign(api, report, record, kind)

    def _could_not_begin(self, record: Record, refusal: Refused) -> bool:
        if refusal.status in (404, 405, 501):
            if not self._pool.reports_missing:
                self._hospital.say(f"{self.user}: reports can't be made here yet ({refusal})")
            self._pool.reports_missing = True
            return False
        # A visitor may have it.
        record.given_up = True
        self._hospital.trouble(self.user, f"report refused with {refusal.status}", record.case)
        return True

    def _write(self, api: Api, report: dict[str, Any], words: dict[str, str], uid: str) -> dict[str, Any]:
        """Save the sections, on the newest revision."""
        return self._on_newest(
            api,
            report,
            uid,
            lambda one: api.patch(
                f"/reports/{one['id']}",
                {"sections": {**one["sections"], **words}, "revision": one["revision"]},
            ),
        )

    def _dictate(self, api: Api, report: dict[str, Any], words: dict[str, str], record: Record) -> bool:
        """Send what was spoken; whether it was taken."""
        sound = texts.speech(self._dice, self._dice.uniform(4, 9))
        data = {
            "id": str(uuid.uuid4()),
            "sample_rate": texts.RATE,
            "pcm": base64.b64encode(sound).decode(),
        }
        self._pool.spoken[str(data["id"])] = words
        try:
            api.post(f"/reports/{report['id']}/dictations", data)
        except Refused as refusal:
            self._hospital.trouble(self.user, f"dictation refused with {refusal.status}", record.case)
            return False
        record.note("dictated", by=self.user, seconds=round(len(sound) / 2 / texts.RATE, 1))
        self._pool.count("dictated")
        return True

    def _sign_typed(self, api: Api) -> bool:
        """Sign the first dictation that was typed; one that nobody typed is typed by its author."""
        for place, (until, words, record) in enumerate(self._dictated):
            report = self._reread(api, record.study_instance_uid)
            if report is None:
                continue
            states = {one["state"] for one in report["dictations"]}
            is_typed = "typed" in states
            if not states & {"typed", "returned"} and self._hospital.clock.minute < until:
                continue
            del self._dictated[place]
            if not is_typed or not report["sections"].get("impression", "").strip():
                report = self._write(api, report, words, record.study_instance_uid)
            self._sign(api, report, record, "final")
            return True
        return False

    # Signing

    def _finish(self, api: Api, record: Record) -> bool:
        """Sign a preliminary report as final, now and then with better words."""
        report = self._reread(api, record.study_instance_uid)
        if report is None:
            return False
        self._hospital.clock.wait(self._dice.uniform(0.5, 2))
        if self._dice.random() < 0.4:
            findings = (
                report["sections"].get("findings", "") + " Compared with the resident's reading: agreed."
            )
            report = self._write(api, report, {"findings": findings}, record.study_instance_uid)
        return self._sign(api, report, record, "final")

    def _sign(self, api: Api, report: dict[str, Any], record: Record, kind: str) -> bool:
        case = record.case
        try:
            signed = self._put_signature(api, report, record, kind)
        except Refused as refusal:
            record.given_up = True
            self._hospital.trouble(self.user, f"signature refused with {refusal.status}", case)
            self._hospital.say(f"{self.user}: {refusal}")
            return True
        at = _moment(signed.get("signed_at"))
        record.reports += 1
        record.note(f"signed {kind}", at, by=self.user)
        self._pool.count(kind)
        if kind == "final":
            record.final_at = record.final_at or at
            if case.reading is Reading.ADDENDUM:
                attempt(self.user, lambda: self._add(api, signed, record), self._hospital.say)
        self._hospital.truth.save()
        return True

    def _add(self, api: Api, report: dict[str, Any], record: Record) -> None:
        """Draft an addendum and sign it."""
        self._hospital.clock.wait(2)
        drafted = api.post(f"/reports/{report['id']}/addenda", {"text": self._dice.choice(texts.ADDENDA)})
        signed = self._put_signature(api, drafted, record, "final")
        record.reports += 1
        record.note("signed addendum", _moment(signed.get("signed_at")), by=self.user)
        self._pool.count("addendum")

    def _put_signature(self, api: Api, report: dict[str, Any], record: Record, kind: str) -> dict[str, Any]:
        def sign(one: dict[str, Any]) -> dict[str, Any]:
            secret = {"password": self._hospital.around.password, "revision": one["revision"]}
            return dict(api.post(f"/reports/{one['id']}/sign", {**secret, "kind": kind}))

        return self._on_newest(api, report, record.study_instance_uid, sign)

    def _on_newest(
        self,
        api: Api,
        report: dict[str, Any],
        uid: str,
        act: Callable[[dict[str, Any]], dict[str, Any]],
    ) -> dict[str, Any]:
        """Act on a report; where it has changed meanwhile (409), read it again and act on that."""
        for attempts_left in range(ATTEMPTS - 1, -1, -1):
            try:
                return act(report)
            except Refused as refusal:
                fresh = self._reread(api, uid, report["id"]) if refusal.status == 409 else None
                if fresh is None or not attempts_left or fresh["revision"] == report["revision"]:
                    raise
                report = fresh
        raise AssertionError("unreachable")

    @staticmethod
    def _reread(api: Api, uid: str, report_id: str = "") -> dict[str, Any] | None:
        reports = api.get(f"/studies/{uid}/reports")
        reports = reports["results"] if isinstance(reports, dict) else reports
        return next((one for one in reports if report_id in ("", one["id"])), None)


def _moment(text: str | None) -> datetime:
    """A moment as the system tells it; now where it tells none."""
    return datetime.fromisoformat(text) if text else now()
