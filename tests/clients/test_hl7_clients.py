"""HL7 clients of others: each sends orders, and understands our answers."""

import base64
import hashlib
import json
import os
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hl7apy.core import Message
from hl7apy.parser import parse_message

from tests.clients.system import System, wait_for

pytestmark = pytest.mark.timeout(300)

NODE_CLIENT = "node-hl7-client@4.0.0"
NODE_SHA512 = "UC1lb38ZXEdpsG5D04rnrtuBtelvFvhBz9hAI3VlARtva5A+f0MXG42V+U1PGYU2NQWQpBHs0kYtSemo4ysTcA=="
SCRIPT = """
const { Client, Message } = require(process.argv[2]);
const texts = JSON.parse(process.argv[4]), codes = [];
const client = new Client({ host: "127.0.0.1", version: "2.5" });
const send = () => connection.sendMessage(new Message({ text: texts[codes.length] }));
const connection = client.createConnection({ port: Number(process.argv[3]) }, async (answer) => {
    const message = answer.getMessage();
    codes.push([message.get("MSA.1").toString(), message.get("MSA.2").toString()]);
    if (codes.length < texts.length) return send();
    console.log(JSON.stringify(codes));
    process.exit(0);
});
connection.once("connect", send);
"""


def order(number: str, *, code: str = "71260", version: str = "2.5.1") -> str:
    """An order of a CT; with another code than the catalogue has, and no modality, it is refused."""
    return "\r".join(
        [
            f"MSH|^~\\&|HIS|GENHOSP|RIS|RAD|20260302080000+0000||ORM^O01^ORM_O01|{number}|P|{version}",
            f"PID|1||{number}^^^GENHOSP^MR||Müller^Jörg^^^Dr.||19700102|M",
            f"ORC|NW|{number}^HIS",
            f"OBR|1|{number}^HIS||{code}^CT CHEST^C4",
            "",
        ]
    )


def is_on_worklist(system: System, number: str) -> bool:
    return bool(wait_for(lambda: number in system.worklist(f"PatientID={number}", "StudyInstanceUID")))


def test_mllp_send_of_python_hl7(system: System, tmp_path: Path) -> None:
    """`pip install hl7`, where it is on the path."""
    command = shutil.which("mllp_send")
    if command is None:
        pytest.skip("mllp_send is not here: pip install hl7")
    path = tmp_path / "messages.hl7"
    path.write_text(order("PYHL7A") + order("PYHL7B", code="NOTHING"))
    arguments = [command, "--loose", "--port", str(system.hl7_port), "--file", str(path), "127.0.0.1"]
    told = subprocess.run(arguments, check=True, capture_output=True, text=True, timeout=60).stdout
    assert "MSA|AA|PYHL7A" in told and "MSA|AE|PYHL7B" in told
    assert is_on_worklist(system, "PYHL7A")


def test_hl7apy_writes_what_we_take_and_reads_what_we_answer(system: System) -> None:
    message = Message("ORM_O01", version="2.5")
    message.msh.msh_3, message.msh.msh_4, message.msh.msh_5, message.msh.msh_6 = (
        "HIS",
        "GENHOSP",
        "RIS",
        "RAD",
    )
    message.msh.msh_7, message.msh.msh_9, message.msh.msh_10 = "20260302080000", "ORM^O01^ORM_O01", "HL7APY"
    message.msh.msh_11, message.msh.msh_18 = "P", "UNICODE UTF-8"
    message.add_segment("PID").value = "PID|1||HL7APY^^^GENHOSP^MR||Müller^Jörg||19700102|M"
    message.add_segment("ORC").value = "ORC|NW|HL7APY^HIS"
    message.add_segment("OBR").value = "OBR|1|HL7APY^HIS||71260^CT CHEST^C4"
    with socket.create_connection(("127.0.0.1", system.hl7_port), 30) as connection:
        connection.sendall(message.to_mllp().encode())
        received = b""
        while not received.endswith(b"\x1c\r"):
            received += connection.recv(65536)
    answer = parse_message(received.strip(b"\x0b\x1c\r").decode() + "\r")
    assert (answer.msa.msa_1.value, answer.msa.msa_2.value) == ("AA", "HL7APY")
    assert answer.validate() and answer.msh.msh_9.value == "ACK^O01^ACK"
    assert is_on_worklist(system, "HL7APY")


def test_a_client_from_npm(system: System, node_client: Path) -> None:
    texts = [
        order("NODEA", version="2.5"),
        order("NODEB", version="2.5"),
        order("NODEC", code="X", version="2.5"),
    ]
    script = node_client / "send.cjs"
    script.write_text(SCRIPT)
    library = str(node_client / "package" / "lib" / "cjs" / "index.cjs")
    arguments = ["node", str(script), library, str(system.hl7_port), json.dumps(texts)]
    told = subprocess.run(arguments, capture_output=True, text=True, timeout=60)
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout) == [["AA", "NODEA"], ["AA", "NODEB"], ["AE", "NODEC"]]
    assert is_on_worklist(system, "NODEA") and is_on_worklist(system, "NODEB")


@pytest.fixture(scope="module")
def node_client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The client, which is fetched from npm's registry, and pinned."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("node and npm are not here")
    folder = tmp_path_factory.mktemp("node")
    fetch = ["npm", "pack", NODE_CLIENT, "--ignore-scripts", "--silent", "--fetch-retries=1"]
    fetched = _run(fetch, folder)
    if not fetched:
        pytest.skip(f"{NODE_CLIENT} can't be fetched from npm's registry")
    (tarball,) = folder.glob("*.tgz")
    digest = base64.b64encode(hashlib.sha512(tarball.read_bytes()).digest()).decode()
    assert digest == NODE_SHA512
    shutil.unpack_archive(tarball, folder, "gztar")
    return folder


def _run(command: list[str], folder: Path) -> bool:
    run: Callable[..., subprocess.CompletedProcess[bytes]] = subprocess.run
    try:
        return run(command, cwd=folder, capture_output=True, timeout=90, env=os.environ).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
