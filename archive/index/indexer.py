"""Indexing: headers of received objects become study, series and instance rows, in batches.

What waits is seen from the rows themselves (`indexed_at` is empty). Headers are read outside any transaction;
each transaction takes a few instances, locks their studies and series in the order of their UIDs, and asks
for the reconcile job. Counts are counted, never added to, so doing a batch twice changes nothing.
"""

import errno
import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection, transaction
from django.db.models import Count, Q

from accounts.models import Facility
from archive import archive_events
from archive.archive_section import ArchiveSection
from archive.dataset.dataset_error import DatasetError
from archive.dataset.header import Header, read_header
from archive.index import given_uids, header_mapping
from archive.index.header_mapping import InstanceColumns
from archive.index.header_values import HeaderValues
from archive.models import Instance, Outcome, Rejection, Series, StoredFile, Study
from archive.models.study import PATIENT_NAME_KEYS, REFERRER_KEYS
from archive.rejections import received_notes
from archive.rejections.received_notes import ReceivedNote
from archive.storage import volumes
from archive.storage.generated_objects import is_own
from ledger import clock, events, jobs
from ledger.crashpoint import crashpoint
from worklist.schedule import image_acts

logger = logging.getLogger(__name__)

BATCH: Final = 200
AT_ONCE: Final = 20
"""Instances in one transaction: it must not keep other writers waiting for more than about 20 ms."""

SeriesKey = tuple[str, str]
"""Study and Series Instance UID: one Series Instance UID may come in two studies."""


@dataclass(frozen=True, slots=True)
class Read:
    """An instance and its header, or why that could not be read."""

    instance: Instance
    header: Header | None
    error: str = ""
    columns: InstanceColumns = header_mapping.NOTHING_KNOWN
    note: ReceivedNote | None = None

    @property
    def is_own(self) -> bool:
        """Whether it was made here and so tells nothing of its study."""
        if self.header is None:
            return False
        return is_own(self.instance.calling_ae_title, self.header["series"]["modality"])

    @property
    def series_key(self) -> SeriesKey:
        return self.instance.study_instance_uid, self.instance.series_instance_uid


def waits() -> bool:
    """Whether there is anything to index."""
    return Instance.objects.filter(indexed_at=None).exists()


def batch() -> int:
    """Index up to 200 instances in the order in which they came; return how many."""
    instances = list(Instance.objects.filter(indexed_at=None).order_by("id")[:BATCH])
    if not instances:
        return 0
    facility = Facility.objects.order_by("id").first()
    if facility is None:
        raise RuntimeError("there is no facility yet; apply the site file")
    quiet = ArchiveSection.current().quiet_time
    files = _files(instances)
    for start in range(0, len(instances), AT_ONCE):
        read = [_read(instance, files.get(instance.pk)) for instance in instances[start : start + AT_ONCE]]
        with transaction.atomic():
            _apply(read, facility, quiet)
        crashpoint("index.after_commit")
    return len(instances)


# Reading


def _files(instances: Sequence[Instance]) -> dict[int, StoredFile]:
    rows = StoredFile.objects.select_related("volume").filter(instance__in=instances, is_current=True)
    return {row.instance_id: row for row in rows}


def _read(instance: Instance, file: StoredFile | None) -> Read:
    """Read a header. A volume that is away is waited for; a file that is away is an error of its own."""
    if file is None:
        return Read(instance, None, "it has no file")
    path = volumes.path_of(file)
    try:
        header = read_header(path, file.dataset_offset, file.transfer_syntax_uid)
    except DatasetError as error:
        return Read(instance, None, str(error))
    except OSError as error:
        if not volumes.root_of(file.volume).is_dir():
            raise
        return Read(instance, None, f"its file can't be read: {errno.errorcode.get(error.errno or 0, 'EIO')}")
    if header["instance"]["uid"] != instance.sop_instance_uid:
        return Read(instance, None, "its file holds another object")
    is_ours = is_own(instance.calling_ae_title, header["series"]["modality"])
    note = None if is_ours else received_notes.read(path, header)
    return Read(instance, header, columns=header_mapping.of_instance(header), note=note)


# Applying


def _apply(read: Sequence[Read], facility: Facility, quiet: timedelta) -> None:
    studies = _lock_studies(read, facility)
    series = _lock_series(read, studies)
    ids = [one.instance.pk for one in read]
    # With the studies locked: what another process has indexed meanwhile is left alone.
    waiting = set(Instance.objects.filter(pk__in=ids, indexed_at=None).values_list("pk", flat=True))
    read = [one for one in read if one.instance.pk in waiting]
    for one in read:
        row = series[one.series_key]
        study = row.study
        if not one.is_own:
            study.first_received_at = min(study.first_received_at, one.instance.received_at)
            study.last_received_at = max(study.last_received_at, one.instance.received_at)
        if one.header:
            header_mapping.add_to_series(row, one.header, one.instance.calling_ae_title)
    crashpoint("index.mid")
    begun = {row.study for row in series.values() if not row.instance_count}
    _save_instances(read, series)
    hidden = received_notes.hide([one.instance for one in read])
    _follow_hidden({series[one.series_key].pk for one in read if one.instance.pk in hidden}, quiet)
    received_notes.keep([(one.instance, one.note) for one in read if one.note])
    touched = [series[key] for key in sorted({one.series_key for one in read})]
    _save_series(touched)
    save_indexed(list({row.study_id: row.study for row in touched}.values()))
    received = {series[one.series_key].study for one in read if not one.is_own}
    _want_verdicts(received, quiet)
    if image_acts.are_followed():
        _want_starts(begun & received)


def _lock_studies(read: Sequence[Read], facility: Facility) -> dict[str, Study]:
    """The studies of the batch, made where they are new, locked in the order of their UIDs.

    A UID that only headers name which were sent again, and which a person took, is that of the study in
    which these objects lie.
    """
    received: dict[str, tuple[datetime, str]] = {}
    for one in read:
        received.setdefault(
            one.instance.study_instance_uid, (one.instance.received_at, one.instance.calling_ae_title)
        )
    there = set(
        Study.objects.filter(study_instance_uid__in=received).values_list("study_instance_uid", flat=True)
    )
    taken = _taken_headers(received.keys() - there)
    new = sorted(received.keys() - there - taken.keys())
    Study.objects.bulk_create(
        [
            Study(
                facility=facility,
                study_instance_uid=uid,
                first_received_at=received[uid][0],
                last_received_at=received[uid][0],
            )
            for uid in new
        ],
        ignore_conflicts=True,
    )
    rows = Study.objects.select_for_update().filter(
        Q(study_instance_uid__in=received) | Q(pk__in=taken.values())
    )
    locked = {study.pk: study for study in rows.order_by("study_instance_uid")}
    studies = {study.study_instance_uid: study for study in locked.values()}
    for uid in new:
        events.record(
            archive_events.STUDY_RECEIVED,
            about=[("study", studies[uid].public_id)],
            occurred_at=received[uid][0],
            source=received[uid][1],
        )
    return studies | {uid: locked[key] for uid, key in taken.items()}


def _taken_headers(uids: Collection[str]) -> dict[str, int]:
    """The key of the study in which objects lie whose headers name another one, by the UID of that."""
    if not uids:
        return {}
    rows = Instance.objects.filter(study_instance_uid__in=uids).exclude(series=None)
    columns = ("study_instance_uid", "series__study_id")
    return dict(rows.order_by("series__study_id").values_list(*columns).distinct())


def _lock_series(read: Sequence[Read], studies: dict[str, Study]) -> dict[SeriesKey, Series]:
    """The series by the UIDs that came, made where they are new, each with the study that it lies in."""
    homes = {study.pk: study for study in studies.values()}
    wanted = dict.fromkeys(one.series_key for one in read)
    taken = {study.pk for uid, study in studies.items() if uid != study.study_instance_uid}
    rows = Series.objects.select_for_update().filter(
        Q(study__in=homes, moved_from=None) | Q(moved_from__in=homes) | Q(study__in=taken),
        series_instance_uid__in={uid for _, uid in wanted},
    )
    found = list(rows.order_by("series_instance_uid", "study_id"))
    # What a split has moved can't move on while the study that it came in is locked.
    moved = Study.objects.select_for_update().filter(pk__in={row.study_id for row in found} - homes.keys())
    homes |= {study.pk: study for study in moved.order_by("study_instance_uid")}
    came: dict[tuple[int, str], Series] = {}
    lies: dict[tuple[int, str], Series] = {}
    for row in found:
        row.study = homes[row.study_id]
        came[row.moved_from_id or row.study_id, row.series_instance_uid] = row
        lies[row.study_id, row.series_instance_uid] = row
    # Whoever makes a series holds its study's lock, so nobody else makes it now. They are made in the order
    # in which they came: a study shows what the first of them says.
    series: dict[SeriesKey, Series] = {}
    made: list[Series] = []
    for key in wanted:
        study = studies[key[0]]
        rows_of = lies if key[0] != study.study_instance_uid else came
        where = (study.pk, key[1])
        if where not in rows_of:
            made.append(Series(study=study, series_instance_uid=key[1]))
            came[where] = lies[where] = made[-1]
        series[key] = rows_of[where]
    Series.objects.bulk_create(made)
    return series


_UPDATE_INSTANCE: Final = (
    "UPDATE archive_instance SET series_id = %s, given_uid = %s, number = %s, rows = %s, columns = %s,"
    " frames = %s, header = %s, index_error = %s, indexed_at = %s WHERE id = %s AND indexed_at IS NULL"
)


def _save_instances(read: Sequence[Read], series: dict[SeriesKey, Series]) -> None:
    now = connection.ops.adapt_datetimefield_value(clock.now())
    rows = []
    for one in read:
        home = series[one.series_key]
        given = given_uids.of_instance(home, one.instance.sop_instance_uid)
        rows.append((home.pk, given, *one.columns, one.error[:500], now, one.instance.pk))
    with connection.cursor() as cursor:
        cursor.executemany(_UPDATE_INSTANCE, rows)


def _save_series(rows: Sequence[Series]) -> None:
    by_series = _counts(rows)
    for row in rows:
        row.instance_count = by_series.get(row.pk, 0)
        row.save()


def recount(rows: Iterable[Series]) -> None:
    """Count the instances of locked studies' series anew, but for those that are rejected."""
    rows = list(rows)
    by_series = _counts(rows)
    for row in rows:
        if row.instance_count != (count := by_series.get(row.pk, 0)):
            Series.objects.filter(pk=row.pk).update(instance_count=count)


def _counts(rows: Sequence[Series]) -> dict[Any, int]:
    shown = Instance.objects.filter(series__in=rows, rejection=None)
    return dict(shown.order_by().values_list("series").annotate(Count("id")))


def _follow_hidden(series: set[int], quiet: timedelta) -> None:
    """What came and is hidden has been merged into its series: take it out again, once for all that comes."""
    jobs.enqueue_all("archive.headers", dict.fromkeys(map(str, series), clock.now() + quiet))


def _want_verdicts(studies: Iterable[Study], quiet: timedelta) -> None:
    """Have each study that something came to reconciled once it has become quiet."""
    for study in sorted(studies, key=lambda study: study.study_instance_uid):
        jobs.enqueue("archive.reconcile", study.study_instance_uid, not_before=study.last_received_at + quiet)


def _want_starts(studies: Iterable[Study]) -> None:
    """Have the exams started that these studies with a new series are of, while nobody has judged them."""
    for study in sorted(studies, key=lambda study: study.study_instance_uid):
        if study.verdict == Outcome.PENDING:
            jobs.enqueue("archive.first_images", study.study_instance_uid)


def save_indexed(studies: Sequence[Study]) -> None:
    """Set what locked studies show to what their series come to, and count these, but for those made here."""
    rows = Series.objects.filter(study__in=studies).order_by("pk")
    parts: dict[int, list[tuple[str, int, HeaderValues]]] = {study.pk: [] for study in studies}
    columns = ("pk", "study_id", "station_ae_title", "modality", "instance_count", "header_values")
    found = [row for row in rows.values_list(*columns) if not is_own(row[2], row[3])]
    notes = _of_notes([key for key, _, _, modality, _, _ in found if modality == _KEY_OBJECTS])
    for key, study_id, _, modality, count, values in sorted(found, key=lambda row: row[0] in notes):
        tells = key not in notes or not parts[study_id]
        parts[study_id].append((modality, count, HeaderValues.from_json(values if tells else {})))
    for study in studies:
        own = [part for part in parts[study.pk] if part[1]]
        # Of a study all of which is rejected its header still tells.
        header_mapping.show(study, [values for _, _, values in own or parts[study.pk]])
        study.modalities = sorted({modality for modality, _, _ in own if modality})
        study.series_count = len(own)
        study.instance_count = sum(count for _, count, _ in own)
        study.save(update_fields=_INDEXED_FIELDS)


def _of_notes(series: Sequence[int]) -> set[int]:
    """Those series that hold nothing but rejection notes: these say of whom they are, not of whom others."""
    if not series:
        return set()
    rows = Instance.objects.filter(series__in=series).order_by()
    others = rows.exclude(pk__in=Rejection.objects.exclude(note=None).values("note"))
    return set(series) - set(others.values_list("series_id", flat=True))


_KEY_OBJECTS: Final = "KO"
_INDEXED_FIELDS: Final = (
    "patient_name",
    *PATIENT_NAME_KEYS,
    "header_patient_id",
    "issuer_of_patient_id",
    "birth_date",
    "sex",
    "accession_number",
    "study_id",
    "study_date",
    "study_time",
    "description",
    "referring_physician",
    *REFERRER_KEYS,
    "modalities",
    "header",
    "series_count",
    "instance_count",
    "first_received_at",
    "last_received_at",
)
"""What of a study is the index's; the rest belongs to reconcile and to reading."""
