"""`kill -9` of any process under load: nothing acknowledged is missing, nothing happened twice.

`RIS_PACS_TEST_KILLS` sets how often; the suite kills a few times, a release run thirty times.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.clients.system import System, free_port, fresh_database
from tests.faults.driving import Load, account, kill_at_random, settle, start_redis

KILLS = int(os.environ.get("RIS_PACS_TEST_KILLS", "6"))
SEED = int(os.environ.get("RIS_PACS_TEST_SEED", "1"))
pytestmark = [pytest.mark.needs("storescu"), pytest.mark.timeout(1200)]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def database(stack: ExitStack) -> str:
    url = os.environ.get("DATABASE_URL", "")
    return stack.enter_context(fresh_database(url)) if url.startswith("postgres") else ""


def test_nothing_acknowledged_is_lost_and_nothing_happens_twice(stack: ExitStack, tmp_path: Path) -> None:
    url = database(stack)
    system = System(tmp_path / "home", url, os.environ.get("CELERY_BROKER_URL", "") if url else "")
    system.start()
    stack.callback(system.stop)
    with Load(system, tmp_path / "images") as load:
        kill_at_random(system, KILLS, SEED)
    settle(system, load.ledger)
    outcome = account(system, load.ledger)
    acked = len(load.ledger.orders) + len(load.ledger.instances)
    print(f"kills={KILLS} acked={acked} resent={load.ledger.resent}", outcome)
    assert acked > KILLS
    assert outcome == {"lost": 0, "twice": 0, "stuck": 0}


@pytest.mark.needs("redis-server")
def test_with_redis_gone_for_good_the_work_goes_on(stack: ExitStack, tmp_path: Path) -> None:
    port = free_port()
    redis = start_redis(port)
    stack.callback(redis.kill)
    system = System(tmp_path / "home", database(stack), f"redis://127.0.0.1:{port}/0")
    system.start()
    stack.callback(system.stop)
    with Load(system, tmp_path / "images") as load:
        kill_at_random(system, 1, SEED, (3.0, 4.0))
        redis.kill()
        redis.wait()
        kill_at_random(system, 1, SEED + 1, (5.0, 8.0))
    settle(system, load.ledger)
    outcome = account(system, load.ledger)
    print(f"acked={len(load.ledger.orders) + len(load.ledger.instances)}", outcome)
    assert outcome == {"lost": 0, "twice": 0, "stuck": 0}


def test_a_loss_would_be_seen(stack: ExitStack, tmp_path: Path) -> None:
    """The negative control: an order that was never sent counts as lost."""
    system = System(tmp_path / "home", database(stack))
    system.start()
    stack.callback(system.stop)
    load = Load(system, tmp_path)
    load.send_until_accepted("K0000000001")
    load.ledger.orders.append("K0000000002")
    assert account(system, load.ledger)["lost"] == 1
