"""Every kind of refusal has one answer in HTTP and one in HL7, whichever package raises it."""

from collections.abc import Iterator

import pytest
from django.test import RequestFactory

from archive.decisions.decision_frame import SecondPersonNeeded
from interfaces.hl7.inbound import error_codes
from interfaces.hl7.inbound.field_places import FieldPlaces
from ledger import errors
from ledger.errors import Refused
from reporting.errors import StateConflict
from web.kernel.refusal import STATUSES
from web.rest.api import api
from worklist.patients.identity_doubt import (
    MergeRefused,
    NumbersContradict,
    NumberTaken,
    OrderOfAnother,
    VisitOfAnother,
)

HTTP_AND_HL7 = {
    errors.Missing: (422, 101),
    errors.Invalid: (422, 102),
    errors.UnknownCode: (422, 103),
    errors.Unknown: (422, 204),
    errors.Duplicate: (409, 205),
    errors.Conflict: (409, 207),
    errors.Decided: (409, 207),
    errors.OtherPatient: (409, 204),
    errors.IdentityConflict: (409, 204),
    MergeRefused: (409, 204),
    OrderOfAnother: (409, 204),
    NumberTaken: (409, 205),
    NumbersContradict: (409, 204),
    VisitOfAnother: (409, 204),
    errors.Forbidden: (403, 207),
    StateConflict: (409, 207),
    SecondPersonNeeded: (409, 207),
}


def kinds(parent: type[Refused]) -> Iterator[type[Refused]]:
    for kind in parent.__subclasses__():
        yield kind
        yield from kinds(kind)


def test_every_kind_is_known_here() -> None:
    assert set(kinds(Refused)) == set(HTTP_AND_HL7)


@pytest.mark.parametrize(("kind", "answers"), HTTP_AND_HL7.items())
def test_a_kind_has_one_status_and_one_code(kind: type[Refused], answers: tuple[int, int]) -> None:
    error = kind("it can't be so", "name")
    assert (error.answer(STATUSES), error_codes.explain(error, FieldPlaces())[0]) == answers


@pytest.mark.parametrize(("kind", "answers"), HTTP_AND_HL7.items())
def test_the_api_answers_with_it(kind: type[Refused], answers: tuple[int, int]) -> None:
    response = api.on_exception(RequestFactory().get("/api/v1/orders"), kind("it can't be so", "code"))
    assert response.status_code == answers[0]
    assert response["Content-Type"] == "application/problem+json"
    assert b"It can't be so" in response.content


def test_a_kind_that_nobody_answers_is_an_error_of_ours() -> None:
    with pytest.raises(KeyError):
        Refused("it can't be so").answer(STATUSES)
