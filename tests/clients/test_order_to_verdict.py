"""An order travels to the worklist and its images are checked, through real ports."""

import socket
import threading
import uuid
from pathlib import Path

import pytest

from tests.clients.images import make_study
from tests.clients.system import System, answer_code, order_message, wait_for

pytestmark = [pytest.mark.needs("findscu", "storescu"), pytest.mark.timeout(300)]


def new_accession() -> str:
    return "T" + uuid.uuid4().hex[:9].upper()


@pytest.mark.parametrize(
    ("charset", "name"),
    [
        ("8859/1", "MÜLLER^JÖRG"),
        ("UNICODE UTF-8", "MÜLLER^JÖRG"),
        ("UNICODE UTF-8", "ЧЕХОВ^АНТОН"),
    ],
)
def test_an_order_is_on_the_worklist_at_once_and_gone_when_cancelled(
    system: System, charset: str, name: str
) -> None:
    accession = new_accession()
    (ack,) = system.send(order_message(accession, name=name, charset=charset))
    assert answer_code(ack) == "AA"
    found = system.worklist(f"AccessionNumber={accession}")
    codec, term = ("latin-1", "ISO_IR 100") if charset == "8859/1" else ("utf-8", "ISO_IR 192")
    assert accession in found and term in found
    assert name.encode(codec).decode("utf-8", "replace") in found
    (ack,) = system.send(order_message(accession, control="CA"))
    assert answer_code(ack) == "AA"
    assert system.worklist(f"AccessionNumber={accession}").count("Find Response") == 0


def test_each_study_gets_its_verdict_with_evidence(system: System, tmp_path: Path) -> None:
    expected = {}
    for verdict, patient, header in (
        ("matched", {}, {}),
        ("mismatch", {"patient_id": "REAL", "name": "REAL^RITA", "birth_date": "19350517"}, {}),
        ("unscheduled", None, {"PatientName": "NOBODY^NORA"}),
    ):
        accession = new_accession()
        if patient is not None:
            system.send(order_message(accession, **patient))
        uid = make_study(tmp_path / accession, accession, **header)
        sent = system.dcmtk("storescu", "+sd", str(tmp_path / accession))
        assert sent.returncode == 0, sent.stderr
        expected[uid] = verdict
    assert {uid: system.verdict(uid) for uid in expected} == expected
    wrong = next(uid for uid, verdict in expected.items() if verdict == "mismatch")
    open_ones = system.api("/exceptions", status="open", limit="500")["results"]
    exception = next(e for e in open_ones if e["study_instance_uid"] == wrong)
    assert any(finding["agreement"] == 0 for finding in exception["findings"])


def test_a_mismatch_is_decided_and_the_decision_undone(system: System, tmp_path: Path) -> None:
    accession = new_accession()
    system.send(order_message(accession, patient_id="REAL2", name="REAL^RITA", birth_date="19350517"))
    uid = make_study(tmp_path, accession)
    system.dcmtk("storescu", "+sd", str(tmp_path))
    assert system.verdict(uid) == "mismatch"
    exceptions = system.api("/exceptions", status="open", limit="500")["results"]
    exception = next(e for e in exceptions if e["study_instance_uid"] == uid)
    (order,) = system.api("/orders", accession_number=accession)["results"]
    step = order["procedures"][0]["steps"][0]["id"]
    resolved = system.api(
        f"/exceptions/{exception['id']}/resolve",
        {"action": "link", "reason": "checked with the ward", "scheduled_procedure_step": step},
    )
    assert (resolved["status"], resolved["resolution"], resolved["verdict"]) == (
        "resolved",
        "link",
        "mismatch",
    )
    undone = system.api(f"/exceptions/{exception['id']}/undo", {"reason": "it was the other patient"})
    assert undone["status"] == "open"
    assert system.study(uid)["verdict"] == "mismatch"


def test_the_status_of_a_matched_order_goes_out(system: System, tmp_path: Path) -> None:
    received: list[bytes] = []
    stop = receive(system.destination_port, received)
    try:
        accession = new_accession()
        system.send(order_message(accession))
        make_study(tmp_path, accession)
        system.dcmtk("storescu", "+sd", str(tmp_path))
        wait_for(lambda: any(accession.encode() in message for message in received), 90)
    finally:
        stop()
    (message,) = {m for m in received if accession.encode() in m}
    orc = next(segment for segment in message.split(b"\r") if segment.startswith(b"ORC"))
    assert orc.split(b"|")[1] == b"SC" and orc.split(b"|")[5] == b"CM"


def receive(port: int, received: list[bytes]):  # type: ignore[no-untyped-def]
    """Listen on `port` as a plain MLLP receiver that says AA; the function that ends it."""
    server = socket.create_server(("127.0.0.1", port))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    def answer(connection: socket.socket) -> None:
        buffer = b""
        with connection:
            while data := connection.recv(65536):
                buffer += data
                while b"\x1c\r" in buffer:
                    frame, buffer = buffer.split(b"\x1c\r", 1)
                    message = frame.lstrip(b"\x0b")
                    received.append(message)
                    control_id = message.split(b"\r")[0].split(b"|")[9]
                    ack = b"MSH|^~\\&|H|G|R|R|20260101||ACK|1|P|2.5.1\rMSA|AA|" + control_id + b"\r"
                    connection.sendall(b"\x0b" + ack + b"\x1c\r")

    threading.Thread(target=serve, daemon=True).start()

    def stop() -> None:
        server.shutdown(socket.SHUT_RDWR)
        server.close()

    return stop
