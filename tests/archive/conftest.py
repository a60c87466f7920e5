"""A home of its own for each test, and a hospital whose images and orders meet."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from accounts.models import Facility, SiteSection
from archive.storage import volumes
from tests.archive.hospital import Hospital
from worklist.provenance import Provenance


@pytest.fixture
def home(tmp_path: Path, settings: Settings) -> Iterator[Path]:
    settings.HOME = tmp_path
    volumes.forget()
    yield tmp_path
    volumes.forget()


@pytest.fixture
def hospital(facility: Facility, provenance: Callable[..., Provenance]) -> Hospital:
    SiteSection.objects.create(name="archive", content={"quiet_seconds": 60, "reconcile": {}})
    return Hospital(facility, provenance)
