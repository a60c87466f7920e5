"""The image viewer: OHIF's published build on our DICOMweb, with the session of the pages.

What it tells other pages and hears from them is written at the top of `static/web/viewer/app-config.js`.
"""

from functools import lru_cache
from pathlib import Path
from typing import Final

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.templatetags.static import static

from archive.dataset.uid import valid_uid
from archive.models import Study
from archive.search import study_search
from ledger import audit
from web.kernel import authorization, layout
from web.kernel.content_security import VIEWER_POLICY

MOST_STUDIES: Final = 20
_VENDOR: Final = Path(__file__).resolve().parents[1] / "static" / "vendor"


@layout.may("study.view")
def viewer(request: HttpRequest, source: str = "") -> HttpResponse:
    """`/viewer?StudyInstanceUIDs=…`: these studies, by commas or one parameter each."""
    uids = _uids(request)
    studies = [_study(request, uid) for uid in uids]
    authorization.note_reading(request, audit.INSTANCES_ACCESSED, *(("study", uid) for uid in uids))
    if not any(study.instance_count for study in studies):
        text = "Nothing of it was stored, or all of it was moved elsewhere. Images show as they arrive."
        return layout.refuse(request, 404, "This study has no images", text, back=f"/studies/{uids[0]}")
    bundle = _bundle()
    if bundle is None:
        text = (
            "Setting up could not fetch it. Everything else works. Stop the system and start it again on a"
            " machine that reaches npm's registry; an administrator can see why in what it prints."
        )
        return layout.refuse(request, 503, "The viewer isn't installed", text, back=f"/studies/{uids[0]}")
    base = static(f"vendor/{bundle.parent.name}") + "/"
    context = {"base": base, "bundle": bundle.name, "title": _title(studies)}
    response = render(request, "web/viewer.html", context)
    response["Content-Security-Policy"] = VIEWER_POLICY
    return response


@layout.may("study.view")
def with_slash(request: HttpRequest) -> HttpResponse:
    """`/viewer/`, to where the viewer is."""
    query = request.META.get("QUERY_STRING", "")
    return HttpResponseRedirect(f"/viewer?{query}" if query else "/viewer")


def _uids(request: HttpRequest) -> list[str]:
    """The UIDs that are named; Http404 if there are none, too many, or others than UIDs."""
    names = [name for name in request.GET if name.lower() == "studyinstanceuids"]
    texts = [text for name in names for text in request.GET.getlist(name)]
    uids = list(dict.fromkeys(uid for text in texts for uid in text.split(",") if uid))
    if not 0 < len(uids) <= MOST_STUDIES or not all(valid_uid(uid) for uid in uids):
        raise Http404
    return uids


def _study(request: HttpRequest, uid: str) -> Study:
    return authorization.find(
        Study.objects.all(), study_search.shown(request.user), request, study_instance_uid=uid
    )


def _title(studies: list[Study]) -> str:
    return ", ".join(
        dict.fromkeys(study.patient_name.partition("=")[0].replace("^", " ") for study in studies)
    )


@lru_cache(maxsize=1)
def _bundle() -> Path | None:
    """OHIF's main script, which has a hash in its name; None where it was not fetched."""
    return next(iter(sorted(_VENDOR.glob("ohif-*/app.bundle.*.js"))), None)
