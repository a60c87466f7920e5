"""Lists as tables: the head of a column, its cells and the order of the rows stand in one place.

A page includes `web/parts/table.html`, which needs `table` as it is shown, and `rows`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from django.http import HttpRequest, QueryDict
from django.template import Engine

from web.kernel.list_filters import url

_OF_THE_HEAD_TOO: Final = frozenset({"number", "box"})
"""Classes of cells that the heads of their columns have as well: what lies right, and what is narrow."""


@dataclass(frozen=True)
class Column:
    """What a list shows of its rows.

    `key` is what the URL's `sort` calls the column, `order_by` what the rows are then ordered by; a column
    without it sorts nothing. `cell` and `tip`, the words on hover, are templates of `row`: texts, or names.
    Columns with a `share`, from 1 to 6, divide the width that the others leave, and are cut off at its end.
    """

    key: str
    title: str
    order_by: str
    cell: str
    css: str = ""
    tip: str = ""
    is_title_hidden: bool = False
    is_row_head: bool = False
    share: int = 0
    width: int = 0
    """Its share in per cent, which its table works out."""

    @property
    def head_css(self) -> str:
        """The classes of the head."""
        names = [name for name in self.css.split() if name in _OF_THE_HEAD_TOO]
        return " ".join([*names, *self._share])

    @property
    def _share(self) -> list[str]:
        return ["share", f"share-{self.width}"] if self.share else []

    @property
    def template(self) -> str:
        """A template of a row's cell, with its tag."""
        names = " ".join([*self.css.split(), *self._share])
        css = f' class="{names}"' if names else ""
        tip = f' title="{self.tip}"' if self.tip else ""
        tag, scope = ("th", ' scope="row"') if self.is_row_head else ("td", "")
        head = "" if self.is_title_hidden or self.is_row_head else f' data-title="{self.title}"'
        return f"<{tag}{scope}{head}{css}{tip}>{_source(self.cell)}</{tag}>"


def _source(cell: str) -> str:
    return Engine.get_default().get_template(cell).source if cell.endswith(".html") else cell


def part(template: str, **values: str) -> str:
    """A cell that is a template of other pages too, which is given some of what the row has."""
    given = " ".join(f"{name}={value}" for name, value in values.items())
    return f'{{% include "{template}" with {given} %}}'


@dataclass(frozen=True)
class Head:
    """The head of a column: the link that sorts by it, and what `aria-sort` says, both empty without."""

    column: Column
    url: str = ""
    sort: str = ""


@dataclass(frozen=True)
class Table:
    """The columns of a list, and its usual order; what stands in the tag of a row is a template too.

    `empty` is what stands where rows would.
    """

    columns: Sequence[Column]
    usual: str = ""
    css: str = "list"
    row: str = ""
    empty: str = ""

    def __post_init__(self) -> None:
        """Make shares parts of their sum, in steps of 5 %: browsers give nothing to columns beyond 100 %."""
        total = sum(column.share for column in self.columns)
        if total:
            columns = [replace(one, width=20 * one.share // total * 5) for one in self.columns]
            object.__setattr__(self, "columns", columns)

    @property
    def is_list(self) -> bool:
        """Whether one moves from row to row by keys."""
        return bool(self.row) and "list" in self.css.split()

    @property
    def classes(self) -> str:
        """The classes of its tag; the rows of a list have one line each, and are cards where it is narrow."""
        return f"{self.css} rows" if "list" in self.css.split() else self.css

    @property
    def heads(self) -> Sequence[Head]:
        """The heads of the columns."""
        return [Head(column) for column in self.columns]

    @property
    def row_template(self) -> str:
        """All of a row as one template: one for each cell would take half as long again."""
        return f"<tr {self.row}>{''.join(column.template for column in self.columns)}</tr>"

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

    def sorted_by(self, sort: str, request: HttpRequest) -> "SortedTable":
        """The same as a page shows it whose rows are ordered by `sort`."""
        heads = [self._head(column, sort, request) for column in self.columns]
        return SortedTable(**{**vars(self), "links": heads})

    def _orders(self) -> Mapping[str, str]:
        return {column.key: column.order_by for column in self.columns if column.order_by}

    def _head(self, column: Column, sort: str, request: HttpRequest) -> Head:
        """The column that the rows are ordered by turns the order round; another one orders them."""
        usually = self.usual.removeprefix("-") == column.key
        if not (column.order_by or usually):
            return Head(column)
        is_on = sort.removeprefix("-") == column.key
        wanted = self.usual if usually else column.key
        if is_on and column.order_by:
            wanted = column.key if sort.startswith("-") else f"-{column.key}"
        direction = "descending" if sort.startswith("-") else "ascending"
        path = url(request, sort="" if wanted == self.usual else wanted)
        return Head(column, path, direction if is_on else "")


@dataclass(frozen=True)
class SortedTable(Table):
    """A table whose heads are links that order it."""

    links: Sequence[Head] = ()

    @property
    def heads(self) -> Sequence[Head]:
        """The heads of the columns."""
        return self.links
