"""A working day, drawn by dice: who is ordered what, when they come, and what will go wrong."""

import itertools
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from simulator import catalogue, people
from simulator.catalogue import Procedure
from simulator.faults import FAULTS, ODDITIES, Fault
from simulator.people import Person

LENGTH = 600.0
"""Minutes of a whole working day, from eight to six."""
FULL_DAY = 60
"""Orders from which a day has its whole length; fewer make a shorter one."""
MINUTES_FOR_EACH = 10.0


class Fate(Enum):
    """What becomes of an order."""

    DONE = "done"
    NO_SHOW = "no-show"
    CANCELLED = "cancelled"
    PRIOR = "prior"


class Reading(Enum):
    """How the report comes about."""

    TYPED = "typed"
    DICTATED = "dictated"
    PRELIMINARY = "preliminary, then final"
    ADDENDUM = "with an addendum"


@dataclass
class Case:
    """One order, or one study without an order, with everything that is true of it.

    `ordered`, `due` and `moved_to` are minutes of the day. A prior lies `days_ago` days back and was made
    before the hospital had this system. `partner` is the number of the case whose data a fault borrows.
    """

    number: int
    run: str
    person: Person
    procedure: Procedure
    ordered: float
    due: float
    priority: str = "R"
    patient_class: str = "O"
    fate: Fate = Fate.DONE
    reading: Reading = Reading.TYPED
    reason: str = ""
    referrer: int = 0
    sends_uid: bool = False
    moved_to: float | None = None
    days_ago: int = 0
    fault: Fault | None = None
    partner: int | None = None
    new_name: str = ""
    merged_into: str = ""

    @property
    def key(self) -> str:
        """What names the case in all its numbers."""
        return f"{self.run}{self.number:04}"

    @property
    def accession_number(self) -> str:
        return f"00{self.key}"

    @property
    def station(self) -> str:
        return catalogue.STATIONS[self.procedure.modality]

    @property
    def comes_at(self) -> float:
        """When the exam is due, after all changes."""
        return self.due if self.moved_to is None else self.moved_to

    @property
    def is_imaged(self) -> bool:
        return self.fate in (Fate.DONE, Fate.PRIOR)

    @property
    def is_ordered(self) -> bool:
        """Whether the HIS orders it at its time; some faults have no order, or a late one."""
        return self.fault not in (Fault.UNSCHEDULED, Fault.LATE_ORDER)


def day(*, seed: int, run: str, orders: int, faults: int | None = None) -> list[Case]:
    """The cases of a day, by number. The same arguments give the same day.

    `faults` is how many studies go wrong, a tenth by default, and as many again look odd; with fewer than all
    kinds, the most dangerous ones come first.
    """
    dice = random.Random(f"day {seed}")
    length = LENGTH if orders >= FULL_DAY else max(40.0, orders * MINUTES_FOR_EACH)
    crowd = people.crowd(dice, run)
    cases = [_case(dice, number, run, next(crowd), length) for number in range(1, orders + 1)]
    wanted = max(1, orders // 10) if faults is None else faults
    odd = len(ODDITIES) * round(wanted / len(FAULTS)) if faults is None else faults // 2
    _Seeding(dice, cases).seed(wanted, odd)
    _decide_fates(dice, cases, length)
    _give_second_orders(cases)
    priors = list(_priors(dice, cases, orders // 15))
    return [*cases, *priors]


def trickle(*, seed: int, run: str, first: int) -> Iterator[Case]:
    """Cases without end for after the day, numbered from `first`; their times are for the caller to set."""
    dice = random.Random(f"trickle {seed}")
    crowd = people.crowd(dice, f"{run}9")
    for number, person in enumerate(crowd, first):
        yield _case(dice, number, run, person, LENGTH)


def _case(dice: random.Random, number: int, run: str, person: Person, length: float) -> Case:
    procedure = dice.choices(catalogue.PROCEDURES, [one.share for one in catalogue.PROCEDURES])[0]
    due = _due(dice, length)
    urgent = dice.random()
    is_emergency = urgent < (0.22 if procedure.code in ("70450", "71046", "73610") else 0.05)
    before = dice.uniform(4, 10) if is_emergency else dice.uniform(20, 90)
    if not is_emergency and dice.random() < 0.4:
        before = length  # booked the day before
    reading = dice.choices(list(Reading), [62, 20, 12, 6])[0]
    return Case(
        number=number,
        run=run,
        person=person,
        procedure=procedure,
        ordered=max(dice.uniform(0, 0.03 * length), due - before),
        due=due,
        priority="S" if is_emergency else "A" if urgent > 0.9 else "R",
        patient_class="E" if is_emergency else dice.choice("OOI"),
        reading=reading,
        reason=dice.choice(catalogue.REASONS[procedure.body_part]),
        referrer=dice.randrange(len(catalogue.REFERRERS)),
        sends_uid=dice.random() < 0.5,
    )


def _due(dice: random.Random, length: float) -> float:
    """A morning peak, a smaller one after lunch, and the rest over the day."""
    peak = dice.random()
    if peak < 0.45:
        share = dice.gauss(0.22, 0.08)
    elif peak < 0.65:
        share = dice.gauss(0.62, 0.08)
    else:
        share = dice.uniform(0.05, 0.9)
    return length * min(0.9, max(0.06, share))


class _Seeding:
    """Gives faults to cases, each at most one, and sees to it that what a fault borrows is there."""

    def __init__(self, dice: random.Random, cases: list[Case]) -> None:
        self._dice = dice
        self._cases = cases
        self._free = [case for case in cases if case.priority != "S"] or list(cases)
        dice.shuffle(self._free)
        self._taken: set[int] = set()

    def seed(self, faults: int, odd: int) -> None:
        """Draw faults in turn, as far as there are cases for them; what suits nobody is passed over."""
        for kinds, count in ((FAULTS, faults), (ODDITIES, odd)):
            given = 0
            for fault in itertools.islice(itertools.cycle(kinds), count + len(kinds)):
                given += given < count and self._give(fault)

    def _give(self, fault: Fault) -> bool:
        for case in self._free:
            if case.number in self._taken or not self._suits(case, fault):
                continue
            if fault in _BORROWS and not self._borrow(case, fault):
                continue
            case.fault = fault
            case.moved_to = None
            self._taken.add(case.number)
            if fault is Fault.MARRIED:
                case.new_name = people.maiden_name(self._dice)
            if fault is Fault.MERGED:
                case.merged_into = f"{case.person.patient_id}7"
            return True
        return False

    @staticmethod
    def _suits(case: Case, fault: Fault) -> bool:
        family, *given = case.person.names[0]
        if fault is Fault.NAME_TYPO:
            return len(case.person.names) == 1 and len(family) >= 6 and max(family) < "\u0250"
        if fault in (Fault.SWAPPED_NAME, Fault.MARRIED):
            is_plain = len(case.person.names) == 1 and " " not in family and len(given) == 1
            return is_plain and (fault is Fault.SWAPPED_NAME or case.person.sex == "F")
        return True

    def _borrow(self, case: Case, fault: Fault) -> bool:
        """Find whose data is used; a picked entry is that of somebody who does not come that day."""
        mine = sorted((one for one in self._cases if one.station == case.station), key=lambda one: one.due)
        place = mine.index(case)
        others = mine[place + 1 :] if fault is Fault.WRONG_ENTRY else mine[:place][::-1]
        for other in others:
            is_free = other.number not in self._taken and other.priority != "S"
            if is_free and _is_other(case.person, other.person):
                case.partner = other.number
                self._taken.add(other.number)
                other.moved_to = None
                if fault is Fault.WRONG_ENTRY:
                    other.fate = Fate.NO_SHOW
                    other.ordered = max(0.0, min(other.ordered, case.due - 20))
                return True
        return False


_BORROWS = frozenset({Fault.PREVIOUS_PATIENT, Fault.WRONG_ENTRY, Fault.WRONG_ACCESSION})


def _is_other(one: Person, another: Person) -> bool:
    return one.names[0] != another.names[0] and one.birth_date != another.birth_date


def _decide_fates(dice: random.Random, cases: Sequence[Case], length: float) -> None:
    """Let some not come, some be cancelled, and some be moved to later."""
    involved = {case.number for case in cases if case.fault} | {case.partner for case in cases}
    for case in cases:
        fate = dice.random()
        if case.number in involved or case.priority == "S":
            continue
        if fate < 0.05:
            case.fate = Fate.NO_SHOW
        elif fate < 0.09:
            case.fate = Fate.CANCELLED
        elif fate < 0.15 and case.due < 0.8 * length:
            case.moved_to = case.due + dice.uniform(20, 50)


def _give_second_orders(cases: Sequence[Case]) -> None:
    """Let some patients have two exams of different modalities on the day."""
    plain = [case for case in cases if not case.fault and case.fate is Fate.DONE]
    borrowed = {case.partner for case in cases}
    plain = [case for case in plain if case.number not in borrowed]
    times: Counter[str] = Counter()
    for one, other in zip(plain[::9], plain[4::9], strict=False):
        if one.procedure.modality != other.procedure.modality and not times[one.person.patient_id]:
            times[one.person.patient_id] += 1
            other.person = one.person


def _priors(dice: random.Random, cases: Sequence[Case], count: int) -> Iterator[Case]:
    """Older exams of some of the day's patients, taken over when the day begins."""
    known = [case for case in cases if case.fate is Fate.DONE and case.fault in (None, Fault.DUPLICATE)]
    for number, case in enumerate(known[2 :: max(1, len(known) // max(1, count))][:count], len(cases) + 1):
        yield replace(
            case,
            number=number,
            ordered=0.0,
            due=0.0,
            priority="R",
            patient_class="O",
            fate=Fate.PRIOR,
            reading=Reading.TYPED,
            moved_to=None,
            days_ago=dice.randrange(30, 900),
            fault=None,
        )
