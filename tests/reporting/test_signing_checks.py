"""What stands between a text and its signature."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import User
from archive.models import Study
from reporting.errors import StateConflict
from reporting.models import ReportTemplate
from reporting.reports import signing_checks
from reporting.reports.signing_checks import bracketed, of_text, open_fields, unanswered
from tests.archive.conftest import home as home
from tests.reporting.conftest import World

IN_ONE = re.compile(r"\[\s*\]|\[\?[^\]]*\]|_{3,}|\{[^{}\n]{0,80}\}")
"""What an open field is, in one expression, which takes long over many that begin and don't end."""


@given(st.text("[]? _{}\na", max_size=30))
def test_every_open_field_is_found(text: str) -> None:
    assert open_fields(text) == IN_ONE.findall(text)


def test_open_fields_are_shown_as_they_stand() -> None:
    text = "No [ ] in the [? 01:23] lobe, ___ mm, {left}. [?unclosed"
    assert open_fields(text) == ["[ ]", "[? 01:23]", "___", "{left}"]


@pytest.mark.timeout(20)
@pytest.mark.parametrize("text", ["[?" * 500_000, "[" + " " * 1_000_000, "{" * 1_000_000, "__" * 500_001])
def test_a_text_of_beginnings_alone_keeps_nobody(text: str) -> None:
    assert len(open_fields(text)) <= 1


LIVER = "Liver:\nSpleen: normal.\n\nKidneys:\nBoth normal."


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (LIVER, ["Liver:"]),
        (LIVER.replace("Liver:", "Liver: normal."), []),
        ("Liver:\nKidneys:", ["Liver:", "Kidneys:"]),
        ("Written anew. Heart:", []),
        ("", []),
    ],
)
def test_labels_of_the_template_without_text_are_found(text: str, left: list[str]) -> None:
    assert unanswered(text, "Liver:\nSpleen:\nKidneys:") == left


def test_words_in_brackets_are_asked_about_and_never_a_dead_end() -> None:
    assert bracketed("Fracture of the [side] hip, see [1]; [ ] and [? 01:23] are open for sure.") == [
        "[side]",
        "[1]",
    ]
    found = of_text({"findings": "The [side] lung.", "impression": "Normal."})
    assert [(one.code, one.asks, one.section) for one in found] == [("brackets_findings", True, "findings")]


def test_each_block_names_its_section() -> None:
    template = ReportTemplate(sections={"technique": "Contrast:"})
    found = of_text({"technique": "Contrast:", "findings": "___ mm", "comparison": "[ ]"}, template)
    assert [(one.code, one.section, one.asks or one.overridable) for one in found] == [
        ("open_fields", "comparison", False),
        ("open_fields", "findings", False),
        ("empty_impression", "impression", False),
        ("unanswered_technique", "technique", True),
    ]


@pytest.mark.django_db
@pytest.mark.parametrize("said", ["None", "none.", "No prior studies", "No comparison available."])
def test_no_comparison_is_asked_about_where_there_are_priors(world: World, rada: User, said: str) -> None:
    first, second = world.item("A1"), world.item("A2")
    alone = world.item("B1", "P2", "OTHER^OLA")
    text = {"comparison": said, "impression": "Normal."}
    assert world.sign(world.draft(alone, rada, **text), rada).number == 1
    report = world.draft(second, rada, **text)
    with pytest.raises(StateConflict) as refused:
        world.sign(report, rada)
    (block,) = refused.value.blocks
    assert block.code == "comparison_none" and "is a prior study" in block.text
    assert world.sign(report, rada, overrides={"comparison_none": "confirmed"}).number == 1
    Study.objects.filter(reading_items=first).update(study_date="20260301", study_time="0930")
    Study.objects.filter(reading_items=second).update(study_date="20260301", study_time="1015")
    assert signing_checks.of_comparison(second, text)
    assert not signing_checks.of_comparison(first, text), "what came later that day is no prior"
    compared = world.draft(first, rada, comparison="With the CT of today.", impression="Normal.")
    assert world.sign(compared, rada).number == 1
