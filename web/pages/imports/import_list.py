"""Imports: what is brought on discs, in folders and as scans; the form, and the list of those there were."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from accounts import access
from archive.imports import scan_claims
from archive.imports.zipped_disc import LARGEST, MOST_FILES
from archive.models import Import, ImportKind
from ledger import audit
from web.kernel import authorization, formats, layout, paging
from web.kernel.list_filters import text_of
from web.pages.imports.import_columns import IMPORTS
from worklist.models import Patient, Sex


@require_safe
@layout.may("study.store")
def imports(request: HttpRequest) -> HttpResponse:
    """The page; `patient` names somebody of ours whom scans are of."""
    rows = access.visible(Import.objects.order_by("-begun_at", "-pk"), layout.user_of(request))
    context = {
        "paging": paging.cut(request, rows),
        "table": IMPORTS,
        "said": _patient(request),
        "limits": scan_claims.FIELDS,
        "kinds": ImportKind,
        "sexes": Sex.choices,
        "most_files": MOST_FILES,
        "largest": LARGEST,
    }
    return layout.page(request, "web/imports/import_list.html", context)


def _patient(request: HttpRequest) -> dict[str, Any]:
    """What the form says at first of whom scans are of."""
    public_id = text_of(request.GET, "patient", 32)
    if not public_id:
        return {}
    rows = Patient.objects.select_related("authority", "survivor__authority")
    mine = access.visible(rows, layout.user_of(request))
    patient = authorization.find(rows, mine, request, public_id=public_id).current
    authorization.note_reading(request, audit.PATIENT_RECORD, ("patient", patient.public_id))
    return {
        "written_name": patient.name,
        "patient_id": patient.value,
        "issuer": patient.authority.namespace,
        "patient_birth_date": formats.date(patient.birth_date),
        "patient_sex": patient.sex,
    }
