"""A home of its own for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from archive import volumes


@pytest.fixture
def home(tmp_path: Path, settings: Settings) -> Iterator[Path]:
    settings.HOME = tmp_path
    volumes.forget()
    yield tmp_path
    volumes.forget()
