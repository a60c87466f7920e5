"""The list of exceptions: whose images these could be, those due first."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts import presence
from archive.models import ExceptionKind, ExceptionStatus, Outcome, Series, Study, StudyException, Verdict
from archive.reconcile import exception_list
from ledger import audit
from web.kernel import authorization, formats, layout, paging
from web.kernel.waiting_tone import waiting_tone
from web.pages.exceptions import evidence, exception_filters, exception_tabs
from web.pages.exceptions.exception_columns import TABLE


@dataclass(frozen=True)
class Clock:
    """How long an exception has waited, as against its target; `tone` is of the bar."""

    age: timedelta
    target: timedelta
    is_running: bool

    @property
    def minutes(self) -> int:
        """The age in whole minutes, not above the target: what a bar shows."""
        return min(int(self.age.total_seconds() // 60), self.most)

    @property
    def most(self) -> int:
        """The target in minutes."""
        return int(self.target.total_seconds() // 60)

    @property
    def tone(self) -> str:
        """Amber in the last quarter of the target, red beyond it."""
        return waiting_tone(self.age, self.target)


@dataclass(frozen=True)
class Row:
    """A line of the list."""

    exception: StudyException
    study: Study
    clock: Clock
    seen: dict[str, str]
    expected: evidence.Candidate | None
    stations: str
    procedure: str
    evidence: evidence.Line | None
    remark: str
    lookers: Sequence[str]


@require_safe
@layout.may("exception.view")
def exceptions(request: HttpRequest) -> HttpResponse:
    """The list."""
    user = layout.user_of(request)
    with timezone.override(layout.zone_of(request)):
        wanted = exception_filters.read(request.GET)
        rows = exception_list.exceptions(wanted.keys(), user=user, order=TABLE.order_by(wanted.sort))
        cut = paging.cut(request, rows, exception_list.whole)
        shown = _rows(cut.rows, layout.user_of(request))
        authorization.note_reading(
            request, audit.INSTANCES_ACCESSED, *(("study", row.study.study_instance_uid) for row in shown)
        )
        context = {
            **exception_tabs.counts(user),
            "filters": wanted,
            "chips": exception_filters.chips(request, wanted),
            "stations": exception_filters.stations(wanted),
            "paging": cut,
            "rows": shown,
            "table": TABLE.sorted_by(wanted.sort, request),
            "dicom_address": "{}:{}".format(*settings.DICOM_ADDRESS),
        }
        return layout.page(request, "web/exceptions/exception_list.html", context)


def clock_of(row: StudyException) -> Clock:
    """How long an exception has waited; one that doesn't wait stands still."""
    now = timezone.now()
    return Clock(now - row.opened_at, row.due_at - row.opened_at, row.status == ExceptionStatus.OPEN)


def _rows(rows: Iterable[StudyException], user: Any) -> list[Row]:
    rows = list(rows)
    verdicts = Verdict.objects.in_bulk([row.newest_verdict for row in rows])  # type: ignore[attr-defined]
    stations = _stations(rows)
    present = presence.lookers(rows, but=user)
    return [
        _row(
            row,
            verdicts.get(row.newest_verdict),  # type: ignore[attr-defined]
            stations.get(row.study_id, []),
            [str(looker.user) for looker in present.get(row.public_id, [])],
        )
        for row in rows
    ]


def _row(row: StudyException, verdict: Verdict | None, stations: list[str], lookers: list[str]) -> Row:
    study = row.study
    expected, count = evidence.compared(verdict), len(verdict.candidates) if verdict else 0
    is_changed = row.kind != ExceptionKind.VERDICT
    seen = {
        "name": formats.shown(study.patient_name),
        "identifier": study.header_patient_id,
        "born": formats.date(study.birth_date),
        "sex": study.sex,
    }
    return Row(
        exception=row,
        study=study,
        clock=clock_of(row),
        seen=seen,
        expected=expected,
        stations=", ".join(stations),
        procedure=study.description or (expected.description if expected else ""),
        evidence=None if is_changed else evidence.strongest(verdict),
        remark=row.get_kind_display() if is_changed else _remark(study, count),
        lookers=lookers,
    )


def _remark(study: Study, count: int) -> str:
    """What to say of a study whose fields contradict nothing."""
    if study.verdict == Outcome.LATE_ORDER:
        return "the order came after the images"
    if study.verdict == Outcome.AMBIGUOUS and count > 1:
        return f"{count} candidates are alike"
    return "it fits" if count else "no order fits"


def _stations(rows: Iterable[StudyException]) -> dict[int, list[str]]:
    """The stations of each study, without ourselves: what is made here was taken nowhere."""
    found: dict[int, list[str]] = {}
    series = Series.objects.filter(study__in=[row.study_id for row in rows])
    series = series.exclude(station_ae_title__in=("", settings.AE_TITLE))
    for study, title in (
        series.values_list("study_id", "station_ae_title").distinct().order_by("station_ae_title")
    ):
        found.setdefault(study, []).append(title)
    return found
