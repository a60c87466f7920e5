"""Signed versions: their content as canonical JSON, and the chain of hashes that shows any change."""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from accounts.models import User
from reporting.models import Report, ReportVersion
from worklist.models import Patient
from worklist.patients import person_names

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
        "patient": _patient(item.patient.current) if item.patient else _from_images(report),
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


def signed_for(version: ReportVersion) -> Patient | None:
    """The record for which a version was signed; None for one that was signed on what the images told."""
    named = content_of(version)["header"]["patient"]
    rows = Patient.objects.filter(value=named["identifier"], authority__namespace=named["authority"])
    return rows.select_related("authority", "survivor").first()


def is_of(version: ReportVersion, patient: Patient | None) -> bool:
    """Whether a version was signed for this person, as far as both are known."""
    named = signed_for(version)
    return named is None or patient is None or named.current.pk == patient.current.pk


def describes(version: ReportVersion, patient: Patient) -> bool:
    """Whether a version names its patient as a record does: by name and birth date."""
    named, record = content_of(version)["header"]["patient"], patient.current
    same_day = not named["birth_date"] or not record.birth_date or named["birth_date"] == record.birth_date
    return same_day and person_names.keys(named["name"])[0] == record.name_key


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


def _patient(patient: Patient) -> dict[str, str]:
    return {
        "name": patient.name,
        "identifier": patient.value,
        "authority": patient.authority.namespace,
        "birth_date": patient.birth_date,
        "sex": patient.sex,
    }


def _from_images(report: Report) -> dict[str, str]:
    """The identity that the images themselves tell of, where the study is linked to nobody."""
    study = report.item.studies.order_by("pk").first()
    return {
        "name": study.patient_name if study else "",
        "identifier": study.header_patient_id if study else "",
        "authority": study.issuer_of_patient_id if study else "",
        "birth_date": study.birth_date if study else "",
        "sex": study.sex if study else "",
    }


def _referring(report: Report) -> str:
    procedure = report.item.procedures.select_related("order").first()
    if procedure is not None:
        order = procedure.order
        return order.referring_physician or order.requesting_physician
    study = report.item.studies.order_by("pk").first()
    return study.referring_physician if study else ""
