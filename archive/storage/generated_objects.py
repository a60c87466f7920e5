"""Objects that we make ourselves, such as reports: kept like any other, but they tell nothing of the study.

What came in decides a study's identity, its quiet time, its verdict and the counts that readers see. Objects
of ours are recognised by our own AE title as the calling one, and by holding no images, so that nobody who
borrows that title can slip images past a verdict.
"""

import hashlib
import os
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings
from django.db.models import QuerySet

from archive.dataset.part10 import build_preamble_and_meta
from archive.dataset.transfer_syntax import EXPLICIT_LITTLE_ENDIAN
from archive.modality import DOCUMENTS
from archive.models import Instance, Series, Study
from archive.storage import intake
from archive.storage.intake import Announcement, NotKept, Outcome, Reason, Spooled
from ledger import clock


@dataclass(slots=True)
class Counts:
    """What a study holds of our own."""

    modalities: set[str] = field(default_factory=set)
    series: int = 0
    instances: int = 0


def is_own(calling_ae_title: str, modality: str) -> bool:
    """Whether an object or a series was made here."""
    return calling_ae_title == settings.AE_TITLE and modality in DOCUMENTS


def is_kept(sop_instance_uid: str) -> bool:
    """Whether an object of ours is in the archive already."""
    rows = Instance.objects.filter(sop_instance_uid=sop_instance_uid, calling_ae_title=settings.AE_TITLE)
    return rows.exists()


def instances_of_others(study: Study) -> QuerySet[Instance]:
    """The indexed objects of a study that came in, series by series in the order in which they came."""
    rows = Instance.objects.filter(series__study=study).exclude(calling_ae_title=settings.AE_TITLE)
    return rows.order_by("series_id", "id")


@dataclass(frozen=True, slots=True)
class Served:
    """How much of a study is served, and the modalities of its series."""

    series: int
    instances: int
    modalities: tuple[str, ...]


def served(studies: Iterable[Study]) -> dict[int, Served]:
    """How much of each study is served, by key: the one rule for what interfaces count.

    That is all that a search for its instances finds: what came and is not rejected, and what was made here,
    reports and rejection notes. `Study.instance_count` is what came alone: the images that people see.
    """
    studies = list(studies)
    made_here = counts(studies)
    found = {}
    for study in studies:
        ours = made_here.get(study.pk, Counts())
        found[study.pk] = Served(
            study.series_count + ours.series,
            study.instance_count + ours.instances,
            tuple(sorted({*study.modalities, *ours.modalities})),
        )
    return found


def counts(studies: Iterable[Study]) -> dict[int, Counts]:
    """What these studies hold of our own, by key; those that hold nothing are left out."""
    rows = Series.objects.filter(
        study__in=list(studies), station_ae_title=settings.AE_TITLE, modality__in=DOCUMENTS
    )
    found: dict[int, Counts] = {}
    for study_id, modality, count in rows.values_list("study_id", "modality", "instance_count"):
        if not count:  # a note that was taken back
            continue
        one = found.setdefault(study_id, Counts())
        one.modalities.add(modality)
        one.series += 1
        one.instances += count
    return found


def keep(dataset: bytes, *, sop_class_uid: str, sop_instance_uid: str) -> Outcome:
    """Take in a dataset that we made, in Explicit VR Little Endian; a full disk is no exception."""
    head = build_preamble_and_meta(sop_class_uid, sop_instance_uid, EXPLICIT_LITTLE_ENDIAN, settings.AE_TITLE)
    announced = Announcement(sop_class_uid, sop_instance_uid, settings.AE_TITLE)
    return take_written(head, [dataset], EXPLICIT_LITTLE_ENDIAN, announced)


def take_written(
    head: bytes, dataset: Iterable[bytes], transfer_syntax: str, announced: Announcement
) -> Outcome:
    """Take in what is written here, piece by piece, after its `head`; a full disk is no exception."""
    folder = Path(settings.HOME) / "spool"
    path = folder / f"own.{uuid.uuid4().hex}.part"
    digest, size = hashlib.sha256(), 0
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("x+b") as file:
            file.write(head)
            for piece in dataset:
                file.write(piece)
                digest.update(piece)
                size += len(piece)
            file.flush()
            spool = Spooled(path, file.fileno(), len(head), size, digest.hexdigest(), transfer_syntax)
            return intake.take(spool=spool, announced=announced, received_at=clock.now())
    except OSError as error:
        return NotKept(
            Reason.OUT_OF_RESOURCES, f"The file could not be written: {os.strerror(error.errno or 0)}"
        )
    finally:
        path.unlink(missing_ok=True)
