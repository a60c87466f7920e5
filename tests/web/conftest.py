"""Each test's audit trail begins empty, in this process's memory too."""

import pytest

from ledger import audit


@pytest.fixture(autouse=True)
def _nothing_seen_yet() -> None:
    audit.forget()
