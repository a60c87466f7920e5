"""MLLP over TLS in both directions: client certificates, reload without restart, a warning before the end."""

import asyncio
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from accounts.models import SiteSection
from interfaces.hl7.inbound import sources
from interfaces.hl7.models import Alarm, Destination, InboundMessage, Source
from interfaces.hl7.monitoring import alarms, interface_metrics
from interfaces.hl7.outbound import delivery, mllp_client
from interfaces.hl7.tls_files import OfListener
from interfaces.hl7.wire import certificates
from interfaces.hl7.wire.tls_watch import TlsWatch
from ledger import clock
from ledger.models import Event
from tests.interfaces.hl7.test_delivery import Receiver, deliver, enqueue
from tests.interfaces.hl7.test_mllp import PID, Peer, Running, running

__all__ = ["running"]
pytestmark = [
    pytest.mark.once,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("site"),
    pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not here"),
]
Say = Callable[..., bytes]


class Authority:
    """Makes certificates."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        folder.mkdir(exist_ok=True)
        self.certificate = str(folder / f"{name}.pem")
        self._openssl(
            "req",
            "-x509",
            "-nodes",
            *_KEY,
            "-keyout",
            f"{name}.key",
            "-out",
            f"{name}.pem",
            "-subj",
            f"/CN={name}",
        )

    def issue(self, subject: str, file: str, days: int = 365) -> tuple[str, str]:
        """Certificate and key for a subject, which replace those that the files have."""
        self._openssl(
            "req",
            "-nodes",
            *_KEY,
            "-keyout",
            f"{file}.key",
            "-out",
            f"{file}.csr",
            "-newkey",
            "ec",
            "-subj",
            subject,
        )
        (self.folder / "extensions").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        self._openssl(
            "x509",
            "-req",
            "-in",
            f"{file}.csr",
            "-CA",
            f"{self.name}.pem",
            "-CAkey",
            f"{self.name}.key",
            "-CAcreateserial",
            "-days",
            str(days),
            "-extfile",
            "extensions",
            "-out",
            f"{file}.pem",
        )
        return str(self.folder / f"{file}.pem"), str(self.folder / f"{file}.key")

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)


_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")


@pytest.fixture(scope="module")
def hospital_ca(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"), "hospital")


@pytest.fixture(scope="module")
def other_ca(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("other"), "other")


def client(authority: Authority, *shown: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=authority.certificate)
    if shown:
        context.load_cert_chain(*shown)
    return context


class Tls:
    """A listener's watch, driven from the test."""

    def __init__(self, running: Running, files: OfListener | None) -> None:
        self.running, self.files = running, files
        self.watch = TlsWatch(running.listener, lambda: self.files)
        self.look()

    def look(self) -> None:
        asyncio.run_coroutine_threadsafe(self.watch.look(), self.running._loop).result(10)

    def peer(self, context: ssl.SSLContext) -> Peer:
        plain = socket.create_connection(("127.0.0.1", self.running.listener.tls_port), 10)
        return Peer(context.wrap_socket(plain, server_hostname="localhost"))


@pytest.fixture
def tls(running: Running, hospital_ca: Authority) -> Tls:
    certificate, key = hospital_ca.issue("/CN=ris", "listener")
    return Tls(
        running,
        OfListener(
            address="127.0.0.1:0",
            certificate=certificate,
            key=key,
            client_authorities=hospital_ca.certificate,
        ),
    )


def shown_by(peer: Peer) -> object:
    assert isinstance(peer.socket, ssl.SSLSocket)
    return (peer.socket.getpeercert() or {})["serialNumber"]


def test_a_client_with_a_certificate_is_answered_and_its_subject_kept(
    tls: Tls, hospital_ca: Authority, say: Say
) -> None:
    peer = tls.peer(client(hospital_ca, *hospital_ca.issue("/O=General, Hospital/CN=his", "his")))
    peer.send(*(say("ADT^A08", PID, at=n, control_id=str(n)) for n in range(3)))
    assert [peer.read() for _ in range(3)] == ["AA 0", "AA 1", "AA 2"]
    assert set(InboundMessage.objects.values_list("certificate", flat=True)) == {
        r"O=General\, Hospital, CN=his"
    }
    with tls.running.peer() as plain:
        plain.send(say("ADT^A08", PID, at=9, control_id="9"))
        assert plain.read() == "AA 9"


def test_who_shows_none_or_another_authoritys_is_not_let_in(
    tls: Tls, hospital_ca: Authority, other_ca: Authority, say: Say
) -> None:
    for shown in ((), other_ca.issue("/CN=his", "his")):
        try:
            peer = tls.peer(client(hospital_ca, *shown))
            peer.send(say("ADT^A08", PID))
            assert peer.read() == ""
        except OSError:  # which TLS 1.3 says with the first bytes
            pass
    assert not InboundMessage.objects.exists()
    assert tls.running.listener.counters.handshakes_failed == 2


def test_another_certificate_counts_for_new_connections_and_the_old_ones_stay(
    tls: Tls, hospital_ca: Authority, say: Say
) -> None:
    context = client(hospital_ca, *hospital_ca.issue("/CN=his", "his"))
    old = tls.peer(context)
    before = shown_by(old)
    hospital_ca.issue("/CN=ris", "listener")
    tls.look()
    new = tls.peer(context)
    assert shown_by(new) != before
    for number, peer in enumerate((old, new)):
        peer.send(say("ADT^A08", PID, at=number, control_id=str(number)))
        assert peer.read() == f"AA {number}"
    assert Event.objects.filter(kind="hl7.tls_loaded").count() == 2


def test_files_that_can_not_be_used_leave_all_as_it_is_and_are_told(
    tls: Tls, hospital_ca: Authority, say: Say
) -> None:
    assert tls.files
    Path(tls.files.certificate).write_text("rubbish")
    tls.look()
    tls.look()
    assert Event.objects.filter(kind="hl7.tls_unusable").count() == 1
    peer = tls.peer(client(hospital_ca, *hospital_ca.issue("/CN=his", "his")))
    peer.send(say("ADT^A08", PID, control_id="1"))
    assert peer.read() == "AA 1"


def test_without_tls_in_the_site_file_nobody_listens_for_it_any_more(tls: Tls) -> None:
    port = tls.running.listener.tls_port
    tls.files = None
    tls.look()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 5)


@pytest.mark.parametrize(
    ("options", "answers"),
    [
        ({"certificates": ["CN=his"]}, ("AA 0", "AR 1")),
        ({"certificates": ["CN=his, O=Elsewhere", "CN=lab"]}, ("AR 0", "AR 1")),
        ({"addresses": ["127.0.0.0/8", "::1"]}, ("AA 0", "AA 1")),
        ({"addresses": ["10.0.0.0/8"]}, ("AR 0", "AR 1")),
    ],
)
def test_a_source_is_known_by_address_and_certificate(
    tls: Tls, hospital_ca: Authority, say: Say, options: dict[str, object], answers: tuple[str, str]
) -> None:
    Source.objects.update(options={**Source.objects.get().options, **options})
    sources._kept.clear()
    secure = tls.peer(client(hospital_ca, *hospital_ca.issue("/O=Hospital/CN=his", "his")))
    secure.send(say("ADT^A08", PID, control_id="0"))
    with tls.running.peer() as plain:
        plain.send(say("ADT^A08", PID, at=1, control_id="1"))
        assert (secure.read(), plain.read()) == answers


# Out


class TlsReceiver(Receiver):
    """Answers with AA over TLS, and asks for a certificate."""

    def __init__(self, authority: Authority) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*authority.issue("/CN=receiver", "receiver"))
        self.context.verify_mode = ssl.CERT_REQUIRED
        self.context.load_verify_locations(authority.certificate)
        super().__init__()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                plain, _ = listener.accept()
                peer = self.context.wrap_socket(plain, server_side=True)
            except ssl.SSLError:
                continue
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()


@pytest.fixture
def his(hospital_ca: Authority, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Destination, TlsReceiver]]:
    monkeypatch.setattr(mllp_client, "ANSWER_WAIT", 1.0)
    receiver = TlsReceiver(hospital_ca)
    delivery.register()
    yield Destination.objects.create(name="HIS", host="127.0.0.1", port=receiver.port), receiver
    receiver.stop()


def test_messages_go_out_over_tls_with_our_certificate(
    his: tuple[Destination, TlsReceiver], hospital_ca: Authority
) -> None:
    destination, receiver = his
    certificate, key = hospital_ca.issue("/CN=ris", "sender")
    tls = {"authorities": hospital_ca.certificate, "certificate": certificate, "key": key}
    destination.options = {"tls": tls}
    destination.save()
    messages = [enqueue() for _ in range(3)]
    deliver()
    assert receiver.ids == [one.control_id for one in messages] and receiver.connections == 1


def test_a_receiver_that_nobody_vouches_for_gets_nothing(
    his: tuple[Destination, TlsReceiver], hospital_ca: Authority, other_ca: Authority
) -> None:
    destination, receiver = his
    certificate, key = hospital_ca.issue("/CN=ris", "sender")
    for tls in (
        {"authorities": other_ca.certificate, "certificate": certificate, "key": key},
        {"authorities": hospital_ca.certificate},
        {"authorities": "/nowhere.pem"},
    ):
        destination.options = {"tls": tls}
        destination.save()
        message = enqueue()
        with pytest.raises(mllp_client.NoAnswer):
            mllp_client.Line(destination, lambda: None, lambda answer: None).ask(
                b"MSH|^~\\&|A\r", message.control_id
            )
    assert not receiver.received


# Ends


@pytest.mark.parametrize(("days", "is_told"), [(20, True), (60, False)])
def test_somebody_is_told_before_a_certificate_ends(hospital_ca: Authority, days: int, is_told: bool) -> None:
    certificate, key = hospital_ca.issue("/CN=ris", "ending", days=days)
    listener = {"address": "127.0.0.1:0", "certificate": certificate, "key": key}
    SiteSection.objects.filter(name="hl7").update(content={"tls": listener})
    Destination.objects.create(name="HIS", host="h", port=1, options={"tls": {"certificate": certificate}})
    alarms.check()
    found = Alarm.objects.filter(kind="expires").values_list("direction", "partner")
    assert set(found) == ({("in", "MLLP over TLS"), ("out", "HIS")} if is_told else set())
    seconds = [
        line for line in interface_metrics.lines() if line.startswith("ris_pacs_hl7_certificate_end_seconds{")
    ]
    assert len(seconds) == 2 and all(
        (days - 1) * 86400 < float(line.split()[-1]) <= days * 86400 for line in seconds
    )


def test_an_alarm_ends_with_the_new_certificate(hospital_ca: Authority) -> None:
    certificate, _ = hospital_ca.issue("/CN=ris", "renewed", days=3)
    Destination.objects.create(name="HIS", host="h", port=1, options={"tls": {"certificate": certificate}})
    alarms.check()
    assert Alarm.objects.filter(kind="expires", cleared_at=None).count() == 1
    hospital_ca.issue("/CN=ris", "renewed", days=300)
    alarms.check()
    assert not Alarm.objects.filter(kind="expires", cleared_at=None).exists()


def test_the_end_is_read_as_openssl_reads_it(hospital_ca: Authority) -> None:
    for days in (1, 9000, 15000):  # UTCTime up to 2049, GeneralizedTime after it
        certificate, _ = hospital_ca.issue("/CN=x", "dates", days=days)
        distance = certificates.expires_at(certificate) - clock.now()
        assert timedelta(days=days) - timedelta(minutes=2) < distance <= timedelta(days=days)
