"""A version as Basic Text SR (PS3.3 A.35.1), by the template of a basic diagnostic imaging report (TID 2000).

A retraction is an SR that says so and names what it retracts as its predecessor; what was stored stays.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final

from pydicom.dataset import Dataset

from archive.storage import generated_objects
from reporting.models import ReportVersion, VersionKind
from reporting.rendering import rendered_objects
from reporting.rendering.composition import Addendum, Document
from reporting.rendering.rendered_objects import Place
from reporting.rendering.sections import ADDENDUM, NOTICE, OF_SECTION, REPORT, Code, Section
from worklist.models import OrderNumber, RequestedProcedure

MODALITY: Final = "SR"
_LANGUAGE: Final = Code("121049", "DCM", "Language of Content Item and Descendants")
_UNDETERMINED: Final = Code("und", "RFC5646", "Undetermined")
_OBSERVER_TYPE: Final = Code("121005", "DCM", "Observer Type")
_PERSON: Final = Code("121006", "DCM", "Person")
_OBSERVER_NAME: Final = Code("121008", "DCM", "Person Observer Name")

_REFERENCED: Final = (
    "sop_class_uid", "sop_instance_uid", "given_uid", "series__series_instance_uid", "series__given_uid",
)  # fmt: skip


def build(document: Document, place: Place, version: ReportVersion) -> Dataset:
    """The object, as it lies in the study of `place`."""
    dataset = rendered_objects.start(document, place, rendered_objects.BASIC_TEXT_SR, MODALITY)
    dataset.ReferencedPerformedProcedureStepSequence = []
    _add_document_general(dataset, document)
    _add_relations(dataset, document, place, version)
    dataset.ValueType = "CONTAINER"
    dataset.ConceptNameCodeSequence = [rendered_objects.code(REPORT)]
    dataset.ContinuityOfContent = "SEPARATE"
    template = Dataset()
    template.MappingResource, template.TemplateIdentifier = "DCMR", "2000"
    dataset.ContentTemplateSequence = [template]
    dataset.ContentSequence = list(_content(document))
    return dataset


# SR Document General (C.17.2)


def _add_document_general(dataset: Dataset, document: Document) -> None:
    is_preliminary = document.kind == VersionKind.PRELIMINARY
    dataset.PreliminaryFlag = "PRELIMINARY" if is_preliminary else "FINAL"
    dataset.CompletionFlag = "COMPLETE"
    dataset.VerificationFlag = "UNVERIFIED" if is_preliminary else "VERIFIED"
    if not is_preliminary:
        verifier = Dataset()
        verifier.VerifyingObserverName = _name(document.signature.name)
        verifier.VerifyingObserverIdentificationCodeSequence = []
        verifier.VerifyingOrganization = dataset.InstitutionName
        verifier.VerificationDateTime = _moment(document.signature.at.astimezone(document.zone))
        dataset.VerifyingObserverSequence = [verifier]
    author = Dataset()
    author.ObserverType = "PSN"
    author.PersonName = _name(document.author)
    author.PersonIdentificationCodeSequence = []
    author.InstitutionName = dataset.InstitutionName
    author.InstitutionCodeSequence = []
    dataset.AuthorObserverSequence = [author]
    dataset.PerformedProcedureCodeSequence = list(_procedure_codes(document))


def _add_relations(dataset: Dataset, document: Document, place: Place, version: ReportVersion) -> None:
    """What it replaces, where else it lies, what it was asked for, which images it is about."""
    places = rendered_objects.places(document)
    elsewhere = [one.study_instance_uid for one in places]
    elsewhere.remove(place.study_instance_uid)
    if document.predecessors:
        before = document.predecessors[-1]
        dataset.PredecessorDocumentsSequence = rendered_objects.references(
            [rendered_objects.reference_to(before, place.study_instance_uid, MODALITY)]
        )
    if elsewhere:
        dataset.IdenticalDocumentsSequence = rendered_objects.references(
            rendered_objects.reference_to(version, uid, MODALITY) for uid in elsewhere
        )
    if document.header["procedures"]:
        dataset.ReferencedRequestSequence = list(_requests(document, place, version))
    if evidence := rendered_objects.references(_evidence(places)):
        dataset.CurrentRequestedProcedureEvidenceSequence = evidence


def _evidence(places: Iterable[Place]) -> Iterator[tuple[str, str, str, str]]:
    """The images of all its studies, as far as they are here."""
    for place in places:
        if place.row is None:
            continue
        rows = (
            generated_objects.instances_of_others(place.row)
            .filter(rejection=None)
            .select_related("series")
            .only(*_REFERENCED)
        )
        for row in rows.iterator(chunk_size=2000):
            assert row.series is not None
            yield place.study_instance_uid, row.series.uid, row.sop_class_uid, row.uid


def _requests(document: Document, place: Place, version: ReportVersion) -> Iterator[Dataset]:
    """Referenced Request Sequence: the numbers of the order where it is still the item's."""
    rows = version.report.item.procedures.select_related("order")
    known = {row.requested_procedure_id: row for row in rows}
    for procedure in document.header["procedures"]:
        row = known.get(procedure["requested_procedure_id"])
        item = Dataset()
        item.StudyInstanceUID = place.study_instance_uid
        item.ReferencedStudySequence = []
        item.AccessionNumber = rendered_objects.text(procedure["accession_number"], 16)
        item.PlacerOrderNumberImagingServiceRequest = _number(row, OrderNumber.Kind.PLACER)
        item.FillerOrderNumberImagingServiceRequest = _number(row, OrderNumber.Kind.FILLER)
        item.RequestedProcedureID = rendered_objects.text(procedure["requested_procedure_id"], 16)
        item.RequestedProcedureDescription = rendered_objects.text(procedure["description"], 64)
        item.RequestedProcedureCodeSequence = [rendered_objects.code(one) for one in _coded([procedure])]
        yield item


def _number(row: RequestedProcedure | None, kind: str) -> str:
    if row is None:
        return ""
    numbers = OrderNumber.objects.filter(order=row.order_id, kind=kind).order_by("namespace", "value")
    return rendered_objects.text(numbers.values_list("value", flat=True).first() or "", 64)


def _procedure_codes(document: Document) -> Iterator[Dataset]:
    for one in dict.fromkeys(_coded(document.header["procedures"])):
        yield rendered_objects.code(one)


def _coded(procedures: Iterable[dict[str, str]]) -> Iterator[Code]:
    """Codes that DICOM can hold: with a scheme, at most 16 characters."""
    for procedure in procedures:
        value, scheme = rendered_objects.text(procedure["code"]), rendered_objects.text(procedure["scheme"])
        if value and scheme and len(value) <= 16 and len(scheme) <= 16:
            yield Code(value, scheme, rendered_objects.text(procedure["description"], 64) or value)


# Content (C.17.3)


def _content(document: Document) -> Iterator[Dataset]:
    yield _coded_item("HAS CONCEPT MOD", _LANGUAGE, _UNDETERMINED)
    yield _coded_item("HAS OBS CONTEXT", _OBSERVER_TYPE, _PERSON)
    observer = _item("HAS OBS CONTEXT", "PNAME", _OBSERVER_NAME)
    observer.PersonName = _name(document.text_signature.name)
    yield observer
    if document.notices:
        yield _section(NOTICE, "\n".join(document.notices))
    for name, section in OF_SECTION.items():
        if document.sections.get(name, "").strip():
            yield _section(section, document.sections[name])
    for addendum in document.addenda:
        yield _section(ADDENDUM, _of_addendum(addendum, document))


def _of_addendum(addendum: Addendum, document: Document) -> str:
    at = document.shown(addendum.signature.at)
    return f"{addendum.text}\nSigned by {addendum.signature.name}, {at}"


def _section(section: Section, words: str) -> Dataset:
    container = _item("CONTAINS", "CONTAINER", section.heading)
    container.ContinuityOfContent = "SEPARATE"
    item = _item("CONTAINS", "TEXT", section.element)
    item.TextValue = rendered_objects.long_text(words)
    container.ContentSequence = [item]
    return container


def _coded_item(relationship: str, concept: Code, value: Code) -> Dataset:
    item = _item(relationship, "CODE", concept)
    item.ConceptCodeSequence = [rendered_objects.code(value)]
    return item


def _item(relationship: str, value_type: str, concept: Code) -> Dataset:
    item = Dataset()
    item.RelationshipType = relationship
    item.ValueType = value_type
    item.ConceptNameCodeSequence = [rendered_objects.code(concept)]
    return item


def _name(name: str) -> str:
    """A user's name as PN; a name without components is a family name alone."""
    return rendered_objects.text(name.replace("=", " "), 64) or "unknown"


def _moment(moment: datetime) -> str:
    """DT with its offset (PS3.5 6.2)."""
    return moment.strftime("%Y%m%d%H%M%S%z")
