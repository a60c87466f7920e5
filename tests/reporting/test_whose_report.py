"""A report stays with the person for whom it was signed (docs/reports.md, "To other systems").

Links, undos and messages of the HIS move images between people; the identity frozen in a version decides
whose name it goes out under.
"""

import itertools
import random
from collections.abc import Iterator
from typing import Any, Final

import pytest
from django.db import transaction
from django.utils import timezone

from accounts.models import Role, User
from archive.decisions import second_person
from archive.decisions.link import Link
from archive.decisions.reassign import Reassign
from archive.models import DecisionRequest, Study, StudyException
from interfaces.hl7.models import Destination, OutboundMessage
from interfaces.hl7.outbound import outbox
from interfaces.hl7.outbound.messages import results
from interfaces.hl7.syntax import er7
from ledger import jobs
from ledger.errors import Conflict
from ledger.models import Job
from reporting.errors import StateConflict
from reporting.models import ReadingItem, Recheck, Report, ReportVersion
from reporting.reading_worklist import assignment, reading_items
from reporting.rendering.composition import compose
from reporting.reports import (
    drafts,
    frozen_identity,
    rechecks,
    release_job,
    report_versions,
    signatures,
)
from tests.actors import acting
from tests.archive.hospital import GENHOSP
from tests.reporting.conftest import World
from worklist.batches import batch
from worklist.change_set import ChangeSet, Group, Registration
from worklist.models import Order, Patient, ScheduledProcedureStep, StatusEvent
from worklist.orders import order_application
from worklist.orders.order_content import OrderContent, ProcedureContent
from worklist.orders.order_update import Number, OrderUpdate, ProcedureUpdate
from worklist.patients.identifiers import Identifier
from worklist.provenance import Provenance

pytestmark = pytest.mark.django_db

ANN: Final = {"name": "STONE^ANN", "birth_date": "19800203", "sex": "F"}
DORA: Final = {"name": "DISC^DORA", "birth_date": "19550506", "sex": "F"}
OF_DORA: Final = {"patient_id": "J9D", "issuer_of_patient_id": "ELSEWHERE", **DORA}
OF_ANN: Final = {"patient_id": "J7", **ANN}


class Ward:
    """A tech and a second person who decide, a radiologist who signs, and a HIS that is told."""

    def __init__(self, world: World, tech: User, second: User, rada: User) -> None:
        self.world, self.tech, self.second, self.rada = world, tech, second, rada

    def person(self, value: str, who: dict[str, str]) -> Patient:
        return self.world.hospital.patient(value, **who)

    def step(self, accession: str, patient: Patient) -> ScheduledProcedureStep:
        self.world.hospital.order(accession, patient)
        return ScheduledProcedureStep.objects.get(procedure__order__accession_number=accession)

    def images(self, **who: Any) -> ReadingItem:
        return ReadingItem.objects.get(studies=self.world.hospital.study("", **who))

    def decide(self, decision: Any, item: ReadingItem) -> None:
        with transaction.atomic():
            done = second_person.decide(
                decision, study=self.study(item), reason="the ward says so", by=acting(self.tech)
            )
        self.confirmed(done)

    def link(self, item: ReadingItem, step: ScheduledProcedureStep) -> None:
        self.decide(Link(step), item)

    def undo(self, item: ReadingItem) -> None:
        exception = StudyException.objects.get(study=self.study(item))
        with transaction.atomic():
            done = second_person.undo(exception=exception, reason="not hers", by=acting(self.tech))
        self.confirmed(done)

    def confirmed(self, done: Any) -> None:
        if isinstance(done, DecisionRequest):
            with transaction.atomic():
                second_person.confirm(request=done, reason="looked too", by=acting(self.second))

    def study(self, item: ReadingItem) -> Study:
        return Study.objects.get(reading_items=item)

    def signed(self, report: Report, **values: Any) -> ReportVersion:
        version = self.world.sign(report, self.rada, **values)
        self.release(version)
        return version

    def corrected(self, report: Report, **reasons: str) -> ReportVersion:
        return self.amended(report, "correction", **reasons)

    def amended(self, report: Report, kind: str, **reasons: str) -> ReportVersion:
        with transaction.atomic():
            drafts.draft_addendum(
                report=report, by=acting(self.rada), kind=kind, text="Changed.", class_of_change="missed"
            )
        return self.signed(report, overrides=reasons)

    def release(self, version: ReportVersion) -> None:
        Job.objects.filter(kind=release_job.KIND).update(not_before=timezone.now())
        jobs.run(Job.objects.get(kind=release_job.KIND, key=version.public_id).pk)

    def still_valid(self, item: ReadingItem) -> None:
        with transaction.atomic():
            rechecks.still_valid(recheck=Recheck.objects.get(item=item, closed_at=None), by=acting(self.rada))


@pytest.fixture
def ward(world: World, people: Any, rada: User) -> Ward:
    Destination.objects.create(name="HIS", host="127.0.0.1", port=1, application="HIS")
    return Ward(world, people("tea", Role.TECHNOLOGIST), people("sam", Role.TECHNOLOGIST), rada)


def sent() -> list[tuple[str, str]]:
    """The PID-3 and PID-5 family name of all that was told."""
    rows = (
        OutboundMessage.objects.filter(kind=results.RESULTS.name).select_related("destination").order_by("pk")
    )
    found = [er7.parse(outbox.write(row, row.destination)) for row in rows]
    return [(one.get("PID-3.1"), one.get("PID-5.1")) for one in found]


def asked(item: ReadingItem) -> list[str]:
    return list(Recheck.objects.filter(item=item, closed_at=None).values_list("cause", flat=True))


def test_a_report_of_unlinked_images_does_not_go_out_for_somebody_else(ward: Ward) -> None:
    step = ward.step("AJ7", ward.person("J7", ANN))
    item = ward.images(**OF_DORA)
    report = ward.world.draft(item, ward.rada)
    ward.signed(report)
    assert sent() == []
    ward.link(item, step)
    assert sent() == []
    assert asked(item) == ["The study was given to another patient after the signature."]
    with pytest.raises(StateConflict, match="it was signed for DISC, DORA: correct or retract it"):
        ward.still_valid(item)
    with pytest.raises(StateConflict) as refused:
        ward.corrected(report)
    assert [block.code for block in refused.value.blocks] == ["other_identity"]
    with pytest.raises(StateConflict, match="An addendum leaves its text standing"):
        ward.amended(report, "addendum", other_identity="I add to it")
    with pytest.raises(StateConflict):
        ward.corrected(report)
    assert "signed for DISC, DORA" in refused.value.blocks[0].text
    version = ward.signed(report, overrides={"other_identity": "Ann's disc, wrongly labelled"})
    assert sent() == [("J7", "STONE")] and asked(item) == []
    assert "Issued before in the name of DISC, DORA, born 1955-05-06, J9D ELSEWHERE." in (
        compose(version).notices
    )


def test_one_that_may_be_hers_waits_for_the_signer_and_then_goes_out(ward: Ward) -> None:
    """Nothing contradicts: the disc brought no number."""
    step = ward.step("AJ7", ward.person("J7", ANN))
    item = ward.images(**{**OF_ANN, "patient_id": "", "issuer_of_patient_id": ""})
    ward.signed(ward.world.draft(item, ward.rada))
    ward.link(item, step)
    assert sent() == [] and asked(item)
    ward.still_valid(item)
    assert sent() == [("J7", "STONE")]


def test_of_the_very_person_it_goes_out_at_once_and_the_undo_asks(ward: Ward) -> None:
    step = ward.step("AJ7", ward.person("J7", ANN))
    item = ward.images(**OF_ANN)
    ward.signed(ward.world.draft(item, ward.rada))
    item.refresh_from_db()
    if item.patient is None:
        ward.link(item, step)
    assert sent() == [("J7", "STONE")]
    ward.undo(item)
    assert asked(item)


def test_what_was_signed_before_the_link_is_held_though_it_is_released_after_it(ward: Ward) -> None:
    step = ward.step("AJ7", ward.person("J7", ANN))
    item = ward.images(**OF_DORA)
    version = ward.world.sign(ward.world.draft(item, ward.rada), ward.rada)
    ward.link(item, step)
    with pytest.raises(StateConflict, match="correct or retract it"):
        ward.still_valid(item)
    ward.release(version)
    assert sent() == []


def test_the_undo_of_a_link_under_a_signed_report_asks_its_signer(ward: Ward) -> None:
    """What counts is the patient of the signature, not whom the draft was begun for."""
    step = ward.step("AJ7", ward.person("J7", ANN))
    item = ward.images(**OF_DORA)
    report = ward.world.draft(item, ward.rada)
    ward.link(item, step)
    ward.signed(report, overrides={"patient_question": "the ward says it is Ann"})
    assert sent() == [("J7", "STONE")]
    ward.undo(item)
    item.refresh_from_db()
    assert item.patient is None
    assert asked(item) == ["The study was given to another patient after the signature."]
    with pytest.raises(StateConflict, match="signed for STONE, ANN"):
        ward.still_valid(item)


def test_an_undo_before_the_signer_answered_takes_the_question_back(ward: Ward) -> None:
    step = ward.step("AJ7", ward.person("J7", ANN))
    item = ward.images(**OF_DORA)
    ward.signed(ward.world.draft(item, ward.rada))
    ward.link(item, step)
    ward.undo(item)
    assert asked(item) == [] and sent() == []


def test_a_doubt_about_the_patient_is_told_beside_what_was_asked_before(ward: Ward) -> None:
    item = ward.images(**OF_DORA)
    ward.signed(ward.world.draft(item, ward.rada))
    with transaction.atomic():
        reading_items.follow_study(None, study=ward.world.late_image(item))
    assert asked(item) == ["Images came after the signature."]
    ward.link(item, ward.step("AJ7", ward.person("J7", ANN)))
    assert asked(item) == [
        "Images came after the signature. The study was given to another patient after the signature."
    ]
    ward.undo(item)
    assert asked(item) == ["Images came after the signature."]


@pytest.mark.parametrize(
    ("imaged", "is_asked"),
    [
        ({"patient_id": "OUT7", "name": "LOST^GUY", "birth_date": "19600101", "sex": "M"}, True),
        ({**OF_ANN, "sex": "M"}, True),
        ({**OF_ANN, "patient_id": ""}, True),
        (OF_ANN, False),
        ({**OF_ANN, "name": "Stone^Ann"}, False),
    ],
)
@pytest.mark.parametrize("by", ["link", "reassign"])
def test_what_is_begun_on_unlinked_images_is_asked_about_where_another_is_found(
    by: str, imaged: dict[str, str], is_asked: bool, ward: Ward
) -> None:
    item = ward.images(**imaged)
    report = ward.world.draft(item, ward.rada)
    ann = ward.person("J7", ANN)
    if by == "link":
        ward.link(item, ward.step("AJ7", ann))
    else:
        ward.decide(Reassign(ann), item)
    item.refresh_from_db()
    assert bool(item.patient_question) == is_asked and item.patient == ann
    if not is_asked:
        ward.signed(report)
        return
    with pytest.raises(StateConflict) as refused:
        ward.signed(report)
    assert "patient_question" in {block.code for block in refused.value.blocks}
    with transaction.atomic():
        assignment.confirm_patient(item=item, by=acting(ward.rada), revision=item.revision)
    ward.undo(item)
    item.refresh_from_db()
    assert item.patient_question, "confirmed for Ann, and is of nobody known again"


def test_a_question_that_was_passed_by_a_reason_comes_back_with_the_undone_signature(ward: Ward) -> None:
    item = ward.images(**OF_DORA)
    report = ward.world.draft(item, ward.rada)
    ward.link(item, ward.step("AJ7", ward.person("J7", ANN)))
    version = ward.world.sign(report, ward.rada, overrides={"patient_question": "hers"})
    with transaction.atomic():
        signatures.undo(version=version, by=acting(ward.rada))
    item.refresh_from_db()
    assert item.patient_question
    ward.undo(item)
    item.refresh_from_db()
    assert item.patient_question == ""


def cancel(ward: Ward, order: Order) -> None:
    with transaction.atomic():
        update = OrderUpdate(
            placer=Number(f"PL{order.accession_number}", "HIS"),
            act=StatusEvent.Kind.CANCEL,
            reason="not wanted",
        )
        order_application.apply(
            update=update, provenance=Provenance.of_person(acting(ward.tech), order.facility)
        )


def test_a_record_that_becomes_somebody_else_asks_the_signer_and_the_correction_says_so(ward: Ward) -> None:
    """ADT^A08 with another name and birth date; the order is cancelled as well."""
    item = ward.world.item("A1")
    report = ward.world.draft(item, ward.rada)
    ward.signed(report)
    ward.person("P1", {"name": "ZORN^UTE", "birth_date": "19990909", "sex": "F"})
    assert asked(item) == ["The patient's record tells of somebody else since the signature."]
    with pytest.raises(StateConflict, match="signed for BARS, ANNA"):
        ward.still_valid(item)
    cancel(ward, Order.objects.get())
    with pytest.raises(StateConflict) as refused:
        ward.corrected(report)
    blocks = {block.code: block for block in refused.value.blocks}
    assert blocks["other_identity"].overridable and not blocks["other_identity"].asks
    assert "ZORN, UTE" in blocks["other_identity"].text
    assert "order A1 was cancelled" in blocks["order_cancelled"].text
    reasons = dict.fromkeys(blocks, "asked the ward")
    version = ward.signed(report, overrides=reasons)
    said = "Issued before in the name of BARS, ANNA, born 1970-01-02, P1 GENHOSP."
    assert said in compose(version).notices
    row = OutboundMessage.objects.filter(key__startswith=f"version:{version.public_id}:").get()
    message = er7.parse(outbox.write(row, row.destination))
    assert message.get("PID-5.1") == "ZORN"
    assert said in [obx.field(5).value for obx in message.all("OBX")]


def test_an_order_that_brings_somebody_else_under_the_number_asks_as_well(ward: Ward) -> None:
    """ORM^O01 NW, whose PID has another name and birth date."""
    item = ward.world.item("A1")
    ward.signed(ward.world.draft(item, ward.rada))
    said = Registration(
        [Identifier("P1", GENHOSP, "MR")], {"name": "ZORN^UTE", "birth_date": "19990909", "sex": "F"}
    )
    update = OrderUpdate(
        placer=Number("PLA2", "HIS"),
        content=OrderContent(accession_number="A2"),
        procedures=[ProcedureUpdate(id="RPA2", content=ProcedureContent(code="71260"), steps=[])],
    )
    with transaction.atomic():
        batch.apply_one(ChangeSet(ward.world.hospital.provenance(), [Group(said, order=update)]))
    assert asked(item) == ["The patient's record tells of somebody else since the signature."]


@pytest.mark.parametrize("values", [{"name": "ZORN^ANNA"}, {"birth_date": "19700103"}])
def test_a_record_that_is_put_right_asks_nobody(values: dict[str, str], ward: Ward) -> None:
    item = ward.world.item("A1")
    report = ward.world.draft(item, ward.rada)
    ward.signed(report)
    ward.person("P1", {"name": "BARS^ANNA", "birth_date": "19700102", "sex": "F", **values})
    assert asked(item) == []
    assert ward.corrected(report).number == 2


def test_a_record_that_is_itself_again_takes_the_question_back(ward: Ward) -> None:
    item = ward.world.item("A1")
    ward.signed(ward.world.draft(item, ward.rada))
    ward.person("P1", {"name": "ZORN^UTE", "birth_date": "19990909", "sex": "F"})
    assert asked(item)
    ward.person("P1", {"name": "BARS^ANNA", "birth_date": "19700102", "sex": "F"})
    assert asked(item) == []


def test_what_waited_while_the_record_was_somebody_else_goes_out_when_it_is_itself_again(ward: Ward) -> None:
    item = ward.world.item("A1")
    report = ward.world.draft(item, ward.rada)
    ward.signed(report, kind="preliminary")
    version = ward.world.sign(report, ward.rada)
    ward.person("P1", {"name": "ZORN^UTE", "birth_date": "19990909", "sex": "F"})
    ward.release(version)
    assert sent() == [("P1", "BARS")], "neither sent under her name nor withdrawn"
    ward.person("P1", {"name": "BARS^ANNA", "birth_date": "19700102", "sex": "F"})
    assert sent() == [("P1", "BARS"), ("P1", "BARS")] and asked(item) == []


def test_what_changed_under_a_link_needs_a_reason_before_a_signature(ward: Ward) -> None:
    item = ward.world.item("A1")
    report = ward.world.draft(item, ward.rada)
    ward.person("P1", {"name": "ZORN^UTE", "birth_date": "19990909", "sex": "F"})
    study = ward.world.hospital.judged(ward.study(item))
    assert study.exception.kind == "identity_replaced" and study.exception.status == "open"
    with pytest.raises(StateConflict) as refused:
        ward.signed(report)
    blocks = {block.code: block for block in refused.value.blocks}
    assert (
        blocks["open_exception"].overridable and "patient details replaced" in blocks["open_exception"].text
    )


def _acts(ward: Ward, item: ReadingItem, seed: int) -> Iterator[str]:
    """Twelve acts by chance, and what each was; what is refused is left."""
    chance = random.Random(seed)
    ann, otto = ward.person("J7", ANN), ward.person("J8", {"name": "HILL^OTTO", "sex": "M"})
    steps = [ward.step("AJ7", ann), ward.step("AJ8", otto), ward.step("AJ7B", ann)]
    number = itertools.count(1)

    def begin() -> None:
        ward.world.draft(item, ward.rada)

    def sign() -> None:
        reasons = dict.fromkeys(("patient_question", "open_exception", "open_mismatch"), "looked")
        ward.signed(Report.objects.get(item=item), overrides=reasons)

    def correct() -> None:
        reasons = dict.fromkeys(("other_identity", "open_exception", "open_mismatch"), "looked")
        ward.corrected(Report.objects.get(item=item), **reasons)

    def add() -> None:
        reasons = dict.fromkeys(("other_identity", "open_exception", "open_mismatch"), "looked")
        ward.amended(Report.objects.get(item=item), "addendum", **reasons)

    def rename() -> None:
        day = f"19{60 + next(number)}0101"
        ward.person("J8", {"name": chance.choice(["HILL^OTTO", "VALE^UTE"]), "birth_date": day})

    acts = {
        "begin": begin,
        "sign": sign,
        "correct": correct,
        "add": add,
        "still valid": lambda: ward.still_valid(item),
        "undo": lambda: ward.undo(item),
        "link": lambda: ward.link(item, chance.choice(steps)),
        "rename": rename,
    }
    order = ["begin", *chance.choices([*acts, "link", "undo", "sign"], k=12)]
    if chance.random() < 0.5:
        order[:2] = order[1::-1]
    for name in order:
        try:
            acts[name]()
        except (Conflict, Report.DoesNotExist, Recheck.DoesNotExist):
            continue
        yield name


@pytest.mark.parametrize("seed", range(24))
def test_no_report_ever_goes_out_under_a_name_for_which_it_was_not_signed(seed: int, ward: Ward) -> None:
    imaged = [OF_DORA, OF_ANN, {**OF_ANN, "patient_id": "", "issuer_of_patient_id": ""}][seed % 3]
    item = ward.images(**imaged)
    known, done = 0, []
    for act in _acts(ward, item, seed):
        done.append(act)
        for row in OutboundMessage.objects.filter(kind=results.RESULTS.name).order_by("pk")[known:]:
            known += 1
            if all(part["status"] in ("W", "D") for part in row.facts["parts"]):
                continue
            version = ReportVersion.objects.get(public_id=row.facts["version"])
            named = frozen_identity.of_version(version)
            told = row.facts["patient"]
            by_signer = [named, *filter(None, Recheck.objects.values_list("confirmed", flat=True))]
            people = {(one["identifier"], one["name"]) for one in by_signer}
            assert (told["identifier"], told["name"]) in people, (done, named)
            whose = frozen_identity.to_patient(
                compose(version).signed_for, Patient.objects.get(value=told["identifier"])
            )
            assert whose is not frozen_identity.Whose.OTHER, (done, named)
        assert_asked(ward, item, done)


def assert_asked(ward: Ward, item: ReadingItem, done: list[str]) -> None:
    """Whatever is signed and is somebody else's now has its recheck open."""
    item.refresh_from_db()
    version = report_versions.newest(item)
    if version is None or item.status not in ("final", "amended"):
        return
    if frozen_identity.to_item(frozen_identity.of_version(version), item) is frozen_identity.Whose.OTHER:
        assert asked(item), done
