"""Whether numbers that are named together contradict what is known of their orders.

An order has one placer's and one filler's number of a namespace. A message with both joins what is known
under either, as long as that stays so.
"""

import itertools
from collections.abc import Iterable, Sequence
from typing import Final

from worklist.orders.order_aggregate import NumberKey, OrderAggregate
from worklist.orders.order_book import numbers_of
from worklist.orders.order_update import OrderUpdate

CONTRADICTION: Final = "the order numbers are those of two orders"
_Values = dict[tuple[str, str], set[str]]
"""Numbers by kind and namespace."""


def is_clash(known: Sequence[OrderAggregate], update: OrderUpdate) -> bool:
    """Whether the orders that an update names would be one with two numbers of a kind and a namespace.

    One that has two already, as it was told before, is no reason to refuse what names it.
    """
    numbers = [[number.key for number in one.numbers] for one in known]
    of_each = [_values(keys) for keys in numbers]
    together = _values(itertools.chain(numbers_of(update), *numbers))
    return any(
        len(found) > 1 and not any(one.get(kind, set()) >= found for one in of_each)
        for kind, found in together.items()
    )


def field_of(update: OrderUpdate) -> str:
    """The number that is in doubt: an order is its placer's, and goes by the placer's number first."""
    return "filler" if update.filler else "placer"


def text_of(update: OrderUpdate) -> str:
    """What is told of it, with the numbers that are named together."""
    named = ", ".join(f"{key.kind} {key.value}" for key in numbers_of(update))
    return f"{CONTRADICTION}: {named}"


def _values(keys: Iterable[NumberKey]) -> _Values:
    values: _Values = {}
    for key in keys:
        values.setdefault((key.kind, key.namespace), set()).add(key.value)
    return values
