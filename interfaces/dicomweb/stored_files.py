"""The stored files that a WADO-RS request names, and what caches are told of them."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from django.http import HttpRequest, HttpResponseBase
from django.utils.cache import get_conditional_response

from accounts.actor import actor_of
from archive.coercion import coerced_bytes, patient_coercion
from archive.coercion.attribute_coercion import Coercion
from archive.dataset.tags import SERIES_INSTANCE_UID, SOP_INSTANCE_UID
from archive.models import StoredFile, Study, known_as
from archive.storage import volumes
from interfaces.dicomweb import multipart
from interfaces.dicomweb.resource import Problem, visible_studies
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
    coercion: Coercion | None = None
    """What is said otherwise than as received; only where `select` was told to find that out."""

    def outgoing(self) -> tuple[Iterator[bytes], int | None]:
        """The bytes of the object with its coercion, and how many there are, where that is known.

        Raises
        ------
        DatasetError
            What has to be coerced can't be read; then nothing of it is sent.
        """
        coerced = coerced_bytes.coerced(self.path, self.coercion) if self.coercion else None
        if coerced is None:
            return multipart.file_range(self.path, 0, self.size), self.size
        return coerced.body(), coerced.length


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
            digest.update(repr(file.coercion).encode() if file.coercion else b"")
        return f'"{digest.hexdigest()[:32]}"'


def select(
    request: HttpRequest, *, study: str, series: str = "", instance: str = "", with_coercion: bool = False
) -> Selection:
    """The files of a study, a series or an instance, in the order in which they came.

    With `with_coercion` each knows what it is to be sent with; pixels alone don't need that.
    That they were looked at goes to the audit trail, once an hour for each person and study.

    Raises
    ------
    Problem
        404 where there is nothing of that name in the user's facilities; 410 where its files are gone.
    """
    rows = StoredFile.objects.filter(
        is_current=True,
        instance__series__study__in=visible_studies(request.user).values("pk"),
        instance__series__study__study_instance_uid=study,
        instance__rejection=None,
    )
    if series:
        rows = rows.filter(known_as("series_instance_uid", [series], through="instance__series__"))
    if instance:
        rows = rows.filter(known_as("sop_instance_uid", [instance], through="instance__"))
    rows = rows.select_related("instance__series", "volume")
    rows = rows.order_by("instance__series_id", "instance_id", "id")
    kept: dict[int, Stored] = {}
    for row in rows.iterator(chunk_size=500):
        if row.instance_id not in kept and row.instance.series is not None:
            kept[row.instance_id] = _stored(study, row.instance.series.uid, row)
    files = [file for file in kept.values() if file.path.is_file()]
    if with_coercion and files:
        files = _coerced(study, files)
    if not kept:
        raise Problem(404, "There is no such study, series or instance.")
    if not files:
        raise Problem(410, "The files of this are gone from their volume.")
    audit.note_reading(actor_of(request), audit.INSTANCES_ACCESSED, ("study", study))
    return Selection(files, len(kept) - len(files))


def _stored(study: str, series: str, row: StoredFile) -> Stored:
    return Stored(
        study,
        series,
        row.instance.uid,
        row.instance.sop_class_uid,
        volumes.path_of(row),
        row.size,
        row.sha256,
        row.transfer_syntax_uid,
        moved=row.instance.study_instance_uid != study,
    )


def _coerced(study: str, files: list[Stored]) -> list[Stored]:
    rows = Study.objects.select_related("patient__authority", "patient__survivor__authority")
    row = rows.get(study_instance_uid=study)
    found = patient_coercion.coercion_of(row)
    moved = patient_coercion.moved(row, found) if any(file.moved for file in files) else None
    if found is None and moved is None:
        return files
    return [replace(file, coercion=_moved(moved, file) if moved and file.moved else found) for file in files]


def _moved(coercion: Coercion, file: Stored) -> Coercion:
    """With the UIDs that the split gave it."""
    uids = (SERIES_INSTANCE_UID, file.series), (SOP_INSTANCE_UID, file.instance)
    return replace(coercion, values=(*coercion.values, *uids))


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
