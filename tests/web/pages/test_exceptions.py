"""The pages of the exceptions: the list, one exception, and each decision from its form to its row."""

import html
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from accounts.models import Facility, Presence, Role, SiteSection, User
from archive.decisions import decision_frame
from archive.models import Decision, Series, Study, StudyException, Verdict
from archive.reconcile import verdict_record
from interfaces.hl7.models import Destination, OutboundMessage
from ledger.models import AuditEvent
from tests.archive.hospital import Hospital
from tests.web.markup import read
from web.pages.exceptions.text_differences import between
from worklist.models import Order, Patient, ScheduledProcedureStep

pytestmark = pytest.mark.django_db
Employ = Callable[..., User]


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def browser(user: User) -> Client:
    return signed_in(user)


@pytest.fixture
def mismatch(hospital: Hospital) -> Study:
    """Anna's images under Rita's order."""
    hospital.patient()
    hospital.order("A1", hospital.patient("P2", "REAL^RITA", birth_date="19350517"))
    return hospital.study("A1")


@pytest.fixture
def path(mismatch: Study) -> str:
    return f"/exceptions/{mismatch.exception.public_id}"


def concordances(browser: Client, study: Study) -> dict[str, str]:
    """How the page marks each field of the comparison."""
    text = read(browser.get(f"/exceptions/{study.exception.public_id}"))
    found = re.findall(
        r'<tr class="(agrees|unclear|contradicts|silent)">\s*<th scope="row">([^<]+)</th>', text
    )
    return {title: concordance for concordance, title in found}


def words(answer: Any) -> str:
    """What a page says, without its tags."""
    text = re.sub(r"<[^>]+>", " ", read(answer))
    return re.sub(r"\s+", " ", html.unescape(text))


def test_the_page_judges_by_the_policy_of_the_verdict(hospital: Hospital, browser: Client) -> None:
    """A verdict keeps what its findings came to; another policy counts from the next verdict on."""
    hospital.order("A1", hospital.patient("P1", "BARS^ANNA", birth_date="19700102"))
    study = hospital.study("A1", name="BARS^ANNE", birth_date="19700201")
    assert study.verdict == "probable", "two slips need a person"
    section = SiteSection.objects.get(name="archive")
    section.content = {**section.content, "reconcile": {"agrees_from": 0.9}}
    section.save()
    assert concordances(browser, study)["Born"] == "agrees"
    assert hospital.judged(study).verdict == "probable"
    assert concordances(browser, study)["Born"] == "unclear"
    assert concordances(browser, study)["Sex"] == "agrees"


def form(study: Study, action: str, **values: Any) -> dict[str, Any]:
    return {"action": action, "revision": decision_frame.revision(study), "reason": "seen both", **values}


def target() -> str:
    step = ScheduledProcedureStep.objects.get()
    return f"{step.public_id}|{step.procedure.order.patient.public_id}"


# The list


def test_the_list_shows_both_sides_and_the_strongest_evidence(browser: Client, mismatch: Study) -> None:
    said = words(browser.get("/exceptions"))
    for text in ("BARS, ANNA", "REAL, RITA", "mismatch", "CT1", "1970-01-02", "1935-05-17"):
        assert text in said
    assert AuditEvent.objects.filter(code="110103", action="R").exists()


def test_both_sides_and_the_evidence_are_of_the_order_that_the_images_name(
    browser: Client, hospital: Hospital
) -> None:
    """Anna's images under the number of Rita's order, while Anna's own order fits better."""
    hospital.order("7001", hospital.patient("9001", "BARS^ANNA"))
    rita = hospital.patient("9002", "REAL^RITA", birth_date="19350517")
    hospital.order("7002", rita, modality="MR", station_ae_title="MR1")
    study = hospital.study("7002", "9001")
    kept = verdict_record.by_score(Verdict.objects.get(study=study))
    assert [one.accession_number for one in kept] == ["7001", "7002"], "the other fits better"
    row = words(browser.get("/exceptions")).partition("As expected")[2]
    assert "REAL, RITA 9002 1935-05-17" in row
    assert re.search(r"Patient ID 900 1 \^\^\^GENHOSP expected 900 2", row)
    path = f"/exceptions/{study.exception.public_id}"
    assert re.search(r"The images beside REAL, RITA\s*, order 7002", words(browser.get(path)))
    step = ScheduledProcedureStep.objects.get(procedure__order__accession_number="7001")
    chosen = words(browser.get(path, {"candidate": step.public_id}))
    assert re.search(r"The images beside BARS, ANNA\s*, order 7001", chosen)


def test_where_no_order_is_named_it_is_the_one_that_the_verdict_proposes(
    browser: Client, hospital: Hospital
) -> None:
    """An exam that is over would fit better, but for that it is over."""
    patient = hospital.patient()
    hospital.order("A2", patient)
    hospital.study("A2")
    hospital.order("A1", patient, station_ae_title="CT9")
    study = hospital.study("")
    kept = verdict_record.by_score(Verdict.objects.get(study=study))
    assert (study.verdict, [one.accession_number for one in kept]) == ("probable", ["A2", "A1"])
    page = read(browser.get(f"/exceptions/{study.exception.public_id}"))
    step = ScheduledProcedureStep.objects.get(procedure__order__accession_number="A1")
    assert re.search(r"The images beside.*order\s+A1", page, re.DOTALL)
    assert re.search(rf'value="{step.public_id}\|[^>]*\schecked', page)


def test_of_images_of_two_patients_the_evidence_is_of_either(browser: Client, hospital: Hospital) -> None:
    hospital.order("A1", hospital.patient())
    conflicts = {"header_patient_id": ["P9"], "patient_name": ["OTHER^OTTO"], "birth_date": ["19400101"]}
    study = hospital.study("A1", header={"conflicts": conflicts})
    assert study.verdict == "mismatch"
    row = words(browser.get("/exceptions")).partition("As expected")[2]
    assert "BARS, ANNA P1 1970-01-02 F nobody" in row
    assert "Patient ID P 9 ^^^GENHOSP in other images P 1 ^^^GENHOSP" in row


def test_what_agrees_without_an_issuer_is_not_marked(browser: Client, hospital: Hospital) -> None:
    hospital.order("A1", hospital.patient(), modality="MR")
    study = hospital.study("A1", issuer_of_patient_id="")
    page = read(browser.get(f"/exceptions/{study.exception.public_id}"))
    (said,) = re.findall(r'<th scope="row">Patient ID</th>(.*?)</tr>', page, re.DOTALL)
    assert "agrees: no issuer" in said and "P1^^^GENHOSP" in said and "<mark" not in said


QUERIES = [
    ("", 1),
    ("?status=open&verdict=mismatch&modality=CT&station=CT1", 1),
    ("?verdict=probable", 0),
    ("?modality=MR", 0),
    ("?station=XX", 0),
    ("?status=resolved", 0),
    ("?status=all&q=bars", 1),
    ("?q=P1", 1),
    ("?q=nobody", 0),
    ("?q=anna", 1),
    ("?q=Anna Bars", 1),
    ("?q=2.1.1970", 1),
    ("?q=Bars, 1970-01-02", 1),
    ("?q=Bars, 1970-01-03", 0),
    ("?sort=-age&page=7", 1),
    ("?sort=%00&status=%F0&verdict=%27&page=-1&q=%00%00", 1),
    ("?sort=patient", 1),
    ("?sort=-verdict", 1),
    ("?sort=status", 1),
]


def test_filters_and_odd_input(browser: Client, mismatch: Study) -> None:
    for query, count in QUERIES:
        answer = browser.get(f"/exceptions{query}")
        assert answer.status_code == 200
        assert answer.content.count(b'<tr id="e-') == count
        if not count:
            assert "No results with these filters" in words(answer)


def test_an_empty_list_says_how_it_fills(browser: Client) -> None:
    assert "modalities send to" in words(browser.get("/exceptions"))


def test_those_due_first_come_first_and_stat_is_due_in_a_quarter_of_an_hour(
    browser: Client,
    hospital: Hospital,
) -> None:
    old = hospital.study("", "X1", "ROUTINE^ROBERT")
    StudyException.objects.update(
        opened_at=timezone.now() - timedelta(hours=1), due_at=timezone.now() + timedelta(hours=3)
    )
    order = hospital.order("A1", hospital.patient("P2", "REAL^RITA", birth_date="19350517"))
    Order.objects.filter(pk=order.pk).update(priority="STAT")
    urgent = hospital.study("A1", "X2", "URGENT^ULLA").exception
    assert urgent.due_at - urgent.opened_at == timedelta(minutes=15)
    said = words(browser.get("/exceptions"))
    assert said.index("URGENT, ULLA") < said.index("ROUTINE, ROBERT")
    assert old.exception.due_at - urgent.due_at > timedelta(hours=2)


def test_a_long_list_takes_as_many_queries_as_a_short_one(
    browser: Client,
    hospital: Hospital,
    django_assert_max_num_queries: Any,
) -> None:
    for number in range(12):
        hospital.study("", f"X{number}", f"NOBODY^NO{number}")
    browser.get("/exceptions")
    with django_assert_max_num_queries(30):
        browser.get("/exceptions")


# Who may


@pytest.mark.parametrize("role", list(Role))
def test_each_role_may_look_or_decide_or_neither(
    employ: Employ,
    mismatch: Study,
    path: str,
    role: Role,
) -> None:
    browser = signed_in(employ("otto", role))
    may_look = role != Role.REFERRER
    may_decide = role in (Role.TECHNOLOGIST, Role.RADIOLOGIST, Role.RESIDENT, Role.ADMINISTRATOR)
    page = browser.get(path)
    assert page.status_code == (200 if may_look else 403)
    assert (b'data-key="7"' in page.content) == may_decide
    answer = browser.post(f"{path}/decide", form(mismatch, "accept"))
    assert answer.status_code == (302 if may_decide else 403)
    assert Decision.objects.count() == may_decide


def test_another_facilitys_exception_does_not_exist(
    employ: Employ,
    mismatch: Study,
    path: str,
) -> None:
    elsewhere = Facility.objects.create(code="OTHER", name="Other", time_zone="UTC")
    browser = signed_in(employ("otto", *Role, at=elsewhere))
    assert browser.get(path).status_code == 404
    assert browser.post(f"{path}/decide", form(mismatch, "accept")).status_code == 404
    assert b'<tr id="e-' not in browser.get("/exceptions?status=all").content


def test_a_decision_needs_the_csrf_token(user: User, mismatch: Study, path: str) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(user)
    assert browser.post(f"{path}/decide", form(mismatch, "accept")).status_code == 403
    assert browser.get(f"{path}/decide").status_code == 405
    assert not Decision.objects.exists()


# One exception


def test_an_exception_shows_the_fields_side_by_side_with_what_differs(browser: Client, path: str) -> None:
    answer = browser.get(path)
    said = words(answer)
    assert "Seen in the images" in said and "Under investigation" in said
    assert re.search(r"Born\s+1970-01-02\s+1935-05-17\s+✗ differs", said)
    assert '<mark class="differs">1970-01-02</mark>' in read(answer)
    assert "Parts of the score" in said and "A1" in said
    assert b"checked" not in answer.content, "nobody is proposed on a mismatch"
    assert '<button type="submit" disabled hidden>' in read(answer), "Enter decides nothing"


def test_letters_that_differ_are_marked_in_the_text() -> None:
    seen, expected = between("BARS, ANNA", "Bars, Anne")
    assert [(piece.text, piece.differs) for piece in seen] == [("BARS, ANN", False), ("A", True)]
    assert [piece.text for piece in expected if piece.differs] == ["e"]
    assert between("abc", "ABC")[0][0].differs is False
    assert between("", "x") == ((), between("x", "")[0])
    assert between("P1", "Q234")[0][0].differs and len(between("a" * 900, "b" * 900)[0]) == 1
    assert "".join(piece.text for piece in between("İSTANBUL", "istanbul")[0]) == "İSTANBUL"


def test_markup_in_names_stays_text(browser: Client, hospital: Hospital) -> None:
    evil = "<SCRIPT>ALERT(1)</SCRIPT>^\"'><IMG SRC=X>"
    hospital.order("A1", hospital.patient("P2", evil, birth_date="19350517"))
    study = hospital.study("A1", "P1", evil, description="<b>x</b>", series={"description": "<i>y</i>"})
    path = f"/exceptions/{study.exception.public_id}"
    pages = [browser.get("/exceptions"), browser.get(path), browser.get(path, {"q": evil})]
    pages.append(browser.post(f"{path}/preview", form(study, "accept", reason="<u>z</u>")))
    pages.append(browser.post(f"{path}/preview", form(study, "link", target=target())))
    browser.post(f"{path}/decide", form(study, "accept", reason="<u>z</u>"))
    pages.append(browser.get(path))
    for page in pages:
        assert page.status_code == 200
        text = read(page)
        for tag in ("<SCRIPT>", "<IMG", "<b>x", "<i>y", "<u>z"):
            assert tag not in text
        assert not re.search(r"\son\w+=|\sstyle=", text), "the policy of the page forbids these"


def test_others_who_look_are_named(browser: Client, employ: Employ, path: str) -> None:
    signed_in(employ("berta", Role.TECHNOLOGIST)).get(path)
    assert "berta has had this open since" in words(browser.get(path))
    assert "berta" in words(browser.get("/exceptions"))
    assert "anna has had" not in words(browser.get(path)).lower()
    Presence.objects.update(until=timezone.now() - timedelta(seconds=1))
    assert "berta" not in words(browser.get(path))


def test_other_steps_and_patients_are_found(browser: Client, hospital: Hospital, path: str) -> None:
    hospital.order("A7", hospital.patient("P7", "FOUND^FRIDA"))
    step = ScheduledProcedureStep.objects.get(procedure__order__accession_number="A7")
    for text in ("A7", "P7", "found, frida", "Frida Found"):
        assert f'value="{step.public_id}|' in read(browser.get(path, {"q": text}))
    compared = words(browser.get(path, {"candidate": step.public_id}))
    assert "beside FOUND, FRIDA, order A7" in compared


def test_odd_queries_find_nothing(browser: Client, path: str) -> None:
    for query in ({"q": "\0"}, {"q": "x" * 5000}, {"candidate": "'"}, {"candidate": "0" * 32}):
        assert browser.get(path, query).status_code == 200


# Deciding


def decided(browser: Client, study: Study, path: str, action: str, **values: Any) -> Decision:
    """Preview, then decide; the preview has to say what the page then shows."""
    sent = form(study, action, although="yes", **values)
    before = Decision.objects.count()
    previewed = browser.post(f"{path}/preview", sent)
    assert previewed.status_code == 200, words(previewed)
    assert Decision.objects.count() == before and "Undo brings back" in words(previewed)
    answer = browser.post(f"{path}/decide", sent)
    assert (answer.status_code, answer["Location"]) == (302, path), words(answer)
    study.refresh_from_db()
    patient = study.patient
    if patient is not None:
        assert f"{patient.current.value}^^^GENHOSP" in words(previewed)
    return Decision.objects.latest("pk")


def test_link_from_the_form_to_the_row(browser: Client, mismatch: Study, path: str) -> None:
    Destination.objects.create(name="HIS", host="127.0.0.1", port=1)
    previewed = words(browser.post(f"{path}/preview", form(mismatch, "link", target=target())))
    assert "HIS is told: " in previewed and "(ORM SC/CM)" in previewed
    assert not OutboundMessage.objects.exists()
    assert "unlinked: the images' own identity (BARS, ANNA, P1) → REAL, RITA (P2^^^GENHOSP)" in previewed
    decision = decided(browser, mismatch, path, "link", target=target())
    assert (decision.kind, decision.reason, decision.by) == ("link", "seen both", "Anna")
    assert mismatch.patient == Patient.objects.get(value="P2")
    assert OutboundMessage.objects.get().facts["status"] == "CM"
    said = words(browser.get(path))
    assert "Decided: link by Anna" in said and "Under investigation" not in said


@pytest.mark.parametrize("action", ["link", "correct", "reassign"])
def test_images_of_plainly_another_person_are_linked_only_by_who_says_so(
    browser: Client, mismatch: Study, path: str, action: str
) -> None:
    Patient.objects.filter(value="P2").update(sex="M")
    sent = form(mismatch, action, target=target())
    previewed = browser.post(f"{path}/preview", sent)
    assert (
        "Another person: the images say ID P1^^^GENHOSP, BARS, ANNA, born 1970-01-02, F;"
        " the patient is ID P2^^^GENHOSP, REAL, RITA, born 1935-05-17, M"
    ) in words(previewed).translate(dict.fromkeys((0x2068, 0x2069)))
    assert 'name="although"' in read(previewed)
    refused = browser.post(f"{path}/decide", sent)
    assert refused.status_code == 422 and "Confirm that they are this patient's" in words(refused)
    assert not Decision.objects.exists()
    assert browser.post(f"{path}/decide", {**sent, "although": "yes"}).status_code == 302


def test_nobody_is_asked_where_only_the_number_differs(browser: Client, hospital: Hospital) -> None:
    hospital.order("A1", hospital.patient("P2"))
    study = hospital.study("A1")
    path = f"/exceptions/{study.exception.public_id}"
    previewed = browser.post(f"{path}/preview", form(study, "link", target=target()))
    assert "Another person: the images say ID P1^^^GENHOSP; the patient is ID P2" in words(previewed)
    assert 'name="although"' not in read(previewed)


def test_what_is_found_says_in_what_it_is_another_person(
    browser: Client, hospital: Hospital, path: str
) -> None:
    hospital.order("A9", hospital.patient("P9", "OTHER^OLA", birth_date="19900101", sex="M"))
    for query in ("A9", "OTHER"):
        said = words(browser.get(f"{path}?q={query}")).translate(dict.fromkeys((0x2068, 0x2069)))
        found = said[said.index(f"Found for “{query}”") :]
        assert "the patient is ID P9^^^GENHOSP, OTHER, OLA, born 1990-01-01, M" in found


def test_the_patient_whom_a_disc_says_is_among_the_choices(browser: Client, hospital: Hospital) -> None:
    hospital.patient("P7", "DISC^DORA", birth_date="19610203")
    foreign = {"birth_date": "19610203", "issuer_of_patient_id": "CITY"}
    study = hospital.study("", "", "DISC^DORA", **foreign)
    page = words(browser.get(f"/exceptions/{study.exception.public_id}"))
    assert "No exam fits. The images say a registered patient" in page and "P7^^^GENHOSP" in page
    assert "No likely match" not in page


def test_each_other_decision_from_the_form_to_the_row(
    browser: Client,
    hospital: Hospital,
    mismatch: Study,
    path: str,
) -> None:
    anna = Patient.objects.get(value="P1")
    Series.objects.create(study=mismatch, series_instance_uid="1.2.4.99", modality="CT")
    for action, values in (
        ("correct", {"target": target()}),
        ("reassign", {"target": f"|{anna.public_id}"}),
        ("create_order", {"procedure_code": "71260"}),
        ("reject", {"code": "113001"}),
        ("accept", {}),
    ):
        decision = decided(browser, mismatch, path, action, **values)
        assert decision.kind == action == mismatch.exception.resolution
        undone = form(mismatch, "undo", reason="was wrong")
        assert "Patient shown" in words(browser.post(f"{path}/preview", undone))
        assert browser.post(f"{path}/decide", undone).status_code == 302
        decision.refresh_from_db()
        assert decision.undo_reason == "was wrong"
        mismatch.refresh_from_db()
        mismatch.exception.refresh_from_db()
        assert (mismatch.patient, mismatch.exception.status) == (None, "open")
    decision = decided(browser, mismatch, path, "split", series=["1.2.4.99"])
    assert Study.objects.get(public_id=decision.parameters["study"]).series.count() == 1


MISSING: list[tuple[str, dict[str, Any], str]] = [
    ("link", {}, "Go to one of the possible matches with j and press 1, or choose one with x."),
    ("link", {"target": "\0|"}, "No exam is chosen."),
    ("link", {"target": f"{'0' * 32}|"}, "names nothing here"),
    ("correct", {}, "matches with j and press 2, or choose one with x."),
    (
        "reassign",
        {"target": "|"},
        "No patient is chosen. Go to one of the possible matches with j and press 4,",
    ),
    ("create_order", {}, "Choose the procedure"),
    ("create_order", {"procedure_code": "nix"}, "not in the catalogue"),
    ("split", {}, "Select the series to move"),
    ("split", {"series": ["1.2.999"]}, "has no series"),
    ("reject", {}, "Choose why"),
    ("reject", {"code": "113039"}, "is none of"),
    ("accept", {"reason": ""}, "needs a reason"),
    ("accept", {"reason": "x" * 501}, "500 fit"),
]


def test_what_is_missing_is_asked_for_and_nothing_is_done(
    browser: Client, mismatch: Study, path: str
) -> None:
    for action, values, said in MISSING:
        answer = browser.post(f"{path}/decide", form(mismatch, action, **values))
        assert answer.status_code == 422 and said in words(answer)
        assert not Decision.objects.exists()


def test_an_unknown_act_is_no_act(browser: Client, mismatch: Study, path: str) -> None:
    for action in ("", "shred", "\0", "LINK"):
        for door in ("preview", "decide"):
            assert browser.post(f"{path}/{door}", form(mismatch, action)).status_code == 400


def test_of_two_deciders_the_second_is_told_who_and_what(
    browser: Client,
    employ: Employ,
    mismatch: Study,
    path: str,
) -> None:
    sent = form(mismatch, "accept")
    other = signed_in(employ("berta", Role.TECHNOLOGIST))
    assert other.post(f"{path}/decide", sent).status_code == 302
    for revision in (sent["revision"], "", "x", "9" * 30):
        answer = browser.post(f"{path}/decide", {**sent, "revision": revision})
        assert answer.status_code == 409 and "accept by berta" in words(answer)
    undone = {**sent, "action": "undo"}
    assert browser.post(f"{path}/decide", undone).status_code == 409
    assert Decision.objects.filter(undone_at=None).count() == 1


def test_under_a_signed_report_it_takes_a_second_person(
    browser: Client, employ: Employ, mismatch: Study, path: str
) -> None:
    Study.objects.update(reading_status="final")
    sent = form(mismatch, "link", target=target(), although="yes")
    assert "Waits until a second person confirms it" in words(browser.post(f"{path}/preview", sent))
    assert browser.post(f"{path}/decide", sent).status_code == 302
    mine = words(browser.get(path))
    assert "Waits for a second person: link asked for by Anna" in mine and "Take back" in mine
    assert not Decision.objects.exists()
    second = {"action": "confirm", "reason": "I looked too", "revision": "0"}
    refused = browser.post(f"{path}/decide", second)
    assert refused.status_code == 409 and "another person has to confirm" in words(refused)
    other = signed_in(employ("berta", Role.RADIOLOGIST))
    assert "REAL, RITA (P2^^^GENHOSP)" in words(other.post(f"{path}/preview", second))
    assert other.post(f"{path}/decide", second).status_code == 302
    mismatch.refresh_from_db()
    assert mismatch.patient == Patient.objects.get(value="P2")
    page = words(other.get(path))
    assert "Decided: link by Anna, confirmed by berta" in page
    assert "Confirmed. The study is linked." in page
    Study.objects.update(reading_status="final")
    assert browser.post(f"{path}/decide", form(mismatch, "undo", reason="was wrong")).status_code == 302
    page = words(browser.get(path))
    assert "Waits for a second person" in page and "what changed since" not in page


def test_we_are_no_station_of_a_study(browser: Client, mismatch: Study) -> None:
    Series.objects.create(
        study=mismatch, series_instance_uid="1.2.4.98", modality="SR", station_ae_title=settings.AE_TITLE
    )
    page = words(browser.get("/exceptions"))
    assert "CT1" in page and settings.AE_TITLE not in page.partition("Under investigation")[2]


def test_nothing_is_chosen_before_a_person_chooses(browser: Client, mismatch: Study, path: str) -> None:
    page = read(browser.get(path))
    assert 'name="target"' in page and not re.search(r'name="target"[^>]*checked', page)
    for action in ("link", "correct", "reassign"):
        previewed = browser.post(f"{path}/preview", form(mismatch, action))
        assert "is chosen. Go to one of the possible matches with j" in words(previewed)
        assert re.search(r'<button type="submit" disabled title="Do it', read(previewed))


def test_a_study_that_fits_is_decided_on_from_its_page(browser: Client, hospital: Hospital) -> None:
    hospital.order("A1", hospital.patient())
    other = hospital.patient("P2", "REAL^RITA")
    study = hospital.study("A1")
    door = f"/studies/{study.study_instance_uid}/decide"
    assert f'href="{door}"' in read(browser.get(f"/studies/{study.study_instance_uid}"))
    path = browser.get(door)["Location"]
    assert browser.get(door)["Location"] == path
    assert "Under investigation" not in words(browser.get(path))
    assert b"<tr id=" not in browser.get("/exceptions").content
    decided(browser, study, path, "reassign", target=f"|{other.public_id}")
    assert study.patient == other


def test_a_rejected_study_is_shown_here_and_can_be_brought_back(
    browser: Client, mismatch: Study, path: str
) -> None:
    decided(browser, mismatch, path, "reject", code="113037")
    assert "Hidden: a person rejected it" in words(browser.get(path))
    assert "Rejected for Patient Safety Reasons" in words(browser.get(path))
    assert b'<tr id="e-' in browser.get("/exceptions?status=resolved").content
