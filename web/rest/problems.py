"""From an error to a problem document (RFC 9457)."""

import logging
from collections.abc import Iterable
from typing import Any, Final

from django.core.exceptions import RequestDataTooBig, TooManyFilesSent
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError

from interfaces.hl7.syntax.character_sets import Er7Error
from interfaces.problem import problem
from ledger.errors import Decided, Refused
from reporting.errors import StateConflict
from web.kernel.access_middleware import unauthorized
from web.kernel.refusal import STATUSES

logger = logging.getLogger(__name__)

FIELDS: Final = {
    "code": "procedure_code",
    "rejection_code": "code",
    "identifiers": "patient.identifier",
    "value": "patient.identifier.value",
    "namespace": "patient.identifier.authority",
    "name": "patient.name",
    "birth_date": "patient.birth_date",
    "sex": "patient.sex",
}
"""What the domain's fields are called in a body, where that differs."""


def register(api: NinjaAPI) -> None:
    """Say how `api` answers each error."""
    api.add_exception_handler(AuthenticationError, lambda request, error: unauthorized(request))
    api.add_exception_handler(Http404, _missing)
    api.add_exception_handler(HttpError, _http)
    api.add_exception_handler(ValidationError, _invalid)
    api.add_exception_handler(StateConflict, _conflict)
    api.add_exception_handler(Decided, _decided)
    api.add_exception_handler(Refused, _refused)
    api.add_exception_handler(Er7Error, _er7)
    api.add_exception_handler(RequestDataTooBig, _too_large)
    api.add_exception_handler(MultiPartParserError, _not_multipart)
    api.add_exception_handler(TooManyFilesSent, _too_many_files)
    api.add_exception_handler(UnreadablePostError, _broken_off)
    api.add_exception_handler(OperationalError, _database)
    api.add_exception_handler(Exception, _unexpected)


def _missing(request: HttpRequest, error: Any) -> HttpResponse:
    return problem(404, detail=str(error) or "There is no such thing here.")


def _http(request: HttpRequest, error: Any) -> HttpResponse:
    if error.status_code == 400:
        return problem(400, detail="The body is not JSON.")
    return problem(error.status_code, detail=str(error))


def _too_large(request: HttpRequest, error: Any) -> HttpResponse:
    return problem(413, detail="The body is too large.")


def _not_multipart(request: HttpRequest, error: Any) -> HttpResponse:
    return problem(400, detail="The body is not multipart/form-data as its header says.")


def _too_many_files(request: HttpRequest, error: Any) -> HttpResponse:
    return problem(413, detail="The body has too many files. Send a ZIP file, or one file after the other.")


def _broken_off(request: HttpRequest, error: Any) -> HttpResponse:
    return problem(400, detail="The body was broken off.")


def _invalid(request: HttpRequest, error: Any) -> HttpResponse:
    fields = [{"field": _path(one["loc"]), "detail": one["msg"]} for one in error.errors]
    return problem(422, detail="Some values are missing or not valid.", errors=fields)


def _path(location: Iterable[Any]) -> str:
    """A field's name as the client wrote it: what kind of parameter it is in, and ours, left out."""
    _, *parts = location
    if parts and parts[0] in ("body", "filters", "paging"):
        parts = parts[1:]
    return ".".join(map(str, parts)) or "body"


def _refused(request: HttpRequest, error: Any, **others: Any) -> HttpResponse:
    sentence = error.sentence
    field = FIELDS.get(error.field, error.field)
    members: dict[str, Any] = {"errors": [{"field": field, "detail": error.text}]} if field else {}
    return problem(error.answer(STATUSES), detail=sentence, **members, **others)


def _decided(request: HttpRequest, error: Any) -> HttpResponse:
    """409 with the decision that has to be undone first."""
    undo = f"/api/v1/decisions/{error.decision}/undo"
    return _refused(request, error, decision={"id": error.decision, "undo": undo})


def _conflict(request: HttpRequest, error: Any) -> HttpResponse:
    """409 with a code that programs can tell apart, what changed, and all that stands in the way."""
    members: dict[str, Any] = {"code": error.code, "changed": error.changed}
    if error.blocks:
        members["blocks"] = [vars(block) for block in error.blocks]
    return problem(409, detail=error.sentence, **members)


def _er7(request: HttpRequest, error: Any) -> HttpResponse:
    return problem(
        422,
        detail=f"{error}",
        errors=[{"field": "raw", "detail": error.text, "code": error.code, "location": error.location}],
    )


def _database(request: HttpRequest, error: Any) -> HttpResponse:
    logger.error("the database did not answer: %s", type(error).__name__)
    response = problem(503, detail="The database can't answer now. Nothing was changed; try again.")
    response["Retry-After"] = "5"
    return response


def _unexpected(request: HttpRequest, error: Any) -> HttpResponse:
    """The log gets the type and the place of the error, not its text: that may hold patients' data."""
    blind = RuntimeError(type(error).__name__).with_traceback(error.__traceback__)
    route = request.resolver_match.route if request.resolver_match else ""
    logger.error("%s %s failed", request.method, route, exc_info=blind)
    return problem(500, detail="An error here; nothing was changed. The log says more.")
