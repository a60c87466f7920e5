"""Signed versions: their content as canonical JSON, and the chain of hashes that shows any change."""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from accounts.models import User
from archive.models import Study
from reporting.models import ReadingItem, Report, ReportVersion
from worklist.models import Patient

FORMAT: Final = 1


def content_of(version: ReportVersion) -> dict[str, Any]:
    """What was signed, as a dictionary."""
    content: dict[str, Any] = json.loads(version.content)
    return content


def canonical(content: Mapping[str, Any]) -> str:
    """One text for one content: keys sorted, no spaces, every letter as it is."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def chained(previous: str, content: str) -> str:
    """The hash of a version: over the hash before it, in hexadecimal, and its content."""
    return hashlib.sha256(previous.encode() + content.encode()).hexdigest()


def header(report: Report) -> dict[str, Any]:
    """Whom and what the report is about, as it is printed for ever."""
    item = report.item
    return {
        "patient": patient_of(item),
        "procedures": [
            {
                "code": one.code,
                "scheme": one.scheme,
                "description": one.description,
                "requested_procedure_id": one.requested_procedure_id,
                "accession_number": one.accession_number or one.order.accession_number,
            }
            for one in item.procedures.select_related("order").order_by("pk")
        ],
        "studies": [
            {
                "study_instance_uid": study.study_instance_uid,
                "accession_number": study.accession_number,
                "date": study.study_date,
                "time": study.study_time,
                "description": study.description,
                "modalities": study.modalities,
            }
            for study in item.studies.order_by("study_date", "study_time", "study_instance_uid")
        ],
        "referring_physician": _referring(report),
        "facility": {
            "code": item.facility.code,
            "name": item.facility.name,
            "time_zone": item.facility.time_zone,
        },
    }


def patient_of(item: ReadingItem) -> dict[str, str]:
    """Whom an item is about now: the record as it shows, else the identity that the images tell of."""
    return patient_as_named(item.patient.current) if item.patient else of_images(_first_study(item))


def patient_as_named(patient: Patient) -> dict[str, str]:
    """A record as a version names it; `record` says that it was one, and which."""
    return {
        "name": patient.name,
        "identifier": patient.value,
        "authority": patient.authority.namespace,
        "birth_date": patient.birth_date,
        "sex": patient.sex,
        "record": patient.public_id,
    }


def of_images(study: Study | None) -> dict[str, str]:
    """The identity that the images themselves tell of, as a version names it where it is linked to nobody."""
    return {
        "name": study.patient_name if study else "",
        "identifier": study.header_patient_id if study else "",
        "authority": study.issuer_of_patient_id if study else "",
        "birth_date": study.birth_date if study else "",
        "sex": study.sex if study else "",
        "record": "",
    }


def record_of(named: Mapping[str, str]) -> Patient | None:
    """The record that an identity was taken from; None for one that the images told.

    Versions of before `record` was kept are of the record with their number, if there is one.
    """
    rows = Patient.objects.select_related("authority", "survivor__authority")
    if "record" in named:
        return rows.filter(public_id=named["record"]).first() if named["record"] else None
    return rows.filter(value=named["identifier"], authority__namespace=named["authority"]).first()


def signed_for(version: ReportVersion) -> Patient | None:
    """The record for which a version was signed; None for one that was signed on what the images told."""
    return record_of(content_of(version)["header"]["patient"])


def newest(item: ReadingItem) -> ReportVersion | None:
    """The version that counts here, gone out or not."""
    return ReportVersion.objects.filter(report__item=item, undone_at=None).order_by("-number").first()


def person(user: User) -> dict[str, str]:
    """A user as a version names one."""
    return {"id": user.public_id, "username": user.username, "name": str(user)}


def verify(report: Report) -> list[str]:
    """What is wrong with a report's chain of versions, one sentence each; nothing where all is as signed."""
    problems, previous = [], ""
    for place, version in enumerate(ReportVersion.objects.filter(report=report).order_by("number"), start=1):
        name = f"report {report.public_id} version {version.number}"
        if version.number != place:
            problems.append(f"{name}: version {place} is missing")
        if version.previous_sha256 != previous:
            problems.append(f"{name}: the hash of the version before it was changed")
        if chained(version.previous_sha256, version.content) != version.sha256:
            problems.append(f"{name}: its content or its hash was changed")
        problems += _contradictions(version, name)
        previous = version.sha256
    return problems


def _contradictions(version: ReportVersion, name: str) -> list[str]:
    """Where the row says otherwise than the content that was signed."""
    try:
        content = content_of(version)
        signed_at = datetime.fromisoformat(content["signed_at"])
        same = (content["kind"], content["number"], content["signer"]["id"], signed_at) == (
            version.kind,
            version.number,
            version.signed_by.public_id,
            version.signed_at,
        )
    except (ValueError, KeyError, TypeError):
        return [f"{name}: its content can't be read"]
    return [] if same else [f"{name}: its row says otherwise than its content"]


def _first_study(item: ReadingItem) -> Study | None:
    return item.studies.order_by("pk").first()


def _referring(report: Report) -> str:
    procedure = report.item.procedures.select_related("order").first()
    if procedure is not None:
        order = procedure.order
        return order.referring_physician or order.requesting_physician
    study = _first_study(report.item)
    return study.referring_physician if study else ""
