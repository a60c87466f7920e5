"""A name that runs from right to left turns no birth date beside it round (UAX #9; HTML 4.5.24, `bdi`)."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

from accounts.models import Facility, User
from archive.decisions.effects import seen
from archive.models import StudyException
from reporting.models import ReadingItem
from tests.archive.hospital import NOW, Hospital
from tests.web.pages.world import signed_in
from tests.web.rest.conftest import hospital as hospital

PAGES = Path(settings.BASE_DIR) / "web/pages"
TEMPLATES = Path(settings.BASE_DIR) / "web/templates"
OF_THINGS = {
    "action.name",
    "branch.name",
    "cut.name",
    "destination.name",
    "entry.name",
    "facility.name",
    "field.name",
    "field.need.name",
    "light.name",
    "one.branch.name",
    "part.named.name",
    "source.name",
    "row.station.name",
    "said.name",
    "signed.document.header.facility.name",
    "station.name",
    "token.name",
    "volume.name",
}
"""Names that are nobody's, and one in a field to write in, which stands alone."""
_WORDS = re.compile(r"\{\{ ([\w.]+)((?:\|[^}]+)?) \}\}")
_APART = re.compile(r"\|(bdi|isolated|pn|pn_text)\b")


def shown() -> Iterator[tuple[str, str, str]]:
    """Each name that a template writes: the template, the name, and its filters."""
    for path in [*sorted(TEMPLATES.rglob("*.html")), *sorted(PAGES.rglob("*.py"))]:
        for match in _WORDS.finditer(path.read_text()):
            last = match[1].rpartition(".")[2]
            of_site = {"administration", "messages"} & set(path.parts)
            if last in ("name", "patient_name") and "." in match[1] and not of_site:
                yield f"{path.relative_to(PAGES.parent)}", match[1], match[2]


def test_each_template_sets_each_name_of_a_person_apart() -> None:
    found = [one for one in shown() if one[1] not in OF_THINGS]
    assert len(found) > 25
    assert [one for one in found if not _APART.search(one[2])] == []


NAME = "כהן^דוד"
WRITTEN = "כהן, דוד"


@pytest.mark.django_db
def test_no_page_shows_it_beside_anything_else(hospital: Hospital, user: User, facility: Facility) -> None:
    patient = hospital.patient(name=NAME)
    order = hospital.order("A1", patient, start=NOW)  # today, also after midnight
    fits, open_study = hospital.study("A1", name=NAME), hospital.study("A9", name=NAME)
    browser: Client = signed_in(user)
    exception, item = StudyException.objects.get(study=open_study), ReadingItem.objects.first()
    assert item is not None
    for page in (
        f"/patients/{patient.public_id}",
        f"/orders/{order.public_id}",
        f"/studies/{fits.study_instance_uid}",
        "/worklist?status=all",
        "/exceptions",
        f"/exceptions/{exception.public_id}",
        "/reading",
        f"/reading/{item.public_id}",
        f"/search?q={WRITTEN.partition(',')[0]}",
    ):
        text = browser.get(page, follow=True).content.decode()
        assert WRITTEN in text, page
        for match in re.finditer(WRITTEN, text):
            before, after = text[: match.start()].rstrip()[-40:], text[match.end() :].lstrip()[:6]
            of_cell = before.endswith(('dir="auto">', '<mark class="differs">')) and after.startswith("</")
            is_apart = of_cell or (before.endswith("<bdi>") and after.startswith("</bdi>"))
            in_a_box = re.search(r"(<textarea|<input)[^<]*$", text[: match.start()])
            assert is_apart or in_a_box or (before[-1], after[0]) == ("\u2068", "\u2069"), (
                page,
                before,
                after,
            )
    assert f"\u2068{WRITTEN}\u2069 (P1^^^GENHOSP)" == seen(fits).patient
