r"""Tell of reports: an ORU^R01 (7.3.1) for each order that a released version answers, to each destination.

Each message has the whole text as of its version, a section an OBX. What became of it since the message
before is in OBR-25 (HL70123) and OBX-11 (HL70085):

| version                        | OBR-25 | OBX-11                                                          |
|--------------------------------|--------|-----------------------------------------------------------------|
| preliminary                    | P      | P                                                               |
| the first final                | F      | F                                                               |
| addendum, correction, after it | C      | F as before or new, C changed, D no longer part of the text     |
| retraction; another's order    | C      | W: the text was wrong; a notice stands in its place             |

A version of which no order is known waits: it goes out when its study is linked to one.
"""

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from archive.models import Study
from archive.signals import study_settled
from interfaces.hl7 import destination_options
from interfaces.hl7.destination_options import DestinationOptions
from interfaces.hl7.models import Destination, OutboundMessage, OutboundStatus
from interfaces.hl7.outbound import outbox, segment_data
from interfaces.hl7.outbound.message_types import Facts, OutboundMessageType
from interfaces.hl7.outbound.message_writer import Components, Fields, Formatted, Segment, Value
from ledger import clock
from reporting.models import Report, ReportVersion, VersionKind
from reporting.rendering import pdf
from reporting.rendering.composition import Document, Signature, compose
from reporting.rendering.sections import ADDENDUM, NOTICE, OF_SECTION, REPORT, Code
from reporting.reports import distribution
from reporting.signals import version_confirmed, version_released
from worklist.models import Order, Patient, RequestedProcedure

PRELIMINARY: Final = "P"
FINAL: Final = "F"
CORRECTED: Final = "C"
DELETED: Final = "D"
WRONG: Final = "W"
_GONE: Final = frozenset({DELETED, WRONG})
_STUDY: Final = Code("113014", "DCM", "Study")
_NOT_YOURS: Final = "This report does not belong to this order. It is withdrawn and must not be used."

Part = dict[str, str]
"""A section as it is told: code, scheme, meaning, sub, text, status, at, signer, signer_name."""


# Who is told what


def tell_released(sender: object, *, version: ReportVersion, **others: Any) -> None:
    """Enqueue a message for each order that a version is for, and for each that was told of one before it."""
    told = told_of(version.report)
    document = compose(version)
    sent = 0
    for order, procedures in _orders(version, told).items():
        before = told.get(order.public_id)
        is_retraction = version.kind == VersionKind.RETRACTION
        if not is_retraction and distribution.is_for(version, order):
            parts = _parts(document, before)
        elif not is_retraction and distribution.is_undecided(version, order):
            continue  # its signer is asked
        elif before and not is_withdrawn(before):
            parts = _withdrawn(before, document.notices[0] if is_retraction else _NOT_YOURS, document)
        else:
            continue
        sent += _enqueue(document, version, order, procedures, parts, before)
    if not sent:
        distribution.undeliverable(version, why_not(version))


def tell_linked(sender: object, *, study: Study, **others: Any) -> None:
    """Send the newest version of the study's reports to orders that are known only now."""
    for report in distribution.reports_of(study):
        version = distribution.newest_released(report)
        if version is None or version.kind == VersionKind.RETRACTION:
            continue
        told = told_of(report)
        orders = distribution.orders_of(version)
        missing = [order for order in orders if order.public_id not in told]
        if not missing:
            continue
        document = compose(version)
        for order in missing:
            if distribution.is_for(version, order):
                _enqueue(document, version, order, orders[order], _parts(document, None), None)


def tell_confirmed(sender: object, *, version: ReportVersion, **others: Any) -> None:
    """Send a version to orders that waited for its signer, and anew to those that know it under another name.

    Where that was another person's, it is withdrawn there first: naming an unknown patient was taken back.
    """
    told = told_of(version.report)
    document = compose(version)
    for order, procedures in distribution.orders_of(version).items():
        before = told.get(order.public_id)
        if order.patient is None or not distribution.is_for(version, order):
            continue
        if before is None:
            _enqueue(document, version, order, procedures, _parts(document, None), None)
            continue
        if is_withdrawn(before):
            continue
        now, was = segment_data.of_patient(order.patient.current), before["patient"]
        is_told = before["version"] == version.public_id
        if is_told and (not was or _number(was) == _number(now)):
            continue
        if was and not _is_of(was, order.patient):
            parts = _withdrawn(before, _NOT_YOURS, document)
            _enqueue(document, version, order, procedures, parts, before, patient=was)
            before = None
        _enqueue(document, version, order, procedures, _parts(document, before), before, patient=now)


def _number(patient: Mapping[str, Any]) -> tuple[str, str]:
    return patient["identifier"], patient["authority"][0]


def _is_of(named: Mapping[str, Any], patient: Patient) -> bool:
    """Whether a patient as a message named one is this person."""
    value, authority = _number(named)
    row = (
        Patient.objects.filter(value=value, authority__namespace=authority).select_related("survivor").first()
    )
    return row is not None and row.current.pk == patient.current.pk


def note_delivered(message: OutboundMessage) -> None:
    """Once each destination that has to has accepted all messages of a version, it is delivered."""
    rows = ReportVersion.objects.select_for_update(of=("self",)).select_related("report__item__patient")
    version = rows.filter(public_id=message.facts["version"]).first()
    if version is None:
        return
    messages = messages_of(version.report).select_related("destination")
    asked = [row for row in messages if row.facts["version"] == version.public_id]
    needed = [row for row in asked if _is_needed(row.destination)]
    if all(row.status == OutboundStatus.DELIVERED for row in needed or asked):
        distribution.delivered(version)


def _is_needed(destination: Destination) -> bool:
    return destination.is_active and destination_options.of(destination).required


def messages_of(report: Report) -> Any:
    """All messages about a report, as they were asked for."""
    rows = OutboundMessage.objects.filter(keys__kind="report", keys__value=report.public_id)
    return rows.filter(kind=RESULTS.name).order_by("pk")


def told_of(report: Report) -> dict[str, dict[str, Any]]:
    """By order, the facts of the message that told it last."""
    return {row.facts["order"]: row.facts for row in messages_of(report)}


def _orders(version: ReportVersion, told: Iterable[str]) -> distribution.ByOrder:
    own = distribution.orders_of(version)
    others = set(told) - {order.public_id for order in own}
    return own | distribution.orders_named(others)


def why_not(version: ReportVersion) -> str:
    """Why nobody is told of a version."""
    if version.kind == VersionKind.RETRACTION:
        return "Nothing of the report went out before."
    if not distribution.orders_of(version):
        return "No order of its studies is known."
    return "It was signed for another patient than the order's, or no destination takes reports."


def accession_of(order: Order, procedures: Sequence[RequestedProcedure]) -> str:
    """The accession number by which an order is told of a report."""
    return order.accession_number or procedures[0].accession_number


# Facts


def _enqueue(
    document: Document,
    version: ReportVersion,
    order: Order,
    procedures: Sequence[RequestedProcedure],
    parts: list[Part],
    before: Mapping[str, Any] | None,
    patient: Mapping[str, Any] | None = None,
) -> bool:
    """Ask for the message, to another `patient` than before if so; whether there is anybody to send it to."""
    key = f"version:{version.public_id}:order:{order.public_id}"
    facts = _facts(document, version, order, procedures, parts, _status(document, before))
    if patient is not None:
        facts["patient"] = patient
        key += f":{clock.now():%Y%m%d%H%M%S%f}"
    outbox.enqueue(message_type=RESULTS, key=key, facts=facts, ordering_key=_ordering_key(version, order))
    return OutboundMessage.objects.filter(key=key, keys__value=version.report.public_id).exists()


def _ordering_key(version: ReportVersion, order: Order) -> str:
    patient = order.patient or version.report.item.patient
    return patient.current.public_id if patient else ""


def _status(document: Document, before: Mapping[str, Any] | None) -> str:
    """OBR-25."""
    if document.kind == VersionKind.PRELIMINARY:
        return PRELIMINARY
    return CORRECTED if before and before["status"] != PRELIMINARY else FINAL


def _facts(
    document: Document,
    version: ReportVersion,
    order: Order,
    procedures: Sequence[RequestedProcedure],
    parts: list[Part],
    status: str,
) -> dict[str, Any]:
    item = version.report.item
    patient = order.patient or item.patient
    about = [("report", version.report.public_id), ("reading_item", item.public_id)]
    about.append(("order", order.public_id))
    studies = list(item.studies.order_by("study_date", "study_time", "study_instance_uid"))
    about += [("study", study.public_id) for study in studies]
    if patient is not None:
        about.append(("patient", patient.public_id))
    return {
        "about": about,
        **segment_data.of_order(order, procedures),
        "order": order.public_id,
        "version": version.public_id,
        "kind": version.kind,
        "patient": segment_data.of_patient(patient.current) if patient else None,
        "study_instance_uids": [study.study_instance_uid for study in studies],
        "study_started": segment_data.started(studies[0], order.facility) if studies else "",
        "status": status,
        "when": segment_data.moment(document.signature.at, order.facility),
        "signer": [document.signature.username, document.signature.name],
        "parts": parts,
    }


def _parts(document: Document, before: Mapping[str, Any] | None) -> list[Part]:
    """The text as of the version; what was told before and is no longer part of it comes last, as deleted."""
    found = []
    if document.renamed:
        found.append(_part(NOTICE.heading, "", "\n".join(document.renamed), document.signature))
    found += [
        _part(section.heading, "", document.sections[name], document.text_signature)
        for name, section in OF_SECTION.items()
        if document.sections.get(name, "").strip()
    ]
    for addendum in document.addenda:
        signature = addendum.signature
        found.append(_part(ADDENDUM.heading, str(signature.number), addendum.text, signature))
    told = {(part["code"], part["sub"]): part for part in before["parts"]} if before else {}
    for part in found:
        was = told.pop((part["code"], part["sub"]), None)
        part["status"] = _part_status(document, part, was)
    gone = [{**part, "text": "", "status": DELETED} for part in told.values() if part["status"] not in _GONE]
    return found + gone


def _part_status(document: Document, part: Part, was: Part | None) -> str:
    """OBX-11."""
    if document.kind == VersionKind.PRELIMINARY:
        return PRELIMINARY
    was_final = was is not None and was["status"] in (FINAL, CORRECTED)
    return CORRECTED if was_final and was and was["text"] != part["text"] else FINAL


def _part(code: Code, sub: str, text: str, signature: Signature) -> Part:
    return {
        "code": code.value,
        "scheme": code.scheme,
        "meaning": code.meaning,
        "sub": sub,
        "text": text.replace("\r\n", "\n").replace("\r", "\n").strip("\n"),
        "status": "",
        "at": segment_data.utc(signature.at),
        "signer": signature.username,
        "signer_name": signature.name,
    }


def _withdrawn(before: Mapping[str, Any], notice: str, document: Document) -> list[Part]:
    """All that was told, marked as wrong; a notice instead of each text, for receivers that show it."""
    at, signer, name = (
        segment_data.utc(document.signature.at),
        document.signature.username,
        document.signature.name,
    )
    changed = {"text": notice, "status": WRONG, "at": at, "signer": signer, "signer_name": name}
    return [{**part, **changed} for part in before["parts"] if part["status"] != DELETED]


def is_withdrawn(before: Mapping[str, Any]) -> bool:
    """Whether a message left nothing of the text standing."""
    return all(part["status"] in _GONE for part in before["parts"])


# Segments


def segments(facts: Facts, options: DestinationOptions) -> Iterator[Segment]:
    """PID, PV1, then ORC, OBR and the OBX with the whole report for each requested procedure."""
    if facts["patient"]:
        yield "PID", segment_data.pid(facts["patient"], facts.get("account", ()))
    if facts["visit"]:
        yield "PV1", segment_data.pv1(facts["visit"])
    observations = list(_observations(facts, options))
    for number, procedure in enumerate(facts["procedures"], start=1):
        numbers: Fields = {2: tuple(facts["placer"]), 3: tuple(facts["filler"])}
        yield (
            "ORC",
            {
                1: "RE",
                **numbers,
                7: ("1", "", "", procedure["start"]),
                9: facts["when"],
                12: segment_data.ordered_by(facts),
            },
        )
        yield "OBR", _obr(facts, procedure, number)
        for place, fields in enumerate(observations, start=1):
            yield "OBX", {1: str(place), **fields}


def _obr(facts: Mapping[str, Any], procedure: Mapping[str, str], number: int) -> Fields:
    """OBR (4.5.3); OBR-32 is an NDL (2.A.45), whose name has its parts as subcomponents."""
    return {
        **segment_data.obr(facts, procedure, number),
        24: "RAD",
        25: facts["status"],
        32: (tuple(facts["signer"]),),
    }


def _observations(facts: Facts, options: DestinationOptions) -> Iterator[Fields]:
    """OBX (7.4.2) but for its set ID."""
    for part in facts["parts"]:
        yield {
            2: options.text,
            3: (part["code"], part["meaning"], part["scheme"]),
            4: part["sub"] or "1",
            5: _written(part["text"], options.text),
            11: part["status"],
            14: part["at"],
            16: (part["signer"], part["signer_name"]),
        }
    is_wrong = any(part["status"] == WRONG for part in facts["parts"])
    status = WRONG if is_wrong else facts["status"]
    if options.pdf and not is_wrong:
        yield {
            **_coded(REPORT),
            2: "ED",
            4: "1",
            5: _embedded(facts["version"]),
            11: status,
            14: facts["when"],
        }
    for place, uid in enumerate(facts["study_instance_uids"], start=1):
        yield {**_coded(_STUDY), 2: "ST", 4: str(place), 5: uid, 11: status, 14: facts["when"]}


def _coded(code: Code) -> Fields:
    return {3: (code.value, code.meaning, code.scheme)}


def _written(text: str, data_type: str) -> Value:
    """FT with line breaks, or TX with a repetition for each line (2.A.78)."""
    if data_type == "FT":
        return Formatted(text)
    return [line or " " for line in text.split("\n")]


def _embedded(version_id: str) -> Components:
    """The PDF as ED (2.A.24): source, type, subtype, encoding, data."""
    version = ReportVersion.objects.select_related("report").get(public_id=version_id)
    data = base64.b64encode(pdf.render(version)).decode("ascii")
    return ("", "application", "pdf", "Base64", data)


def in_words(facts: Facts) -> tuple[str, str]:
    """OBR-25, and of which order the report is."""
    return facts["status"], f"report of order {facts['accession_number'] or 'without a number'}"


RESULTS: Final = OutboundMessageType(
    name="results",
    structure="ORU^R01^ORU_R01",
    segments=segments,
    in_words=in_words,
    made_by={
        version_released: tell_released,
        version_confirmed: tell_confirmed,
        study_settled: tell_linked,
    },
    on_delivered=note_delivered,
)
