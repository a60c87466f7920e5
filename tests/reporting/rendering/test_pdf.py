"""The PDF holds what was signed, letter for letter, and says what kind of version it is."""

import io
import re
import unicodedata

import pytest
from bidi import get_display
from pypdf import PdfReader

from reporting.models import ReportVersion
from reporting.rendering import pdf, typesetting
from tests.reporting.rendering.builders import SECTIONS, World

pytestmark = pytest.mark.django_db


def pages(version: ReportVersion) -> list[str]:
    return [page.extract_text() for page in PdfReader(io.BytesIO(pdf.render(version))).pages]


def words(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def test_it_has_header_sections_signature_and_hash(world: World) -> None:
    version = world.sign()
    (page,) = pages(version)
    text = words(page)
    for part in (
        "General Hospital",
        "Doe, Dr. Jane (鈴木, 一郎)",
        "4711 GENHOSP",
        "1970-01-02",
        "CT hip (A1)",
        "2026-03-02 08:15 CT Hip CT",
        "House, Gregory",
        "Fall auf die linke Hüfte.",
        "Größe 12 µm.",
        "<b>&amp; ~|^\\ 鈴木",
        "No fracture ≥ 2 mm.",
        "Signed by Anna, 2026-03-02 09:01 CET (version 1, final)",
        version.sha256,
        "page 1 of 1",
    ):
        assert part in text, part
    assert [text.index(title) for title in ("Indication", "Technique", "Findings", "Impression")] == sorted(
        text.index(title) for title in ("Indication", "Technique", "Findings", "Impression")
    )
    assert "PRELIMINARY" not in text


@pytest.mark.parametrize(
    "script", ["日本語の所見です", "한국어 소견", "影像学检查结果们", "Ελληνικά", "Русский"]
)
def test_scripts_are_printed(world: World, script: str) -> None:
    world.report.sections = {**SECTIONS, "findings": script}
    assert script in words(pages(world.sign())[0])


@pytest.mark.parametrize("text", ["المريض محمد", "שלום עולם"])
def test_what_runs_from_right_to_left_is_turned_and_joined(world: World, text: str) -> None:
    """On paper letters stand joined, from left to right; a reader of the file turns them back."""
    (line,) = typesetting.lines(text, size=10, width=400)
    shown = "".join(run.text for run in line.runs)
    assert line.from_right and shown != text
    assert unicodedata.normalize("NFKC", get_display(shown, base_dir="L")) == text
    world.report.sections = {**SECTIONS, "findings": text}
    assert text in unicodedata.normalize("NFKC", pages(world.sign())[0])


def test_what_no_font_has_and_what_is_invisible_is_spelled_out(world: World) -> None:
    version = world.sign(sections={"findings": "a\x07b\u202ec ก"})
    assert "a[U+0007]b[U+202E]c [U+0E01]" in words(pages(version)[0])


def test_the_same_version_makes_the_same_bytes(world: World) -> None:
    version = world.sign()
    first = pdf.render(version)
    world.patient.name = "Changed^Later"
    world.patient.save()
    assert pdf.render(ReportVersion.objects.get(pk=version.pk)) == first


def test_each_kind_says_what_it_is(world: World) -> None:
    first = words(pages(world.sign("preliminary"))[0])
    assert "PRELIMINARY" in first and "It may change before it is final." in first
    final = words(pages(world.sign("final"))[0])
    assert "PRELIMINARY" not in final and "It replaces version 1 (preliminary, Anna" in final
    added = words(pages(world.sign("addendum", text="Also a cyst.", class_of_change="missed"))[0])
    assert "No fracture" in added and "Addendum (missed) Also a cyst. Signed by Anna" in added
    sections = {**SECTIONS, "impression": "Left."}
    corrected = words(pages(world.sign("correction", sections=sections, class_of_change="wrong side"))[0])
    assert "It replaces version 2 (final" in corrected and "No fracture" not in corrected
    assert "Left." in corrected and "Also a cyst." in corrected
    retracted = words(pages(world.sign("retraction", class_of_change="wrong patient"))[0])
    assert "RETRACTED" in retracted and "must not be used" in retracted and "Left." not in retracted


def test_an_undone_version_is_not_spoken_of(world: World) -> None:
    undone = world.sign("final")
    ReportVersion.objects.filter(pk=undone.pk).update(undone_at=undone.signed_at)
    assert "replaces" not in words(pages(world.sign("final"))[0])


def test_200_kb_go_over_many_pages(world: World) -> None:
    world.report.sections = {**SECTIONS, "findings": ("Befund Größe 12 mm. " * 10 + "\n") * 1000}
    made = pages(world.sign())
    assert len(made) > 30
    assert f"page {len(made)} of {len(made)}" in made[-1]
    assert all("Doe, Dr. Jane" in page for page in made)
    assert sum(page.count("Größe") for page in made) == 10_000


def test_a_word_wider_than_the_page_is_broken() -> None:
    made = list(typesetting.lines("x" * 500, size=10, width=100))
    assert all(line.width <= 100 for line in made)
    assert sum(len(run.text) for line in made for run in line.runs) == 500


@pytest.mark.parametrize("name", ["כהן^דוד", "Doe^Jane"])
def test_above_each_page_the_name_stands_before_the_birth_date_whatever_its_script(
    world: World, name: str
) -> None:
    world.patient.name = name
    world.patient.save()
    (page,) = PdfReader(io.BytesIO(pdf.render(world.sign()))).pages
    placed: list[tuple[float, float, str]] = []
    page.extract_text(visitor_text=lambda text, cm, tm, font, size: placed.append((tm[5], tm[4], text)))
    top = max(y for y, _, text in placed if text.strip())
    line = "".join(text for y, _, text in sorted(placed, key=lambda one: one[1]) if y == top)
    assert re.search(r"4711,\s1970-01-02\s*$", line.strip()), line
    assert "דוד"[::-1] in line or "דוד" in line or "Doe, Jane" in line
