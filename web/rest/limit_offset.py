"""Lists: `limit` and `offset` in, `count` and `results` out."""

from collections.abc import Callable, Iterable
from typing import Annotated, Any, TypeVar

from django.db.models import Model, QuerySet
from ninja import Query, Schema
from pydantic import Field

_Row = TypeVar("_Row", bound=Model)


class Paging(Schema):
    """Which part of a list is wanted."""

    limit: int = Field(50, ge=1, le=500, description="how many at most")
    offset: int = Field(0, ge=0, le=2**31 - 1, description="how many to pass over")


Page = Annotated[Paging, Query()]


def page(
    rows: "QuerySet[_Row]", paging: Paging, show: Callable[[list[_Row]], Iterable[Any]]
) -> dict[str, Any]:
    """The wanted part of `rows`, as `show` renders it, and how many there are in all."""
    count = rows.count()
    wanted = list(rows[paging.offset : paging.offset + paging.limit]) if paging.offset < count else []
    return {"count": count, "results": list(show(wanted))}
