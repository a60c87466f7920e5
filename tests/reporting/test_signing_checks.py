"""What stands between a text and its signature."""

import re
from datetime import timedelta

import pytest
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import Role, User
from archive.decisions import decision_frame
from archive.decisions.accept import Accept
from archive.models import Series, Study
from reporting.errors import StateConflict
from reporting.models import ReadingItem, ReportTemplate
from reporting.reading_worklist import decision_effects
from reporting.reports import order_check, side_check, signing_checks
from reporting.reports.signing_checks import bracketed, of_text, open_fields, unanswered
from tests.actors import acting
from tests.archive.conftest import home as home
from tests.archive.hospital import NOW
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


def accepted(world: World) -> ReadingItem:
    """The item of images that name another person's order and were accepted as they are."""
    world.hospital.order("A1", world.hospital.patient("P1", "BARS^ANNA"))
    study = world.hospital.study("A1", "P9", "OTHER^OLA", birth_date="19900101")
    assert study.verdict == "mismatch"
    decider = User.objects.create(username="dora", full_name="Dora", roles=[Role.TECHNOLOGIST.value])
    decider.facilities.add(study.facility)
    with transaction.atomic():
        decision_frame.decide(Accept(), study=study, reason="outside study", by=acting(decider))
    return ReadingItem.objects.get(studies=study)


@pytest.mark.django_db
def test_a_report_of_accepted_images_that_nobody_gets_needs_a_reason(world: World, rada: User) -> None:
    report = world.draft(accepted(world), rada)
    with pytest.raises(StateConflict) as refused:
        world.sign(report, rada)
    (block,) = refused.value.blocks
    assert block.code == "accepted_without_order" and block.overridable and not block.asks
    assert "no order, so nobody gets this report" in block.text
    assert "The images name order A1 (BARS, ANNA), but they say another patient" in block.text
    assert "link the images" not in block.text, "nobody is advised to link them to another person's order"
    assert world.sign(report, rada, overrides={"accepted_without_order": "phoned to the ward"}).number == 1


@pytest.mark.django_db
def test_the_order_of_the_person_whom_the_headers_say_is_advised_not_the_one_that_they_name(
    world: World,
) -> None:
    world.hospital.order("AJ6", world.hospital.patient("J6", "NAGY^EVA"), start=NOW - timedelta(hours=2))
    quill = {"birth_date": "19500505", "sex": "M"}
    world.hospital.order("AJ5", world.hospital.patient("J5", "QUILL^PETER", **quill))
    study = world.hospital.study("AJ6", "J5", "QUILL^PETER", **quill)
    assert study.verdict == "mismatch"
    decider = User.objects.create(username="dora", full_name="Dora", roles=[Role.TECHNOLOGIST.value])
    decider.facilities.add(study.facility)
    with transaction.atomic():
        decision_frame.decide(Accept(), study=study, reason="as it is", by=acting(decider))
    (block,) = order_check.of_order(ReadingItem.objects.get(studies=study))
    assert block.text.endswith(
        "The images name order AJ6 (NAGY, EVA), but they say another patient."
        " They may be of order AJ5 (QUILL, PETER): link the images to it before you sign"
    )


@pytest.mark.django_db
def test_who_accepts_is_told_that_a_report_goes_to_nobody(world: World) -> None:
    study = accepted(world).studies.get()
    told = decision_effects.effects_on_preview(Study, study=study)()
    assert any("no order, so nobody gets this report" in text for text in told)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("ordered", "imaged", "text", "asked"),
    [
        ("L", "", {"impression": "Fracture of the right wrist."}, ["side_impression"]),
        ("", "R", {"findings": "Left knee effusion.", "impression": "Effusion."}, ["side_findings"]),
        ("L", "L", {"findings": "Left and right.", "impression": "Right tear."}, ["side_impression"]),
        ("L", "", {"impression": "Fracture of the left wrist; right normal."}, []),
        ("L", "", {"impression": "Normal."}, []),
        ("L", "", {"impression": "Normal.", "comparison": "Right wrist of 2020."}, []),
        ("B", "", {"impression": "Right fracture."}, []),
        ("L", "B", {"impression": "Right fracture."}, []),
        ("", "", {"impression": "Right fracture."}, []),
    ],
)
def test_the_other_side_than_that_examined_is_asked_about(
    world: World, rada: User, ordered: str, imaged: str, text: dict[str, str], asked: list[str]
) -> None:
    item = world.item()
    item.procedures.update(laterality=ordered)
    Series.objects.filter(study__reading_items=item).update(laterality=imaged)
    found = side_check.of_side(item, text)
    assert [(one.code, one.asks) for one in found] == [(code, True) for code in asked]
    if found:
        assert found[0].section == asked[0].removeprefix("side_")
        report = world.draft(item, rada, **text)
        with pytest.raises(StateConflict):
            world.sign(report, rada)
        assert world.sign(report, rada, overrides={asked[0]: "confirmed"}).number == 1


@pytest.mark.django_db
def test_a_side_is_found_in_the_description_of_the_order(world: World) -> None:
    item = world.item()
    item.procedures.update(description="MR knee left")
    (block,) = side_check.of_side(item, {"impression": "Tear of the right meniscus."})
    assert block.text == "Impression names only the right side, but the order says left"


@pytest.mark.django_db
@pytest.mark.parametrize("impression", ["Effusion.", "Left effusion.", "Right effusion."])
def test_order_and_images_of_two_sides_need_a_reason_whatever_the_text_says(
    world: World, rada: User, impression: str
) -> None:
    item = world.item()
    item.procedures.update(description="XR knee left")
    item.studies.update(description="")
    Series.objects.filter(study__reading_items=item).update(description="Knee", laterality="R")
    report = world.draft(item, rada, impression=impression)
    with pytest.raises(StateConflict) as refused:
        world.sign(report, rada)
    (block,) = refused.value.blocks
    assert (block.code, block.overridable, block.asks) == ("side_contradiction", True, False)
    assert "the order says left (XR knee left)" in block.text
    assert "the images say right (Knee; Laterality R)" in block.text
    reason = {"side_contradiction": "marker seen: left, wrongly coded"}
    assert world.sign(report, rada, overrides=reason).number == 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("order", "study", "series", "coded", "is_asked"),
    [
        ("XR knee left", "Knee right", "", "", True),
        ("XR knee left", "Knee right", "Knee", "L", True),
        ("XR knee left", "XR knee left", "Knee R", "", True),
        ("XR L knee", "", "", "R", True),
        ("XR knee (L)", "", "R knee ap", "", True),
        ("XR knee Lt", "", "knee Rt.", "", True),
        ("XR knees both", "", "", "R", False),
        ("XR knee left", "Both knees", "", "B", False),
        ("XR L spine", "", "", "R", False),
        ("XR knee", "Knee right", "", "R", False),
    ],
)
def test_sides_contradict_as_coded_and_as_described(
    world: World, order: str, study: str, series: str, coded: str, is_asked: bool
) -> None:
    item = world.item()
    item.procedures.update(description=order)
    item.studies.update(description=study)
    Series.objects.filter(study__reading_items=item).update(description=series, laterality=coded)
    found = side_check.of_side(item, {"impression": "Effusion."})
    assert [one.code for one in found] == ["side_contradiction"] * is_asked


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("L knee", "L"),
        ("XR KNEE L", "L"),
        ("hand, ap (R)", "R"),
        ("R. hip", "R"),
        ("Lt wrist", "L"),
        ("Rt. wrist", "R"),
        ("Nodule in the LLL", "L"),
        ("LUL", "L"),
        ("Consolidation of RML and RUL", "R"),
        ("RLL", "R"),
        ("L spine", ""),
        ("Narrow L5/S1", ""),
        ("R wave", ""),
        ("knee L-spine", ""),
        ("all", ""),
    ],
)
def test_short_forms_of_sides_are_known(text: str, found: str) -> None:
    assert side_check.named(text) == set(found)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "text",
    [
        "right " * 200_000,
        "rightright" * 100_000,
        "linke" * 200_000,
        "L " * 500_000,
        "knee " * 200_000,
        "(L" * 500_000,
    ],
)
def test_sides_are_looked_for_in_one_pass(text: str) -> None:
    assert side_check.named(text) <= {"L", "R"}
