"""The report of a month: it equals an independent script, in whatever order things came."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from accounts.models import Facility, SiteSection, User
from ledger.errors import Invalid
from reporting.models import OwnerSpan, ReadingItem, Report
from reporting.turnaround import period_figures
from reporting.turnaround.interval_figures import Figures
from reporting.turnaround.period_figures import Question
from tests.reporting.turnaround import truth
from tests.reporting.turnaround.conftest import store
from worklist.models import Order, RequestedProcedure

pytestmark = pytest.mark.django_db
END = datetime(2026, 4, 1, tzinfo=UTC)
MONTH = Question(truth.BEGIN, END, END, (*truth.TABLE, *truth.PARTS))


def flat(found: Figures) -> dict[str, object]:
    values = {name: quantile.value for name, quantile in found.gross.items()}
    counts = {name: getattr(found, name) for name in ("n", "done", "waiting", "withdrawn", "bad", "zeroed")}
    return {**counts, **{name: values.get(name) for name in ("p50", "p90", "p95")}}


def all_of(user: User, question: Question = MONTH) -> dict[str, dict[str, object]]:
    return {name: flat(found) for name, found in period_figures.report(user, question).intervals.items()}


def test_a_month_equals_an_independent_script(facility: Facility, user: User) -> None:
    studies = truth.month(seed=1, count=240)
    store(facility, studies)
    begin, end, seen = (
        truth.BEGIN + timedelta(days=3),
        truth.BEGIN + timedelta(days=25),
        END - timedelta(days=5),
    )
    found = all_of(user, Question(begin, end, seen, MONTH.intervals))
    for name in MONTH.intervals:
        assert found[name] == truth.figures(studies, name, begin, end, seen), name
    assert found["exam"]["bad"] and found["exam"]["zeroed"] and found["read"]["waiting"] is not None


def test_the_order_of_arrival_does_not_matter(facility: Facility, user: User) -> None:
    studies = truth.month(seed=2, count=80)
    store(facility, studies)
    first = all_of(user)
    ReadingItem.objects.all().delete()
    store(facility, studies, shuffle=7)
    assert all_of(user) == first


def test_as_of_gives_last_weeks_page_again(facility: Facility, user: User) -> None:
    """More comes, and goes on, after the moment that the page is of."""
    seen = truth.BEGIN + timedelta(days=14)
    known = []
    for one in truth.month(seed=3, count=120):
        until = {name: at for name, at in one.events.items() if at <= seen}
        if "ready" in until:
            known.append(replace(one, events=until, owners=[span for span in one.owners if span[0] <= seen]))
    question = replace(MONTH, end=seen, seen=seen, intervals=("rtat_r", "reading", *truth.PARTS))
    store(facility, known)
    last_week = period_figures.report(user, replace(question, group_by=("weekday", "hour")))
    ReadingItem.objects.all().delete()
    ready = {one.number for one in known}
    store(facility, [one for one in truth.month(seed=3, count=120) if one.number in ready])
    assert period_figures.report(user, replace(question, group_by=("weekday", "hour"))) == last_week


def test_the_parts_sum_to_ready_until_final(facility: Facility, user: User) -> None:
    store(facility, truth.month(seed=4, count=60))
    measured = period_figures.Measured(user, MONTH)
    rows, whole = measured.seen["reading"]
    total = dict.fromkeys(range(len(rows)), 0.0)
    for name in truth.PARTS:
        seen = measured.seen[name][1]
        for row, time in zip(seen.row, seen.time, strict=True):
            total[row] += time
    assert [total[row] for row in whole.row] == list(whole.time)


def test_net_leaves_holds_out(facility: Facility, user: User) -> None:
    at = truth.BEGIN + timedelta(hours=9)
    owners = [(at, "queue"), (at + timedelta(minutes=10), "outside"), (at + timedelta(minutes=40), "reader")]
    times = {"completed": at, "ready": at, "final": at + timedelta(hours=1)}
    store(facility, [truth.Study(number, "CT", times, owners) for number in range(20)])
    figures = period_figures.report(user, MONTH).intervals["rtat_r"]
    assert (figures.gross["p50"].value, figures.net["p50"].value, figures.held) == (3600, 1800, 20)


def test_groups_go_by_the_local_hour_of_the_start(facility: Facility, user: User) -> None:
    """In Berlin clocks went from 02:00 to 03:00 on 2026-03-29, and go from 03:00 to 02:00 on 2026-10-25."""

    def hours(day: datetime) -> list[tuple[str, int]]:
        ReadingItem.objects.all().delete()
        times = [day + timedelta(minutes=30 + 60 * hour) for hour in range(-2, 4)]
        store(facility, [truth.Study(n, "CT", {"completed": t, "ready": t}) for n, t in enumerate(times)])
        question = Question(day - timedelta(days=1), day + timedelta(days=1), day + timedelta(days=1))
        question = replace(question, intervals=("rtat_r",), group_by=("day", "hour"))
        found = period_figures.report(user, question).groups
        return [("T".join(group.titles), group.intervals["rtat_r"].n) for group in found]

    spring = hours(datetime(2026, 3, 29, tzinfo=UTC))
    assert [title[5:] for title, _ in spring] == [
        "03-28T23",
        "03-29T00",
        "03-29T01",
        "03-29T03",
        "03-29T04",
        "03-29T05",
    ]
    autumn = hours(datetime(2026, 10, 25, tzinfo=UTC))
    assert autumn[:4] == [
        ("2026-10-25T00", 1),
        ("2026-10-25T01", 1),
        ("2026-10-25T02", 2),
        ("2026-10-25T03", 1),
    ]


def test_a_group_report_is_a_row_for_each_accession_and_one_reading(facility: Facility, user: User) -> None:
    at = truth.BEGIN + timedelta(hours=9)
    store(facility, [truth.Study(1, "CT", {"completed": at, "ready": at, "final": at + timedelta(hours=1)})])
    item = ReadingItem.objects.get()
    for number in ("A1", "A2"):
        order = Order.objects.create(facility=facility, accession_number=number, first_received_at=at)
        item.procedures.add(RequestedProcedure.objects.create(order=order, requested_procedure_id=number))
    found = period_figures.report(user, replace(MONTH, intervals=("rtat_r",), group_by=("modality",)))
    assert (found.intervals["rtat_r"].n, found.reads, found.groups[0].reads) == (2, 1, 1)


def test_a_retracted_report_is_neither_signed_nor_done(facility: Facility, user: User) -> None:
    """As it was before the retraction it was both."""
    at = truth.BEGIN + timedelta(hours=9)
    final, taken_back = at + timedelta(hours=1), at + timedelta(hours=2)
    times = {"completed": at, "started": at, "ready": at, "final": final, "withdrawn": taken_back}
    store(facility, [truth.Study(1, "CT", times)])

    def told(seen: datetime) -> list[tuple[int, int]]:
        question = replace(MONTH, seen=seen, intervals=("reading", "rtat_r", "rtat_p", "exam"))
        found = period_figures.report(user, replace(question, group_by=("modality",)))
        assert found.reads == found.groups[0].reads
        reads = [(found.reads, found.intervals["reading"].judged)]
        return reads + [(one.done, one.withdrawn) for one in found.intervals.values()]

    assert told(taken_back - timedelta(minutes=1)) == [(1, 1), (1, 0), (1, 0), (1, 0), (1, 0)]
    assert told(taken_back) == [(0, 0), (0, 1), (0, 1), (0, 1), (1, 0)]


def test_under_way_in_the_period_means_delayed_entry(facility: Facility, user: User) -> None:
    """Who was ready before the period is at risk only from its begin."""
    begin = truth.BEGIN + timedelta(days=1)
    early, late = begin - timedelta(hours=3), begin + timedelta(hours=1)
    studies = [truth.Study(n, "CT", {"ready": early, "final": begin + timedelta(hours=n)}) for n in (1, 2)]
    studies.append(truth.Study(3, "CT", {"ready": late, "final": late + timedelta(minutes=30)}))
    studies.append(truth.Study(4, "CT", {"ready": early, "final": begin - timedelta(hours=1)}))
    store(facility, studies)
    question = Question(begin, END, END, ("reading", "queue"), view="period")
    seen = period_figures.Measured(user, question).seen["reading"][1]
    hour = 3_600_000
    assert sorted(zip(seen.entry, seen.time, strict=True)) == [
        (-1, hour / 2),
        (3 * hour, 4 * hour),
        (3 * hour, 5 * hour),
    ]
    assert period_figures.report(user, question).intervals["queue"].n == 3


def test_bad_times_are_listed_and_not_averaged(facility: Facility, user: User) -> None:
    at = truth.BEGIN + timedelta(hours=9)
    store(facility, [truth.Study(1, "CT", {"completed": at, "ready": at - timedelta(minutes=5)})])
    found = period_figures.report(user, MONTH)
    assert [(one.interval, one.start, one.end) for one in found.bad_times] == [
        ("image_lag", at, at - timedelta(minutes=5))
    ]
    assert (found.intervals["image_lag"].n, found.intervals["image_lag"].bad) == (0, 1)


def test_people_see_their_own_figures_and_the_quartiles_unless_the_site_shows_names(
    facility: Facility, user: User
) -> None:
    at = truth.BEGIN + timedelta(hours=9)
    readers = [user, *(User.objects.create_user(f"reader{n}", full_name=f"Reader {n}") for n in range(4))]
    studies = [
        truth.Study(n, "CT", {"completed": at, "ready": at, "final": at + timedelta(minutes=1 + n // 20)})
        for n in range(100)
    ]
    store(facility, studies)
    for item, study in zip(ReadingItem.objects.order_by("pk"), studies, strict=True):
        Report.objects.create(item=item, author=readers[study.number // 20], changed_by=user, changed_at=at)
    question = replace(MONTH, intervals=("rtat_r",), group_by=("reader",))
    found = period_figures.report(user, question)
    assert [group.titles for group in found.groups] == [("Anna",)]
    assert found.quartiles["rtat_r"] == (120, 180, 240)
    SiteSection.objects.create(name="reporting", content={"show_reader_names": True})
    assert len(period_figures.report(user, question).groups) == 5


def test_other_facilities_are_not_counted(facility: Facility, user: User) -> None:
    store(Facility.objects.create(code="OTHER", name="Other"), truth.month(seed=5, count=5))
    assert all(one["n"] == 0 for one in all_of(user).values())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("end", truth.BEGIN),
        ("intervals", ("x",)),
        ("group_by", ("x",)),
        ("group_by", ("day", "day")),
        ("view", "x"),
    ],
)
def test_what_can_not_be_answered_is_refused(user: User, field: str, value: object) -> None:
    with pytest.raises(Invalid):
        period_figures.report(user, replace(MONTH, **{field: value}))


def test_the_number_of_queries_does_not_grow(
    facility: Facility, user: User, django_assert_max_num_queries: object
) -> None:
    store(facility, truth.month(seed=6, count=50))
    assert OwnerSpan.objects.count() > 100
    with django_assert_max_num_queries(12):  # type: ignore[operator]
        period_figures.report(user, replace(MONTH, group_by=("modality",)))
