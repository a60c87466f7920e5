"""C-STORE of 512 KiB objects beside Orthanc, one association and four, in turn.

Peers built on DCMTK stall 40 ms for each message on loopback unless both ends run with TCP_NODELAY=1 and
a large buffer, so they do here.
"""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from pydicom import dcmread
from pydicom.uid import generate_uid

from tests.clients.images import make_study
from tests.clients.system import System, free_port, wait_for

COUNT = 200
ROUNDS = 5
SIDE = 512


def run(system: System, folder: Path) -> Iterator[str]:
    """Send the same batch to the peer and to us, again and again."""
    make_study(folder / "seed", "SEED", count=1)
    port = free_port()
    peer = _start_orthanc(folder, port, system)
    try:
        for associations in (1, 4):
            yield _compare(system, folder, port, associations)
    finally:
        peer.terminate()
        peer.wait()


def _compare(system: System, folder: Path, port: int, associations: int) -> str:
    ours, theirs = [], []
    for _ in range(ROUNDS):
        batch = _make_batch(folder)
        theirs.append(_send(system, port, batch, associations))
        ours.append(_send(system, system.dicom_port, batch, associations))
        _wait_for_index(system)
    ratio = median(a / b for a, b in zip(ours, theirs, strict=True))
    return (
        f"{associations} association(s): ours {median(ours):.0f}/s, Orthanc {median(theirs):.0f}/s,"
        f" ratio {ratio:.2f}"
    )


def _wait_for_index(system: System) -> None:
    """What is left over from one round must not slow the next."""
    script = "from archive.models import Instance; print(Instance.objects.filter(indexed_at=None).count())"
    wait_for(lambda: system.manage("shell", "-v0", "-c", script).strip().endswith("0"), 120, 1)


def _make_batch(folder: Path) -> Path:
    top = folder / "batch"
    shutil.rmtree(top, ignore_errors=True)
    for group in range(4):
        dataset = dcmread(folder / "seed" / "1.dcm")
        dataset.Rows = dataset.Columns = SIDE
        dataset.PixelData = os.urandom(SIDE * SIDE * 2)
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
        (top / str(group)).mkdir(parents=True)
        for number in range(COUNT // 4):
            dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
            dataset.save_as(top / str(group) / f"{number}.dcm")
    return top


def _send(system: System, port: int, top: Path, associations: int) -> float:
    """Objects a second."""
    folders = [top] if associations == 1 else [top / str(group) for group in range(4)]
    began = time.perf_counter()
    senders = [
        subprocess.Popen(
            ["storescu", "-aet", "CT1", "-aec", "RISPACS", "127.0.0.1", str(port), "+sd", "+r", str(folder)],
            env=system.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for folder in folders
    ]
    assert all([sender.wait() == 0 for sender in senders])
    return COUNT / (time.perf_counter() - began)


def _start_orthanc(folder: Path, port: int, system: System) -> "subprocess.Popen[bytes]":
    http = free_port()
    settings = {
        "StorageDirectory": str(folder / "orthanc"),
        "IndexDirectory": str(folder / "orthanc"),
        "DicomPort": port,
        "HttpPort": http,
        "DicomAet": "RISPACS",
        "AuthenticationEnabled": False,
        "Plugins": [],
    }
    (folder / "orthanc.json").write_text(json.dumps(settings))
    process = subprocess.Popen(
        ["Orthanc", str(folder / "orthanc.json")],
        env=system.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    echo = ["echoscu", "-aec", "RISPACS", "127.0.0.1", str(port)]
    wait_for(lambda: subprocess.run(echo, capture_output=True).returncode == 0, 30)
    return process
