"""What becomes of the files of an import, one after the other, and how many of each there were."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from archive.imports import file_import, film_scan, import_sources
from archive.imports.film_scan import Claims
from archive.imports.import_files import Entry, nothing
from archive.models import Instance
from archive.storage.intake import Accepted, NotKept, Outcome, Reason
from archive.storage.spool import Spool
from ledger.crashpoint import crashpoint
from ledger.errors import Invalid


class NoRoom(Exception):
    """The disk or the database refuses: nothing is wrong with the file."""


@dataclass
class Tally:
    """What was counted, the files that were refused with the reason, and the studies that came in."""

    files: int = 0
    taken: int = 0
    repeated: int = 0
    refused: int = 0
    passed_over: int = 0
    refusals: list[tuple[str, str]] = field(default_factory=list)
    studies: dict[str, None] = field(default_factory=dict)

    def refuse(self, name: str, reason: str) -> None:
        """Count a file that was not taken."""
        self.refused += 1
        self.refusals.append((name, reason))


class Taking:
    """Takes files in, the way of a C-STORE. With `claims` they are scans of what these say.

    `since` is when the same files were begun with before, by somebody who was killed: what is here since
    then is counted as new, once.
    """

    def __init__(
        self,
        spool: Spool,
        claims: Claims | None = None,
        since: datetime | None = None,
        keep_on: Callable[[], None] = nothing,
    ) -> None:
        self.tally = Tally()
        self._spool, self._claims, self._since, self._keep_on = spool, claims, since, keep_on
        self._counted: set[str] = set()

    def take(self, entry: Entry) -> None:
        """Take a file, or count why not; raises `NoRoom` where it can be taken later."""
        if entry.path is None:
            self.tally.refuse(entry.name, entry.fault)
        elif self._claims is not None:
            self._take_scan(entry, self._claims)
        elif entry.is_optional and not file_import.is_object(entry.path):
            self.tally.passed_over += 1
        else:
            found = file_import.import_file(entry.path, self._spool, self._keep_on)
            self._count(entry, found.outcome, found.sop_instance_uid, found.study_instance_uid)
        self.tally.files += 1
        crashpoint("import.after_file")

    def _take_scan(self, entry: Entry, claims: Claims) -> None:
        assert entry.path is not None
        try:
            scans = film_scan.objects_of(entry.path, claims)
        except Invalid as error:
            self.tally.refuse(entry.name, str(error))
            return
        except OSError as error:
            self.tally.refuse(entry.name, f"can't be read: {error.strerror}")
            return
        for scan in scans:
            self._keep_on()
            outcome = file_import.import_scan(scan, self._spool)
            self._count(entry, outcome, scan.sop_instance_uid, claims.study_instance_uid)

    def _count(self, entry: Entry, outcome: Outcome, uid: str, study_uid: str) -> None:
        if isinstance(outcome, NotKept):
            if outcome.reason is Reason.OUT_OF_RESOURCES:
                raise NoRoom(outcome.comment)
            self.tally.refuse(entry.name, outcome.comment.partition(" at offset ")[0])
            return
        if isinstance(outcome, Accepted) or self._was_new(uid):
            self.tally.taken += 1
        else:
            self.tally.repeated += 1
        self._counted.add(uid)
        self.tally.studies[study_uid] = None

    def _was_new(self, uid: str) -> bool:
        if self._since is None or uid in self._counted:
            return False
        source = import_sources.DISC if self._claims is None else import_sources.SCANNER
        rows = Instance.objects.filter(
            sop_instance_uid=uid, calling_ae_title=source, received_at__gte=self._since
        )
        return rows.exists()
