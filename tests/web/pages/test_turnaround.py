"""The turnaround page, its CSV and its API: readable without scripts, honest about numbers, harmless."""

import csv
import io
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Facility, User
from reporting.models import ReadingItem
from tests.reporting.turnaround import truth
from tests.reporting.turnaround.conftest import store
from tests.web.markup import read
from web.pages.turnaround import figure_formats
from worklist.models import AssigningAuthority, Patient

pytestmark = pytest.mark.django_db
MONTH = "from=2026-03-01&to=2026-03-31&as_of=2026-04-01"
DAY = timedelta(days=1)


@pytest.fixture
def client(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def page(client: Client, query: str = MONTH) -> str:
    response = client.get(f"/turnaround?{query}")
    assert response.status_code == 200
    return read(response)


def api(client: Client, query: str, expect: int = 200) -> Any:
    response = client.get(f"/api/v1/turnaround?{query}")
    assert response.status_code == expect, response.content
    return json.loads(response.content)


def fill(facility: Facility, count: int = 30, **values: Any) -> None:
    """Studies completed at nine in Berlin on a Monday; each is final a minute later than the one before."""
    at = datetime(2026, 3, 2, 8, tzinfo=UTC)
    times = [{"completed": at, "ready": at, "final": at + timedelta(minutes=1 + n)} for n in range(count)]
    store(facility, [truth.Study(n, "CT", events) for n, events in enumerate(times)], **values)


def test_the_page_can_be_read_without_scripts(client: Client, facility: Facility) -> None:
    fill(facility)
    text = page(client)
    for words in (
        "RTAT-R by day of its start",
        "Mon 2026-03-02",
        "15 min",
        "27 min",
        "n = 30",
        "30 reports signed",
    ):
        assert words in text
    assert 'data-value="900"' in text and "95 % confidence:" in text
    assert "Sun 2026-03-29 <span" in text and ">23 h<" in text, "the day on which the clocks change"
    assert 'class="level-6" title="Mon 09:00, n = 30;' in text
    assert "<script>" not in text and " style=" not in text and "<style" not in text


def test_an_empty_page_stands(client: Client) -> None:
    text = page(client, "")
    assert "nothing waiting" in text and "None: completed, no images for 2 h." in text


def test_the_tiles_tell_of_today(client: Client, facility: Facility) -> None:
    now = timezone.now()
    study = truth.Study(
        1, "CT", {"completed": now - timedelta(minutes=50), "ready": now - timedelta(minutes=40)}
    )
    store(facility, [study], due_at=now - timedelta(minutes=1), hold_reason="need information")
    text = page(client, "")
    assert "1 on hold" in text and "40 min</a>" in text
    assert f"/reading/{ReadingItem.objects.get().public_id}" in text


def test_in_time_today_is_of_what_is_final_or_past_due(client: Client, facility: Facility) -> None:
    """What may still be in time counts neither way; both links list what their number counts."""
    now = timezone.now()
    ready = now - (now - timezone.localtime(now, ZoneInfo("Europe/Berlin")).replace(hour=0, minute=0)) / 2
    store(facility, [truth.Study(1, "CT", {"ready": ready, "final": now})], due_at=now)
    store(facility, [truth.Study(n, "CT", {"ready": ready}) for n in range(2, 9)], due_at=now + DAY)

    def shown() -> list[str]:
        text, wall = page(client, ""), read(client.get("/turnaround/wall"))
        share = re.search(r'state=judged"[^>]*>([^<]*)</a>\s*<progress class="bar"', text)
        big = re.search(r"<b>([^<]*)</b> in time today", wall)
        row = re.search(r'state=judged"[^>]*title="The (\d+)', text)
        late = re.search(r'state=late"[^>]*>(\d+)</a>\s+not', text)
        return [found[1] if found else "" for found in (share, big, row, late)]

    assert shown() == ["100 %", "100 %", "1", ""]
    assert "<b>100\xa0%</b> in time" in client.get("/turnaround/wall").content.decode(), "never two lines"
    store(facility, [truth.Study(9, "CT", {"ready": ready})], due_at=now - timedelta(seconds=1))
    assert shown() == ["50 %", "50 %", "2", "1"]
    for state, count in (("judged", 2), ("late", 1)):
        path = f"/turnaround/studies.csv?period=today&interval=reading&state={state}"
        assert len(b"".join(client.get(path)).splitlines()) == 1 + count
    ReadingItem.objects.exclude(due_at__gt=now).delete()
    assert shown()[1] == "–"


def test_too_few_for_a_percentile_is_said(client: Client, facility: Facility) -> None:
    fill(facility, count=19)
    assert "fewer than 20: no percentile is told" in page(client)


def test_filters_and_sorts_of_count_are_in_the_url(client: Client, facility: Facility) -> None:
    fill(facility)
    assert "0 reports signed" in page(client, f"{MONTH}&modality=MR")
    assert "30 reports signed" in page(
        client, f"{MONTH}&modality=CT&interval=reading&view=period&list=old_drafts"
    )
    assert "as it was at 2026-04-01 00:00:00" in page(client)


@pytest.mark.parametrize(
    "query", ["from=x", "as_of=2026-99-99", "from=2026-03-02&to=2026-03-01", "interval=x", "view=x"]
)
def test_nonsense_in_the_url_is_told_and_the_usual_is_shown(client: Client, query: str) -> None:
    assert "The last seven days are shown instead." in page(client, query)


def test_only_some_roles_see_it(facility: Facility) -> None:
    typist = User.objects.create_user("tim", roles=["transcriptionist"])
    client = Client()
    client.force_login(typist)
    for path in ("/turnaround", "/turnaround.csv", "/api/v1/turnaround"):
        assert client.get(path).status_code == 403


def test_the_number_of_queries_does_not_grow(
    client: Client, facility: Facility, django_assert_max_num_queries: Any
) -> None:
    fill(facility, count=60)
    page(client)
    with django_assert_max_num_queries(60):
        page(client)


def test_csv_has_each_interval_of_each_group_and_no_formula(client: Client, facility: Facility) -> None:
    fill(facility, modality="=1+1")
    response = client.get(f"/turnaround.csv?{MONTH}&group_by=modality")
    assert response["Content-Disposition"] == 'attachment; filename="turnaround-2026-03-01-2026-04-01.csv"'
    rows = list(csv.DictReader(io.StringIO(response.content.decode())))
    found = {(row["modality"], row["interval"]): row for row in rows}
    assert found[("'=1+1", "RTAT-R")]["p50_s"] == "900"
    assert found[("all", "Total read time")]["n"] == "30"
    assert client.get("/turnaround.csv?group_by=x").status_code == 422


def test_the_api_tells_counts_percentiles_and_how_many_are_censored(
    client: Client, facility: Facility
) -> None:
    fill(facility)
    store(
        facility,
        [
            truth.Study(
                99,
                "MR",
                {
                    "completed": datetime(2026, 3, 2, 8, tzinfo=UTC),
                    "ready": datetime(2026, 3, 2, 8, tzinfo=UTC),
                },
            )
        ],
    )
    found = api(client, "from=2026-03-01&to=2026-04-01&as_of=2026-04-01T00:00:00Z&group_by=modality")
    figures = found["intervals"]["rtat_r"]
    assert (found["count"], found["censored"], found["reads"]) == (31, 1, 30)
    assert (figures["n"], figures["done"], figures["waiting"], figures["p50"]) == (31, 30, 1, 960)
    assert figures["p50_ci"][0] < 960 < figures["p50_ci"][1] and figures["from"] == "completed"
    assert [group["key"] for group in found["groups"]] == [{"modality": "CT"}, {"modality": "MR"}]
    assert found["groups"][1]["intervals"]["rtat_r"]["p50"] is None
    assert set(api(client, "interval=queue,rtat_p&group_by=interval")["intervals"]) == {"queue", "rtat_p"}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("from=2026-03-02&to=2026-03-01", "to"),
        ("from=x", "from"),
        ("as_of=9999-12-31T23:59:59Z", "as_of"),
        ("from=2020-01-01&to=2026-01-01", "to"),
        ("group_by=moon", "group_by"),
        ("interval=x", "interval"),
        ("view=x", "view"),
    ],
)
def test_the_api_refuses_what_it_can_not_count(client: Client, query: str, field: str) -> None:
    found = api(client, query, expect=422)
    assert [error["field"] for error in found["errors"]] == [field]


def test_the_description_has_an_example(client: Client) -> None:
    described = json.loads(client.get("/api/v1/openapi.json").content)["paths"]["/api/v1/turnaround"]["get"]
    example = described["responses"]["200"]["content"]["application/json"]["example"]
    assert example["intervals"]["rtat_r"]["p50"] == 3120


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (99, "99 s"),
        (100, "2 min"),
        (5940, "99 min"),
        (7200, "2 h"),
        (11520, "3 h 12 min"),
        (187_200, "2 d 4 h"),
    ],
)
def test_lengths_are_written_in_two_units(seconds: float, words: str) -> None:
    assert figure_formats.duration(seconds) == words


@pytest.mark.parametrize(
    ("value", "cell"),
    [("=x", "'=x"), ("@x", "'@x"), ("", ""), (None, ""), (0.25, "0.25"), (900.0, "900"), (12, "12")],
)
def test_no_cell_is_a_formula(value: Any, cell: str) -> None:
    assert figure_formats.harmless(value) == cell
    assert not re.match(r"[=+\-@]", cell)


# The studies behind the numbers, and the display on the wall


def test_every_number_opens_as_many_studies_as_it_counts(client: Client, facility: Facility) -> None:
    """Each link of each table, of the tiles and of the hours of the week, in pages and as CSV."""
    fill(facility, count=24)
    now = timezone.now()
    waits = [
        {"completed": now - timedelta(minutes=50), "ready": now - timedelta(minutes=40 - n)} for n in range(3)
    ]
    store(facility, [truth.Study(n, "MR", one) for n, one in enumerate(waits, 100)], due_at=now)
    for query in (MONTH, f"{MONTH}&view=period&interval=queue", "", "period=today&interval=reading"):
        links = re.findall(r'href="(/turnaround/studies[?][^"]*)"[^>]*>(\d+)</a>', page(client, query))
        assert links
        for path, number in dict(links).items():
            path = path.replace("&amp;", "&")
            response = client.get(path)
            assert response.status_code == 200, path
            shown = re.search(r'<span class="count">(\d+)', read(response))
            assert shown and shown[1] == number, (path, number)
            lines = b"".join(client.get(path.replace("studies?", "studies.csv?"))).decode().splitlines()
            assert len(lines) - 1 == int(number), path


def test_a_percentile_opens_those_that_took_as_long(client: Client, facility: Facility) -> None:
    fill(facility)
    paths = set(re.findall(r'href="([^"]*interval=rtat_r[^"]*&amp;least=1620)"', page(client)))
    assert paths
    for path in paths:
        text = read(client.get(path.replace("&amp;", "&")))
        assert "27 min or longer" in text and '<span class="count">4 ' in text


@pytest.mark.parametrize(
    "query",
    ["interval=x", "", "now=x", "interval=queue&state=x", "interval=queue&least=-1", "interval=queue&from=x"],
)
def test_studies_of_no_figure_are_refused(client: Client, query: str) -> None:
    assert client.get(f"/turnaround/studies?{query}").status_code == 422
    assert client.get(f"/turnaround/studies.csv?{query}").status_code == 422


def test_nobody_lists_another_readers_studies_where_names_are_hidden(
    client: Client, facility: Facility
) -> None:
    other = User.objects.create_user("otto", roles=["radiologist"])
    assert client.get(f"/turnaround/studies?interval=queue&reader={other.pk}").status_code == 422
    assert client.get("/turnaround/studies?interval=queue&reader=0").status_code == 200


def test_a_priority_has_one_name_everywhere(client: Client, facility: Facility) -> None:
    fill(facility, priority="HIGH")
    studies = "/turnaround/studies?interval=reading&priority=HIGH"
    for path in (f"/turnaround?{MONTH}", "/turnaround/wall?priority=HIGH", "/reading?priority=HIGH", studies):
        shown = re.sub(r"<[^>]*>", " ", read(client.get(path)))
        assert "urgent" in shown and not re.search(r"\b(HIGH|ROUTINE|MEDIUM)\b", shown), path


def test_the_wall_names_nobody(client: Client, facility: Facility) -> None:
    now = timezone.now()
    study = truth.Study(
        1, "CT", {"completed": now - timedelta(minutes=50), "ready": now - timedelta(minutes=40)}
    )
    authority = AssigningAuthority.objects.create(namespace="WALL")
    patient = Patient.objects.create(facility=facility, authority=authority, value="P77", name="Kurz^Lina")
    store(facility, [study], due_at=now - timedelta(minutes=1), description="CT head", patient=patient)
    text = read(client.get("/turnaround/wall"))
    assert "CT head" in text and " late</span>" in text and 'data-live="30"' in text
    assert "Kurz" not in text and "P77" not in text and ReadingItem.objects.get().public_id not in text
    typist = User.objects.create_user("tilda", roles=["transcriptionist"])
    client.force_login(typist)
    assert client.get("/turnaround/wall").status_code == 403
