"""Lists as tables: the head of a column, its cells and the order of the rows stand in one place.

A page includes `web/parts/table.html`, which needs `table` as it is shown, and `rows`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from django.http import HttpRequest, QueryDict

from web.kernel.list_filters import url

_OF_THE_HEAD_TOO: Final = frozenset({"number", "box"})
"""Classes of cells that the heads of their columns have as well: what lies right, and what is narrow."""


@dataclass(frozen=True)
class Column:
    """What a list shows of its rows.

    `key` is what the URL's `sort` calls the column, `order_by` what the rows are then ordered by; a column
    without it sorts nothing. `cell` and `tip`, the words on hover, are templates of `row`: texts, or names.
    """

    key: str
    title: str
    order_by: str
    cell: str
    css: str = ""
    tip: str = ""
    is_title_hidden: bool = False
    is_row_head: bool = False

    @property
    def head_css(self) -> str:
        """The classes of the head."""
        return " ".join(name for name in self.css.split() if name in _OF_THE_HEAD_TOO)


@dataclass(frozen=True)
class Head:
    """The head of a column: the link that sorts by it, and what `aria-sort` says, both empty without."""

    column: Column
    url: str = ""
    sort: str = ""


@dataclass(frozen=True)
class Table:
    """The columns of a list, and its usual order; what stands in the tag of a row is a template too."""

    columns: Sequence[Column]
    usual: str = ""
    css: str = "list"
    row: str = ""

    def sort_of(self, query: QueryDict) -> str:
        """How the URL wants the rows ordered, a `-` before the key turning it round; else as usual."""
        wanted = query.get("sort", "")
        return wanted if wanted.removeprefix("-") in self._orders() else self.usual

    def order_by(self, sort: str) -> str:
        """What the rows are ordered by; empty where that is the list's own order."""
        order = self._orders().get(sort.removeprefix("-"), "")
        return f"-{order}" if order and sort.startswith("-") else order

    def without(self, *keys: str) -> "Table":
        """The same with fewer columns."""
        return replace(self, columns=[column for column in self.columns if column.key not in keys])

    def shown(self, request: HttpRequest, sort: str = "") -> "Shown":
        """The table as a page shows it, its rows ordered by `sort`."""
        return Shown(self, [self._head(request, column, sort) for column in self.columns])

    def _orders(self) -> Mapping[str, str]:
        return {column.key: column.order_by for column in self.columns if column.order_by}

    def _head(self, request: HttpRequest, column: Column, sort: str) -> Head:
        """The column that the rows are ordered by turns the order round; another one orders them."""
        usually = self.usual.removeprefix("-") == column.key
        if not column.key or not (column.order_by or usually):
            return Head(column)
        is_on = sort.removeprefix("-") == column.key
        wanted = self.usual if usually else column.key
        if is_on and column.order_by:
            wanted = column.key if sort.startswith("-") else f"-{column.key}"
        direction = "descending" if sort.startswith("-") else "ascending"
        path = url(request, sort="" if wanted == self.usual else wanted)
        return Head(column, path, direction if is_on else "")


@dataclass(frozen=True)
class Shown:
    """A table with its heads."""

    table: Table
    heads: Sequence[Head]

    @property
    def css(self) -> str:
        """The classes of the table."""
        return self.table.css

    @property
    def is_list(self) -> bool:
        """Whether one moves from row to row by keys."""
        return "list" in self.css.split()

    @property
    def columns(self) -> Sequence[Column]:
        """The columns."""
        return self.table.columns

    @property
    def row(self) -> str:
        """What a row's tag says."""
        return self.table.row
