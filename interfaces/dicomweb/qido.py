"""QIDO-RS: search for studies, series and instances (PS3.18 10.6)."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Final

import orjson
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse

from archive.coercion import patient_coercion
from archive.models import Instance, Series, Study
from archive.search import study_search
from archive.storage import generated_objects
from interfaces.dicomweb import multipart, query_keys
from interfaces.dicomweb.attributes import Json, element, sequence
from interfaces.dicomweb.query_keys import INSTANCE, SERIES, STUDY, BadQuery, Query
from interfaces.dicomweb.resource import Problem, resource

MOST_RESULTS: Final = 1000
"""Results of one search that names no study; what is asked within a study is answered whole."""
_TRUNCATED: Final = (
    '299 {host} "The number of results exceeded the maximum supported by the server.'
    ' Additional results can be requested."'
)
_NOT_FUZZY: Final = (
    '299 {host} "The fuzzymatching parameter is not supported. Only literal matching has been performed."'
)


@resource
def studies(request: HttpRequest) -> HttpResponseBase:
    """`/studies`."""
    query = _query(request, STUDY)
    return _answer(request, query, _studies(request, query), partial(_study, request), MOST_RESULTS)


@resource
def series(request: HttpRequest, study: str = "") -> HttpResponseBase:
    """`/series` and `/studies/{study}/series`."""
    query = _query(request, SERIES, study)
    rows = study_search.series(of=_studies(request, query), **query.keys[SERIES])
    with_study = not study or query.include_all
    most = None if study else MOST_RESULTS
    return _answer(request, query, rows, partial(_series, request, with_study), most)


@resource
def instances(request: HttpRequest, study: str = "", series: str = "") -> HttpResponseBase:
    """`/instances`, `/studies/{study}/instances` and `/studies/{study}/series/{series}/instances`."""
    query = _query(request, INSTANCE, study, series)
    of = study_search.series(of=_studies(request, query), **query.keys[SERIES])
    rows = study_search.instances(of=of, **query.keys[INSTANCE])
    with_study, with_series = not study or query.include_all, not series or query.include_all
    most = None if study else MOST_RESULTS
    write = partial(_instance, request, with_study, with_series)
    return _answer(request, query, rows, write, most)


def _query(request: HttpRequest, level: str, study: str = "", series: str = "") -> Query:
    offers = [multipart.Representation(multipart.DICOM_JSON)]
    if multipart.negotiate(request.headers.get("Accept"), offers) is None:
        raise Problem(406, "Search results are available as application/dicom+json.")
    try:
        query = query_keys.parse(request.GET, level)
    except BadQuery as fault:
        raise Problem(400, f"{fault}.") from fault
    for of_level, name, uid in (
        (STUDY, "study_instance_uids", study),
        (SERIES, "series_instance_uids", series),
    ):
        if uid and uid not in query.keys[of_level].get(name, [uid]):
            raise Problem(400, "The query names another UID than the path.")
        if uid:
            query.keys[of_level][name] = [uid]
    return query


def _studies(request: HttpRequest, query: Query) -> QuerySet[Study]:
    return study_search.studies(user=request.user, as_decided=True, **query.keys[STUDY])


def _answer(
    request: HttpRequest, query: Query, rows: "QuerySet[Any]", write: Any, most: int | None
) -> HttpResponse:
    """The page of results that was asked for, at most `most`; 204 if there are none (PS3.18 8.3.4.4)."""
    limit = query.limit if most is None else min(query.limit if query.limit is not None else most, most)
    end = None if limit is None else query.offset + limit + 1
    page = list(rows[query.offset : end])
    more = limit is not None and len(page) > limit
    page = page[:limit]
    response = HttpResponse(status=204)
    if page:
        of = {_study_of(row) for row in page}
        served, identities = generated_objects.served(of), patient_coercion.identities(of)
        shown = {study.pk: Shown(identities[study.pk], served[study.pk]) for study in of}
        content = orjson.dumps([write(row, shown[_study_of(row).pk]) for row in page])
        response = HttpResponse(content, content_type=f"{multipart.DICOM_JSON}; charset=utf-8")
    warnings = [_NOT_FUZZY] * query.fuzzy
    # A client that gave a limit knows that there may be more.
    if more and limit != query.limit:
        warnings.append(_TRUNCATED)
    if warnings:
        response["Warning"] = ", ".join(text.format(host=request.get_host()) for text in warnings)
    response["Cache-Control"] = "private, no-cache"
    return response


# Results (PS3.18 tables 10.6.3-3 to 10.6.3-5)


@dataclass(frozen=True, slots=True)
class Shown:
    """What is shown of a study beside its own row."""

    identity: patient_coercion.Identity
    served: generated_objects.Served


def _study_of(row: Study | Series | Instance) -> Study:
    if isinstance(row, Study):
        return row
    series = row if isinstance(row, Series) else row.series
    assert series is not None
    return series.study


def _study(request: HttpRequest, row: Study, shown: Shown) -> Json:
    url = reverse("dicomweb-study", kwargs={"study": row.study_instance_uid})
    return _sorted(_common(request, url), _of_study(row, shown))


def _series(request: HttpRequest, with_study: bool, row: Series, shown: Shown) -> Json:
    uids = {"study": row.study.study_instance_uid, "series": row.uid}
    url = reverse("dicomweb-series", kwargs=uids)
    study = _of_study(row.study, shown) if with_study else [element("StudyInstanceUID", uids["study"])]
    return _sorted(_common(request, url), study, _of_series(row, shown))


def _instance(request: HttpRequest, with_study: bool, with_series: bool, row: Instance, shown: Shown) -> Json:
    assert row.series is not None
    series = row.series
    uids = {
        "study": series.study.study_instance_uid,
        "series": series.uid,
        "instance": row.uid,
    }
    url = reverse("dicomweb-instance", kwargs=uids)
    study = _of_study(series.study, shown) if with_study else [element("StudyInstanceUID", uids["study"])]
    of_series = _of_series(series, shown) if with_series else [element("SeriesInstanceUID", uids["series"])]
    return _sorted(_common(request, url), study, of_series, _of_instance(row))


def _sorted(*parts: Iterable[tuple[str, Json]]) -> Json:
    return dict(sorted(entry for part in parts for entry in part))


def _common(request: HttpRequest, url: str) -> Iterator[tuple[str, Json]]:
    yield element("SpecificCharacterSet", "ISO_IR 192")
    yield element("InstanceAvailability", "ONLINE")
    yield element("RetrieveURL", request.build_absolute_uri(url))


def _of_study(row: Study, shown: Shown) -> list[tuple[str, Json]]:
    """A linked study shows its patient as the survivor's record has it; before, its header's identity.

    Its counts are those of all that it holds, with the reports that were made here.
    """
    identity, served = shown.identity, shown.served
    return [
        element("StudyDate", row.study_date),
        element("StudyTime", row.study_time),
        element("AccessionNumber", identity.accession_number),
        element("ModalitiesInStudy", *served.modalities),
        element("ReferringPhysicianName", row.referring_physician),
        element("TimezoneOffsetFromUTC", row.header.get("timezone_offset")),
        element("StudyDescription", row.description),
        element("PatientName", identity.name),
        element("PatientID", identity.patient_id),
        element("IssuerOfPatientID", identity.issuer),
        element("PatientBirthDate", identity.birth_date),
        element("PatientSex", identity.sex),
        element("StudyInstanceUID", row.study_instance_uid),
        element("StudyID", row.study_id),
        element("NumberOfStudyRelatedSeries", served.series),
        element("NumberOfStudyRelatedInstances", served.instances),
    ]


def _of_series(row: Series, shown: Shown) -> list[tuple[str, Json]]:
    """A series names the requests that its objects name, else those that a person linked the study to."""
    linked = [asdict(request) for request in shown.identity.requests]
    own = None if shown.identity.is_of_others else row.header.get("requests")
    return [
        element("Modality", row.modality),
        element("SeriesDescription", row.description),
        element("StationName", row.station_name),
        element("BodyPartExamined", row.body_part),
        element("Laterality", row.laterality),
        element("SeriesInstanceUID", row.uid),
        element("SeriesNumber", row.number),
        element("NumberOfSeriesRelatedInstances", row.instance_count),
        element("PerformedProcedureStepStartDate", row.header.get("performed_start_date")),
        element("PerformedProcedureStepStartTime", row.header.get("performed_start_time")),
        sequence("RequestAttributesSequence", map(_request_item, own or linked)),
    ]


def _request_item(request: dict[str, Any]) -> Json:
    return _sorted(
        [
            element("ScheduledProcedureStepID", request.get("scheduled_step_id")),
            element("RequestedProcedureID", request.get("requested_procedure_id")),
        ]
    )


def _of_instance(row: Instance) -> list[tuple[str, Json]]:
    return [
        element("SOPClassUID", row.sop_class_uid),
        element("SOPInstanceUID", row.uid),
        element("InstanceNumber", row.number),
        element("Rows", row.rows),
        element("Columns", row.columns),
        element("NumberOfFrames", row.frames if row.rows else None),
    ]
