"""The technologist worklist: filters, sorting, paging, acts and their undoing."""

import io
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pypdf import PdfReader

from accounts import site_version
from accounts.models import Facility, Role, SiteSection, User
from archive.models import Study
from ledger.models import AuditEvent
from tests.web.markup import read
from tests.web.pages.world import make_study, person, place_order, signed_in, step_of
from worklist.models import Order, Station, StatusEvent
from worklist.patients import patient_search
from worklist.provenance import Provenance

pytestmark = pytest.mark.django_db
Make = Callable[..., Provenance]


def names(client: Client, query: str = "") -> list[str]:
    """The patients of the rows, in their order."""
    response = client.get(f"/worklist{query}")
    assert response.status_code == 200
    return re.findall(r'class="name" dir="auto">([^<]*)</a>', read(response))


def do(client: Client, kind: str, order: Order, **more: str) -> Any:
    return client.post("/worklist/acts", {"do": f"{kind}:{step_of(order).public_id}", **more})


def messages(client: Client) -> str:
    page = read(client.get("/worklist"))
    start = page.index('<div id="messages"')
    return page[start : page.index("worklist-rows", start)]


# What shows


def test_a_row_says_who_what_where_and_when(user: User, provenance: Make) -> None:
    Station.objects.create(ae_title="CT1", name="CT 1", modalities=["CT"], location="Room 1")
    name, told = "Yamada^Tarou=山田^太郎", {"allergies": "Iodine"}
    place_order(provenance(), "1", name, priority="STAT", station="CT1", demographics=told, danger="MRSA")
    page = read(signed_in(user).get("/worklist"))
    for text in ("Yamada, Tarou", "山田, 太郎", "P1", "CT chest", "STAT", "CT 1 · Room 1", "A1", "scheduled"):
        assert text in page
    assert "allergy: Iodine" in page and "danger: MRSA" in page
    assert re.search(r">\s*1970-01-02\s+\d+ y\s+F\s*<", page)
    assert re.search(
        r">\s*1970-01-02\s+\d+ y\s+F\s*</span>\s+· P1<", read(signed_in(user).get("/worklist?view=lanes"))
    )


def test_an_empty_list_says_how_it_fills(user: User, settings: Any) -> None:
    settings.HL7_ADDRESS = ("127.0.0.1", 2575)
    client = signed_in(user)
    assert b"Orders come from the HIS at 127.0.0.1:2575" in client.get("/worklist").content
    assert b"No results with these filters" in client.get("/worklist?modality=MR").content


def test_the_day_is_that_of_the_facility(user: User, provenance: Make) -> None:
    now = timezone.now()
    for days, name in ((-1, "PAST^A"), (0, "NOW^B"), (1, "NEXT^C")):
        place_order(provenance(), name[:2], name, start=now + timedelta(days=days))
    client = signed_in(user)
    assert names(client) == ["NOW, B"]
    assert names(client, "?day=yesterday") == ["PAST, A"]
    assert names(client, "?day=tomorrow") == ["NEXT, C"]
    assert names(client, "?day=any") == ["PAST, A", "NOW, B", "NEXT, C"]
    assert names(client, f"?day={timezone.localdate() - timedelta(days=400)}") == []


def test_filters_narrow_and_add_up(user: User, provenance: Make) -> None:
    Station.objects.create(ae_title="MR1", modalities=["MR"])
    place_order(provenance(), "1", "ONE^A", modality="CT", priority="STAT")
    place_order(provenance(), "2", "TWO^B", modality="MR", station="MR1", description="MR knee")
    place_order(provenance(), "3", "THREE^C", modality="US")
    client = signed_in(user)
    assert names(client, "?modality=CT&modality=MR") == ["ONE, A", "TWO, B"]
    assert names(client, "?station=MR1") == ["TWO, B"]
    assert names(client, "?priority=STAT") == ["ONE, A"]
    assert names(client, "?q=two") == names(client, "?q=A2") == names(client, "?q=P2") == ["TWO, B"]
    assert names(client, "?q=knee") == ["TWO, B"]
    assert names(client, "?q=knee&modality=CT") == []


@pytest.mark.parametrize("day", ["today", "any"])
def test_the_filter_finds_what_the_search_finds(user: User, provenance: Make, day: str) -> None:
    place_order(provenance(), "1-2044X", "BARS^ANNA")
    place_order(provenance(), "7", "BARS^ANNA", demographics={"birth_date": "19810203"})
    place_order(provenance(), "8", "ELSE^ANNA", demographics={"birth_date": "19810203"})
    client = signed_in(user)

    def accessions(text: str) -> list[str]:
        page = read(client.get("/worklist", {"q": text, "day": day}))
        return sorted(set(re.findall(r'class="quiet nowrap">(A[^<]*)<', page)))

    assert accessions("1970-01-02") == ["A1-2044X"]
    assert accessions("3.2.1981") == ["A7", "A8"]
    assert accessions("Bars, 03.02.1981") == accessions("19810203 bars") == ["A7"]
    assert accessions("2044x") == accessions("-204") == ["A1-2044X"]
    assert accessions("204") == accessions("1981-02-04") == []


def test_a_part_of_a_number_of_any_day_is_looked_for_among_the_newest_only(
    user: User, provenance: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, name in (("2044-1", "OLD^A"), ("2044-2", "NEW^A")):
        place_order(provenance(), number, name)
    monkeypatch.setattr(patient_search, "MOST_READ", 1)
    client = signed_in(user)
    assert names(client, "?q=044-1&day=any") == []
    assert names(client, "?q=044-2&day=any") == ["NEW, A"]
    assert names(client, "?q=044-1") == names(client, "?q=A2044-1&day=any") == ["OLD, A"]


def test_chips_set_and_take_away_their_filter(user: User, provenance: Make) -> None:
    Station.objects.create(ae_title="CT1", modalities=["CT", "MR"])
    page = read(signed_in(user).get("/worklist?modality=CT&status=done&page=3"))
    assert 'class="chip" href="/worklist?status=done" aria-current="true">CT<' in page
    assert 'href="/worklist?modality=CT&amp;modality=MR&amp;status=done"' in page
    assert 'href="/worklist?modality=CT">To do<' in page


def test_columns_sort_both_ways(user: User, provenance: Make) -> None:
    now = timezone.now()
    place_order(provenance(), "1", "BARS^A", start=now, priority="ROUTINE")
    place_order(provenance(), "2", "ADAM^B", start=now + timedelta(seconds=1), priority="HIGH")
    place_order(provenance(), "3", "CURIE^C", start=now + timedelta(seconds=2), priority="STAT")
    client = signed_in(user)
    assert names(client) == ["BARS, A", "ADAM, B", "CURIE, C"]
    assert names(client, "?sort=-time") == ["CURIE, C", "ADAM, B", "BARS, A"]
    assert names(client, "?sort=patient") == ["ADAM, B", "BARS, A", "CURIE, C"]
    assert names(client, "?sort=priority") == ["CURIE, C", "ADAM, B", "BARS, A"]
    for column in ("station", "procedure", "status", "-patient", "nonsense"):
        assert len(names(client, f"?sort={column}")) == 3
    assert 'aria-sort="descending"' in read(client.get("/worklist?sort=-patient"))


def test_long_lists_come_in_parts(user: User, provenance: Make, django_assert_max_num_queries: Any) -> None:
    now = timezone.now()
    for number in range(52):
        place_order(
            provenance(), f"{number:02}", f"N{number:02}^A", start=now + timedelta(milliseconds=number)
        )
    client = signed_in(user)
    assert names(client)[0] == "N00, A" and len(names(client)) == 50
    assert names(client, "?page=2") == ["N50, A", "N51, A"]
    page = read(client.get("/worklist?page=2&sort=time"))
    assert "51–52 of 52" in page and 'href="?page=1&amp;sort=time" rel="prev"' in page
    with django_assert_max_num_queries(30):
        client.get("/worklist")


@pytest.mark.parametrize(
    "query",
    [
        "?page=abc", "?page=-1", "?page=99999999999999", "?page=٣", "?day=2026-99-99", "?day=0001-01-01",
        "?status=\0", "?q=%00%ff", "?modality=%00", "?station=" + "x" * 300, "?sort=__class__", "?view=x",
        "?q=" + "x" * 100_000, "?q=%5E%5E%3D", "?q=%2A", "?priority=%27%22",
    ],
)  # fmt: skip
def test_nonsense_in_the_url_is_no_error(user: User, provenance: Make, query: str) -> None:
    place_order(provenance(), "1")
    assert signed_in(user).get(f"/worklist{query}").status_code == 200


def test_nothing_brings_its_own_markup(user: User, provenance: Make) -> None:
    evil = "<script>alert(1)</script>^\"'><img src=x onerror=alert(1)>"
    told = {"allergies": "<b>x</b>"}
    order = place_order(provenance(), "1", evil, description="<i>CT</i>", demographics=told, danger="<u>")
    client = signed_in(user)
    for path in ("/worklist", "/worklist?view=lanes", f"/orders/{order.public_id}"):
        page = read(client.get(path, {"q": ""}))
        assert "<script>alert" not in page and "<img src=x" not in page
        assert "<i>CT" not in page and "<b>x" not in page and "<u>" not in page
        assert "&lt;script&gt;" in page


def test_rooms_show_side_by_side(user: User, provenance: Make) -> None:
    Station.objects.create(ae_title="CT1", name="CT 1", modalities=["CT"])
    Station.objects.create(ae_title="CT2", name="CT 2", modalities=["CT"])
    place_order(provenance(), "1", "ONE^A", station="CT2")
    place_order(provenance(), "2", "TWO^B", station="CT1")
    page = read(signed_in(user).get("/worklist?view=lanes"))
    assert page.index('aria-label="CT 1"') < page.index("TWO, B") < page.index('aria-label="CT 2"')


def test_only_ones_own_facility_shows(user: User, facility: Facility, provenance: Make) -> None:
    other = Facility.objects.create(code="OTHER", name="Other Hospital")
    order = place_order(provenance(facility=other), "1")
    client = signed_in(user)
    assert names(client, "?day=any&status=all") == []
    assert do(client, "arrive", order).status_code == 404
    assert client.get(f"/worklist/steps/{step_of(order).public_id}/label").status_code == 404


def test_what_shows_is_audited_once_an_hour(user: User, provenance: Make) -> None:
    order = place_order(provenance(), "1")
    client = signed_in(user)
    client.get("/worklist")
    client.get("/worklist")
    named = [thing["id"] for row in AuditEvent.objects.filter(action="R") for thing in row.objects_named]
    assert sorted(named) == sorted([order.public_id, order.patient.public_id])


# Acts


def test_a_patient_arrives_is_started_and_done(user: User, provenance: Make) -> None:
    order = place_order(provenance(), "1")
    client = signed_in(user)
    for kind, status in (("arrive", "arrived"), ("start", "started"), ("complete", "completed")):
        response = do(client, kind, order, next="/worklist?modality=CT")
        assert (response.status_code, response["Location"]) == (302, "/worklist?modality=CT")
        assert step_of(order).status == status
        assert f"BARS, ANNA: {status}." in messages(client)
    assert names(client, "?status=done") == ["BARS, ANNA"]
    assert AuditEvent.objects.filter(code="110111", action="U").count() == 3


def test_a_no_show_asks_for_a_reason(user: User, provenance: Make) -> None:
    order = place_order(provenance(), "1")
    client = signed_in(user)
    response = do(client, "no-show", order)
    assert response.status_code == 422 and b"The HIS is told why" in response.content
    assert b"No reason was given" not in response.content, "nobody was asked yet"
    empty = do(client, "no-show", order, reason="  ")
    assert empty.status_code == 422 and b"No reason was given. Choose one" in empty.content
    assert step_of(order).status == "scheduled"
    assert do(client, "no-show", order, reason="did not call").status_code == 302
    assert step_of(order).status == "no-show"
    assert StatusEvent.objects.get(kind="no-show").reason == "did not call"


def test_a_patient_who_left_is_cancelled_and_the_key_of_a_no_show_says_so(
    user: User, provenance: Make
) -> None:
    order = place_order(provenance(), "1")
    client = signed_in(user)
    do(client, "arrive", order)
    for path in ("/worklist", "/worklist?view=lanes", f"/orders/{order.public_id}"):
        page = read(client.get(path))
        assert 'data-state="the patient has arrived"' in page
        said = r'data-refused-key="h"\s+data-instead="Cancel the exam instead."\s*>No-show is not possible<'
        assert re.search(said, page)
        assert 'data-ask-no="Keep the exam"' in page
        assert '<option value="Left without being examined">' in page.split('id="reasons-cancel"')[1]
    assert "Keep the exam</a>" in read(do(client, "cancel", order))
    do(client, "cancel", order, choice="Left without being examined")
    assert 'data-state="the exam is cancelled"' in read(client.get("/worklist?status=all"))


def test_an_act_can_be_undone_once(user: User, provenance: Make) -> None:
    order = place_order(provenance(), "1")
    client = signed_in(user)
    do(client, "start", order)
    undo = re.search(r'action="(/worklist/undo[^"]+)"', messages(client))
    assert undo is not None
    assert client.post(undo[1]).status_code == 302
    assert step_of(order).status == "scheduled"
    again = client.post(undo[1])
    assert again.status_code == 409 and b"undone already" in again.content


def test_what_a_message_did_is_not_undone_here(user: User, provenance: Make) -> None:
    order = place_order(provenance(), "1")
    do(signed_in(user), "start", order)
    StatusEvent.objects.update(source="hl7:1")
    act = StatusEvent.objects.get()
    assert signed_in(user).post(f"/worklist/undo?act={act.public_id}").status_code == 404
    assert step_of(order).status == "started"


def test_an_act_that_comes_too_late_says_how_things_stand(user: User, provenance: Make) -> None:
    order = place_order(provenance(), "1")
    client = signed_in(user)
    do(client, "start", order)
    response = do(client, "arrive", order)
    assert response.status_code == 409
    text = read(response)
    assert (
        "BARS, ANNA: the exam is started; a patient can arrive when the exam is scheduled or held" in text
        and "Nothing was changed" in text
    )
    assert 'href="/worklist">Back' in text


def test_several_rows_are_done_at_once_and_what_can_not_be_is_named(user: User, provenance: Make) -> None:
    orders = [place_order(provenance(), str(number), f"N{number}^A") for number in range(3)]
    client = signed_in(user)
    do(client, "complete", orders[2], confirmed="1")
    messages(client)
    ids = [step_of(order).public_id for order in orders]
    assert client.post("/worklist/acts", {"act": "arrive", "step": ids}).status_code == 302
    said = messages(client)
    assert "2 patients: arrived." in said and "Not done for N2, A: the exam is completed" in said
    undo = re.search(r'action="(/worklist/undo[^"]+)"', said)
    assert undo is not None
    client.post(undo[1].replace("&amp;", "&"))
    assert [step_of(order).status for order in orders] == ["scheduled", "scheduled", "completed"]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        ({}, 400),
        ({"do": "explode:1"}, 400),
        ({"act": "arrive"}, 422),
        ({"do": "arrive:nobody"}, 404),
        ({"do": "arrive:\0"}, 404),
        ({"act": "arrive", "step": ["x" * 100_000]}, 404),
    ],
)
def test_acts_that_make_no_sense_change_nothing(user: User, data: dict[str, Any], status: int) -> None:
    assert signed_in(user).post("/worklist/acts", data).status_code == status


def test_who_only_looks_sees_no_acts_and_can_do_none(facility: Facility, provenance: Make) -> None:
    order = place_order(provenance(), "1")
    client = signed_in(person(facility, Role.MANAGER))
    assert 'value="arrive:' not in read(client.get("/worklist"))
    assert do(client, "arrive", order).status_code == 403
    assert client.post("/worklist/undo?act=1").status_code == 403
    assert step_of(order).status == "scheduled"


def test_acts_need_the_form_of_a_page(user: User, provenance: Make) -> None:
    order = place_order(provenance(), "1")
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    assert do(client, "arrive", order).status_code == 403
    assert client.get("/worklist/acts").status_code == 405


def test_a_wait_is_measured_from_the_arrival_and_a_delay_from_the_appointment(
    user: User, provenance: Make
) -> None:
    order = place_order(provenance(), "1", start=timezone.now() - timedelta(minutes=90))
    client = signed_in(user)
    late = "1 h late" if timezone.localtime().hour > 2 else ""
    assert late in read(client.get("/worklist?day=any"))
    do(client, "arrive", order)
    StatusEvent.objects.update(occurred_at=timezone.now() - timedelta(minutes=40))
    page = read(client.get("/worklist?day=any"))
    assert "waits 40 min" in page and 'class="bar amber"' in page


def test_a_label_has_what_tells_a_patient_apart(user: User, provenance: Make) -> None:
    order = place_order(provenance(), "1", demographics={"allergies": "Iodine"})
    SiteSection.objects.create(name="worklist", content={"label": {"width_mm": 80, "height_mm": 40}})
    site_version.changed()
    response = signed_in(user).get(f"/worklist/steps/{step_of(order).public_id}/label")
    assert response["Content-Type"] == "application/pdf"
    (page,) = PdfReader(io.BytesIO(response.content)).pages
    assert round(float(page.mediabox.width) / 72 * 25.4) == 80
    text = page.extract_text()
    for words in ("BARS, ANNA", "1970-01-02 F", "P1 GENHOSP", "A1", "CT chest", "Allergies: Iodine"):
        assert words in text


# Taking back


def undo_last(client: Client) -> Any:
    """Press `u`: what the page offers to undo."""
    page = read(client.get("/worklist"))
    region = page[page.index('id="last-act"') :]
    found = re.search(r'action="(/worklist/undo[^"]+)"', region)
    return client.post(found[1].replace("&amp;", "&")) if found else None


def statuses(*orders: Order) -> list[str]:
    return [step_of(order).status for order in orders]


def test_u_takes_back_ones_acts_one_after_the_other(user: User, provenance: Make) -> None:
    one, other = place_order(provenance(), "1"), place_order(provenance(), "2", "OTHER^OLGA")
    client = signed_in(user)
    do(client, "arrive", one)
    ids = [step_of(order).public_id for order in (one, other)]
    client.post("/worklist/acts", {"act": "start", "step": ids})
    do(client, "complete", one)
    do(client, "reopen", one)
    do(client, "cancel", other, choice="Patient refused", reason="of contrast")
    assert "Undo OTHER, OLGA: cancelled" in read(client.get("/worklist"))
    found = [statuses(one, other)]
    while undo_last(client):
        found.append(statuses(one, other))
    assert found == [
        ["started", "discontinued"],
        ["started", "started"],
        ["completed", "started"],
        ["started", "started"],
        ["arrived", "scheduled"],  # both at once, as they were started
        ["scheduled", "scheduled"],
    ]


@pytest.mark.parametrize(
    ("kinds", "more", "status", "after"),
    [
        (["start", "complete"], {}, "completed", "started"),
        (["complete"], {"confirmed": "1"}, "completed", "scheduled"),
        (["no-show"], {"choice": "Ill"}, "no-show", "scheduled"),
        (["arrive", "cancel"], {"reason": "twice"}, "cancelled", "arrived"),
        (["start", "cancel"], {"reason": "twice"}, "discontinued", "started"),
    ],
)
def test_every_end_is_reopened(
    user: User, provenance: Make, kinds: list[str], more: dict[str, str], status: str, after: str
) -> None:
    order = place_order(provenance(), "1")
    client = signed_in(user)
    for kind in kinds:
        do(client, kind, order, **more)
    assert statuses(order) == [status]
    for path in ("/worklist?status=all", f"/orders/{order.public_id}"):
        assert f'value="reopen:{step_of(order).public_id}"' in read(client.get(path))
    do(client, "reopen", order)
    assert statuses(order) == [after] and step_of(order).on_worklist
    undo_last(client)
    assert statuses(order) == [status]


def test_a_cancelled_order_is_reopened_from_its_step(user: User, provenance: Make) -> None:
    order = place_order(provenance(), "1")
    client = signed_in(user)
    client.post(f"/orders/{order.public_id}/cancel", {"choice": "Entered twice"})
    assert statuses(order) == ["cancelled"]
    do(client, "reopen", order)
    assert statuses(order) == ["scheduled"] and Order.objects.get().status == "scheduled"


def test_what_another_system_has_ended_is_not_reopened_here(user: User, provenance: Make) -> None:
    order = place_order(provenance(), "1")
    client = signed_in(user)
    do(client, "cancel", order, reason="twice")
    StatusEvent.objects.update(source="hl7:1", actor="HIS")
    assert 'value="reopen:' not in read(client.get("/worklist?status=all"))
    response = do(client, "reopen", order)
    assert response.status_code == 409 and "HIS cancelled it" in read(response)


def test_an_act_on_which_somebody_else_has_acted_is_not_undone(
    user: User, facility: Facility, provenance: Make
) -> None:
    order, before = place_order(provenance(), "1"), place_order(provenance(), "2", "BEFORE^BEN")
    mine, theirs = signed_in(user), signed_in(person(facility, Role.TECHNOLOGIST))
    do(mine, "arrive", before)
    messages(mine)
    do(mine, "arrive", order)
    stale = re.search(r'action="(/worklist/undo[^"]+)"', messages(mine))
    do(theirs, "start", order)
    assert stale is not None
    response = mine.post(stale[1])
    assert response.status_code == 409 and "echnologist started it since" in read(response)
    assert statuses(order) == ["started"]
    undo_last(mine)  # what is still one's own
    assert statuses(order, before) == ["started", "scheduled"]
    undo_last(theirs)
    assert statuses(order) == ["arrived"]
    undo_last(mine)
    assert statuses(order) == ["scheduled"]


def test_to_complete_what_was_never_started_asks(user: User, provenance: Make) -> None:
    orders = [place_order(provenance(), str(number), f"N{number}^A") for number in range(2)]
    client = signed_in(user)
    response = do(client, "complete", orders[0])
    assert response.status_code == 422 and "never started" in read(response)
    do(client, "start", orders[1])
    ids = [step_of(order).public_id for order in orders]
    client.post("/worklist/acts", {"act": "complete", "step": ids})
    assert statuses(*orders) == ["scheduled", "completed"]
    assert "Not done for N0, A: the exam was never started" in messages(client)
    do(client, "complete", orders[0], confirmed="1")
    assert statuses(*orders) == ["completed", "completed"]


def test_a_finished_row_stays_for_a_moment_and_takes_no_further_act(user: User, provenance: Make) -> None:
    order = place_order(provenance(), "1")
    client = signed_in(user)
    do(client, "start", order)
    do(client, "complete", order)
    page = read(client.get("/worklist"))
    assert 'class="completed past"' in page and 'value="complete:' not in page.partition("data-batch")[0]
    StatusEvent.objects.update(occurred_at=timezone.now() - timedelta(seconds=11))
    assert names(client) == []


def test_a_reason_is_chosen_said_and_shown(user: User, provenance: Make) -> None:
    order = place_order(provenance(), "1")
    client = signed_in(user)
    assert '<option value="No transport">' in read(client.get("/worklist"))
    do(client, "no-show", order, choice="No transport", reason="ambulance late")
    assert "No transport: ambulance late" in read(client.get(f"/orders/{order.public_id}"))


@pytest.mark.parametrize(
    ("status", "asks"), [("ready", {"cancel", "no-show"}), ("final", {"cancel", "no-show", "reopen"})]
)
def test_what_undoes_an_exam_of_which_there_is_something_asks(
    user: User, provenance: Make, facility: Facility, status: str, asks: set[str]
) -> None:
    order, client = place_order(provenance(), "1"), signed_in(user)
    study = make_study(facility, 1)
    study.procedures.set(order.procedures.all())
    Study.objects.filter(pk=study.pk).update(reading_status=status)
    words = "A report of this exam is signed." if status == "final" else "There are images of this exam."

    def asking() -> set[str]:
        page = read(client.get("/worklist?day=any&status=all"))
        buttons = re.findall(
            r'value="([a-z-]+):[^"]+"(?:(?!</button>).)*?data-ask="([^"]*)"', page, re.DOTALL
        )
        return {kind for kind, text in buttons if text.startswith(words)}

    found = asking()
    for kind in ("start", "complete"):
        do(client, kind, order)
    assert found | asking() == asks
