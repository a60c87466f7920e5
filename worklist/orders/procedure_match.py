"""Which requested procedure of an order is meant where one side has no Requested Procedure ID.

A first message may give the IDs and a later one, of the same order, only the code, or the other way round.
"""

from collections.abc import Collection, Iterable

from worklist.orders.order_aggregate import ProcedureRecord, age


def counterpart(
    rows: Iterable[ProcedureRecord], *, id: str, place: int, code: str, taken: Collection[int] = ()
) -> ProcedureRecord | None:
    """The procedure of an order that something is said of; None where it is one more.

    It is the one of the same ID, or, without one, of the same place; else, of those that differ in having an
    ID, the only one of this code, or the one at this place. `taken` are the keys of those of which the same
    message says something else.
    """
    free = [row for row in rows if row.id not in taken]
    same = (row for row in free if (row.requested_procedure_id == id if id else row.place == place))
    if exact := next((row for row in same if (row.place is None) == bool(id)), None):
        return exact
    others = sorted((row for row in free if (row.place is None) != bool(id)), key=age)
    by_code = [row for row in others if code and row.code == code]
    if len(by_code) == 1:
        return by_code[0]
    if id:
        return next((row for row in others if row.place == place), None)
    return others[place - 1] if place <= len(others) else None
