"""The whole system as its users meet it: started by its own command, spoken to only through its doors."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "Tests-need-1-too"
_Found = TypeVar("_Found")


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def listens(port: int) -> bool:
    """Whether somebody listens on this port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_for(look: Callable[[], _Found], seconds: float = 60, every: float = 0.2) -> _Found:
    """What `look` finds, as soon as it finds something; AssertionError after `seconds`."""
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, f"not within {seconds:g} s"
        time.sleep(every)
    return found


def quick_site(folder: Path) -> str:
    """The demo's site file, but a study is quiet after half a second."""
    demo = (ROOT / "simulator" / "site.yaml").read_text()
    quick = demo.replace("quiet_seconds: 5 ", "quiet_seconds: 0.5 ")
    assert quick != demo
    path = folder / "site.yaml"
    path.write_text(quick)
    return str(path)


class System:
    """An installation with a home, a database and ports of its own."""

    def __init__(self, home: Path, database_url: str = "", broker_url: str = "", **environment: str) -> None:
        self.home = home
        self.http_port, self.dicom_port, self.hl7_port, self.destination_port = (
            free_port() for _ in range(4)
        )
        if broker_url.startswith("redis"):
            # One of Redis's sixteen databases, so that systems beside each other hear their own bells.
            broker_url = f"{broker_url.rpartition('/')[0]}/{self.http_port % 16}"
        self.log = home.parent / f"{home.name}.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._token = ""
        clean = {k: v for k, v in os.environ.items() if k not in ("DATABASE_URL", "CELERY_BROKER_URL")}
        self.environment = {
            **clean,
            "RIS_PACS_HOME": str(home),
            "RIS_PACS_HTTP": f"127.0.0.1:{self.http_port}",
            "RIS_PACS_DICOM": f"127.0.0.1:{self.dicom_port}",
            "RIS_PACS_HL7": f"127.0.0.1:{self.hl7_port}",
            "RIS_PACS_HL7_DESTINATION": f"127.0.0.1:{self.destination_port}",
            "RIS_PACS_ADMIN_PASSWORD": PASSWORD,
            "TCP_NODELAY": "1",
            "TCP_BUFFER_LENGTH": "1048576",
            **({"DATABASE_URL": database_url} if database_url else {}),
            **({"CELERY_BROKER_URL": broker_url} if broker_url else {}),
            **environment,
        }

    def start(self, seconds: float = 90, arguments: tuple[str, ...] = (), **environment: str) -> None:
        """Start everything and wait until it is ready; `arguments` are those of `manage.py run`."""
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "run", *arguments],
                cwd=ROOT,
                env={**self.environment, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            wait_for(self._is_ready_or_dead, seconds)
        except AssertionError:
            raise AssertionError(f"not ready: {self.readiness()}\n{self.log.read_text()[-3000:]}") from None
        assert self.process.poll() is None, self.log.read_text()[-3000:]

    def _is_ready_or_dead(self) -> bool:
        assert self.process is not None
        return self.process.poll() is not None or self.is_ready()

    def is_ready(self) -> bool:
        """Whether every part says that it is ready."""
        return self.http("/readyz")[0] == 200

    def readiness(self) -> str:
        """What each part says of itself."""
        return self.http("/readyz")[1].decode(errors="replace")

    def stop(self) -> int:
        """Stop as Ctrl-C does; the exit status."""
        if self.process is None:
            return 0
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(40)
        self.process = None
        return status

    def pids(self, name: str) -> list[int]:
        """The processes of a part: web, dicom, hl7, worker or sweeper."""
        marks = {"web": "gunicorn", "worker": "celery", "dicom": "dicom", "hl7": "hl7", "sweeper": "sweeper"}
        assert self.process is not None
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                command = (folder / "cmdline").read_bytes().split(b"\0")
                environment = (folder / "environ").read_bytes()
                ours = f"RIS_PACS_HOME={self.home}\0".encode() in environment
                words = [word.decode(errors="replace") for word in command[1:4]]
                if ours and any(word == marks[name] or word.endswith("/" + marks[name]) for word in words):
                    found.append(int(folder.name))
        return sorted(found)

    def kill(self, name: str) -> None:
        """End all processes of a part with SIGKILL."""
        for pid in self.pids(name):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def manage(self, *arguments: str) -> str:
        """What `manage.py` prints."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    def token(self) -> str:
        """A bearer token of the administrator."""
        self._token = self._token or self.manage("token", "admin").strip()
        return self._token

    def http(
        self, path: str, data: Any = None, *, method: str | None = None, token: str = "", accept: str = "*/*"
    ) -> tuple[int, bytes]:
        """Status and body of a request; status 0 where nobody answers."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.http_port}{path}", method=method)
        request.add_header("Accept", accept)
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        if data is not None:
            request.data = json.dumps(data).encode()
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        except OSError as error:
            return 0, str(error).encode()

    def api(self, path: str, data: Any = None, method: str | None = None, **query: str) -> Any:
        """The JSON that the REST API answers."""
        path = f"/api/v1{path}" + (f"?{urllib.parse.urlencode(query)}" if query else "")
        status, body = self.http(path, data, method=method, token=self.token(), accept="application/json")
        assert status in (200, 201), (status, body[:500])
        return json.loads(body)

    def study(self, uid: str) -> dict[str, Any]:
        """A study as the API shows it, empty before it is indexed."""
        results = self.api("/studies", study_instance_uid=uid)["results"]
        return results[0] if results else {}

    def verdict(self, uid: str, seconds: float = 60) -> str:
        """The verdict on a study, as soon as there is one."""

        def decided() -> str:
            verdict = self.study(uid).get("verdict", "pending")
            return "" if verdict == "pending" else verdict

        return wait_for(decided, seconds, every=0.5)

    def send(self, *messages: bytes, timeout: float = 30) -> list[bytes]:
        """Send messages over one MLLP connection; the answer to each."""
        return send_mllp(self.hl7_port, *messages, timeout=timeout)

    def dcmtk(self, tool: str, *arguments: str, calling_ae: str = "CT1") -> subprocess.CompletedProcess[str]:
        """Run one of DCMTK's requestors against us."""
        place = ["127.0.0.1", str(self.dicom_port)]
        options = ["-aet", calling_ae, "-aec", "RISPACS"]
        if tool in ("storescu", "dcmsend"):
            command = [tool, *options, *place, *arguments]
        else:
            command = [tool, *options, *arguments, *place]
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, errors="replace", timeout=120
        )

    def worklist(self, *keys: str, calling_ae: str = "CT1") -> str:
        """What `findscu` prints of the worklist."""
        asked = ["PatientName", "PatientID", "ScheduledProcedureStepSequence[0].Modality", *keys]
        if not any(key.startswith("AccessionNumber") for key in keys):
            asked.append("AccessionNumber")
        found = self.dcmtk("findscu", "-W", *(a for k in asked for a in ("-k", k)), calling_ae=calling_ae)
        return found.stdout + found.stderr


def send_mllp(port: int, *messages: bytes, timeout: float = 30) -> list[bytes]:
    """Send messages over one MLLP connection, each after the answer to the one before."""
    answers, buffer = [], b""
    with socket.create_connection(("127.0.0.1", port), timeout) as connection:
        for message in messages:
            connection.sendall(b"\x0b" + message + b"\x1c\r")
            while b"\x1c\r" not in buffer:
                data = connection.recv(65536)
                if not data:
                    raise ConnectionError("closed without an answer")
                buffer += data
            frame, buffer = buffer.split(b"\x1c\r", 1)
            answers.append(frame.lstrip(b"\x0b"))
    return answers


def answer_code(ack: bytes) -> str:
    """MSA-1 of an ACK, whatever its field separator is."""
    return next((s.split(ack[3:4])[1].decode() for s in ack.split(b"\r") if s.startswith(b"MSA")), "")


def order_message(accession: str, **values: str) -> bytes:
    """An order as a HIS sends it; `control`, `patient_id`, `name`, `modality` … override parts of it."""
    now = time.strftime("%Y%m%d%H%M%S")
    v = {
        "control": "NW",
        "patient_id": "P" + accession,
        "name": "BARS^ANNA",
        "birth_date": "19700102",
        "sex": "F",
        "modality": "CT",
        "start": now,
        "charset": "UNICODE UTF-8",
        "control_id": uuid.uuid4().hex[:16],
        **values,
    }
    return (
        f"MSH|^~\\&|HIS|GENHOSP|RIS|RAD|{now}||ORM^O01^ORM_O01|{v['control_id']}|P|2.5.1|||AL|NE||{v['charset']}\r"
        f"PID|1||{v['patient_id']}^^^GENHOSP^MR||{v['name']}||{v['birth_date']}|{v['sex']}\r"
        f"PV1|1|O|RAD^^^GENHOSP\r"
        f"ORC|{v['control']}|PL{accession}^HIS|FL{accession}^RIS||SC||^^^{v['start']}^^R||{now}\r"
        f"OBR|1|PL{accession}^HIS|FL{accession}^RIS|71260^CT CHEST^C4|||{now}|||||||||||{accession}|"
        f"RP{accession}|SP{accession}||{now}||{v['modality']}|||^^^{v['start']}^^R\r"
    ).encode({"8859/1": "latin-1"}.get(v["charset"], "utf-8"))


@contextlib.contextmanager
def fresh_database(url: str) -> Iterator[str]:
    """A new PostgreSQL database on the server of `url`, dropped at the end."""
    name = f"ris_pacs_{uuid.uuid4().hex[:12]}"
    execute(url, f"CREATE DATABASE {name}")
    try:
        yield urllib.parse.urlsplit(url)._replace(path=f"/{name}").geturl()
    finally:
        execute(url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def execute(url: str, statement: str) -> None:
    """Execute a statement on a PostgreSQL server, outside of any transaction."""
    import psycopg2

    connection = psycopg2.connect(url)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
    finally:
        connection.close()
