"""One running system for all tests here, on the database that this pass of the suite is for.

They talk to it and share it, so each sends data of its own, and none kills or configures it.
"""

import os
from collections.abc import Iterator

import pytest

from tests import databases
from tests.clients.system import System, quick_site


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Begins with an empty database: what migrates it is what does so for users."""
    folder = tmp_path_factory.mktemp("system")
    url = databases.new_database(migrated=False) if databases.server() else ""
    broker = os.environ.get("CELERY_BROKER_URL", "") if url else ""
    running = System(folder / "home", url, broker, RIS_PACS_SITE=quick_site(folder))
    running.start()
    yield running
    running.stop()
