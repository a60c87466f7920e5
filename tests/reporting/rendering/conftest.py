"""A world with a report that is about to be signed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from accounts.models import Facility, User
from archive.storage import volumes
from tests.reporting.rendering.builders import World


@pytest.fixture
def world(facility: Facility, user: User) -> World:
    return World(facility, user)


@pytest.fixture
def home(tmp_path: Path, settings: Settings) -> Iterator[Path]:
    settings.HOME = tmp_path
    volumes.forget()
    yield tmp_path
    volumes.forget()
