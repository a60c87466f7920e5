"""WADO-RS: retrieve studies, series, instances, their metadata, frames and bulk data (PS3.18 10.4).

Objects go out as they came in, streamed from their files, unless their study is shown under another identity
than they tell (`archive.coercion.patient_coercion`); metadata instance by instance. What is sent is never
held in memory as a whole.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.urls import reverse

from archive.coercion import coerced_json, patient_coercion
from archive.dataset import dicom_json, frames, transfer_syntax
from archive.dataset.codestream import compression_of
from archive.dataset.dataset_error import DatasetError
from archive.dataset.frames import NoSuchFrame, media_type
from archive.pixels import render_pool
from archive.pixels.picture_request import NATIVE, Wanted
from archive.pixels.render_pool import Busy, NoPicture
from interfaces.dicomweb import multipart
from interfaces.dicomweb.attributes import element
from interfaces.dicomweb.multipart import (
    APPLICATION_DICOM,
    DICOM_JSON,
    EXPLICIT_LITTLE_ENDIAN,
    OCTET_STREAM,
    Part,
    Representation,
)
from interfaces.dicomweb.resource import Problem, resource
from interfaces.dicomweb.stored_files import Selection, Stored, cached, not_modified, select

_FRAME_LIST: Final = re.compile(r"[0-9]{1,9}(?:,[0-9]{1,9})*", re.ASCII)
_MOST_FRAMES: Final = 10_000
_PIXELS: Final = "7FE00010"


@resource
def retrieve(request: HttpRequest, study: str, series: str = "", instance: str = "") -> HttpResponseBase:
    """`/studies/{study}`, `…/series/{series}`, `…/instances/{instance}`: the objects themselves."""
    selection = select(request, study=study, series=series, instance=instance, with_coercion=True)
    chosen = _negotiate(request, _offers_of_objects(selection, single=bool(instance)))
    etag = selection.etag(str(chosen.multipart))
    if unchanged := not_modified(request, etag):
        return unchanged
    if not chosen.multipart:
        (file,) = selection.files
        body, length = _outgoing(file)
        response = _stream(body, _type_of(file))
        if length is not None:
            response["Content-Length"] = str(length)
        response["Content-Disposition"] = f'attachment; filename="{file.instance}.dcm"'
        return cached(response, etag)
    parts = (Part(_type_of(file), _outgoing(file)[0]) for file in selection.files)
    # Boundaries differ each time, so two answers are alike but not the same.
    return cached(_multipart(parts, APPLICATION_DICOM, selection.status), f"W/{etag}")


@resource
def metadata(request: HttpRequest, study: str, series: str = "", instance: str = "") -> HttpResponseBase:
    """`…/metadata`: all attributes but bulk data, which they say where to find (PS3.18 10.4.1.1.2)."""
    selection = select(request, study=study, series=series, instance=instance, with_coercion=True)
    _negotiate(request, [Representation(DICOM_JSON)])
    etag = selection.etag("metadata", request.get_host())
    if unchanged := not_modified(request, etag):
        return unchanged
    response = _stream(_models(request, selection), f"{DICOM_JSON}; charset=utf-8", selection.status)
    return cached(response, etag)


@resource
def frame_list(
    request: HttpRequest, study: str, series: str, instance: str, numbers: str
) -> HttpResponseBase:
    """`…/frames/{numbers}`: frames as they are stored, native ones as little endian (PS3.18 10.4.1.1.6)."""
    if not _FRAME_LIST.fullmatch(numbers):
        raise Problem(400, "Frames are named by numbers from 1, separated by commas.")
    wanted = [int(number) for number in numbers.split(",")]
    if not all(wanted) or len(wanted) > _MOST_FRAMES:
        raise Problem(400, f"Frames are named by numbers from 1, at most {_MOST_FRAMES} at once.")
    (file,) = select(request, study=study, series=series, instance=instance).files
    return _frames(request, file, wanted)


@resource
def bulk_data(request: HttpRequest, study: str, series: str, instance: str, where: str) -> HttpResponseBase:
    """`…/bulkdata/{where}`: the value of an attribute; encapsulated pixels come frame by frame."""
    names_someone = where in patient_coercion.IDENTIFYING
    selection = select(request, study=study, series=series, instance=instance, with_coercion=names_someone)
    (file,) = selection.files
    if names_someone and file.coercion:
        raise Problem(404, "There is no such value.")  # what is on disk is not what the study is shown under
    if where == _PIXELS and file.transfer_syntax not in transfer_syntax.NATIVE:
        return _frames(request, file, None)
    offers = [Representation(OCTET_STREAM, as_parts, EXPLICIT_LITTLE_ENDIAN) for as_parts in (True, False)]
    chosen = _negotiate(request, offers)
    etag = selection.etag(where, str(chosen.multipart))
    if unchanged := not_modified(request, etag):
        return unchanged
    try:
        value = dicom_json.bulk_data(file.path, where)
    except DatasetError as error:
        raise Problem(404, "There is no such value.") from error
    if not chosen.multipart:
        return cached(HttpResponse(value, content_type=OCTET_STREAM), etag)
    part = Part(OCTET_STREAM, [value], request.build_absolute_uri())
    return cached(_multipart([part], OCTET_STREAM), f"W/{etag}")


# Choosing


def _negotiate(request: HttpRequest, offers: list[Representation]) -> Representation:
    chosen = multipart.negotiate(request.headers.get("Accept"), offers)
    if chosen is None:
        raise Problem(406, f"Available is {', or '.join(dict.fromkeys(map(_described, offers)))}.")
    return chosen


def _described(offer: Representation) -> str:
    syntax = f"; transfer-syntax={offer.transfer_syntax}" if offer.transfer_syntax else ""
    inner = f'multipart/related; type="{offer.media_type}"' if offer.multipart else offer.media_type
    return inner + syntax


def _offers_of_objects(selection: Selection, *, single: bool) -> list[Representation]:
    """As stored; one transfer syntax can be asked for by name where all objects have it."""
    syntaxes = {file.transfer_syntax for file in selection.files}
    syntax = syntaxes.pop() if len(syntaxes) == 1 else ""
    offers = [Representation(APPLICATION_DICOM, True, syntax)]
    return [*offers, Representation(APPLICATION_DICOM, False, syntax)] if single else offers


def _type_of(file: Stored) -> str:
    return f"{APPLICATION_DICOM}; transfer-syntax={file.transfer_syntax}"


# Answering


def _stream(body: Iterable[bytes], content_type: str, status: int = 200) -> StreamingHttpResponse:
    return StreamingHttpResponse(body, status=status, content_type=content_type)


def _multipart(parts: Iterable[Part], part_type: str, status: int = 200) -> StreamingHttpResponse:
    boundary = multipart.new_boundary()
    return _stream(multipart.write(parts, boundary), multipart.content_type(part_type, boundary), status)


def _outgoing(file: Stored) -> tuple[Iterator[bytes], int | None]:
    try:
        return file.outgoing()
    except DatasetError as error:
        raise Problem(500, "The object can't be read, so not be sent under its study's identity.") from error


def _models(request: HttpRequest, selection: Selection) -> Iterator[bytes]:
    """An array of models, one at a time; of a header that can't be read the UIDs are said."""
    opening = b"["
    for file in selection.files:
        base = request.build_absolute_uri(reverse("dicomweb-instance", kwargs=_uids(file)))
        try:
            model = dicom_json.metadata(file.path, lambda where, base=base: f"{base}/bulkdata/{where}").model  # type: ignore[misc]
        except DatasetError:
            model = dict(
                [
                    element("SOPClassUID", file.sop_class),
                    element("SOPInstanceUID", file.instance),
                    element("SeriesInstanceUID", file.series),
                ]
            )
        model |= [] if file.moved else [element("StudyInstanceUID", file.study)]
        if file.coercion:
            model = coerced_json.coerce(model, file.coercion)
        yield opening + dicom_json.to_bytes(model)
        opening = b","
    yield b"]"


def _uids(file: Stored) -> dict[str, str]:
    return {"study": file.study, "series": file.series, "instance": file.instance}


def _frames(request: HttpRequest, file: Stored, wanted: list[int] | None) -> HttpResponseBase:
    """Frames by number, or all of them; what is wrong is found out before the first byte is sent."""
    compression = compression_of(file.path, file.transfer_syntax)
    kind, _, syntax = media_type(compression.transfer_syntax).partition("; transfer-syntax=")
    # What decoders misread is better sent decoded, unless it is asked for as it is.
    kinds = [(OCTET_STREAM, EXPLICIT_LITTLE_ENDIAN)] if compression.is_ambiguous else []
    kinds += [(kind, syntax), (OCTET_STREAM, syntax)]
    is_single = wanted is not None and len(wanted) == 1
    offers = [
        Representation(type_, is_multipart, of_syntax)
        for type_, of_syntax in dict.fromkeys(kinds)
        for is_multipart in ((True, False) if is_single else (True,))
    ]
    chosen = _negotiate(request, offers)
    decoded = compression.is_ambiguous and chosen.transfer_syntax == EXPLICIT_LITTLE_ENDIAN
    etag = Selection([file], 0).etag("frames", str(wanted), str(chosen))
    if unchanged := not_modified(request, etag):
        return unchanged
    numbers = _existing(file, wanted)
    part_type = f"{chosen.media_type}; transfer-syntax={chosen.transfer_syntax}"
    if not chosen.multipart:
        return cached(HttpResponse(_frame(file, numbers[0], decoded), content_type=part_type), etag)
    first = _frame(
        file, numbers[0], decoded
    )  # so that an object that can't be read is not found out half-way
    base = request.build_absolute_uri(reverse("dicomweb-instance", kwargs=_uids(file)))
    parts = (
        Part(part_type, [first if place == 0 else _frame(file, number, decoded)], f"{base}/frames/{number}")
        for place, number in enumerate(numbers)
    )
    return cached(_multipart(parts, chosen.media_type), f"W/{etag}")


def _existing(file: Stored, wanted: list[int] | None) -> list[int]:
    try:
        count = frames.frame_count(file.path)
    except DatasetError as error:
        raise Problem(404, "The instance has no frames.") from error
    if wanted is None:
        return list(range(1, count + 1))
    if max(wanted) > count:
        raise Problem(404, f"The instance has {count} frames.")
    return wanted


def _frame(file: Stored, number: int, decoded: bool) -> bytes:
    try:
        if decoded:
            return render_pool.render(file.path, file.sha256, Wanted(frame=number, media_type=NATIVE))
        return frames.frame(file.path, number)[0]
    except NoSuchFrame as error:
        raise Problem(404, f"{error.reason}.") from error
    except DatasetError as error:
        raise Problem(404, "The frame can't be found in its object.") from error
    except NoPicture as error:
        raise Problem(404, "The frame can't be decoded.") from error
    except Busy:
        raise Problem(503, "Too many images are being decoded; ask again in some seconds.") from None
