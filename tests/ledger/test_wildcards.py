"""Wildcards of DICOM (PS3.4 C.2.2.2.4): one meaning in Python and in the database, and none that hangs."""

from collections.abc import Iterator
from functools import cache

import pytest
from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import CharField, Q, Value
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import Facility
from ledger import wildcards
from ledger.wildcards import fits, fits_any, matches

PATTERNS = st.text("aAäÄ*?*?%_\\[]^-!'=", max_size=12)
TEXTS = st.text("aAäÄ*?%_\\[]^-!'=", max_size=12)
COSTLY = ["*?" * 30 + "b", "?*" * 30 + "b", "*a" * 30 + "b", "*" + "a" * 300 + "b", "*aaaaaaaaa" * 30 + "b"]


def by_the_book(pattern: str, text: str) -> bool:
    """The standard's two sentences, word by word."""

    @cache
    def fit(at: int, reached: int) -> bool:
        if at == len(pattern):
            return reached == len(text)
        if pattern[at] == "*":
            return fit(at + 1, reached) or (reached < len(text) and fit(at, reached + 1))
        return reached < len(text) and pattern[at] in ("?", text[reached]) and fit(at + 1, reached + 1)

    return fit(0, 0)


class Counted(str):
    """A text that counts how often a letter of it is read."""

    read = 0

    def __iter__(self) -> Iterator[str]:
        for letter in super().__iter__():
            self.read += 1
            yield letter

    def __getitem__(self, place: object) -> str:
        raise AssertionError("a text is read from its beginning to its end, once")


@given(PATTERNS, TEXTS)
def test_a_pattern_means_what_the_standard_says(pattern: str, text: str) -> None:
    assert matches(pattern, text) is by_the_book(pattern, text)
    folded = by_the_book(pattern.lower(), text.lower())
    assert matches(pattern, text, ignore_case=True) is folded


@pytest.mark.parametrize("pattern", COSTLY)
@pytest.mark.parametrize("length", [400, 4000])
def test_a_text_is_read_once_whatever_the_pattern(pattern: str, length: int) -> None:
    text = Counted("a" * length)
    assert not matches(pattern, text)
    assert text.read == length


@pytest.mark.django_db
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(pattern=PATTERNS, text=TEXTS)
def test_the_database_answers_as_python_does(facility: Facility, pattern: str, text: str) -> None:
    rows = Facility.objects.annotate(text=Value(text, CharField()))
    fit = matches(pattern, text) or wildcards.fits_all(pattern)
    folded = matches(pattern, text, ignore_case=True) or wildcards.fits_all(pattern)
    assert rows.filter(fits("text", pattern)).exists() is fit
    assert rows.filter(fits_any("text", ["no", pattern])).exists() is fit
    assert rows.filter(fits("text", pattern, ignore_case=True)).exists() is folded


@pytest.mark.django_db
@pytest.mark.timeout(30)
@pytest.mark.parametrize("pattern", [*COSTLY, "*?" * 5000 + "b", "*" * 100_000 + "b"])
def test_no_pattern_keeps_the_database(facility: Facility, pattern: str) -> None:
    """An expression that backtracks would take years; the limit of time is there to end the test."""
    rows = Facility.objects.annotate(text=Value("a" * 4000, CharField()))
    assert not rows.filter(fits("text", pattern)).exists()
    assert not rows.filter(fits("text", pattern, ignore_case=True)).exists()


def test_a_pattern_of_more_letters_than_the_column_holds_is_not_asked_for(db: None) -> None:
    longest = Facility._meta.get_field("code").max_length
    with pytest.raises(EmptyResultSet):
        str(Facility.objects.filter(fits("code", "?" * (longest + 1) + "*")).query)
    assert str(Facility.objects.filter(fits("code", "*" * 100 + "?" * longest)).query)


@pytest.mark.parametrize("values", [[], ["*"], ["a", "***"], ["a", ""]])
def test_an_empty_key_and_one_of_stars_alone_fit_all(values: list[str]) -> None:
    assert fits_any("code", values) == Q()


def test_a_list_may_hold_only_so_many_patterns() -> None:
    assert not wildcards.is_too_long(["a*"] * wildcards.MOST_PATTERNS + ["a"] * 1000)
    assert wildcards.is_too_long(["a*"] * (wildcards.MOST_PATTERNS + 1))
    assert wildcards.is_too_long(["a"] * (wildcards.MOST_VALUES + 1))


@pytest.mark.django_db
def test_what_stands_before_the_first_wildcard_is_looked_up_in_the_index() -> None:
    rows = Facility.objects.filter(fits("code", "GEN*H?"))
    if connection.vendor == "sqlite":
        assert "code>? AND code<?" in rows.explain()
        return
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    assert "~>=~ 'GEN'" in rows.explain()
