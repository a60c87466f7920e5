"""Lists as tables: head, cell and order of a column stand in one entry."""

import pkgutil
import re
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module

import pytest
from django.http import QueryDict
from django.template.loader import render_to_string
from django.test import RequestFactory

import web.pages
from tests.web.markup import _plain as plain
from web.kernel.tables import Column, Table
from web.templatetags.rows import _template

TABLE = Table(
    usual="-came",
    row='id="row-{{ row.id }}"',
    columns=(
        Column("came", "Came", "came_at", "{{ row.came }}"),
        Column("name", "Name", "name_key", "<b>{{ row.name }}</b>", css="nowrap", tip="of {{ row.name }}"),
        Column("size", "Size", "", "{{ row.size }}", css="number"),
        Column("actions", "Actions", "", "", css="acts", is_title_hidden=True),
    ),
)


def shown(table: Table, query: str = "", rows: object = ({"id": 1, "name": "<i>", "size": 3},)) -> str:
    request = RequestFactory().get(f"/list?{query}")
    table = table.sorted_by(table.sort_of(request.GET), request)
    return plain(render_to_string("web/parts/table.html", {"table": table, "rows": rows}))


def heads(table: Table, query: str = "") -> list[tuple[str, str]]:
    """Where the head of each column that can be sorted by leads, and how the list is sorted by it."""
    request = RequestFactory().get(f"/list?{query}")
    found = table.sorted_by(table.sort_of(request.GET), request).heads
    return [(head.url, head.sort) for head in found if head.url]


def tables() -> Iterator[tuple[str, Table]]:
    """Each table of the pages."""
    for module in pkgutil.walk_packages(web.pages.__path__, "web.pages."):
        for name, value in vars(import_module(module.name)).items():
            if isinstance(value, Table):
                yield f"{module.name}.{name}", value


def test_a_row_has_a_cell_for_each_head() -> None:
    text = shown(TABLE)
    assert '<tr id="row-1">' in text and '<table class="list rows" data-list>' in text
    assert '<td data-title="Name" class="nowrap" title="of &lt;i&gt;"><b>&lt;i&gt;</b></td>' in text
    assert (
        '<th scope="col" class="number">Size</th>' in text
        and '<td data-title="Size" class="number">3</td>' in text
    )
    assert '<span class="hidden">Actions</span>' in text
    assert text.count("<th ") == text.count("<td") == 4


def test_a_column_more_is_one_entry() -> None:
    wider = replace(TABLE, columns=(*TABLE.columns, Column("age", "Age", "born", "{{ row.id }} y")))
    text = shown(wider, "sort=age")
    assert re.search(r'<th scope="col" aria-sort="ascending"><a href="/list\?sort=-age">Age</a></th>', text)
    assert '<td data-title="Age">1 y</td>' in text
    assert wider.order_by("-age") == "-born"
    assert "Age" not in shown(wider.without("age")) and "1 y" not in shown(wider.without("age"))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [("/list?sort=came", "descending"), ("/list?sort=name", "")]),
        ("sort=came&page=3", [("/list", "ascending"), ("/list?sort=name", "")]),
        ("sort=name&q=x", [("/list?q=x", ""), ("/list?sort=-name&q=x", "ascending")]),
        ("sort=-name", [("/list", ""), ("/list?sort=name", "descending")]),
        ("sort=size", [("/list?sort=came", "descending"), ("/list?sort=name", "")]),
        ("sort=--name", [("/list?sort=came", "descending"), ("/list?sort=name", "")]),
    ],
)
def test_a_head_orders_the_list_and_turns_its_order_round(
    query: str, expected: list[tuple[str, str]]
) -> None:
    assert heads(TABLE, query) == expected


def test_a_lists_own_order_is_a_column_that_cannot_be_turned_round() -> None:
    table = replace(TABLE, usual="need", columns=(Column("need", "Need", "", ""), *TABLE.columns))
    assert heads(table)[0] == ("/list", "ascending")
    assert heads(table, "sort=-need")[0] == ("/list", "ascending")
    assert heads(table, "sort=name")[0] == ("/list", "")
    assert table.order_by(table.sort_of(QueryDict("sort=-need"))) == ""


def test_what_the_rows_are_ordered_by_is_the_columns() -> None:
    assert [TABLE.order_by(TABLE.sort_of(QueryDict(query))) for query in ("", "sort=name", "sort=-name")] == [
        "-came_at",
        "name_key",
        "-name_key",
    ]


def test_a_table_without_rows_says_so() -> None:
    assert '<td colspan="4" class="quiet">None.</td>' in shown(replace(TABLE, empty="None."), rows=())


def test_every_table_of_the_pages_can_be_written() -> None:
    found = dict(tables())
    assert len(found) > 15
    for name, table in found.items():
        keys = [column.key for column in table.columns]
        assert len(keys) == len(set(keys)) and all(keys), name
        assert not table.usual or table.usual.removeprefix("-") in keys, name
        assert all(column.title for column in table.columns), name
        assert _template(table.row_template)


def test_shares_divide_the_width_that_is_left() -> None:
    """Beyond 100 % a browser gives a column nothing."""
    for name, table in tables():
        widths = [column.width for column in table.columns if column.share]
        assert sum(widths) <= 100 and all(width >= 5 for width in widths), name
        assert not widths or sum(widths) > 75, name
