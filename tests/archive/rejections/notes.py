"""Rejection notes, as a modality sends them."""

from collections.abc import Sequence
from typing import Any

from pydicom.dataset import Dataset

from archive.rejections.received_notes import KEY_OBJECT


def item(**values: Any) -> Dataset:
    """A dataset with these attributes."""
    made = Dataset()
    for name, value in values.items():
        setattr(made, name, value)
    return made


def note(
    named: Sequence[tuple[str, str, str]], code: str = "113001", scheme: str = "DCM", **values: Any
) -> Dataset:
    """A Key Object with this title that names objects by study, series and instance.

    An empty series UID names the whole study, an empty instance UID the whole series.
    """
    studies: dict[str, dict[str, list[Dataset]]] = {}
    for study, series, instance in named:
        objects = studies.setdefault(study, {})
        if series:
            objects.setdefault(series, [])
        if instance:
            objects[series].append(
                item(ReferencedSOPClassUID="1.2.840.10008.5.1.4.1.1.2", ReferencedSOPInstanceUID=instance)
            )
    evidence = [
        item(
            StudyInstanceUID=study,
            ReferencedSeriesSequence=[
                item(SeriesInstanceUID=series, ReferencedSOPSequence=objects)
                for series, objects in series_of.items()
            ],
        )
        for study, series_of in studies.items()
    ]
    title = item(CodeValue=code, CodingSchemeDesignator=scheme, CodeMeaning="Rejected")
    about: dict[str, Any] = {
        "SOPClassUID": KEY_OBJECT,
        "Modality": "KO",
        "StudyInstanceUID": "1.2.3",
        "SeriesInstanceUID": "1.2.3.77",
        "SOPInstanceUID": "1.1.77",
        "PatientName": "BARS^ANNA",
        "PatientID": "P1",
        "IssuerOfPatientID": "GENHOSP",
        "PatientBirthDate": "19700102",
        "PatientSex": "F",
        "ValueType": "CONTAINER",
    }
    return item(
        **{**about, **values},
        ConceptNameCodeSequence=[title],
        CurrentRequestedProcedureEvidenceSequence=evidence,
    )
