"""Fixtures for the acceptor's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from interfaces.dicom.upper_layer.acceptor import Acceptor

from .acceptor_peer import RawPeer, World, running


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def acceptor(tmp_path: Path, world: World) -> Iterator[Acceptor]:
    with running(tmp_path, world) as acceptor:
        yield acceptor


@pytest.fixture
def peer(acceptor: Acceptor) -> Iterator[RawPeer]:
    with RawPeer(acceptor.port) as peer:
        yield peer
