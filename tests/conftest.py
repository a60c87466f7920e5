"""Worlds that tests build on: a facility, a user, the provenance of a message; and which tests run where."""

import gc
import itertools
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.db import connection
from django.test import TransactionTestCase
from hypothesis import settings as hypothesis_settings
from whitenoise.middleware import WhiteNoiseMiddleware

from accounts import site_version
from accounts.models import Facility, Role, User
from ledger.stamps import Stamp
from tests import databases
from worklist.provenance import Provenance
from worklist.worklist_policy import WorklistPolicy

# A password that takes a twentieth of a second to check guards people; tests sign in thousands of times.
Argon2PasswordHasher.time_cost, Argon2PasswordHasher.memory_cost, Argon2PasswordHasher.parallelism = 1, 8, 1

# How long an example takes says more of the machine than of the code.
hypothesis_settings.register_profile("untimed", deadline=None)
hypothesis_settings.load_profile("untimed")

EIGHT = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
"""Eight in the morning of a Monday, when the tests' hospital opens."""


@pytest.fixture(scope="session")
def django_db_setup(django_test_environment: None) -> Iterator[None]:
    databases.connect_to_a_copy()
    yield
    connection.close()


TransactionTestCase._fixture_teardown = lambda case: databases.empty()


def _find_static_files_once(middleware: WhiteNoiseMiddleware) -> None:
    """A web process does so once in its life; tests make a handler for each client."""
    if not _static_files:
        _find_static_files(middleware)
        _static_files.update(middleware.files)
    middleware.files.update(_static_files)


_static_files: dict[str, Any] = {}
_find_static_files = WhiteNoiseMiddleware.add_files_from_finders
WhiteNoiseMiddleware.add_files_from_finders = _find_static_files_once


@pytest.fixture(autouse=True)
def no_site_is_kept() -> None:
    """What another test's site said is forgotten, as its rows are."""
    site_version.forget()


@pytest.fixture
def facility(db: None) -> Facility:
    return Facility.objects.create(code="GENHOSP", name="General Hospital", time_zone="Europe/Berlin")


@pytest.fixture
def user(facility: Facility) -> User:
    user = User.objects.create_user("anna", "correct horse", full_name="Anna", roles=[r.value for r in Role])
    user.facilities.add(facility)
    return user


@pytest.fixture
def provenance(facility: Facility) -> Callable[..., Provenance]:
    """Make the provenance of a message sent `minute` minutes after eight; each has its own control ID."""
    numbers = itertools.count(1)

    def make(minute: float = 0, **values: Any) -> Provenance:
        number = next(numbers)
        return Provenance(
            **{
                "facility": facility,
                "stamp": Stamp(EIGHT + timedelta(minutes=minute), control_id=(number, "")),
                "received_at": EIGHT + timedelta(minutes=minute),
                "source": f"test:{number}",
                "policy": WorklistPolicy(
                    unknown_authorities="accept", unknown_procedure_codes="accept_with_modality"
                ),
                **values,
            }
        )

    return make


TESTS = Path(__file__).parent
WITH_PROCESSES = (TESTS / "clients", TESTS / "faults")
"""Tests here reach the database from processes that they start."""
SHARING = tuple(
    TESTS / place
    for place in (
        "clients",
        "interfaces/dicom/test_acceptor_hazards.py",
        "interfaces/dicom/test_acceptor_interoperability.py",
        "ris_pacs/test_bootstrap.py",
        "ris_pacs/test_time_zone.py",
    )
)
"""Modules whose tests share what took long to make."""
FIRST = (
    TESTS / "clients",
    TESTS / "faults" / "test_random_kills.py",
    TESTS / "faults",
    TESTS / "ris_pacs",
    TESTS / "interfaces" / "dicom",
)
"""What takes longest, so that nobody waits for it at the end."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as `pure` what touches no database; pytest-django sees to it that it really doesn't."""
    items.sort(key=_turn)
    for item in items:
        if not _uses_database(item) and not _is_below(item, WITH_PROCESSES):
            item.add_marker("pure")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Each test goes to whichever process is free, but those of a module that share something go together."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):  # type: ignore[misc, unused-ignore]
        def _split_scope(self, nodeid: str) -> str:
            module = nodeid.partition("::")[0]
            return (
                module if any((config.rootpath / module).is_relative_to(one) for one in SHARING) else nodeid
            )

    return Scheduling(config, log)


def _turn(item: pytest.Item) -> int:
    return next((turn for turn, place in enumerate(FIRST) if _is_below(item, [place])), len(FIRST))


def _is_below(item: pytest.Item, places: Iterable[Path]) -> bool:
    return any(item.path.is_relative_to(place) for place in places)


def _uses_database(item: pytest.Item) -> bool:
    fixtures = {"db", "transactional_db", "live_server"}.intersection(getattr(item, "fixturenames", ()))
    in_django_case = issubclass(getattr(item, "cls", None) or object, TransactionTestCase)
    return bool(fixtures) or in_django_case or item.get_closest_marker("django_db") is not None


def pytest_collection_finish() -> None:
    """What has been loaded stays: don't look through it for garbage again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def pytest_unconfigure() -> None:
    """Clean up after all processes, in the one that started them."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        databases.drop_databases()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs a program that this machine lacks; on CI, which has to have it, fail."""
    for marker in item.iter_markers("needs"):
        missing = [program for program in marker.args if shutil.which(program) is None]
        if missing:
            lacks = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
            lacks(f"{', '.join(missing)} isn't installed")
