"""What both DICOM objects of a version share: UIDs, patient, study, equipment, and how they become bytes.

The UIDs follow from the version and the study, so that making an object again makes the same one.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydicom.dataset import Dataset

from archive.dataset import made_dataset
from archive.dataset.part10 import IMPLEMENTATION_VERSION_NAME
from archive.models import Study
from reporting.models import ReportVersion, VersionKind
from reporting.rendering.composition import Document
from reporting.rendering.sections import Code
from worklist.models import Sex
from worklist.orders import generated_ids

BASIC_TEXT_SR: Final = "1.2.840.10008.5.1.4.1.1.88.11"
ENCAPSULATED_PDF: Final = "1.2.840.10008.5.1.4.1.1.104.1"
_SERIES_NUMBERS: Final = {"SR": 9001, "DOC": 9002}
_TITLES: Final = {
    VersionKind.PRELIMINARY: "Preliminary report",
    VersionKind.FINAL: "Report",
    VersionKind.ADDENDUM: "Report with addendum",
    VersionKind.CORRECTION: "Corrected report",
    VersionKind.RETRACTION: "Retracted report",
}
_DATE: Final = re.compile(r"\d{8}")
_TIME: Final = re.compile(r"\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?")

text: Final = made_dataset.text
encode: Final = made_dataset.encode


@dataclass(frozen=True)
class Place:
    """The study that a copy lies in: what the header names of it, and its row where there is one."""

    study_instance_uid: str
    date: str
    time: str
    description: str
    accession_number: str
    row: Study | None

    @property
    def study_id(self) -> str:
        """The Study ID of its images."""
        return self.row.study_id if self.row else ""


def places(document: Document) -> list[Place]:
    """The studies of a version, as signed; each gets a copy."""
    named = document.header["studies"]
    rows = Study.objects.filter(study_instance_uid__in=[study["study_instance_uid"] for study in named])
    by_uid = {row.study_instance_uid: row for row in rows}
    return [
        Place(
            study_instance_uid=study["study_instance_uid"],
            date=study["date"],
            time=study["time"],
            description=study["description"],
            accession_number=_accession(document.header, study),
            row=by_uid.get(study["study_instance_uid"]),
        )
        for study in named
    ]


def _accession(header: Mapping[str, Any], study: Mapping[str, Any]) -> str:
    """The one accession number of the procedures, else that of the study's own header."""
    numbers = {one["accession_number"] for one in header["procedures"]} - {""}
    return numbers.pop() if len(numbers) == 1 else str(study.get("accession_number", ""))


def instance_uid(version_id: str, study_instance_uid: str, modality: str) -> str:
    """The SOP Instance UID of a version's copy in a study."""
    return generated_ids.study_instance_uid("report version", version_id, study_instance_uid, modality)


def series_uid(version_id: str, study_instance_uid: str, modality: str) -> str:
    """The series of a version's copy: one each, since viewers name documents by their series."""
    return generated_ids.study_instance_uid("report series", version_id, study_instance_uid, modality)


def title(kind: str, number: int) -> str:
    """What a version's copy is called, so that it is told from those before and after it."""
    return f"{_TITLES[VersionKind(kind)]}, version {number}"


def start(document: Document, place: Place, sop_class_uid: str, modality: str) -> Dataset:
    """A dataset with the modules of patient, study, series, equipment and SOP common (PS3.3 C.7, C.12.1)."""
    header, signed = document.header, document.signature.at.astimezone(document.zone)
    patient = header["patient"]
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = sop_class_uid
    dataset.SOPInstanceUID = instance_uid(document.version_id, place.study_instance_uid, modality)
    dataset.InstanceCreationDate = signed.strftime("%Y%m%d")
    dataset.InstanceCreationTime = signed.strftime("%H%M%S")
    dataset.PatientName = text(patient["name"])
    dataset.PatientID = text(patient["identifier"], 64)
    if patient["authority"]:
        dataset.IssuerOfPatientID = text(patient["authority"], 64)
    dataset.PatientBirthDate = _matching(_DATE, patient["birth_date"].replace("-", ""))
    dataset.PatientSex = patient["sex"] if patient["sex"] in Sex.values else ""
    dataset.StudyInstanceUID = place.study_instance_uid
    dataset.StudyDate = _matching(_DATE, place.date.replace(".", ""))
    dataset.StudyTime = _matching(_TIME, place.time.replace(":", ""))
    dataset.StudyID = text(place.study_id, 16)
    dataset.StudyDescription = text(place.description, 64)
    dataset.AccessionNumber = text(place.accession_number, 16)
    dataset.ReferringPhysicianName = text(header["referring_physician"])
    dataset.Modality = modality
    dataset.SeriesInstanceUID = series_uid(document.version_id, place.study_instance_uid, modality)
    dataset.SeriesNumber = str(_SERIES_NUMBERS[modality] + 10 * (document.signature.number - 1))
    dataset.SeriesDescription = title(document.kind, document.signature.number)
    dataset.InstanceNumber = str(document.signature.number)
    dataset.ContentDate = signed.strftime("%Y%m%d")
    dataset.ContentTime = signed.strftime("%H%M%S")
    dataset.Manufacturer = IMPLEMENTATION_VERSION_NAME
    dataset.ManufacturerModelName = IMPLEMENTATION_VERSION_NAME
    dataset.SoftwareVersions = IMPLEMENTATION_VERSION_NAME
    dataset.InstitutionName = text(header["facility"]["name"] or header["facility"]["code"], 64)
    return dataset


def code(concept: Code) -> Dataset:
    """An item of a code sequence (PS3.3 table 8.8-1)."""
    item = Dataset()
    item.CodeValue = concept.value
    item.CodingSchemeDesignator = concept.scheme
    item.CodeMeaning = concept.meaning
    return item


def long_text(value: str) -> str:
    """A value of UT: lines end with CR LF, and other controls are spelled out (PS3.5 6.1.3)."""
    lines = value.replace("\r\n", "\n").replace("\r", "\n").strip("\n").replace("\n", "\r\n")
    return made_dataset.CONTROL.sub(lambda match: f"[U+{ord(match[0]):04X}]", lines)


def references(
    found: Iterable[tuple[str, str, str, str]],
) -> list[Dataset]:
    """Hierarchical SOP Instance References (PS3.3 C.17.2.1) of study, series, SOP Class and Instance UIDs."""
    tree: dict[str, dict[str, list[Dataset]]] = {}
    for study_uid, series_instance_uid, class_uid, uid in found:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = class_uid, uid
        tree.setdefault(study_uid, {}).setdefault(series_instance_uid, []).append(item)
    return [_of_study(study_uid, series) for study_uid, series in tree.items()]


def _of_study(study_uid: str, series: Mapping[str, list[Dataset]]) -> Dataset:
    study = Dataset()
    study.StudyInstanceUID = study_uid
    study.ReferencedSeriesSequence = []
    for uid, items in series.items():
        one = Dataset()
        one.SeriesInstanceUID, one.ReferencedSOPSequence = uid, items
        study.ReferencedSeriesSequence.append(one)
    return study


def reference_to(version: ReportVersion, study_uid: str, modality: str) -> tuple[str, str, str, str]:
    """The reference to a version's copy in a study."""
    class_uid = BASIC_TEXT_SR if modality == "SR" else ENCAPSULATED_PDF
    uid = instance_uid(version.public_id, study_uid, modality)
    return study_uid, series_uid(version.public_id, study_uid, modality), class_uid, uid


def _matching(pattern: re.Pattern[str], value: str) -> str:
    return value.strip() if pattern.fullmatch(value.strip()) else ""
