"""The table at the end of the day: what was seeded, what was found, what came back."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from simulator import turnaround
from simulator.agenda import attempt
from simulator.catalogue import STATIONS
from simulator.clock import now
from simulator.faults import EXPECTED, FAULTS, ODDITIES, SOUND, Fault, expected_verdict
from simulator.hospital import Hospital
from simulator.mllp import Listener
from simulator.plan import Fate
from simulator.readers import Pool
from simulator.truth import Record
from simulator.turnaround import Figure, Waited
from simulator.watch import Watch

LINKS = frozenset({"matched", "corrected"})
SAME = 0.2
"""Seconds by which figures may differ besides what the duration of our own calls leaves open."""


@dataclass(frozen=True)
class Summary:
    """What is printed, and the counts that a test looks at."""

    text: str
    seeded: int
    flagged: int
    as_expected: int
    sound: int
    wrongly_flagged: int
    stored: int
    images: int


def of(
    hospital: Hospital,
    pool: Pool,
    listener: Listener | None,
    watch: Watch,
    period: tuple[datetime, datetime],
) -> Summary:
    """Sum up the day."""
    records = [record for record in hospital.truth.of_day() if record.study_instance_uid]
    lines = [f"The hospital day, run {hospital.run}, {period[0]:%Y-%m-%d %H:%M} to {period[1]:%H:%M}", ""]
    lines += ["Seeded faults of identity                          seeded  caught  as expected"]
    at_fault = [fault for fault in FAULTS if any(one.case.fault is fault for one in records)]
    for fault in at_fault:
        lines.append(_fault_line(fault, records))
    seeded = [one for one in records if one.case.fault in FAULTS]
    lines.append(_line("all", len(seeded), sum(map(is_caught, seeded)), sum(map(is_expected, seeded))))
    lines += ["", "Studies that are fine and look odd                   sent  called wrong  as expected"]
    odd = [one for one in records if one.case.fault in ODDITIES]
    for fault in [fault for fault in ODDITIES if any(one.case.fault is fault for one in odd)]:
        some = [one for one in odd if one.case.fault is fault]
        lines.append(_line(_named(fault), len(some), sum(map(is_accused, some)), sum(map(is_expected, some))))
    sound = [one for one in records if one.case.fault is None]
    wrongly = [one for one in sound if one.verdict not in LINKS]
    lines += ["", f"Sound studies: {len(sound)}, wrongly flagged {len(wrongly)}", *map(_astray, wrongly)]
    lines += [_astray(one) for one in seeded + odd if not is_expected(one)]
    lines += ["", *_traffic(hospital, pool, listener, watch, records), ""]
    lines += _turnaround(hospital, records, period)
    lines += ["", f"The truth is in {hospital.around.folder / 'truth.jsonl'}."]
    return Summary(
        text="\n".join(lines) + "\n",
        seeded=len(seeded),
        flagged=sum(map(is_caught, seeded)),
        as_expected=sum(map(is_expected, seeded + odd)),
        sound=len(sound),
        wrongly_flagged=len(wrongly),
        stored=sum(one.stored for one in records),
        images=sum(one.sent for one in records),
    )


def is_caught(record: Record) -> bool:
    """Whether a fault was noticed: an exception is open for a person, or the slip was mended by a rule."""
    expected = expected_verdict(record.case.fault)
    if expected in LINKS:
        return record.verdict == expected or (bool(record.verdict) and record.verdict not in LINKS)
    return record.verdict not in ("", "pending", *LINKS)


def is_accused(record: Record) -> bool:
    """Whether a study that is fine is said to be another patient's, or nobody's."""
    return record.verdict in ("mismatch", "unscheduled", "ambiguous")


def is_expected(record: Record) -> bool:
    """Whether the verdict is what a careful person would say; a duplicate is also kept once only."""
    if record.case.fault is Fault.DUPLICATE and record.kept > record.images:
        return False
    expected = expected_verdict(record.case.fault)
    return record.verdict in LINKS if expected == SOUND else record.verdict == expected


def _fault_line(fault: Fault, records: Sequence[Record]) -> str:
    some = [one for one in records if one.case.fault is fault]
    return _line(_named(fault), len(some), sum(map(is_caught, some)), sum(map(is_expected, some)))


def _named(fault: Fault) -> str:
    return f"{fault.value} ({EXPECTED[fault].verdict})"


def _line(words: str, *counts: int) -> str:
    return f"  {words:50}" + "".join(f"{count:>6}" for count in counts)


def _astray(record: Record) -> str:
    case = record.case
    what = case.fault.value if case.fault else "sound"
    verdict = record.verdict or "no verdict"
    return f"  ! {case.accession_number} {what}: {verdict}, study {record.study_instance_uid}"


def _traffic(
    hospital: Hospital, pool: Pool, listener: Listener | None, watch: Watch, records: Sequence[Record]
) -> Iterable[str]:
    sender = hospital.sender
    answers = ", ".join(f"{code} {sender.answers[code]}" for code in ("AA", "AE", "AR"))
    yield f"HL7 sent: {sender.sent} messages; {answers} ({hospital.refused_rightly} with a seeded error)"
    sent, stored = sum(one.sent for one in records), sum(one.stored for one in records)
    yield f"DICOM sent: {sent} images of {len(records)} studies; stored {stored}"
    counts = pool.counts
    signed = sum(counts.get(kind, 0) for kind in ("preliminary", "final", "addendum"))
    kinds = ", ".join(f"{kind} {counts.get(kind, 0)}" for kind in ("final", "preliminary", "addendum"))
    yield f"Reports signed: {signed} ({kinds}; {counts.get('dictated', 0)} dictated)"
    if pool.reports_missing:
        yield "Reports could not be made: the system has no report API."
    if listener is not None:
        received = listener.received
        there = sum(one.case.accession_number in received.results for one in records if one.reports)
        yield (
            f"HL7 received: {received.counts['ORM']} order states, {received.counts['ORU']} results, "
            f"{received.repeats} repeats; of {sum(bool(one.reports) for one in records)} reported studies "
            f"{there} have their result"
        )
    yield f"Exceptions settled by the technologist: {watch.decisions}"
    for what, count in sorted(hospital.problems.items()):
        yield f"Unforeseen: {what}, {count} times"


# Turnaround


def waits(records: Iterable[Record], at: datetime, shift: int = 0) -> dict[str, list[Waited]]:
    """Completed to final by modality, of today's exams, seen at a moment.

    Without a completed step its last acquisition counts. A study that is not linked to its order is one to be
    read by itself, and its order, once completed, waits for the images that are its own. With a `shift` of -1
    each step was completed as early as it can have been, with 1 as late.
    """
    found: dict[str, list[Waited]] = {}
    for record in records:
        if record.case.fate is Fate.PRIOR or record.acquired_at is None:
            continue
        some = found.setdefault(record.case.procedure.modality, [])
        final = record.final_at if record.final_at and record.final_at <= at else None
        completed = record.completed_at and record.completed_at + shift * record.completed_within
        if record.verdict in LINKS or record.linked_at is not None:
            some.append(_wait(completed or record.acquired_at, final, at))
        else:
            some.append(_wait(record.acquired_at, final, at))
            if completed is not None:
                some.append(_wait(completed, None, at))
    return found


def _wait(start: datetime, end: datetime | None, at: datetime) -> Waited:
    return Waited(max(0.0, ((end or at) - start).total_seconds()), end is not None)


def _turnaround(
    hospital: Hospital, records: Sequence[Record], period: tuple[datetime, datetime]
) -> Iterable[str]:
    at = now()
    theirs = _product_figures(hospital, period, at)
    yield "Turnaround, completed to final (Kaplan-Meier); the day is short, so these are seconds"
    yield "        n done      p50      p90 | product: n done      p50      p90"
    for modality in STATIONS:
        least, ours, most = (
            turnaround.figure(waits(records, at, shift).get(modality, [])) for shift in (1, 0, -1)
        )
        other = theirs.get(modality)
        left = f"  {modality:4}{ours.n:3} {ours.done:4} {_seconds(ours.p50)} {_seconds(ours.p90)}"
        if other is None:
            yield f"{left} | not told"
            continue
        same = "equal" if is_same(least, most, other) else "NOT EQUAL"
        yield f"{left} | {other.n:10} {other.done:4} {_seconds(other.p50)} {_seconds(other.p90)}  {same}"


def is_same(least: Figure, most: Figure, theirs: Figure) -> bool:
    """Whether a figure lies between ours, which know when a step was completed only up to their calls."""
    if not (least.n, least.done) == (most.n, most.done) == (theirs.n, theirs.done):
        return False
    return all(
        _is_between(low, high, value)
        for low, high, value in (
            (least.p50, most.p50, theirs.p50),
            (least.p90, most.p90, theirs.p90),
        )
    )


def _is_between(low: float | None, high: float | None, value: float | None) -> bool:
    if low is None or high is None or value is None:
        return low is high is value
    return low - SAME <= value <= high + SAME


def _product_figures(
    hospital: Hospital, period: tuple[datetime, datetime], at: datetime
) -> dict[str, Figure]:
    """The product's own figures by modality; empty where it has none."""
    found: list[Any] = []
    api = hospital.api("mara")
    if api is not None:
        query = {
            "from": (period[0] - timedelta(seconds=1)).isoformat(),
            "to": at.isoformat(),
            "as_of": at.isoformat(),
            "group_by": "modality",
        }
        attempt("turnaround", lambda: found.append(api.get("/turnaround", **query)), hospital.say)
    return figures_of(found[0]) if found else {}


def figures_of(answer: Any) -> dict[str, Figure]:
    """The figures in an answer of `GET /turnaround`."""
    found = {}
    for group in answer.get("groups", []):
        interval = group["intervals"].get("rtat_r")
        if interval:
            found[group["key"]["modality"]] = Figure(
                interval["n"], interval["done"], interval.get("p50"), interval.get("p90")
            )
    return found


def _seconds(value: float | None) -> str:
    return f"{value:7.1f}s" if value is not None else "       -"
