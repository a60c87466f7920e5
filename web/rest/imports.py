"""`/imports`: discs, folders and scans that are brought, and what became of them."""

from collections.abc import Iterator
from typing import Any, Final

from django.db import transaction
from django.http import HttpRequest
from ninja import Router, Status

from accounts import access
from accounts.actor import actor_of
from accounts.models import Facility
from archive.imports import import_acts, scan_claims
from archive.models import Import as Row
from archive.models import ImportKind, ImportState, Study
from ledger.errors import Invalid, Missing
from web.kernel import authorization
from web.rest.limit_offset import Page, page
from web.rest.multipart_files import StreamedUpload, upload_of
from web.rest.schemas.imports import Import, Imports, ImportWithFiles, RefusedFile, StudyOfImport

router = Router(tags=["imports"])

_CHUNK: Final = 1 << 20
_MOST: Final = 500
_LONGEST_NAME: Final = 2000
_TEXT: Final = {"type": "string"}
_BODY: Final = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "properties": {
                    "kind": {"type": "string", "enum": [*ImportKind.values], "default": "images"},
                    "origin": {**_TEXT, "maxLength": 200, "description": "the institution it comes from"},
                    "comparison_only": {
                        **_TEXT,
                        "enum": ["yes"],
                        "description": "they are priors: no report is to be made of them",
                    },
                    "to_follow": {
                        **_TEXT,
                        "enum": ["yes"],
                        "description": "files follow by PUT, then `start`; else it starts at once",
                    },
                    **{
                        name: {**_TEXT, "maxLength": longest, "description": "of scans"}
                        for name, longest in scan_claims.FIELDS.items()
                    },
                    "file": {
                        "type": "array",
                        "items": {"type": "string", "format": "binary"},
                        "description": "up to 100: DICOM objects, ZIP files of discs, or scans",
                    },
                },
            },
            "example": {"kind": "images", "origin": "City Hospital", "file": ["disc.zip"]},
        }
    },
}
_BYTES: Final = {
    "required": True,
    "content": {
        "application/octet-stream": {
            "schema": {"type": "string", "format": "binary"},
            "example": "the bytes of the file",
        }
    },
}
_NAME: Final = {
    "in": "query",
    "name": "name",
    "required": True,
    "schema": {**_TEXT, "maxLength": 2000},
    "description": "what the file is called, with its folders, as `CD/IM1`",
}


@router.get("", response=Imports, summary="Find imports")
def find_imports(request: HttpRequest, paging: Page) -> dict[str, Any]:
    """Those of one's facilities, the newest first."""
    user = authorization.allow(request, "study.store")
    rows = access.visible(Row.objects.order_by("-begun_at", "-pk"), user)
    return page(rows, paging, lambda part: map(_shown, part))


@router.get("/{id}", response=ImportWithFiles, summary="Read an import")
def read_import(request: HttpRequest, id: str) -> ImportWithFiles:
    """With the files that were refused, each with the reason, and the studies that came in."""
    row = _find(request, id)
    uids = list(row.studies.order_by("pk").values_list("study_instance_uid", flat=True)[:_MOST])
    verdicts = dict(
        Study.objects.filter(study_instance_uid__in=uids).values_list("study_instance_uid", "verdict")
    )
    return ImportWithFiles(
        **_shown(row).dict(),
        refusals=[RefusedFile(name=one.name, reason=one.reason) for one in row.refusals.order_by("number")],
        studies=[StudyOfImport(study_instance_uid=uid, verdict=verdicts.get(uid)) for uid in uids],
    )


@router.post(
    "",
    response={201: ImportWithFiles},
    auth=StreamedUpload(),
    openapi_extra={"requestBody": _BODY},
    summary="Import images or scans",
)
def make_import(request: HttpRequest) -> Any:
    """Starts at once with the files of the body; with `to_follow` it waits for more and for `start`."""
    user = authorization.allow(request, "study.store")
    by, upload = actor_of(request), upload_of(request)
    try:
        said = request.POST
        facility = _facility(user.facilities.order_by("pk"))
        kind = _kind(said.get("kind", ""))
        claims = scan_claims.claims(said.dict()) if kind == ImportKind.SCANS else None
        if not upload.sizes and not said.get("to_follow"):
            raise Missing("there is no file to import", "file")
        with transaction.atomic():
            row = import_acts.begin(
                by=by,
                facility=facility,
                origin=" ".join(said.get("origin", "").split()),
                claims=claims,
                public_id=upload.public_id,
                comparison_only=said.get("comparison_only") == "yes",
            )
            row.uploaded_files, row.uploaded_bytes = len(upload.sizes), sum(upload.sizes)
            row.save()
            if not said.get("to_follow"):
                import_acts.start(by=by, row=row)
    except BaseException:
        upload.discard()
        raise
    return Status(201, read_import(request, row.public_id))


@router.put(
    "/{id}/files",
    response=Import,
    openapi_extra={"requestBody": _BYTES, "parameters": [_NAME]},
    summary="Add a file to an import",
)
def put_file(request: HttpRequest, id: str) -> Import:
    """The body is the file; one of the same name takes its place. 409 once the import was started."""
    row = _find(request, id)
    name = request.GET.get("name", "")[:_LONGEST_NAME]
    import_acts.receive(by=actor_of(request), row=row, name=name, chunks=_chunks(request))
    row.refresh_from_db()
    return _shown(row)


@router.post("/{id}/start", response=Import, summary="Start an import")
def start(request: HttpRequest, id: str) -> Import:
    """All files have come."""
    row = _find(request, id)
    with transaction.atomic():
        row = import_acts.start(by=actor_of(request), row=row)
    return _shown(row)


@router.post("/{id}/stop", response=Import, summary="Stop an import")
def stop(request: HttpRequest, id: str) -> Import:
    """What came in until now stays, and is judged as usual."""
    row = _find(request, id)
    with transaction.atomic():
        row = import_acts.stop(by=actor_of(request), row=row)
    return _shown(row)


@router.post("/{id}/read", response=Import, summary="Read after all what came for comparison")
def read_after_all(request: HttpRequest, id: str) -> Import:
    """Its studies get their reading items; 409 for an import that is to be read anyway."""
    row = _find(request, id)
    with transaction.atomic():
        row = import_acts.read_after_all(by=actor_of(request), row=row)
    return _shown(row)


def _find(request: HttpRequest, id: str) -> Row:
    user = authorization.allow(request, "study.store")
    rows = Row.objects.select_related("facility").order_by()
    return authorization.find(rows, access.visible(rows, user), request, public_id=id)


def _facility(rows: Any) -> Facility:
    facility: Facility | None = rows.first()
    if facility is None:
        raise Invalid("You belong to no facility.", "facility")
    return facility


def _kind(text: str) -> ImportKind:
    try:
        return ImportKind(text or ImportKind.IMAGES)
    except ValueError:
        raise Invalid(f"the kind is one of {', '.join(ImportKind.values)}", "kind") from None


def _chunks(request: HttpRequest) -> Iterator[bytes]:
    while chunk := request.read(_CHUNK):
        yield chunk


def _shown(row: Row) -> Import:
    return Import(
        id=row.public_id,
        kind=ImportKind(row.kind),
        state=ImportState(row.state),
        origin=row.origin,
        source=row.source,
        comparison_only=row.comparison_only,
        by=row.by,
        begun_at=row.begun_at,
        finished_at=row.finished_at,
        reason=row.end_reason,
        files=row.files,
        files_done=row.files_done,
        stored=row.taken,
        here_already=row.repeated,
        refused=row.refused,
        passed_over=row.passed_over,
    )
