"""A live server with stored objects, and a client that signs in with a token."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from accounts.models import Token, User
from archive.storage import volumes


@pytest.fixture
def home(tmp_path: Path, settings: Settings) -> Iterator[Path]:
    settings.HOME = tmp_path
    volumes.forget()
    yield tmp_path
    volumes.forget()


@pytest.fixture
def get(home: Path, user: User) -> Callable[..., Any]:
    """Get a resource as a signed-in user."""
    client, token = Client(), Token.issue(user=user)

    def request(path: str, accept: str = "", **headers: str) -> Any:
        sent = {"Authorization": f"Bearer {token}", **({"Accept": accept} if accept else {}), **headers}
        return client.get(f"/dicom-web/{path}", headers=sent)

    return request


@pytest.fixture
def peer(home: Path, user: User, live_server: Any) -> Any:
    """Another implementation's client against a live server."""
    from dicomweb_client.api import DICOMwebClient

    headers = {"Authorization": f"Bearer {Token.issue(user=user)}"}
    return DICOMwebClient(url=f"{live_server.url}/dicom-web", headers=headers)
