"""Reports of other systems: ORU^R01 (HL7 v2.5.1 7.3.1; IHE RAD TF-2 4.28)."""

import base64
import binascii
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from interfaces.hl7.inbound import patients
from interfaces.hl7.inbound.context import InboundContext
from interfaces.hl7.inbound.further_effects import FurtherChanges, Told
from interfaces.hl7.syntax import data_types
from interfaces.hl7.syntax.character_sets import Er7Error
from interfaces.hl7.syntax.message_parts import NULL, Path, Segment, Segments
from reporting.models import OutsideReportReference, OutsideStatus
from reporting.reading_worklist import outside_answers
from reporting.reports.outside_reports import Document, OutsideReportUpdate, Reference
from worklist.change_set import ChangeSet, Group
from worklist.orders.order_update import Number

_Kind = OutsideReportReference.Kind

_BY_REPORT: Final = {
    "F": OutsideStatus.FINAL,
    "C": OutsideStatus.CORRECTED,
    "X": OutsideStatus.WITHDRAWN,
    **dict.fromkeys(("A", "I", "O", "P", "R", "S"), OutsideStatus.PRELIMINARY),
}
"""OBR-25 (HL7 Table 0123)."""
_TAKEN_BACK: Final = frozenset({"D", "W", "X"})
"""OBX-11 (HL7 Table 0085): deleted, of another patient, not obtained."""
_PRELIMINARY: Final = frozenset({"I", "P", "R", "S", "O"})
_STUDY_UIDS: Final = frozenset({"113014", "110180"})
"""OBX-3 of a Study Instance UID: as IHE RAD has it, and the code of its attribute."""
_TEXTS: Final = frozenset({"", "FT", "ST", "TX"})
_LONGEST_NUMBER: Final = 250
_LONGEST_SENDER: Final = 200


@dataclass
class _Report:
    number: Number
    obr: Segment
    following: list[Segment] = field(default_factory=list)
    references: list[Reference] = field(default_factory=list)

    @property
    def results(self) -> Sequence[Segment]:
        return [one for one in self.following if one.name == "OBX"]


def read(context: InboundContext) -> ChangeSet:
    """Each OBR with its results is a version of a report; those of one number are one."""
    options, message = context.policy.options, context.message
    if options.outside_reports == "refuse":
        raise Er7Error(201, "MSH^1^9^1^2", "reports are not taken from this source; the message is kept")
    patients.check_one(context)
    reports: dict[Number, _Report] = {}
    for orc, segments in _parts(message):
        _gather(context, orc, segments, reports)
    if not reports:
        raise Er7Error(100, "OBR", "the message has no OBR segment")
    updates = [_update(context, one) for one in reports.values()]
    registration = patients.registration(context, message)

    def keep(patient: int | None) -> None:
        assert patient is not None
        for update in updates:
            outside_answers.take(update, patient, registration, context.provenance)

    told = [told for one in updates for told in _told(one)]
    return FurtherChanges(context.provenance, [Group(registration)], keep, told)


def _told(one: OutsideReportUpdate) -> Iterator[Told]:
    kind = "outside report"
    yield Told(kind, one.number, "status", one.status.label)
    yield Told(kind, one.number, "of", ", ".join(f"{ref.kind.label} {ref.value}" for ref in one.references))
    yield Told(kind, one.number, "text", one.text)
    if one.documents:
        yield Told(kind, one.number, "documents", str(len(one.documents)))


def _parts(message: Segments) -> Iterator[tuple[Segment | None, list[Segment]]]:
    """Each OBR with what follows it, and the ORC before it."""
    orc: Segment | None = None
    part: list[Segment] = []
    own: Segment | None = None
    for segment in message.segments:
        if segment.name in ("ORC", "OBR") and part:
            yield own, part
            part = []
        if segment.name == "ORC":
            orc = segment
        elif segment.name == "OBR":
            part, own, orc = [segment], orc, None
        elif part:
            part.append(segment)
    if part:
        yield own, part


def _gather(
    context: InboundContext, orc: Segment | None, segments: Sequence[Segment], reports: dict[Number, _Report]
) -> None:
    obr = segments[0]
    placer = data_types.number(obr, 2) or data_types.number(orc, 2)
    filler = data_types.number(obr, 3) or data_types.number(orc, 3)
    accession = _first(context, segments, "report_accession")
    number = filler or placer or (Number(accession) if accession else None)
    if number is None:
        raise Er7Error(101, obr.location(3), "the report has no number: neither OBR-3, OBR-2 nor OBR-18")
    if len(number.value) > _LONGEST_NUMBER or len(number.namespace) > 64:
        raise Er7Error(102, obr.location(3), "the number of the report is too long to be kept whole")
    report = reports.setdefault(number, _Report(number, obr))
    report.following += segments[1:]
    for kind, named in ((_Kind.PLACER, _with_namespace(context, placer)), (_Kind.FILLER, filler)):
        if named is not None:
            report.references.append(Reference(kind, named.value, named.namespace))
    if accession:
        report.references.append(Reference(_Kind.ACCESSION, accession))
    uids = {_first(context, segments, "report_study_instance_uid"), *_uids(segments)}
    report.references += [Reference(_Kind.STUDY, uid) for uid in sorted(uids - {""})]


def _with_namespace(context: InboundContext, number: Number | None) -> Number | None:
    """A placer's number without a namespace is in its source's own, as in orders."""
    own = context.policy.options.order_namespace or context.header.sending_application
    return number._replace(namespace=own) if number and not number.namespace else number


def _uids(segments: Sequence[Segment]) -> Iterator[str]:
    for one in segments:
        if one.name == "OBX" and one.field(3).component(1) in _STUDY_UIDS:
            yield one.field(5).component(1).strip()


def _first(context: InboundContext, segments: Sequence[Segment], name: str) -> str:
    """The first of the mapping's fields that says something: of the report, else of the message."""
    among = Segments(tuple(segments))
    for path in context.policy.paths.get(name, ()):
        segment = among.first(path.segment) or context.message.first(path.segment)
        if segment is not None and (value := _value(segment, path)):
            return value
    return ""


def _value(segment: Segment, path: Path) -> str:
    value = segment.field(path.field).component(path.component, path.subcomponent).strip()
    return "" if value == NULL else value


def _update(context: InboundContext, one: _Report) -> OutsideReportUpdate:
    standing = [obx for obx in one.results if obx.field(11).value.strip() not in _TAKEN_BACK]
    service = one.obr.field(4)
    return OutsideReportUpdate(
        sender=_sender(context),
        number=one.number.value,
        namespace=one.number.namespace,
        status=_status(one, standing),
        references=one.references,
        title=(service.component(2) or service.component(1)).strip(),
        text=_text(one.following, standing),
        author=_author(context, one),
        reported_at=context.side(
            lambda: data_types.time(one.obr.field(22).component(1), context.zone, one.obr.location(22))
        ),
        documents=[_document(obx) for obx in standing if obx.field(2).value.strip() == "ED"],
        marks_read=context.policy.options.outside_reports == "mark_read",
    )


def _sender(context: InboundContext) -> str:
    """Application and facility that send (MSH-3, MSH-4), as people read them."""
    header = context.header
    named = [one.partition("^")[0].strip() for one in (header.sending_application, header.sending_facility)]
    sender = " / ".join(filter(None, named)) or context.policy.name
    if len(sender) > _LONGEST_SENDER:
        raise Er7Error(102, "MSH^1^3", "the sender's names are too long to be kept whole")
    return sender


def _status(one: _Report, standing: Sequence[Segment]) -> OutsideStatus:
    """By OBR-25, else by the states of the results; without any result that stands it is withdrawn."""
    said = one.obr.field(25).value.strip()
    if one.results and not standing:
        return OutsideStatus.WITHDRAWN
    if said:
        if said not in _BY_REPORT:
            raise Er7Error(103, one.obr.location(25), "is not in HL7 Table 0123")
        return _BY_REPORT[said]
    states = {obx.field(11).value.strip() for obx in standing}
    if states & _PRELIMINARY:
        return OutsideStatus.PRELIMINARY
    return OutsideStatus.CORRECTED if "C" in states else OutsideStatus.FINAL


def _author(context: InboundContext, one: _Report) -> str:
    """Who answers for it: OBR-32, else OBX-16."""
    name = context.name(one.obr, 32, data_types.named_location_person)
    for obx in one.results:
        name = name or context.name(obx, 16, data_types.provider_name)
    return name if isinstance(name, str) else ""


def _text(following: Sequence[Segment], standing: Sequence[Segment]) -> str:
    """Results and notes in their order, a heading where what they are of changes."""
    lines: list[str] = []
    heading = ""
    for segment in following:
        if segment.name == "NTE":
            lines += [one.text for one in segment.field(3).repetitions]
        elif segment in standing and not _is_apart(segment):
            name = (segment.field(3).component(2) or segment.field(3).component(1)).strip()
            is_text = segment.field(2).value.strip() in _TEXTS
            if is_text and name != heading:
                lines += [*([""] if lines else []), name]
            heading = name if is_text else ""
            value = _said(segment)
            lines.append(value if is_text else f"{name}: {value}")
    return "\n".join(lines).strip()


def _is_apart(obx: Segment) -> bool:
    """Whether a result is a document or a Study Instance UID, which are no text."""
    return obx.field(2).value.strip() == "ED" or obx.field(3).component(1) in _STUDY_UIDS


def _said(obx: Segment) -> str:
    kind, found = obx.field(2).value.strip(), obx.field(5)
    if kind in ("CE", "CWE", "CNE"):
        parts = [(one.component(2) or one.component(1)).strip() for one in found.repetitions]
    else:
        parts = [one.text for one in found.repetitions]
    text = ("\n" if kind in _TEXTS else ", ").join(parts)
    unit = obx.field(6).component(2) or obx.field(6).component(1)
    return f"{text} {unit}".strip() if kind == "NM" else text


def _document(obx: Segment) -> Document:
    """An encapsulated document (2.A.24 ED)."""
    value = obx.field(5)
    encoding, data = value.component(4).strip().upper(), value.component(5)
    content = _decoded(data, obx) if encoding == "BASE64" else data.encode()
    is_pdf = content.startswith(b"%PDF")
    title = (obx.field(3).component(2) or obx.field(3).component(1)).strip()
    return Document(title, "application/pdf" if is_pdf else "application/octet-stream", content)


def _decoded(data: str, obx: Segment) -> bytes:
    try:
        return base64.b64decode("".join(data.split()), validate=True)
    except binascii.Error as error:
        raise Er7Error(102, obx.location(5), "is not Base64") from error
