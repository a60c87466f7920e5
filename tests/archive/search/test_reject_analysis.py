"""Reject analysis of images as modalities send them: what is a repeat of a view, and what is another view."""

from datetime import date
from typing import Any

import pytest

from accounts.models import User
from archive.search import reject_analysis
from archive.search.reject_analysis import Question, Rate
from tests.archive.objects import indexed, received

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("home")]


def rates(user: User, *images: dict[str, Any], by: str = "projection") -> dict[str, Rate]:
    """The groups that images of one series of a hand come to, and `all`."""
    for number, attributes in enumerate(images, 1):
        usual = {"Modality": "DX", "BodyPartExamined": "HAND", "OperatorsName": "TORRES^TESS"}
        received(SOPInstanceUID=f"1.1.{number}", **{**usual, **attributes})
    indexed()
    found = reject_analysis.analyse(user, Question(date(2026, 4, 1), date(2026, 4, 1), by))
    return {rate.title: rate for rate in (*found.rates, found.total)}


def test_two_views_are_no_repeat(user: User) -> None:
    found = rates(user, {"ViewPosition": "AP"}, {"ViewPosition": "LL"})
    assert found.keys() == {"HAND AP", "HAND LL", "all"}
    assert (found["all"].kept, found["all"].repeats) == (2, 0)


def test_the_same_view_again_is_a_repeat(user: User) -> None:
    found = rates(user, {"ViewPosition": "AP"}, {"ViewPosition": "AP"}, {"ViewPosition": "LL"})
    assert (found["HAND AP"].repeats, found["HAND LL"].repeats, found["all"].repeats) == (1, 0, 1)


def test_the_same_view_of_the_other_side_is_none(user: User) -> None:
    """Image Laterality (0020,0062) is of an image, Laterality (0020,0060) of a series (C.8.11.2, C.7.3.1)."""
    sides = [{"Modality": "MG", "ViewPosition": "CC", "ImageLaterality": side} for side in "LRR"]
    found = rates(user, *sides)
    assert (found["HAND CC L"].repeats, found["HAND CC R"].repeats) == (0, 1)


@pytest.mark.parametrize("view", [{}, {"ViewPosition": ""}])
def test_what_does_not_say_its_view_is_no_repeat(user: User, view: dict[str, str]) -> None:
    found = rates(user, view, view, view)
    assert (found["HAND"].kept, found["HAND"].repeats, found["all"].repeats) == (3, 0, 0)


def test_who_took_it_is_named(user: User) -> None:
    assert rates(user, {"ViewPosition": "AP"}, by="technologist")["TORRES, TESS"].kept == 1
