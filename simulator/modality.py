"""A modality as a DICOM SCU: asks for its worklist (PS3.4 K) and stores its images (PS3.4 B)."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, association
from pynetdicom.sop_class import ModalityWorklistInformationFind

from simulator.clock import now
from simulator.surroundings import Surroundings

PENDING = (0xFF00, 0xFF01)
SUCCESS = 0x0000
RETURN_KEYS = (
    "SpecificCharacterSet", "AccessionNumber", "PatientName", "PatientID", "IssuerOfPatientID",
    "PatientBirthDate", "PatientSex", "PatientWeight", "Allergies", "MedicalAlerts", "PregnancyStatus",
    "ReferringPhysicianName", "StudyInstanceUID", "RequestedProcedureID", "RequestedProcedureDescription",
    "RequestedProcedurePriority", "AdmissionID", "CurrentPatientLocation",
)  # fmt: skip
PAUSE = 2.0
"""Seconds between attempts to associate."""


class Modality:
    """A station; a dead association is opened again, and what was not confirmed is sent again."""

    def __init__(
        self, station: str, around: Surroundings, stop: threading.Event, say: Callable[[str], None]
    ) -> None:
        self.station = station
        self._around = around
        self._stop = stop
        self._say = say

    def worklist(self) -> list[Dataset]:
        """The day's entries of this station."""
        ae = self._ae()
        ae.add_requested_context(
            ModalityWorklistInformationFind, [ExplicitVRLittleEndian, ImplicitVRLittleEndian]
        )
        found: list[Dataset] = []
        with self._associated(ae) as connection:
            if connection is None:
                return []
            for status, entry in connection.send_c_find(self._keys(), ModalityWorklistInformationFind):
                if status and status.Status in PENDING and entry is not None:
                    found.append(entry)
        return found

    def store(self, objects: Sequence[Dataset]) -> tuple[int, int]:
        """Send objects in one association; how many were sent, and how many of them were confirmed.

        What was refused is not sent again; what was not answered is, over a new association.
        """
        ae = self._ae()
        for kind, syntax in {(ds.SOPClassUID, ds.file_meta.TransferSyntaxUID) for ds in objects}:
            ae.add_requested_context(kind, syntax)
        waiting, sent, stored = list(objects), 0, 0
        while waiting and not self._stop.is_set():
            with self._associated(ae) as connection:
                while connection is not None and connection.is_established and waiting:
                    status = connection.send_c_store(waiting[0])
                    if "Status" not in status:
                        break
                    sent += 1
                    stored += status.Status == SUCCESS
                    waiting.pop(0)
            if waiting:
                self._stop.wait(PAUSE)
        return sent, stored

    def _ae(self) -> AE:
        ae = AE(ae_title=self.station)
        ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 30
        return ae

    @contextmanager
    def _associated(self, ae: AE) -> Iterator["association.Association | None"]:
        """An association, as soon as the system accepts one; None if the day was stopped before."""
        host, port = self._around.dicom
        told = False
        while not self._stop.is_set():
            connection = ae.associate(host, port, ae_title=self._around.ae_title)
            if connection.is_established:
                try:
                    yield connection
                finally:
                    if connection.is_established:
                        connection.release()
                return
            if not told:
                self._say(f"{self.station}: no association; trying again")
                told = True
            self._stop.wait(PAUSE)
        yield None

    def _keys(self) -> Dataset:
        """Matching and return keys (PS3.4 table K.6-1): my steps of yesterday until tomorrow."""
        keys, step = Dataset(), Dataset()
        for keyword in RETURN_KEYS:
            setattr(keys, keyword, "" if keyword != "PregnancyStatus" else None)
        today = now()
        first, last = today - timedelta(days=1), today + timedelta(days=1)
        step.ScheduledStationAETitle = self.station
        step.ScheduledProcedureStepStartDate = f"{first:%Y%m%d}-{last:%Y%m%d}"
        step.ScheduledProcedureStepStartTime = step.ScheduledProcedureStepID = step.Modality = ""
        step.ScheduledProcedureStepDescription = ""
        keys.ScheduledProcedureStepSequence = [step]
        return keys


def entry_of(entries: Sequence[Dataset], accession_number: str) -> Dataset | None:
    """The entry with an accession number."""
    return next((one for one in entries if one.get("AccessionNumber") == accession_number), None)
