"""Rendered resources and thumbnails (PS3.18 10.4.1.1.3 and 10.4.1.1.5)."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

from accounts.models import Facility, User
from archive.pixels import picture_cache, render_pool
from ledger import audit
from ledger.models import AuditEvent
from tests.archive.dataset.builders import encoded, image
from tests.archive.objects import indexed, received, take

pytestmark = pytest.mark.django_db
Get = Callable[..., Any]

STUDY = "studies/1.2.3"
SERIES = f"{STUDY}/series/1.2.3.1"
INSTANCE = f"{SERIES}/instances/1.2.3.4"
REPORT = "1.2.840.10008.5.1.4.1.1.88.11"


@pytest.fixture(autouse=True)
def stored(home: None, user: User) -> None:
    audit.forget()
    received(SOPInstanceUID="1.2.3.4")
    received(SOPInstanceUID="1.2.3.5", NumberOfFrames=2, Rows=2)
    report = image(SOPInstanceUID="1.2.3.6", SeriesInstanceUID="1.2.3.2", SeriesNumber=1, Modality="SR")
    report.SOPClassUID = REPORT
    del report.PixelData, report.Rows, report.Columns
    take(encoded(report), instance="1.2.3.6", sop_class=REPORT)
    indexed()


def picture(answer: Any) -> Image.Image:
    assert answer.status_code == 200, answer.content
    return Image.open(io.BytesIO(answer.content))


def test_an_instance_is_rendered_by_its_values(get: Get) -> None:
    answer = get(f"{INSTANCE}/rendered", "image/png")
    assert answer["Content-Type"] == "image/png"
    shown = picture(answer)
    assert (shown.mode, shown.size) == ("L", (4, 4))
    grey = list(shown.get_flattened_data())
    assert (grey[0], grey[15]) == (0, 255) and grey == sorted(grey)


def test_jpeg_is_the_default_and_browsers_get_it(get: Get) -> None:
    browser = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
    for accept in ("", browser, "image/jpeg"):
        assert get(f"{INSTANCE}/rendered", accept)["Content-Type"] == "image/jpeg"
    assert get(f"{INSTANCE}/rendered?accept=image/png", browser)["Content-Type"] == "image/png"
    assert get(f"{INSTANCE}/rendered", "image/gif").status_code == 406


def test_window_viewport_and_quality_are_heeded(get: Get) -> None:
    dark = picture(get(f"{INSTANCE}/rendered?window=60000,10,linear", "image/png"))
    assert set(dark.get_flattened_data()) == {0}
    assert picture(get(f"{INSTANCE}/rendered?viewport=32,16")).size == (16, 16)
    corner = picture(get(f"{INSTANCE}/rendered?viewport=2,2,0,0,2,2", "image/png"))
    whole = picture(get(f"{INSTANCE}/rendered", "image/png"))
    assert list(corner.get_flattened_data()) == [whole.getpixel((x, y)) for y in (0, 1) for x in (0, 1)]
    mirrored = picture(get(f"{INSTANCE}/rendered?viewport=4,4,0,0,-4,4", "image/png"))
    assert mirrored.getpixel((3, 0)) == whole.getpixel((0, 0))
    assert len(get(f"{INSTANCE}/rendered?quality=1").content) < len(
        get(f"{INSTANCE}/rendered?quality=100").content
    )


@pytest.mark.parametrize(
    "query",
    [
        "viewport=1",
        "viewport=0,5",
        "viewport=9,x",
        "viewport=99999,99999",
        "window=1,2",
        "window=1,0,linear",
        "window=1,2,cubic",
        "window=nan,2,linear",
        "quality=0",
        "quality=101",
        "quality=²",
    ],
)
def test_what_makes_no_sense_is_400(get: Get, query: str) -> None:
    assert get(f"{INSTANCE}/rendered?{query}").status_code == 400


def test_frames_are_rendered_by_number(get: Get) -> None:
    two = f"{SERIES}/instances/1.2.3.5"
    assert picture(get(f"{two}/frames/1/rendered", "image/png")).size == (4, 2)
    assert get(f"{two}/frames/2/thumbnail").status_code == 200
    assert get(f"{two}/frames/3/rendered").status_code == 406
    assert get(f"{two}/frames/0/rendered").status_code == 400
    assert get(f"{two}/frames/1,2/rendered").status_code == 400


def test_thumbnails_show_an_image_or_say_what_there_is(get: Get) -> None:
    of_image = get(f"{SERIES}/thumbnail", "image/png").content
    assert get(f"{STUDY}/thumbnail", "image/png").content == of_image  # not the report, though it is first
    report = picture(get(f"{STUDY}/series/1.2.3.2/thumbnail", "image/png"))
    assert report.size == (256, 256) and len(set(report.get_flattened_data())) > 3
    assert picture(get(f"{STUDY}/series/1.2.3.2/thumbnail?viewport=64,48")).size == (64, 48)
    assert get(f"{STUDY}/series/1.2.3.2/instances/1.2.3.6/rendered").status_code == 406


def test_a_second_time_it_comes_from_the_cache(get: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    first = get(f"{INSTANCE}/rendered")
    monkeypatch.setattr(render_pool, "_made", lambda path, wanted: pytest.fail("made again"))
    assert get(f"{INSTANCE}/rendered").content == first.content
    again = get(f"{INSTANCE}/rendered", **{"If-None-Match": first["ETag"]})
    assert again.status_code == 304 and first["Cache-Control"] == "private, no-cache"


def test_the_cache_is_kept_small(get: Get) -> None:
    for quality in range(1, 6):
        get(f"{INSTANCE}/rendered?quality={quality}")
    picture_cache.tidy(most=1500)
    left = [path for path in picture_cache._folder().rglob("*") if path.is_file()]
    assert 0 < len(left) < 5 and sum(path.stat().st_size for path in left) <= 1500


def test_looking_is_audited_and_other_facilities_see_nothing(get: Get, user: User) -> None:
    get(f"{STUDY}/thumbnail")
    (event,) = AuditEvent.objects.filter(code="110103", actor="anna")
    assert event.objects_named == [{"type": "study", "id": "1.2.3"}]
    user.facilities.set([Facility.objects.create(code="OTHER", name="Other", time_zone="UTC")])
    for path in (f"{INSTANCE}/rendered", f"{STUDY}/thumbnail", f"{SERIES}/thumbnail"):
        assert get(path).status_code == 404
