"""`kill -9` of any process under load: nothing acknowledged is missing, nothing happened twice.

`RIS_PACS_TEST_KILLS` sets how often; the suite kills a few times, a release run thirty times.
"""

import os
from pathlib import Path

import pytest

from tests import databases
from tests.clients.system import free_port
from tests.faults.driving import Load, account, kill_at_random, running, settle, start_redis

KILLS = int(os.environ.get("RIS_PACS_TEST_KILLS", "6"))
SEED = int(os.environ.get("RIS_PACS_TEST_SEED", "1"))
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.needs("storescu"),
    pytest.mark.timeout(1200),
]


def test_nothing_acknowledged_is_lost_and_nothing_happens_twice(tmp_path: Path) -> None:
    broker = os.environ.get("CELERY_BROKER_URL", "") if databases.server() else ""
    with running(tmp_path, broker) as system:
        with Load(system, tmp_path / "images") as load:
            kill_at_random(system, load.ledger, KILLS, SEED)
        settle(system, load.ledger)
        outcome = account(load.ledger)
    acked = len(load.ledger.orders) + len(load.ledger.instances)
    print(f"kills={KILLS} acked={acked} resent={load.ledger.resent}", outcome)
    assert acked > KILLS
    assert outcome == {"lost": 0, "twice": 0, "stuck": 0}


@pytest.mark.needs("redis-server")
def test_with_redis_gone_for_good_the_work_goes_on(tmp_path: Path) -> None:
    port = free_port()
    redis = start_redis(port)
    try:
        with running(tmp_path, f"redis://127.0.0.1:{port}/0") as system:
            with Load(system, tmp_path / "images") as load:
                kill_at_random(system, load.ledger, 1, SEED)
                redis.kill()
                redis.wait()
                kill_at_random(system, load.ledger, 1, SEED + 1)
            settle(system, load.ledger)
            outcome = account(load.ledger)
    finally:
        redis.kill()
    print(f"acked={len(load.ledger.orders) + len(load.ledger.instances)}", outcome)
    assert outcome == {"lost": 0, "twice": 0, "stuck": 0}
