"""The part of a long list that a page shows; which one, the URL says."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from django.db.models import Model, QuerySet
from django.http import HttpRequest

_Row = TypeVar("_Row", bound=Model)
_Any = TypeVar("_Any")

SIZE: Final = 50


@dataclass(frozen=True)
class Cut(Generic[_Any]):
    """A part of a list: its rows, the places of the first and last of them, and how many there are."""

    rows: list[_Any]
    number: int
    count: int
    size: int

    @property
    def first(self) -> int:
        """The place of the first row, from 1."""
        return (self.number - 1) * self.size + 1

    @property
    def last(self) -> int:
        """The place of the last row."""
        return self.first + len(self.rows) - 1

    @property
    def previous(self) -> int | None:
        """The number of the part before."""
        return self.number - 1 if self.number > 1 else None

    @property
    def next(self) -> int | None:
        """The number of the part behind."""
        return self.number + 1 if self.number * self.size < self.count else None

    def with_rows(self, rows: Iterable[Any]) -> "Cut[Any]":
        """The same part, its rows made into something else."""
        return Cut(list(rows), self.number, self.count, self.size)


def cut(
    request: HttpRequest,
    rows: "QuerySet[_Row]",
    whole: "Callable[[QuerySet[_Row]], QuerySet[_Row]]" = lambda rows: rows,
    *,
    size: int = SIZE,
    name: str = "page",
) -> "Cut[_Row]":
    """The part of `rows` that the query parameter `name` names; nonsense names the nearest part.

    Only the keys are sorted and skipped through; `whole` then adds what the rows of this part come with.
    """
    count = rows.order_by().count()
    number = number_of(request, count, size, name)
    keys = list(rows.values_list("pk", flat=True)[(number - 1) * size : number * size])
    found = {row.pk: row for row in whole(rows.model._default_manager.filter(pk__in=keys))} if keys else {}
    return Cut([found[key] for key in keys if key in found], number, count, size)


def cut_list(
    request: HttpRequest, rows: Sequence[_Any], *, size: int = SIZE, name: str = "page"
) -> Cut[_Any]:
    """The same of a list in memory."""
    number = number_of(request, len(rows), size, name)
    return Cut(list(rows[(number - 1) * size : number * size]), number, len(rows), size)


def number_of(request: HttpRequest, count: int, size: int = SIZE, name: str = "page") -> int:
    """The number of the part that is wanted, from 1 to the last that there is."""
    text = request.GET.get(name, "1")
    wanted = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 1
    return max(1, min(wanted, -(-count // size)))
