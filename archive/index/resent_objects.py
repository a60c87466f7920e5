"""The job `archive.resent`: once a study is quiet, take what was sent again with other headers, all at once.

Each object is read from its newest version that may be taken. The series that have such objects are built
anew from the headers, so that an older header leaves nothing behind, and the study is judged again. Headers
are read outside any transaction; if anything has come or was decided meanwhile, that is done again.

What a person must decide on is left as it is, and opens the study's exception: see `HeldBecause`.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

import orjson
from django.db import connection
from django.db.models import Count, Q

from archive import archive_events
from archive.archive_section import ArchiveSection
from archive.dataset.header import Header
from archive.dataset.header_differences import Difference, in_words
from archive.index import given_uids, header_mapping, indexer, visible_headers
from archive.models import (
    HAS_SIGNATURE,
    HeldBecause,
    Hidden,
    Instance,
    ObjectVersion,
    Series,
    StoredFile,
    Study,
    VersionState,
)
from archive.reconcile import another_person, study_evidence
from archive.reconcile.candidates import Person
from archive.reconcile.study_evidence import Identity
from archive.storage import object_versions
from archive.storage.object_versions import KIND
from ledger import clock, events, jobs
from ledger.crashpoint import crashpoint

JUDGE: Final = "archive.reconcile"
_AGAIN: Final = timedelta(seconds=1)
_MOST_SHOWN: Final = 1000
_MOST_DIFFERENCES: Final = 500
_ONCE_TAKEN: Final = (VersionState.TAKEN, VersionState.SUPERSEDED)
_IDENTITY: Final = {
    "00100020": "patient_id",
    "00100021": "issuer",
    "00100010": "name",
    "00100030": "birth_date",
    "00100040": "sex",
}
_MOST_TOLD: Final = 5
"""Differences of one source that an event tells; the versions themselves tell all."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What the objects of a study's resent series are to be read from."""

    files: dict[int, int]
    """The key of the file of each instance, in the order in which the instances came."""
    taken: tuple[int, ...]
    """The versions that are taken now, by key."""
    superseded: tuple[int, ...]
    held: dict[int, str]
    """Why others wait for a person."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A study whose headers were read: what was chosen, and what each file says."""

    study: int
    choice: Choice
    headers: dict[int, Header]


def prepare(claim: jobs.Claim) -> list[Rebuilt]:
    """Read the headers of the series that have versions."""
    return [_read(claim, study) for study in Study.objects.filter(_concerned(claim.key)).distinct()]


def apply(claim: jobs.Claim, prepared: list[Rebuilt]) -> None:
    """Take the newest versions and build the series and studies anew, unless something came meanwhile."""
    rows = Study.objects.select_for_update().filter(pk__in=[one.study for one in prepared])
    studies = {study.pk: study for study in rows.order_by("study_instance_uid")}
    if any(_choose(studies[one.study]) != one.choice for one in prepared):
        jobs.enqueue(KIND, claim.key, not_before=clock.now() + _AGAIN)
        return
    for one in prepared:
        _take(studies[one.study], one)
    crashpoint("resent.mid")
    waiting = ObjectVersion.objects.filter(instance__study_instance_uid=claim.key, state=VersionState.WAITING)
    if waiting.exists():  # of an object that is not indexed yet
        jobs.enqueue(KIND, claim.key, not_before=clock.now() + _AGAIN)


def is_waited_for(study: Study) -> bool:
    """Whether the job is still to take something of a study."""
    return object_versions.of_study(study).filter(state=VersionState.WAITING).exists()


def _concerned(key: str) -> Q:
    """The study of this UID, and those to which a split has moved what came for it."""
    moved = ObjectVersion.objects.filter(
        instance__study_instance_uid=key, instance__series__isnull=False, state=VersionState.WAITING
    )
    return Q(study_instance_uid=key) | Q(pk__in=moved.values("instance__series__study"))


# Choosing


def _choose(study: Study) -> Choice:
    files = _files(study)
    chosen: dict[int, StoredFile] = {}
    undecided: dict[int, list[ObjectVersion]] = {}
    reason, link = _held_because(study), _Link.of(study)
    known: dict[int, set[str]] = {}
    since: dict[int, list[ObjectVersion]] = {}
    held: dict[int, str] = {}
    for file in files:  # oldest first
        version = _version(file)
        if version is None or version.state == VersionState.TAKEN:
            chosen[file.instance_id] = file
            since[file.instance_id] = []
        elif version.state in object_versions.UNDECIDED:
            undecided.setdefault(file.instance_id, []).append(version)
        if version is None or version.state in _ONCE_TAKEN:
            known.setdefault(file.instance_id, set()).add(file.sha256)
        if version is not None and version.state not in (VersionState.TAKEN, VersionState.DECLINED):
            since[file.instance_id].append(version)
    taken, superseded = [], []
    for instance, versions in undecided.items():
        *older, newest = versions
        superseded += older
        current = _version(chosen[instance])
        if current is not None and current.number > newest.number:
            superseded.append(newest)
        elif newest.state == VersionState.HELD:
            held[newest.pk] = newest.held_because
        elif because := (
            newest.held_because
            or reason
            or _of_rejected(chosen[instance])
            or (link and link.held_because(since[instance], newest.file.sha256 in known[instance]))
        ):
            held[newest.pk] = because
        else:
            taken.append(newest)
            chosen[instance] = newest.file
    return Choice(
        {instance: file.pk for instance, file in sorted(chosen.items())},
        tuple(sorted(one.pk for one in taken)),
        tuple(sorted(one.pk for one in superseded)),
        held,
    )


@dataclass(frozen=True, slots=True)
class _Link:
    """What a study that belongs to a patient is held to: his identity, and what its headers say of it."""

    whose: Person
    said: Identity

    @classmethod
    def of(cls, study: Study) -> "_Link | None":
        whose = another_person.owner(study)
        return cls(whose, study_evidence.header_identity(study)) if whose else None

    def held_because(self, versions: Sequence[ObjectVersion], is_old: bool) -> str:
        """Why the newest of the versions since that which is in force is not taken without a person."""
        changed = {one.where: one for one in _all_in_all(versions)}
        fields = {name: changed[tag] for tag, name in _IDENTITY.items() if tag in changed}
        before = replace(self.said, **{name: one.before for name, one in fields.items()})
        after = replace(self.said, **{name: one.after for name, one in fields.items()})
        policy = ArchiveSection.current().reconcile
        if fields and another_person.is_named(after, before, self.whose, policy):
            return HeldBecause.PERSON
        return HeldBecause.OLD if is_old else ""


def _of_rejected(file: StoredFile) -> str:
    """Why nothing is taken for an image that is hidden: it would come back as another one."""
    return HeldBecause.REJECTED if file.instance.rejection_id else ""


def _files(study: Study) -> Sequence[StoredFile]:
    """The files of all objects of the series in which an object has versions."""
    resent = object_versions.of_study(study).order_by().values("instance__series")
    rows = StoredFile.objects.filter(instance__series__in=resent)
    return list(rows.select_related("instance", "version__file").order_by("pk"))


def _version(file: StoredFile) -> ObjectVersion | None:
    return getattr(file, "version", None)


def _held_because(study: Study) -> str:
    """Why nothing of a study is taken without a person."""
    if study.reading_status in HAS_SIGNATURE:
        return HeldBecause.SIGNED
    return HeldBecause.REJECTED if study.hidden == Hidden.REJECTED else ""


# Reading


def _read(claim: jobs.Claim, study: Study) -> Rebuilt:
    choice = _choose(study)
    headers = {}
    for part in visible_headers.parts(list(choice.files.values())):
        for file in StoredFile.objects.select_related("volume").filter(pk__in=part):
            if (header := visible_headers.header_of(file)) is not None:
                headers[file.instance_id] = header
        jobs.renew(claim)
    return Rebuilt(study.pk, choice, headers)


# Taking


def _take(study: Study, read: Rebuilt) -> None:
    choice = read.choice
    _tell(study, choice)
    for state, keys in ((VersionState.TAKEN, choice.taken), (VersionState.SUPERSEDED, choice.superseded)):
        for part in visible_headers.parts(keys):
            ObjectVersion.objects.filter(pk__in=part).update(state=state)
    for because in sorted(set(choice.held.values())):
        for part in visible_headers.parts([key for key, one in choice.held.items() if one == because]):
            ObjectVersion.objects.filter(pk__in=part).update(state=VersionState.HELD, held_because=because)
    if choice.files:
        _switch(choice.files)
        _rebuild(study, read)
        _let_go(study)
    jobs.enqueue(JUDGE, study.study_instance_uid)


def _switch(files: dict[int, int]) -> None:
    """Have each object read from its chosen file."""
    for part in visible_headers.parts(list(files)):
        keys = [files[instance] for instance in part]
        wrong = StoredFile.objects.filter(instance__in=part)
        wrong.filter(is_current=True).exclude(pk__in=keys).update(is_current=False)
        wrong.filter(pk__in=keys, is_current=False).update(is_current=True)


_UPDATE_INSTANCE: Final = (
    "UPDATE archive_instance SET series_id = %s, study_instance_uid = %s, series_instance_uid = %s,"
    " number = %s, rows = %s, columns = %s, frames = %s, header = %s, index_error = '' WHERE id = %s"
)


def _rebuild(study: Study, read: Rebuilt) -> None:
    """Build the series of these objects anew, in the order in which the objects came, and the study."""
    rows = Series.objects.select_for_update().filter(study=study).order_by("pk")
    series = {row.series_instance_uid: row for row in rows}
    by_key: dict[int | None, Series] = {row.pk: row for row in series.values()}
    instances = [
        row
        for part in visible_headers.parts(list(read.choice.files))
        for row in Instance.objects.filter(pk__in=part).order_by("pk")
    ]
    touched = {home.pk: home for home in (by_key[instance.series_id] for instance in instances)}
    shown = {row.series_id for row in instances if row.rejection_id is None}
    hidden = touched.keys() - shown  # all of these is rejected; headers go on telling what they were of
    for home in touched.values():
        header_mapping.clear(home)
    changed = []
    for instance in instances:
        home, header = by_key[instance.series_id], read.headers.get(instance.pk)
        if header is None:
            continue
        uid = header["series"]["uid"]
        if uid != home.series_instance_uid:
            home = series.get(uid) or _made(study, uid, home, series)
        touched[home.pk] = home
        if instance.rejection_id is None or home.pk in hidden:
            header_mapping.add_to_series(home, header, instance.calling_ae_title)
        if (values := _columns(instance, home, header)) is not None:
            changed.append((*values, instance.pk))
    with connection.cursor() as cursor:
        cursor.executemany(_UPDATE_INSTANCE, changed)
    _save_series(list(touched.values()))
    indexer.save_indexed([study])


def _let_go(study: Study) -> None:
    """Have indexed anew, by the study that it names, what came for a header that is no longer taken."""
    series = Series.objects.filter(study=study)
    taken = object_versions.of_study(study).filter(state=VersionState.TAKEN)
    strays = (
        Instance.objects.filter(series__in=series)
        .exclude(study_instance_uid=study.study_instance_uid)
        .exclude(
            study_instance_uid__in=series.exclude(moved_from=None).values("moved_from__study_instance_uid")
        )
        .exclude(study_instance_uid__in=taken.order_by().values("study_instance_uid"))
    )
    rows = dict(strays.values_list("pk", "series"))
    if not rows:
        return
    Instance.objects.filter(pk__in=rows).update(series=None, given_uid="", indexed_at=None)
    left = set(rows.values())
    _save_series(list(series.filter(pk__in=left).select_for_update()))
    visible_headers.follow(series.filter(pk__in=left).values_list("pk", flat=True))
    indexer.save_indexed([study])


def _made(study: Study, uid: str, home: Series, series: dict[str, Series]) -> Series:
    row = Series(study=study, series_instance_uid=uid, moved_from_id=home.moved_from_id)
    row.given_uid = given_uids.of_series(row)
    row.save()
    series[uid] = row
    return row


def _columns(instance: Instance, home: Series, header: Header) -> tuple[Any, ...] | None:
    """The columns of an instance by its header, where they are others than before."""
    new = header_mapping.of_instance(header)
    values = (home.pk, header["study"]["uid"], header["series"]["uid"], *new)
    before = (
        instance.series_id,
        instance.study_instance_uid,
        instance.series_instance_uid,
        instance.number,
        instance.rows,
        instance.columns,
        instance.frames,
        instance.header,
    )
    return None if (*values[:-1], orjson.loads(new.header)) == before else values


def _save_series(rows: Sequence[Series]) -> None:
    """Save series with the number of their objects that are shown; those that hold none any more are gone."""
    there = Instance.objects.filter(series__in=rows).order_by()
    filled = set(there.values_list("series", flat=True))
    shown: dict[int | None, int] = dict(
        there.filter(rejection=None).values_list("series").annotate(Count("id"))
    )
    for row in rows:
        row.instance_count = shown.get(row.pk, 0)
        if row.pk in filled:
            row.save()
        else:
            row.delete()


# Telling


def _tell(study: Study, choice: Choice) -> None:
    """Put on the study's timeline what was taken, and what newly waits for a person."""
    told: dict[tuple[str, str], Counter[tuple[Difference, ...]]] = {}
    for *older, newest in _told(choice):
        because = choice.held.get(newest.pk, "")
        found = _all_in_all([*older, newest])
        told.setdefault((newest.calling_ae_title, because), Counter())[found] += 1
    for (source, because), groups in sorted(told.items()):
        events.record(
            archive_events.RESENT_HELD if because else archive_events.RESENT,
            about=[("study", study.public_id)],
            sender=source,
            why=because,
            text=_text(groups),
        )


def _told(choice: Choice) -> Iterable[list[ObjectVersion]]:
    """The versions of each object that nothing was told of yet, oldest first."""
    found: dict[int, list[ObjectVersion]] = {}
    for part in visible_headers.parts([*choice.superseded, *choice.taken, *choice.held]):
        rows = ObjectVersion.objects.filter(pk__in=part, state=VersionState.WAITING)
        for row in rows:
            found.setdefault(row.instance_id, []).append(row)
    return [sorted(rows, key=lambda row: row.number) for rows in found.values()]


def _all_in_all(versions: Iterable[ObjectVersion]) -> tuple[Difference, ...]:
    """What several versions, one after the other, have changed."""
    found: dict[str, Difference] = {}
    for version in versions:
        for one in (Difference(**kept) for kept in version.differences):
            before = found[one.where].before if one.where in found else one.before
            found[one.where] = replace(one, before=before)
    return tuple(one for _, one in sorted(found.items()) if one.before != one.after)


def _text(groups: "Counter[tuple[Difference, ...]]") -> str:
    """How many objects say what otherwise."""
    common = groups.most_common(_MOST_TOLD)
    texts = [f"{count} object{'s' * (count > 1)}: {in_words(found)}" for found, count in common]
    if rest := groups.total() - sum(count for _, count in common):
        texts.append(f"{rest} more")
    return ". ".join(texts)


@dataclass(frozen=True, slots=True)
class Held:
    """What one source has sent again and a person has to decide on: why, and what differs, in words."""

    sender: str
    why: str
    text: str
    differences: tuple[Difference, ...]
    """All that differ in any of its objects, each once, by their tags."""


def held(study: Study) -> list[Held]:
    """What waits for a decision on a study; of very much the first thousand objects."""
    told: dict[tuple[str, str], Counter[tuple[Difference, ...]]] = {}
    for version in object_versions.held(study)[:_MOST_SHOWN]:
        found = tuple(Difference(**one) for one in version.differences)
        key = version.calling_ae_title, version.get_held_because_display()
        told.setdefault(key, Counter())[found] += 1
    return [
        Held(sender, why, _text(groups), _each_once(groups)) for (sender, why), groups in sorted(told.items())
    ]


def _each_once(groups: "Counter[tuple[Difference, ...]]") -> tuple[Difference, ...]:
    each = dict.fromkeys(one for found in groups for one in found)
    return tuple(sorted(each, key=lambda one: (one.where, one.before, one.after))[:_MOST_DIFFERENCES])


def register() -> None:
    """Register the job; called from `AppConfig.ready()`."""
    jobs.register(
        KIND, jobs.Handler(apply=apply, prepare=prepare, words="Take what was sent again with other headers")
    )
