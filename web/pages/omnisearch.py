"""The search box: a patient by any identifier or name, an accession or order number, a Study UID."""

from typing import Final

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_safe

from archive.search import omnisearch
from ledger import audit
from web.kernel import authorization, layout
from web.pages import patients
from web.pages.record_columns import ORDERS, PATIENTS, STUDIES

LONGEST: Final = 200


@require_safe
@layout.may("patient.view")
def search(request: HttpRequest) -> HttpResponse:
    """One hit is opened, several are listed, none says as what the text was looked up."""
    text, problem = _read(request.GET.get("q", ""))
    if not text:
        return layout.page(request, "web/omnisearch.html", {"query": "", "problem": problem})
    found = omnisearch.find(text, user=layout.user_of(request))
    _note(request, found)
    if found.count == 1:
        return HttpResponseRedirect(_only(found))
    context = {
        "query": text,
        "tables": {"patients": PATIENTS, "orders": ORDERS, "studies": STUDIES},
        "found": found,
        "patients": [patients.short(row) for row in found.patients],
        "looked_up": ", ".join(found.looked_up),
        "most": omnisearch.MOST,
    }
    return layout.page(request, "web/omnisearch.html", context)


def _read(given: str) -> tuple[str, str]:
    """The text to look for, or what is wrong with it; control characters are left out."""
    if len(given) > LONGEST:
        return "", f"This is too long to be a name or a number: {len(given)} characters, {LONGEST} fit."
    printable = "".join(letter if letter.isprintable() else " " for letter in given)
    return " ".join(printable.split()), ""


def _only(found: omnisearch.Found) -> str:
    for row in found.patients:
        return reverse("patient", args=[row.current.public_id])
    for order in found.orders:
        return reverse("order", args=[order.public_id])
    return reverse("study", args=[found.studies[0].study_instance_uid])


def _note(request: HttpRequest, found: omnisearch.Found) -> None:
    """Whose records the answer shows goes to the audit trail; what was asked does not, it may be a name."""
    shown = [row.current for row in found.patients]
    shown += [row.patient.current for row in found.orders if row.patient]
    shown += [row.patient.current for row in found.studies if row.patient]
    authorization.note_reading(request, audit.PATIENT_RECORD, *(("patient", row.public_id) for row in shown))
    authorization.note_reading(
        request, audit.ORDER_RECORD, *(("order", row.public_id) for row in found.orders)
    )
    things = [("study", row.study_instance_uid) for row in found.studies]
    authorization.note_reading(request, audit.INSTANCES_ACCESSED, *things)
