"""The stored files that a WADO-RS request names, and what caches are told of them."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from django.http import HttpRequest, HttpResponseBase
from django.utils.cache import get_conditional_response

from archive import volumes
from archive.dataset import amend
from archive.dataset.walk import STUDY_INSTANCE_UID
from archive.models import StoredFile
from interfaces.dicomweb import multipart
from interfaces.dicomweb.door import Problem, visible_studies
from ledger import audit


@dataclass(frozen=True, slots=True)
class Stored:
    """A file, and the UIDs of its instance."""

    study: str
    series: str
    instance: str
    sop_class: str
    path: Path
    size: int
    sha256: str
    transfer_syntax: str
    moved: bool = False
    """A split has moved it to another study than its header names."""

    def body(self) -> Iterator[bytes]:
        """The bytes of the object: as received, but for the study that it was moved to."""
        if self.moved:
            return amend.with_uid(self.path, STUDY_INSTANCE_UID, self.study)
        return multipart.file_range(self.path, 0, self.size)

    def length(self) -> int | None:
        """How many bytes `body` yields, where that is known."""
        if self.moved:
            return amend.length_with_uid(self.path, STUDY_INSTANCE_UID, self.study)
        return self.size


@dataclass(frozen=True, slots=True)
class Selection:
    """The files of a request that are there; `missing` counts those that have gone from their volume."""

    files: Sequence[Stored]
    missing: int

    @property
    def status(self) -> int:
        """206 where something is missing (PS3.18 table 10.4.3-1)."""
        return 206 if self.missing else 200

    def etag(self, *more: str) -> str:
        """A strong tag of all that an answer is made from."""
        digest = hashlib.sha256("\n".join(more).encode())
        for file in self.files:
            digest.update(f"{file.study}\t{file.instance}\t{file.sha256}\t{file.path.name}\n".encode())
        return f'"{digest.hexdigest()[:32]}"'


def select(request: HttpRequest, *, study: str, series: str = "", instance: str = "") -> Selection:
    """The files of a study, a series or an instance, in the order in which they came.

    That they were looked at goes to the audit trail, once an hour for each person and study.

    Raises
    ------
    Problem
        404 where there is nothing of that name in the user's facilities; 410 where its files are gone.
    """
    rows = StoredFile.objects.filter(
        instance__series__study__in=visible_studies(request.user).values("pk"),
        instance__series__study__study_instance_uid=study,
    )
    if series:
        rows = rows.filter(instance__series__series_instance_uid=series)
    if instance:
        rows = rows.filter(instance__sop_instance_uid=instance)
    rows = rows.select_related("instance__series", "volume")
    rows = rows.order_by("instance__series_id", "instance_id", "id")
    kept: dict[int, Stored] = {}
    for row in rows.iterator(chunk_size=500):
        if row.instance_id not in kept and row.instance.series is not None:
            kept[row.instance_id] = _stored(study, row.instance.series.series_instance_uid, row)
    files = [file for file in kept.values() if file.path.is_file()]
    if not kept:
        raise Problem(404, "There is no such study, series or instance.")
    if not files:
        raise Problem(410, "The files of this are gone from their volume.")
    audit.record_once(
        audit.INSTANCES_ACCESSED,
        audit.READ,
        actor=request.user.get_username(),
        address=str(request.META.get("REMOTE_ADDR", "")),
        objects=[("study", study)],
    )
    return Selection(files, len(kept) - len(files))


def _stored(study: str, series: str, row: StoredFile) -> Stored:
    return Stored(
        study,
        series,
        row.instance.sop_instance_uid,
        row.instance.sop_class_uid,
        volumes.path_of(row),
        row.size,
        row.sha256,
        row.transfer_syntax_uid,
        moved=row.instance.study_instance_uid != study,
    )


def not_modified(request: HttpRequest, etag: str) -> HttpResponseBase | None:
    """304 where the client has it already (RFC 9110 13.1.2)."""
    response: HttpResponseBase | None = get_conditional_response(request, etag=etag)
    if response is not None:
        response["Cache-Control"] = "private, no-cache"
    return response


def cached(response: HttpResponseBase, etag: str) -> HttpResponseBase:
    """Let the user's own cache keep an answer, and ask before it is used again: rights may have ended."""
    response["ETag"] = etag
    response["Cache-Control"] = "private, no-cache"
    return response
