"""Worlds that tests build on: a facility, a user, the origin of a message."""

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from accounts.models import Facility, Role, User
from ledger.stamps import Stamp
from worklist.origin import Origin

EIGHT = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
"""Eight in the morning of a Monday, when the tests' hospital opens."""


@pytest.fixture
def facility(db: None) -> Facility:
    return Facility.objects.create(code="GENHOSP", name="General Hospital", time_zone="Europe/Berlin")


@pytest.fixture
def user(facility: Facility) -> User:
    user = User.objects.create_user("anna", "correct horse", full_name="Anna", roles=[r.value for r in Role])
    user.facilities.add(facility)
    return user


@pytest.fixture
def origin(facility: Facility) -> Callable[..., Origin]:
    """Make the origin of a message sent `minute` minutes after eight; each call has a control ID of its own."""
    numbers = itertools.count(1)

    def make(minute: float = 0, **values: Any) -> Origin:
        number = next(numbers)
        return Origin(
            **{
                "facility": facility,
                "stamp": Stamp(EIGHT + timedelta(minutes=minute), control_id=(number, "")),
                "received_at": EIGHT + timedelta(minutes=minute),
                "source": f"test:{number}",
                "policy": {
                    "unknown_authorities": "accept",
                    "unknown_procedure_codes": "accept_with_modality",
                },
                **values,
            }
        )

    return make
