"""Several acceptors on one listening socket and one spool directory, as pre-forked processes are."""

import threading
from pathlib import Path

from interfaces.dicom.message_exchange.dimse_service import Services
from interfaces.dicom.services import verification
from interfaces.dicom.upper_layer.acceptor import Acceptor, listen
from interfaces.dicom.upper_layer.acceptor_config import AcceptorConfig

from .acceptor_peer import World, is_good, running


def test_the_end_of_one_leaves_the_other_listening(tmp_path: Path, world: World) -> None:
    services = Services([verification.SERVICE])
    with listen("127.0.0.1", 0) as shared:
        acceptors = []
        for _ in range(2):
            config = AcceptorConfig(ae_title="RIS", spool_dir=tmp_path / "spool")
            acceptors.append(Acceptor(config, services, shared.dup()))
            threading.Thread(target=acceptors[-1].serve, daemon=True).start()
        assert acceptors[0].stop(1)
        assert all(is_good(acceptors[1]) for _ in range(5))
        assert acceptors[1].stop(2)
    assert list((tmp_path / "spool").iterdir()) == []


def test_it_listens_before_it_serves(tmp_path: Path, world: World) -> None:
    """Readiness can be told as soon as the acceptor is made."""
    with running(tmp_path, world) as acceptor:
        assert acceptor.port > 0
        assert is_good(acceptor)
