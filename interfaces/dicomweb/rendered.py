"""WADO-RS rendered and thumbnail resources (PS3.18 10.4.1.1.3 and 10.4.1.1.5): images as JPEG or PNG."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict

from archive.models import Instance, known_as
from archive.pixels import placeholder, render_pool
from archive.pixels.picture_request import JPEG, PNG, Wanted
from archive.pixels.render_pool import Busy, NoPicture
from interfaces.dicomweb import multipart
from interfaces.dicomweb.multipart import Representation
from interfaces.dicomweb.resource import Problem, resource, visible_studies
from interfaces.dicomweb.stored_files import Selection, cached, not_modified, select

_THUMBNAIL: Final = (256, 256)
_LARGEST_BOX: Final = 8192
_FUNCTIONS: Final = ("linear", "linear-exact", "sigmoid")
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]{1,10}\.?[0-9]{0,10}|\.[0-9]{1,10})", re.ASCII)
_FRAME: Final = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)


@resource
def rendered(
    request: HttpRequest, study: str, series: str, instance: str, number: str = ""
) -> HttpResponseBase:
    """`…/instances/{instance}/rendered`, `…/frames/{number}/rendered`.

    Of an instance with several frames, its representative frame. 406 where there is nothing to be shown.
    """
    wanted = replace(_wanted(request), frame=_frame(number), enlarge=True)
    selection = select(request, study=study, series=series, instance=instance)
    return _picture(request, selection, wanted, lambda _: None)


@resource
def thumbnail(
    request: HttpRequest, study: str, series: str = "", instance: str = "", number: str = ""
) -> HttpResponseBase:
    """`…/thumbnail` of a study, a series, an instance or a frame.

    Of a study or series it shows an image from the middle. What has no pixels, or none that can be decoded,
    is shown by a picture that names its kind.
    """
    wanted = replace(_wanted(request), frame=_frame(number))
    wanted = replace(wanted, box=wanted.box or _THUMBNAIL)
    chosen = _representative(request, study, series, instance)
    found = select(request, study=study, series=chosen.series, instance=chosen.instance)

    def instead(box: tuple[int, int]) -> bytes:
        label = placeholder.label_of(found.files[0].sop_class, chosen.modality)
        return placeholder.draw(label, box, wanted.media_type)

    return _picture(request, found, wanted, instead)


def _picture(
    request: HttpRequest,
    selection: Selection,
    wanted: Wanted,
    instead: Callable[[tuple[int, int]], bytes | None],
) -> HttpResponseBase:
    """The picture; where there is none, what stands for it, else 406."""
    (file,) = selection.files
    etag = f'"{render_pool.key_of(file.sha256, wanted)[:32]}"'
    if unchanged := not_modified(request, etag):
        return unchanged
    try:
        content = render_pool.render(file.path, file.sha256, wanted)
    except NoPicture as reason:
        standing = instead(wanted.box or _THUMBNAIL)
        if standing is None:
            raise Problem(406, f"This can't be rendered: {reason}.") from reason
        # Not for long: what failed today may succeed after an update.
        response = HttpResponse(standing, content_type=wanted.media_type)
        response["Cache-Control"] = "private, max-age=300"
        return response
    except Busy:
        raise Problem(503, "Too many images are being rendered; ask again in some seconds.") from None
    return cached(HttpResponse(content, content_type=wanted.media_type), etag)


# What is asked for


def _wanted(request: HttpRequest) -> Wanted:
    """Media type and query parameters (PS3.18 8.3.3.1 and 8.3.5.1)."""
    accept = request.GET.get("accept") or request.headers.get("Accept")
    chosen = multipart.negotiate(accept, [Representation(JPEG), Representation(PNG)])
    if chosen is None:
        raise Problem(406, f"Available is {JPEG} or {PNG}.")
    box, region = _viewport(request.GET)
    return Wanted(
        media_type=chosen.media_type,
        box=box,
        region=region,
        window=_window(request.GET),
        quality=_quality(request.GET),
    )


def _viewport(
    query: QueryDict,
) -> tuple[tuple[int, int] | None, tuple[float, float, float, float] | None]:
    """`viewport=vw,vh[,sx,sy,sw,sh]` (PS3.18 8.3.5.1.3); of the last four any may be left empty."""
    if "viewport" not in query:
        return None, None
    parts = str(query["viewport"]).split(",")
    if len(parts) not in (2, 6):
        raise Problem(400, "viewport is vw,vh or vw,vh,sx,sy,sw,sh.")
    width, height, *rest = (_number("viewport", part or "0") for part in parts)
    if not (1 <= width <= _LARGEST_BOX and 1 <= height <= _LARGEST_BOX):
        raise Problem(400, f"viewport has a width and a height from 1 to {_LARGEST_BOX}.")
    region = (rest[0], rest[1], rest[2], rest[3]) if rest else None
    return (int(width), int(height)), region


def _window(query: QueryDict) -> tuple[float, float, str] | None:
    """`window=center,width,function` (PS3.18 8.3.5.1.4)."""
    if "window" not in query:
        return None
    parts = str(query["window"]).split(",")
    function = parts[2].lower() if len(parts) == 3 else ""
    if function not in _FUNCTIONS:
        raise Problem(400, f"window is center,width,function; a function is one of {', '.join(_FUNCTIONS)}.")
    centre, width = _number("window", parts[0]), _number("window", parts[1])
    if width <= 0:
        raise Problem(400, "The width of a window is above 0.")
    return centre, width, function


def _quality(query: QueryDict) -> int:
    """`quality=1` to `100`, of a JPEG (PS3.18 8.3.5.1.2)."""
    text = query.get("quality", "90")
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= 100:
        raise Problem(400, "quality is a number from 1 to 100.")
    return int(text)


def _number(name: str, text: str) -> float:
    if not _NUMBER.fullmatch(text) or not math.isfinite(float(text)):
        raise Problem(400, f"{name} has something that isn't a number.")
    return float(text)


def _frame(number: str) -> int:
    if number and not _FRAME.fullmatch(number):
        raise Problem(400, "A frame is named by one number from 1.")
    return int(number or 0)


# What stands for a study or series


@dataclass(frozen=True, slots=True)
class _Chosen:
    series: str
    instance: str
    modality: str


def _representative(request: HttpRequest, study: str, series: str, instance: str) -> _Chosen:
    """The instance itself, else one with pixels from the middle of the first series that has any."""
    rows = Instance.objects.filter(
        series__study__in=visible_studies(request.user).values("pk"),
        series__study__study_instance_uid=study,
        rejection=None,
    )
    if series:
        rows = rows.filter(known_as("series_instance_uid", [series], through="series__"))
    if instance:
        rows = rows.filter(known_as("sop_instance_uid", [instance]))
    with_pixels = rows.filter(rows__gt=0)
    return _middle(with_pixels) or _middle(rows) or _Chosen(series, instance, "")


def _middle(rows: "QuerySet[Instance]") -> _Chosen | None:
    """The one in the middle by number, of the series with the lowest number."""
    series = rows.values_list("series_id", "series__number").distinct()
    first = min(series, key=lambda found: (_order(found[1]), found[0]), default=None)
    if first is None:
        return None
    numbered = rows.filter(series_id=first[0]).values_list("id", "number")
    ordered = sorted(numbered, key=lambda found: (_order(found[1]), found[0]))
    chosen = rows.select_related("series").get(pk=ordered[len(ordered) // 2][0])
    assert chosen.series is not None
    return _Chosen(chosen.series.uid, chosen.uid, chosen.series.modality)


def _order(number: str) -> float:
    try:
        return float(int(number))
    except ValueError:
        return math.inf
