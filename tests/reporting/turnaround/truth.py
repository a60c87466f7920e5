"""A month of a department, made up, and its figures worked out by a script of its own.

It shares no code with what it checks: loops and fractions over lists of events, as one would do by hand.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)

TABLE = {
    "access": ("ordered", ("started",)),
    "wait": ("arrived", ("started",)),
    "exam": ("started", ("completed",)),
    "image_lag": ("completed", ("ready",)),
    "reading": ("ready", ("final",)),
    "delivery": ("final", ("delivered",)),
    "rtat_r": ("completed", ("final",)),
    "rtat_p": ("completed", ("preliminary", "final")),
    "rtat_c": ("ordered", ("delivered",)),
}
PARTS = {"queue": "queue", "read": "reader", "typing": "typist", "sign_wait": "signer", "held": "outside"}


@dataclass
class Study:
    """What really happened to one study: each event's time, and whose it was from when on."""

    number: int
    modality: str
    events: dict[str, datetime] = field(default_factory=dict)
    owners: list[tuple[datetime, str]] = field(default_factory=list)


def month(seed: int, count: int) -> list[Study]:
    """Make up the way of `count` studies."""
    dice = random.Random(seed)
    studies = []
    for number in range(count):
        one = Study(number, dice.choice(["CT", "MR", "CR"]))
        at = BEGIN + timedelta(minutes=dice.uniform(0, 31 * 24 * 60))
        one.events["ordered"] = at
        for name, mean in (("arrived", 300), ("started", 20), ("completed", 15), ("ready", 4)):
            at += timedelta(seconds=round(dice.expovariate(1 / mean) * 60))
            one.events[name] = at
        if number % 17 == 0:  # a clock that is a minute off, or an hour
            wrong = 1 if number % 2 else 60
            one.events["completed"] = one.events["started"] - timedelta(minutes=wrong)
        _read(one, at, dice)
        studies.append(one)
    return studies


def _read(one: Study, at: datetime, dice: random.Random) -> None:
    def wait(mean: float) -> datetime:
        nonlocal at
        at += timedelta(seconds=1 + round(dice.expovariate(1 / mean) * 60))
        return at

    one.owners.append((at, "queue"))
    if dice.random() < 0.06:
        one.events["withdrawn"] = wait(60)
        one.owners.append((at, "nobody"))
        return
    if dice.random() < 0.1:  # held for information
        one.owners += [(wait(30), "outside"), (wait(200), "queue")]
    one.events["opened"] = wait(90)
    one.owners.append((at, "reader"))
    if dice.random() < 0.1:  # put back unread
        one.owners += [(wait(5), "queue"), (wait(100), "reader")]
    if dice.random() < 0.5:
        one.events["dictated"] = wait(8)
        one.owners.append((at, "typist"))
        if dice.random() < 0.1:  # returned to the author
            one.owners += [(wait(20), "reader"), (wait(40), "typist")]
        one.events["typed"] = wait(45)
        one.owners.append((at, "signer"))
    elif dice.random() < 0.4:
        one.events["preliminary"] = wait(12)
        one.owners.append((at, "signer"))
    if dice.random() < 0.97:
        one.events["final"] = wait(25)
        one.owners.append((at, "nobody"))
        if dice.random() < 0.95:
            one.events["delivered"] = wait(2)


# The independent script


def figures(studies: list[Study], interval: str, begin: datetime, end: datetime, seen: datetime) -> dict:
    """Counts and percentiles in seconds of an interval's cohort."""
    rows, bad, zeroed = [], 0, 0
    for one in studies:
        outcome = _part(one, PARTS[interval], seen) if interval in PARTS else _between(one, interval, seen)
        if outcome is None or not begin <= outcome[0] < end:
            continue
        _, seconds, state = outcome
        if state == "bad":
            bad += 1
            continue
        zeroed += state == "zeroed"
        rows.append((seconds, "done" if state == "zeroed" else state))
    counts = {state: sum(one == state for _, one in rows) for state in ("done", "waiting", "withdrawn")}
    return {
        "n": len(rows),
        **counts,
        "bad": bad,
        "zeroed": zeroed,
        **{f"p{p}": _percentile(rows, p) if len(rows) >= 20 else None for p in (50, 90, 95)},
    }


def _between(one: Study, interval: str, seen: datetime) -> tuple[datetime, float, str] | None:
    from_event, to_events = TABLE[interval]
    known = {name: at for name, at in one.events.items() if at <= seen}
    start = known.get(from_event)
    if start is None:
        return None
    ends = [known[name] for name in to_events if name in known]
    gone = known.get("withdrawn")
    if ends:
        end = min(ends)
        if gone is None or end <= gone:
            seconds = (end - start).total_seconds()
            if seconds < -120:
                return start, 0, "bad"
            return (start, 0, "zeroed") if seconds < 0 else (start, seconds, "done")
    if gone is not None:
        return start, max(0, (gone - start).total_seconds()), "withdrawn"
    return start, (seen - start).total_seconds(), "waiting"


def _part(one: Study, owner: str, seen: datetime) -> tuple[datetime, float, str] | None:
    """Add up the stretches of one owner, second by second as the log tells."""
    known = {name: at for name, at in one.events.items() if at <= seen}
    if "ready" not in known:
        return None
    stop = min([seen, *(known[name] for name in ("final", "withdrawn") if name in known)])
    stretches = list(_stretches(one, stop))
    mine = [(a, b) for a, b, whose in stretches if whose == owner]
    if not mine:
        return None
    seconds = sum((b - a).total_seconds() for a, b in mine)
    last = stretches[-1][2]
    turn = [whose for _, _, whose in stretches if whose != "outside"][-1]
    has_it = last == owner if owner == "outside" else turn == owner
    if "final" in known or not has_it:
        return mine[0][0], seconds, "done"
    return mine[0][0], seconds, "withdrawn" if "withdrawn" in known else "waiting"


def _stretches(one: Study, stop: datetime) -> Iterator[tuple[datetime, datetime, str]]:
    log = [entry for entry in one.owners if entry[1] != "nobody"]
    for (begin, whose), (end, _) in zip(log, [*log[1:], (datetime.max.replace(tzinfo=UTC), "")], strict=True):
        if begin <= stop:
            yield begin, min(end, stop), whose


def _percentile(rows: list[tuple[float, str]], p: int) -> float | None:
    alive = Fraction(1)
    for at in sorted({seconds for seconds, state in rows if state == "done"}):
        risk = sum(seconds >= at for seconds, _ in rows)
        ended = sum(seconds == at and state == "done" for seconds, state in rows)
        alive *= 1 - Fraction(ended, risk)
        if 1 - alive >= Fraction(p, 100):
            return at
    return None
