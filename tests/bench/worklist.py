"""Worklist queries at 10,000 scheduled steps beside DCMTK's `wlmscpfs`, whole `findscu` runs in turn."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from tests.clients.system import System, free_port, wait_for

STEPS = 10_000
ROUNDS = 7
DAYS = 50
QUERIES = {
    "one accession number": ["AccessionNumber=W00777"],
    "one day of one modality (50 answers)": [
        "ScheduledProcedureStepSequence[0].ScheduledProcedureStepStartDate=20260110",
        "ScheduledProcedureStepSequence[0].Modality=CT",
    ],
    "nobody": ["PatientID=NOBODY"],
}


def run(system: System, folder: Path) -> Iterator[str]:
    """Fill both with the same steps and ask both the same, one after the other."""
    _fill(system)
    files = folder / "worklist" / "RISPACS"
    _write_files(files)
    port = free_port()
    command = ["wlmscpfs", "-s", "-dfp", str(files.parent), str(port)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    peer = subprocess.Popen(command, env=system.environment, **quiet)
    try:
        wait_for(lambda: _ask(port, ["PatientID=NOBODY"], system)[1] >= 0, 20)
        for name, keys in QUERIES.items():
            yield _compare(name, keys, system, port)
    finally:
        peer.terminate()
        peer.wait()


def _compare(name: str, keys: list[str], system: System, port: int) -> str:
    ours, theirs, answers = [], [], (0, 0)
    for _ in range(ROUNDS):
        seconds, own_count = _ask(system.dicom_port, keys, system)
        ours.append(seconds)
        seconds, peer_count = _ask(port, keys, system)
        theirs.append(seconds)
        answers = own_count, peer_count
    assert answers[0] == answers[1], answers
    ratio = median(b / a for a, b in zip(ours, theirs, strict=True))
    return (
        f"{name}: ours {median(ours) * 1000:.0f} ms, wlmscpfs {median(theirs) * 1000:.0f} ms,"
        f" ratio {ratio:.1f} ({answers[0]} answers)"
    )


def _ask(port: int, keys: list[str], system: System) -> tuple[float, int]:
    """Seconds and answers of one whole `findscu`; -1 answers where nobody listens."""
    asked = ["PatientName", "StudyInstanceUID", *keys]
    for key in ("PatientID", "AccessionNumber", "ScheduledProcedureStepSequence[0].Modality"):
        if not any(given.startswith(key) for given in keys):
            asked.append(key)
    arguments = [a for key in asked for a in ("-k", key)]
    command = ["findscu", "-W", "-aet", "CT1", "-aec", "RISPACS", *arguments, "127.0.0.1", str(port)]
    began = time.perf_counter()
    done = subprocess.run(command, env=system.environment, capture_output=True, text=True)
    seconds = time.perf_counter() - began
    output = done.stdout + done.stderr
    return seconds, -1 if "Failed" in output else output.count("Find Response")


def _values(number: int) -> tuple[str, str, str]:
    """Name, date and modality of a step: ten days' worth of each modality over DAYS days."""
    day = number // (STEPS // DAYS)
    date = f"2026{day // 28 + 1:02d}{day % 28 + 1:02d}"
    return f"PATIENT^NUMBER{number}", date, ("CT", "MR", "US", "CR")[number % 4]


def _fill(system: System) -> None:
    script = """
from datetime import datetime, timezone
from django.db import transaction
from accounts.models import Facility
from ledger.stamps import Stamp
from tests.bench.worklist import STEPS, _values
from worklist import catalogue
from worklist.batches import batch
from worklist.change_set import ChangeSet, Group, Registration
from worklist.orders.order_content import OrderContent, ProcedureContent, StepContent
from worklist.orders.order_update import Number, OrderUpdate, ProcedureUpdate, StepUpdate
from worklist.patients.identifiers import Authority, Identifier
from worklist.provenance import Provenance
now = datetime.now(timezone.utc)
said = Provenance(Facility.objects.get(), Stamp(now), now)
def group(n):
    name, date, modality = _values(n)
    start = datetime.strptime(date + "1200", "%Y%m%d%H%M").replace(tzinfo=timezone.utc)
    step = StepUpdate(f"S{n:05d}", StepContent(modality=modality, start=start))
    procedure = ProcedureUpdate(f"R{n:05d}", content=ProcedureContent(description="Exam"), steps=[step])
    order = OrderUpdate(Number(f"W{n}", "B"), content=OrderContent(accession_number=f"W{n:05d}"),
        procedures=[procedure])
    demographics = {"name": name, "sex": "F", "birth_date": "19700102"}
    return Group(Registration([Identifier(f"W{n}", Authority("GENHOSP"))], demographics), order=order)
for first in range(0, STEPS, 200):
    with transaction.atomic():
        groups = [group(n) for n in range(first, first + 200)]
        batch.apply([ChangeSet(said, groups)], catalogue.current())
"""
    system.manage("shell", "-v0", "-c", script)


def _write_files(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "lockfile").touch()
    for number in range(STEPS):
        name, date, modality = _values(number)
        dataset, step = Dataset(), Dataset()
        dataset.PatientName, dataset.PatientID = name, f"W{number}"
        dataset.PatientBirthDate, dataset.PatientSex = "19700102", "F"
        dataset.AccessionNumber, dataset.RequestedProcedureID = f"W{number:05d}", f"R{number:05d}"
        dataset.StudyInstanceUID, dataset.RequestedProcedureDescription = generate_uid(), "Exam"
        step.Modality, step.ScheduledStationAETitle = modality, "CT1"
        step.ScheduledProcedureStepStartDate, step.ScheduledProcedureStepStartTime = date, "120000"
        step.ScheduledProcedureStepID, step.ScheduledProcedureStepDescription = f"S{number:05d}", "Exam"
        dataset.ScheduledProcedureStepSequence = [step]
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.file_meta.MediaStorageSOPClassUID = "1.2.276.0.7230010.3.1.0.1"
        dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        dataset.save_as(folder / f"{number}.wl", enforce_file_format=True)
