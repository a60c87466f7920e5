"""Texts with wildcards, matched alike in Python and by the database (DICOM PS3.4 C.2.2.2.4).

`*` stands for any number of characters, `?` for one. Nothing here backtracks: in Python a pattern is followed
at all its places at once while the text is read once, and the database is asked by PostgreSQL's LIKE and
SQLite's GLOB, which never try an earlier `*` again once a later one was reached.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from django.core.exceptions import EmptyResultSet
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import CharField, Lookup, Q

MOST_PATTERNS: Final = 100
"""Values with wildcards in one list of values: the database compares each row with each of them."""
MOST_VALUES: Final = 10_000
NOTHING: Final = Q(pk__in=[])


def has_wildcard(pattern: str) -> bool:
    """Whether a key holds a wildcard."""
    return "*" in pattern or "?" in pattern


def fits_all(pattern: str) -> bool:
    """Whether a key is empty or `*` alone, which fits whatever there is, nothing too (PS3.4 C.2.2.2.3)."""
    return not pattern.strip("*")


def is_too_long(values: Sequence[str]) -> bool:
    """Whether a list of values is longer than the database shall be asked for."""
    return len(values) > MOST_VALUES or sum(map(has_wildcard, values)) > MOST_PATTERNS


def matches(pattern: str, text: str, *, ignore_case: bool = False) -> bool:
    """Whether a text fits a key; the text is read once, whatever the pattern."""
    if ignore_case:
        pattern, text = pattern.lower(), text.lower()
    if len(pattern) - pattern.count("*") > len(text):
        return False
    places = _places(pattern)
    reached = 1  # a bit for each number of letters of the pattern that the text so far may stand for
    for letter in text:
        here = reached & (places.letters.get(letter, 0) | places.any)
        reached = here << 1 | reached & places.stars
        if not reached:
            return False
    return bool(reached & places.end)


def matches_any(values: Sequence[str], text: str) -> bool:
    """Whether a text fits one of `values`; no values, or one that fits all, fit all."""
    return not values or any(fits_all(value) or matches(value, text) for value in values)


class _Places(NamedTuple):
    """A pattern as bits: bit n speaks of the place behind its first n letters, stars not counted."""

    letters: dict[str, int]
    any: int
    stars: int
    end: int


@lru_cache(maxsize=256)
def _places(pattern: str) -> _Places:
    letters: dict[str, int] = {}
    stars, place = 0, 1
    for letter in pattern:
        if letter == "*":
            stars |= place
        else:
            letters[letter] = letters.get(letter, 0) | place
            place <<= 1
    return _Places(letters, letters.pop("?", 0), stars, place)


# What the database is asked


def fits(column: str, pattern: str, *, ignore_case: bool = False) -> Q:
    """The condition that a column fits a key; its letters before the first wildcard may use an index."""
    if fits_all(pattern):
        return Q()
    if "\0" in pattern:  # which no text in a database holds
        return NOTHING
    if not ignore_case and not has_wildcard(pattern):
        return Q(**{column: pattern})
    return Q(**{f"{column}__{'folded_wild' if ignore_case else 'wild'}": pattern})


def fits_any(column: str, values: Sequence[str]) -> Q:
    """The condition that a column fits one of `values`; no values, or one that fits all, fit all."""
    if any(map(fits_all, values)):
        return Q()
    exact = [value for value in values if not has_wildcard(value) and "\0" not in value]
    condition = Q(**{f"{column}__in": exact}) if exact else NOTHING
    for value in values:
        if has_wildcard(value):
            condition |= fits(column, value)
    return condition if values else Q()


@CharField.register_lookup
class Wild(Lookup):
    """`column__wild`: the column fits a pattern, case and all."""

    lookup_name = "wild"

    def get_prep_lookup(self) -> str:
        return "".join(_runs(str(self.rhs)))

    def as_sql(self, compiler: Any, connection: BaseDatabaseWrapper) -> tuple[str, tuple[Any, ...]]:
        """Compare with the operator that knows case: SQLite's LIKE does not."""
        self._refuse_too_long()
        left, parameters = self.process_lhs(compiler, connection)
        if connection.vendor == "sqlite":
            return f"{left} GLOB %s", (*parameters, _glob(self.rhs))
        return f"{left} LIKE %s", (*parameters, _like(self.rhs))

    def _refuse_too_long(self) -> None:
        """A pattern of more letters than the column can hold fits nothing."""
        longest = getattr(self.lhs.output_field, "max_length", None)
        if longest is not None and len(self.rhs) - self.rhs.count("*") > longest:
            raise EmptyResultSet


@CharField.register_lookup
class FoldedWild(Wild):
    """`column__folded_wild`: the same, whatever the case."""

    lookup_name = "folded_wild"

    def get_prep_lookup(self) -> str:
        return super().get_prep_lookup().lower()

    def process_lhs(
        self, compiler: Any, connection: BaseDatabaseWrapper, lhs: Any = None
    ) -> tuple[str, tuple[Any, ...]]:
        """Fold the column: SQLite's own LOWER knows only ASCII."""
        left, parameters = super().process_lhs(compiler, connection, lhs)
        fold = "FOLD" if connection.vendor == "sqlite" else "LOWER"
        return f"{fold}({left})", tuple(parameters)


def teach_folding(connection: BaseDatabaseWrapper, **_: Any) -> None:
    """Give a new connection to SQLite what PostgreSQL has: lower case of every letter."""
    if connection.vendor == "sqlite":
        connection.connection.create_function("FOLD", 1, _fold, deterministic=True)


def _fold(text: str | None) -> str | None:
    return None if text is None else text.lower()


def _runs(pattern: str) -> Iterator[str]:
    """The pattern with each run of wildcards in one form: its `?` first, then one `*` if there was any."""
    star = ""
    for letter in pattern:
        if letter == "*":
            star = letter
            continue
        if letter != "?":
            yield star
            star = ""
        yield letter
    yield star


def _glob(pattern: str) -> str:
    return pattern.replace("[", "[[]")


_LIKE: Final = str.maketrans({"*": "%", "?": "_", "%": r"\%", "_": r"\_", "\\": r"\\"})


def _like(pattern: str) -> str:
    return pattern.translate(_LIKE)
