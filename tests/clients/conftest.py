"""One running system for all tests here, on the database that this pass of the suite is for."""

import os
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.clients.system import System, fresh_database


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with ExitStack() as stack:
        url = os.environ.get("DATABASE_URL", "")
        if url.startswith("postgres"):
            url = stack.enter_context(fresh_database(url))
        broker = os.environ.get("CELERY_BROKER_URL", "") if url else ""
        running = System(tmp_path_factory.mktemp("system") / "home", url, broker)
        running.start()
        stack.callback(running.stop)
        yield running
