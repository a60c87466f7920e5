"""Versions of a stored object: its content came again under another header, which is never thrown away.

A version waits until its study is quiet; then `archive.index.resent_objects` takes it, or leaves it to a
person. Which file an object is read from is `StoredFile.is_current`.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Final

from django.conf import settings
from django.db.models import Q, QuerySet

from archive.archive_section import ArchiveSection, Resend
from archive.coercion.attribute_coercion import SENT_OTHERWISE, UIDS_OF_REFERENCES
from archive.dataset.dataset_error import DatasetError
from archive.dataset.header_differences import Difference, differences
from archive.dataset.likeness import Likeness, same_content
from archive.dataset.walk import Walked
from archive.models import FormerUid, HeldBecause, Instance, ObjectVersion, StoredFile, Study, VersionState
from archive.pixels.decoded_likeness import decoded_likeness
from archive.storage import volumes
from ledger import jobs

KIND: Final = "archive.resent"
"""The job that follows, by the Study Instance UID of the objects."""
MOST: Final = 20
"""Versions of one object that are kept."""
UNDECIDED: Final = (VersionState.WAITING, VersionState.HELD)


class NotComparable(Exception):
    """What came is another object under the same UID, or can't be compared with ours: why, in words."""


class NotTaken(Exception):
    """Another header is not taken from this source, or no more of them: why, in words."""


def newest(sop_instance_uid: str, sha256: str, transfer_syntax: str) -> StoredFile | None:
    """The file of an object that something of these bytes is to be compared with.

    That is the newest version, unless a person has declined it. What was declined stays so when it comes
    again. The object may be named by the UID that a split has given it.
    """
    rows = StoredFile.objects.select_related("instance", "volume")
    former = FormerUid.objects.filter(uid=sop_instance_uid).values("instance")
    uid = Q(sop_instance_uid=sop_instance_uid) | Q(given_uid=sop_instance_uid)
    instances = Instance.objects.filter(uid | Q(pk__in=former))
    rows = rows.filter(instance__in=instances.values("pk")).order_by("-id")
    declined = rows.filter(version__state=VersionState.DECLINED)
    same = declined.filter(sha256=sha256, transfer_syntax_uid=transfer_syntax).first()
    standing = rows.exclude(version__state=VersionState.DECLINED).first()
    if same is None or (standing and standing.sha256 == sha256):
        return standing
    return same


def compare(kept: StoredFile, path: Path, walked: Walked, calling_ae: str) -> ObjectVersion | None:
    """What came as a version of ours, not saved; None where it says the same in another encoding.

    Where no other header is taken, a copy of any version that is kept says nothing new either.

    Raises
    ------
    NotComparable
        Its content is other than ours, or that can't be told.
    NotTaken
        The site doesn't take another header from this source.
    Busy
        No decoder was free.
    """
    found, is_other_document = _found(kept, path, walked)
    if kept.instance.sop_instance_uid != walked.sop_instance_uid:
        found = [one for one in found if not _is_given_here(one)]
        if found:
            raise NotComparable("SOP Instance UID was given here to a moved object, with another header")
    if not found:
        return None
    if kept.instance.calling_ae_title == settings.AE_TITLE:
        raise NotComparable("SOP Instance UID is of an object made here, with another header")
    policy = ArchiveSection.current().resend_of(calling_ae)
    if policy is Resend.REFUSE:
        if _is_held(kept, path, walked):
            return None
        raise NotTaken("SOP Instance UID is here already; other headers are not taken from this AE")
    version = ObjectVersion(
        instance=kept.instance,
        study_instance_uid=walked.study_instance_uid,
        differences=[asdict(one) for one in found],
    )
    if walked.study_instance_uid != kept.instance.study_instance_uid:
        version.held_because = HeldBecause.STUDY
    elif is_other_document:
        version.held_because = HeldBecause.CONTENT
    elif policy is Resend.EXCEPTION:
        version.held_because = HeldBecause.POLICY
    return version


def _is_held(kept: StoredFile, path: Path, walked: Walked) -> bool:
    """Whether another version of an object says what came: nothing of it would be lost."""
    is_moved = kept.instance.sop_instance_uid != walked.sop_instance_uid
    rows = StoredFile.objects.select_related("instance", "volume").filter(instance=kept.instance)
    for file in rows.exclude(pk=kept.pk).order_by("-id"):
        try:
            found, _ = _found(file, path, walked)
        except (NotComparable, FileNotFoundError):
            continue
        if all(is_moved and _is_given_here(one) for one in found):
            return True
    return False


def _is_given_here(one: Difference) -> bool:
    """Whether a difference is what we may have sent out otherwise ourselves."""
    first, *_ = steps = one.where.split("/")
    return int(first, 16) in SENT_OTHERWISE or int(steps[-1], 16) in UIDS_OF_REFERENCES


def keep(version: ObjectVersion, *, after: StoredFile) -> None:
    """Save a version, with its file, and ask for the job that follows; all in the caller's transaction.

    Raises
    ------
    NotTaken
        So many versions are kept already.
    OSError
        Another version came since it was compared with `after`; sent again it is compared with that.
    """
    instance = Instance.objects.select_for_update().get(pk=version.instance_id)
    latest = StoredFile.objects.filter(instance=instance).order_by("-id").first()
    is_newest = latest is not None and (
        latest.pk == after.pk
        or ObjectVersion.objects.filter(file=latest, state=VersionState.DECLINED).exists()
    )
    if not is_newest:
        raise OSError("another version came at the same time")
    count = ObjectVersion.objects.filter(instance=instance).count()
    if count >= MOST - 1:
        raise NotTaken(f"SOP Instance UID is here already in {MOST} versions; no more are kept")
    file = version.file
    file.instance, file.is_current = instance, False
    file.save()
    version.file, version.instance, version.number = file, instance, count + 2
    version.save()
    due = version.received_at + ArchiveSection.current().quiet_time
    jobs.enqueue(KIND, instance.study_instance_uid, not_before=due)


def of_study(study: Study) -> QuerySet[ObjectVersion]:
    """The versions of a study's objects, in the order in which they came."""
    return ObjectVersion.objects.filter(instance__series__study=study).order_by("pk")


def held(study: Study) -> QuerySet[ObjectVersion]:
    """Those that wait for a decision."""
    return of_study(study).filter(state=VersionState.HELD)


def _found(kept: StoredFile, path: Path, walked: Walked) -> tuple[list[Difference], bool]:
    """How the header of what came differs, and whether it is another document."""
    if kept.instance.sop_class_uid != walked.sop_class_uid:
        raise NotComparable("SOP Instance UID is here already, of another SOP class")
    ours = volumes.path_of(kept)
    try:
        likeness = same_content(ours, path)
        if likeness is Likeness.UNDECIDED:
            likeness = decoded_likeness(ours, path)
        if likeness is Likeness.DIFFERENT:
            raise NotComparable("SOP Instance UID is here already, with other content")
        if likeness in (Likeness.SAME_BYTES, Likeness.SAME_DATASET):
            return [], False
        if likeness is not Likeness.UNDECIDED:
            found = differences(ours, path)
            is_other_document = likeness is Likeness.NO_PIXELS and any(one.is_content for one in found)
            return found, is_other_document or any(one.is_measure for one in found)
    except DatasetError:
        pass
    raise NotComparable("SOP Instance UID is here already, otherwise compressed")
