"""What all DICOMweb resources have in common: who may come in, what is answered when something is wrong."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.views.decorators.http import require_safe

from accounts import access
from archive.dataset.uid import valid_uid
from archive.models import Study
from archive.search import study_search
from interfaces.problem import problem

View = Callable[..., HttpResponseBase]


class Problem(Exception):
    """Something that the client is told with a status."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail


def resource(view: View) -> View:
    """A resource that is read: for those who may view studies; what goes wrong is a problem document."""

    @wraps(view)
    def guarded(request: HttpRequest, **uids: str) -> HttpResponseBase:
        if not access.can(request.user, "study.view"):
            return problem(403, detail="You may not view studies.")
        try:
            for name in ("study", "series", "instance"):
                if not valid_uid(uids.get(name, "0.0")):
                    raise Problem(400, f"The {name} is not named by a UID.")
            response = view(request, **uids)
        except Problem as fault:
            return problem(fault.status, detail=fault.detail)
        response["X-Content-Type-Options"] = "nosniff"
        return response

    return require_safe(guarded)


def visible_studies(user: Any) -> QuerySet[Study]:
    """The studies of the user's facilities that are not hidden; others don't exist for the user."""
    return study_search.shown(user)
