"""What an order costs does not grow with what is there."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.db import connection, transaction

from interfaces.hl7.inbound import inbox
from ledger import set_statements
from ledger.set_statements import rows_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("site")]
Say = Callable[..., bytes]

FEW, MANY = 20, 400
TABLES = ("worklist_%", "hl7_%", "ledger_event%")


def order(say: Say, n: int) -> bytes:
    """An order of a new patient, with a visit and all numbers."""
    visit = f"PV1|1|O{'|' * 17}V{n}^^^GENHOSP"
    pid = f"PID|1||P{n}^^^GENHOSP^MR||BARS^ANNA{n}||19700102|F"
    return say("ORM^O01", pid, visit, f"ORC|NW|A{n}^HIS|F{n}^RIS", f"OBR|1|||1^2^3{'|' * 20}CT", at=n % 50)


def receive(*messages: bytes) -> None:
    """Messages together, each of which is applied."""
    assert all(b"MSA|AA" in (answer or b"") for answer in inbox.receive_all([(raw, "") for raw in messages]))


@contextmanager
def counted() -> Iterator[list[int]]:
    """What a block costs the database: steps of SQLite's machine, or rows that PostgreSQL goes through."""
    cost = [0]
    if connection.vendor == "sqlite":

        def step() -> None:
            cost[0] += 1

        connection.ensure_connection()
        connection.connection.set_progress_handler(step, 10)
        try:
            yield cost
        finally:
            connection.connection.set_progress_handler(None, 0)
        return
    names = " OR ".join(["relname LIKE %s"] * len(TABLES))
    read = (
        f"SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) FROM pg_stat_xact_user_tables WHERE {names}"
    )
    with transaction.atomic():
        before = rows_of(read, TABLES)[0][0]
        yield cost
        cost[0] = int(rows_of(read, TABLES)[0][0] - before)


def cost_of(*messages: bytes) -> int:
    """What messages cost the database."""
    with counted() as cost:
        receive(*messages)
    return cost[0]


@pytest.fixture
def tables_without_statistics() -> Iterator[list[str]]:
    """The tables, of which the server gathers statistics when it is told to only; empty on SQLite."""
    if connection.vendor == "sqlite":
        yield []
        return
    names = " OR ".join(["relname LIKE %s"] * len(TABLES))
    tables = [name for (name,) in rows_of(f"SELECT relname FROM pg_stat_user_tables WHERE {names}", TABLES)]

    def gather(value: str) -> None:
        with connection.cursor() as cursor:
            for table in tables:
                cursor.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = {value})")

    gather("off")
    yield tables
    gather("on")


@pytest.mark.parametrize("statistics", ["none", "of small tables"])
@pytest.mark.parametrize("what", ["a new order", "the same order again", "eight at once"])
def test_it_does_not_grow_with_the_patients_orders_and_messages(
    say: Say,
    what: str,
    statistics: str,
    tables_without_statistics: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def messages(n: int) -> list[bytes]:
        if what == "eight at once":
            return [order(say, n + place) for place in range(8)]
        return [order(say, n if what == "a new order" else 1)]

    connection.close()  # what emptied the tables after another test had statements planned anew, for none
    receive(*(order(say, n) for n in range(FEW)))
    cost_of(*messages(2000))  # so that all statements are known and planned
    few = cost_of(*messages(3000))
    if statistics != "none" and not tables_without_statistics:
        pytest.skip("SQLite plans by none")
    if statistics == "of small tables":
        with connection.cursor() as cursor:
            cursor.execute(f"ANALYZE {', '.join(tables_without_statistics)}")
        cost_of(*messages(2100))  # by the server's own new plans
    # Whatever other tests do beside this may have the server plan by itself.
    monkeypatch.setattr(set_statements, "PLANNED_FOR", 0.0)
    for start in range(FEW, MANY, 50):
        receive(*(order(say, n) for n in range(start, start + 50)))
    many = cost_of(*messages(4000))
    assert many <= few * 1.3 + 20
