"""A version's PDF as DICOM Encapsulated PDF (PS3.3 A.45.1, C.24)."""

from typing import Final

from pydicom.dataset import Dataset

from reporting.models import VersionKind
from reporting.rendering import pdf, rendered_objects
from reporting.rendering.composition import Document
from reporting.rendering.rendered_objects import Place
from reporting.rendering.sections import REPORT

MODALITY: Final = "DOC"


def build(document: Document, place: Place) -> Dataset:
    """The object, as it lies in the study of `place`."""
    dataset = rendered_objects.start(document, place, rendered_objects.ENCAPSULATED_PDF, MODALITY)
    content = pdf.of_document(document)
    dataset.ConversionType = "WSD"
    dataset.AcquisitionDateTime = ""
    dataset.BurnedInAnnotation = "YES"
    dataset.DocumentTitle = dataset.SeriesDescription
    dataset.ConceptNameCodeSequence = [rendered_objects.code(REPORT)]
    is_preliminary = document.kind == VersionKind.PRELIMINARY
    dataset.VerificationFlag = "UNVERIFIED" if is_preliminary else "VERIFIED"
    dataset.MIMETypeOfEncapsulatedDocument = "application/pdf"
    dataset.EncapsulatedDocumentLength = len(content)
    dataset.EncapsulatedDocument = content + b"\0" * (len(content) % 2)
    return dataset
