"""Precision and recall of each verdict of reconcile, on a synthetic hospital whose faults are known.

    python -m tests.bench.reconcile_quality [--seed 1] [--days 20] [--wrong]

Each day has patients (twins, namesakes, people with several orders among them) and studies, of which about
half are sound and the others carry one of the seeded faults. The verdict that a careful person would give is
the label. `--wrong` lists what was judged otherwise.
"""

import argparse
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

FAMILIES = [
    "MÜLLER",
    "SCHMIDT",
    "WEISS",
    "GROß",
    "JÄGER",
    "KÖHLER",
    "NUÑEZ",
    "BARS",
    "OTHER",
    "KLEIN-VOGT",
    "O'BRIEN",
    "VAN DER BERG",
    "NGUYEN",
    "KOWALSKI",
    "LEHMANN",
    "PETERSEN",
    "FISCHER",
    "WAGNER",
    "HOFFMANN",
    "SCHÄFER",
]
GIVEN_F = ["ANNA", "EVA", "RITA", "ZOË", "MARIE", "JOSEPHINE", "GRETA", "NORA", "HANNELORE", "FRANZISKA"]
GIVEN_M = ["OTTO", "JÖRG", "ANTON", "PETER", "JOSÉ", "KARL", "MATTHIAS", "SEBASTIAN", "LUKAS", "EMIL"]
KINDS = (
    ("CT", "CT1", "CHEST", ""),
    ("MR", "MR1", "KNEE", "L"),
    ("US", "US1", "ABDOMEN", ""),
    ("CR", "CR1", "ANKLE", "R"),
)
SOUND_SHARE = 0.5
MORNING = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)


def main() -> None:
    """Judge all cases and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--days", type=int, default=20)
    parser.add_argument("--wrong", action="store_true")
    options = parser.parse_args()
    pairs: Counter[tuple[str, str]] = Counter()
    by_fault: Counter[tuple[str, str, str]] = Counter()
    dice = random.Random(options.seed)
    spent = 0.0
    for day in range(options.days):
        world = Hospital(dice, day)
        for case in world.cases():
            near, registered = world.near(case), world.registered(case)
            began = time.perf_counter()
            outcome = decide(case.facts, near, DEFAULT, registered).outcome.value
            spent += time.perf_counter() - began
            pairs[case.label, outcome] += 1
            by_fault[case.fault, case.label, outcome] += 1
            if options.wrong and case.label != outcome:
                print(f"{case.fault}: {case.label}, judged {outcome}: {case.facts.identity}", file=sys.stderr)
    report(pairs, by_fault, spent)


def report(pairs: Counter, by_fault: Counter, spent: float) -> None:
    """Print precision and recall per verdict, and how each fault was judged."""
    total = sum(pairs.values())
    right = sum(count for (label, outcome), count in pairs.items() if label == outcome)
    print(f"{total} studies, {right / total:.1%} as labelled, {1000 * spent / total:.2f} ms each\n")
    print(f"{'verdict':12} {'labelled':>8} {'judged':>8} {'precision':>9} {'recall':>8}")
    for name in sorted({name for pair in pairs for name in pair}):
        labelled = sum(count for (label, _), count in pairs.items() if label == name)
        judged = sum(count for (_, outcome), count in pairs.items() if outcome == name)
        hit = pairs[name, name]
        print(f"{name:12} {labelled:8} {judged:8} {share(hit, judged):>9} {share(hit, labelled):>8}")
    linked = sum(n for (_, outcome), n in pairs.items() if outcome in ("matched", "corrected"))
    wrongly = sum(
        n
        for (label, outcome), n in pairs.items()
        if outcome in ("matched", "corrected") and label not in ("matched", "corrected")
    )
    missed = sum(
        n
        for (label, outcome), n in pairs.items()
        if label == "mismatch" and outcome in ("matched", "corrected")
    )
    sound = sum(n for (fault, _, _), n in by_fault.items() if fault == "none")
    held = sum(n for (fault, label, outcome), n in by_fault.items() if fault == "none" and outcome != label)
    print(f"\nsound studies: {sound}, held for a person: {held} ({share(held, sound)})")
    print(
        f"linked without a person: {linked}, of these wrongly: {wrongly}; wrong patients linked: {missed}\n"
    )
    for (fault, label, outcome), count in sorted(by_fault.items()):
        mark = " " if label == outcome else "!"
        print(f"{mark} {fault:40} {label:12} {outcome:12} {count:5}")


def share(part: int, whole: int) -> str:
    """A share in percent."""
    return f"{part / whole:.1%}" if whole else "-"


@dataclass(frozen=True)
class Case:
    """A study, the fault it carries, and the verdict that is right."""

    fault: str
    label: str
    facts: "StudyEvidence"


class Hospital:
    """A day's patients, their orders, and the studies that come of them."""

    def __init__(self, dice: random.Random, day: int) -> None:
        self.dice = dice
        self.start = MORNING + timedelta(days=day)
        self.day = day
        self.orders: list[Candidate] = []
        self.people: list[Person] = []
        for number in range(60):
            self._admit(f"{day:02}{number:04}")
        self._twins()
        for whose in self.people:
            for _ in range(self.dice.choice((1, 1, 1, 2))):
                self._order(whose)

    def near(self, case: Case) -> list["Candidate"]:
        """What the database would fetch: the day's orders, the bound included, named ones first."""
        seen = case.facts
        wanted = {*seen.accession_numbers}
        numbers = {one.patient_id for one in seen.identities}

        names = {one.name for one in seen.identities}

        def rank(one: Candidate) -> tuple[bool, bool, bool]:
            known = numbers & {record.patient_id for record in one.patient.records}
            called = names & {record.name for record in one.patient.records}
            near = any(
                (order_evidence.accession(text, one.accession_number)[0] or 0) >= 0.9 for text in wanted
            )
            return not near, not known, not called

        return sorted(self.orders, key=rank)[:50]

    def registered(self, case: Case) -> "RegisteredPeople":
        """Who the database would find beside: of the same number, birth date or name."""
        seen = case.facts.identities
        dates, names = ({getattr(one, field) for one in seen} for field in ("birth_date", "name"))
        numbers = {one.patient_id for one in seen}
        return RegisteredPeople(
            tuple(
                one
                for one in self.people
                if any(
                    record.birth_date in dates or record.name in names or record.patient_id in numbers
                    for record in one.records
                )
            )
        )

    def cases(self) -> Iterator[Case]:
        """A study for each order, sound or with a fault."""
        faults = [value for name, value in sorted(vars(Hospital).items()) if name.startswith("fault_")]
        for order in list(self.orders):
            if self.dice.random() < SOUND_SHARE:
                yield Case("none", "matched", self._facts(order))
                continue
            fault: Callable[[Hospital, Candidate], tuple[str, StudyEvidence] | None] = self.dice.choice(
                faults
            )
            if case := fault(self, order):
                yield Case(fault.__name__.removeprefix("fault_").replace("_", " "), *case)

    # The seeded faults; each returns the right verdict and the study, or None where it can't be.

    def fault_wrong_patient(self, order: "Candidate") -> tuple[str, "StudyEvidence"]:
        return "mismatch", self._facts(order, self._other(order))

    def fault_wrong_number_typed(self, order: "Candidate") -> tuple[str, "StudyEvidence"]:
        return "mismatch", self._facts(
            order, replace(self._who(order), patient_id=f"9{self.dice.randrange(10**6)}")
        )

    def fault_id_of_another_only(self, order: "Candidate") -> tuple[str, "StudyEvidence"]:
        return "mismatch", self._facts(
            order, replace(self._who(order), patient_id=self._other(order).patient_id)
        )

    def fault_name_of_another_only(self, order: "Candidate") -> tuple[str, "StudyEvidence"]:
        other = self._other(order)
        return "mismatch", self._facts(order, replace(other, patient_id=self._who(order).patient_id))

    def fault_other_issuer(self, order: "Candidate") -> tuple[str, "StudyEvidence"]:
        return "probable", self._facts(order, replace(self._who(order), issuer="ELSEWHERE"))

    def fault_two_patients_in_one_study(self, order: "Candidate") -> tuple[str, "StudyEvidence"]:
        return "mismatch", self._facts(order, self._who(order), self._other(order))

    def fault_name_with_a_slip(self, order: "Candidate") -> tuple[str, "StudyEvidence"]:
        who = self._who(order)
        family, _, given = who.name.partition("^")
        return "corrected", self._facts(order, replace(who, name=f"{self._slip(family)}^{given}"))

    def fault_umlauts_written_out(self, order: "Candidate") -> tuple[str, "StudyEvidence"] | None:
        who = self._who(order)
        table = str.maketrans({"Ü": "UE", "Ö": "OE", "Ä": "AE", "ß": "SS", "Ñ": "N", "É": "E", "Ë": "E"})
        plain = who.name.translate(table)
        return None if plain == who.name else ("corrected", self._facts(order, replace(who, name=plain)))

    def fault_names_swapped(self, order: "Candidate") -> tuple[str, "StudyEvidence"]:
        who = self._who(order)
        return "corrected", self._facts(order, replace(who, name="^".join(who.name.split("^")[::-1])))

    def fault_day_and_month_swapped(self, order: "Candidate") -> tuple[str, "StudyEvidence"] | None:
        who = self._who(order)
        date = who.birth_date[:4] + who.birth_date[6:] + who.birth_date[4:6]
        return (
            None
            if date == who.birth_date
            else ("corrected", self._facts(order, replace(who, birth_date=date)))
        )

    def fault_married(self, order: "Candidate") -> tuple[str, "StudyEvidence"]:
        who = self._who(order)
        return "probable", self._facts(order, replace(who, name=f"NEUMANN^{who.name.partition('^')[2]}"))

    def fault_leading_zeros_lost(self, order: "Candidate") -> tuple[str, "StudyEvidence"]:
        return "corrected", self._facts(order, number=order.accession_number.lstrip("0"))

    def fault_accession_prefixed(self, order: "Candidate") -> tuple[str, "StudyEvidence"]:
        return "corrected", self._facts(order, number=f"CT{order.accession_number}")

    def fault_accession_one_digit_off(self, order: "Candidate") -> tuple[str, "StudyEvidence"] | None:
        digits = order.accession_number
        place = self.dice.randrange(3, len(digits))
        wrong = (
            digits[:place] + str((int(digits[place]) + self.dice.randrange(1, 10)) % 10) + digits[place + 1 :]
        )
        hit = [one for one in self.orders if one.accession_number == wrong]
        if hit and hit[0].patient.id == order.patient.id:
            return None
        return ("mismatch" if hit else "probable"), self._facts(order, number=wrong)

    def fault_no_accession(self, order: "Candidate") -> tuple[str, "StudyEvidence"]:
        same = [
            one
            for one in self.orders
            if one.patient.id == order.patient.id and one.modality == order.modality
            and (one.laterality == order.laterality)
        ]  # fmt: skip
        return ("ambiguous" if len(same) > 1 else "probable"), self._facts(order, number="")

    def fault_no_patient_id(self, order: "Candidate") -> tuple[str, "StudyEvidence"]:
        return "probable", self._facts(order, replace(self._who(order), patient_id="", issuer=""))

    def fault_unscheduled(self, order: "Candidate") -> tuple[str, "StudyEvidence"]:
        who = self._made_up(f"88{self.dice.randrange(10**6)}")
        return "unscheduled", self._facts(order, who, number=self.dice.choice(("", "V778899")))

    def fault_late_order(self, order: "Candidate") -> tuple[str, "StudyEvidence"]:
        early = self.start - timedelta(hours=4)
        return "late_order", replace(self._facts(order), quiet_at=moment(early))

    def fault_wrong_side(self, order: "Candidate") -> tuple[str, "StudyEvidence"] | None:
        other = {"L": "R", "R": "L"}.get(order.laterality)
        return ("probable", replace(self._facts(order), lateralities=(other,))) if other else None

    def fault_merged_record(self, order: "Candidate") -> tuple[str, "StudyEvidence"] | None:
        records = order.patient.records
        return ("matched", self._facts(order, records[1])) if len(records) > 1 else None

    def fault_twin_picked(self, order: "Candidate") -> tuple[str, "StudyEvidence"] | None:
        who = self._who(order)
        twins = [
            one.records[0]
            for one in self.people
            if one.records[0].birth_date == who.birth_date
            and one.id != order.patient.id
            and one.records[0].name.partition("^")[0] == who.name.partition("^")[0]
        ]
        return ("mismatch", self._facts(order, twins[0])) if twins else None

    def fault_sister_picked_by_name(self, order: "Candidate") -> tuple[str, "StudyEvidence"] | None:
        who = self._who(order)
        family, _, given = who.name.partition("^")
        sister = replace(who, patient_id=f"7{who.patient_id}", name=f"{family}^{self._slip(given)}")
        if sister.name == who.name:
            return None
        self._register(sister)
        return "probable", self._facts(order, replace(who, name=sister.name))

    def fault_father_picked_by_name(self, order: "Candidate") -> tuple[str, "StudyEvidence"]:
        who = self._who(order)
        year = who.birth_date[:2] + str((int(who.birth_date[2]) + 7) % 10) + who.birth_date[3:]
        self._register(replace(who, patient_id=f"6{who.patient_id}", birth_date=year))
        return "probable", self._facts(order, replace(who, birth_date=year))

    def fault_sister_picked_wholly(self, order: "Candidate") -> tuple[str, "StudyEvidence"]:
        who = self._who(order)
        sister = replace(who, patient_id=f"5{who.patient_id}", name=f"{who.name}A")
        self._register(sister)
        return "mismatch", self._facts(order, sister)

    def fault_number_of_a_relative(self, order: "Candidate") -> tuple[str, "StudyEvidence"]:
        who = self._who(order)
        number = self._other_digit(who.patient_id)
        if all(one.records[0].patient_id != number for one in self.people):
            self._register(replace(who, patient_id=number, name=f"{who.name.partition('^')[0]}^ERIKA"))
        return "mismatch", self._facts(order, replace(who, patient_id=number))

    def fault_number_one_digit_short(self, order: "Candidate") -> tuple[str, "StudyEvidence"] | None:
        who = self._who(order)
        number = who.patient_id[:3] + who.patient_id[4:]
        taken = any(one.patient_id == number for person in self.people for one in person.records)
        return None if taken else ("probable", self._facts(order, replace(who, patient_id=number)))

    def fault_accession_number_typed_as_patient_id(self, order: "Candidate") -> tuple[str, "StudyEvidence"]:
        typed = replace(self._who(order), patient_id=order.accession_number, issuer="")
        return "probable", self._facts(order, typed)

    def fault_dose_report_alone(self, order: "Candidate") -> tuple[str, "StudyEvidence"] | None:
        if sum(one.patient.id == order.patient.id for one in self.orders) > 1:
            return None
        images = self._facts(order, number="")
        return "matched", replace(images, modalities=(), without_pixels=True, body_parts=(), lateralities=())

    def fault_dose_report_of_an_unknown_station(
        self, order: "Candidate"
    ) -> tuple[str, "StudyEvidence"] | None:
        alone = self.fault_dose_report_alone(order)
        return alone and ("probable", replace(alone[1], station_ae_titles=("DOSE9",)))

    def fault_due_sister_of_another_year(self, order: "Candidate") -> tuple[str, "StudyEvidence"] | None:
        who = self._who(order)
        family, _, given = who.name.partition("^")
        year = str(int(who.birth_date[:4]) - 8) + "0817"
        sister = replace(
            who, patient_id=f"4{who.patient_id}", name=f"{family}^{self._slip(given)}", birth_date=year
        )
        if sister.name == who.name:
            return None
        self._register(sister)
        other = self._second(order, order.body_part)
        self.orders[self.orders.index(other)] = replace(other, patient=self.people[-1])
        return "probable", self._facts(order, replace(who, name=sister.name))

    def fault_images_of_the_other_exam(self, order: "Candidate") -> tuple[str, "StudyEvidence"]:
        other = self._second(order, "SPINE")
        images = self._facts(other, number=order.accession_number)
        return "probable", replace(images, study_instance_uid="1.2.3", body_parts=("SPINE",))

    def fault_add_on_in_one_sitting(self, order: "Candidate") -> tuple[str, "StudyEvidence"]:
        other = self._second(order, "SPINE")
        both = (order.accession_number, other.accession_number)
        return "matched", replace(self._facts(order), accession_numbers=both)

    def fault_follow_up_picked(self, order: "Candidate") -> tuple[str, "StudyEvidence"]:
        other = self._second(order, order.body_part)
        due = moment(datetime.fromisoformat(order.due) + timedelta(days=90))
        alike = {"due": due, "description": order.description, "laterality": order.laterality}
        self.orders[self.orders.index(other)] = other = replace(other, **alike)
        planned = {"study_instance_uid": other.study_instance_uid}
        return "probable", replace(self._facts(order, number=other.accession_number), **planned)

    def fault_follow_up_done_early(self, order: "Candidate") -> tuple[str, "StudyEvidence"]:
        due = moment(datetime.fromisoformat(order.due) + timedelta(days=30))
        self.orders[self.orders.index(order)] = replace(order, due=due)
        return "matched", self._facts(order)

    def fault_number_used_last_year(self, order: "Candidate") -> tuple[str, "StudyEvidence"]:
        others = [one for one in self.people if one.id != order.patient.id]
        old = replace(order, id=f"{order.id}-old", order=f"{order.order}-old", status="completed")
        due = moment(self.start - timedelta(days=365))
        uid = f"{order.study_instance_uid}.9"
        self.orders.append(replace(old, patient=self.dice.choice(others), due=due, study_instance_uid=uid))
        return "matched", self._facts(order)

    def fault_like_modality(self, order: "Candidate") -> tuple[str, "StudyEvidence"] | None:
        if order.modality != "CR":
            return None
        return "matched", replace(self._facts(order), modalities=(self.dice.choice(("DX", "PX")),))

    def fault_other_sex(self, order: "Candidate") -> tuple[str, "StudyEvidence"]:
        who = self._who(order)
        return "probable", self._facts(order, replace(who, sex={"F": "M", "M": "F"}[who.sex]))

    def fault_order_cancelled_before(self, order: "Candidate") -> tuple[str, "StudyEvidence"]:
        before = moment(self.start - timedelta(hours=2))
        place = self.orders.index(order)
        self.orders[place] = replace(order, status="cancelled", cancelled_at=before)
        return "probable", self._facts(order)

    # The world

    def _register(self, identity: "Identity") -> None:
        name = f"{identity.patient_id}-{len(self.people)}"
        self.people.append(Person(f"person-{name}", f"record-{name}", (identity,)))

    def _second(self, order: "Candidate", part: str) -> "Candidate":
        """Another open order of the same patient, on the same device, of another part."""
        number = len(self.orders) + 1
        other = replace(
            order,
            id=f"{order.id}-second-{number}",
            procedure=f"{order.procedure}-second-{number}",
            order=f"{order.order}-second-{number}",
            accession_number=f"99{self.day:03}{number:05}",
            study_instance_uid=f"2.25.{self.day}.{number}.2",
            body_part=part,
            laterality="",
            description=f"{order.modality} {part}".lower(),
        )
        self.orders.append(other)
        return other

    def _other_digit(self, number: str) -> str:
        return number[:-1] + str((int(number[-1]) + 3) % 10)

    def _facts(self, order: "Candidate", *seen: "Identity", number: str | None = None) -> "StudyEvidence":
        label = order.accession_number if number is None else number
        at = datetime.fromisoformat(order.due) + timedelta(minutes=self.dice.randrange(-60, 150))
        return StudyEvidence(
            study_instance_uid=order.study_instance_uid
            if self.dice.random() < 0.2 and number is None
            else "1.2.3",
            identities=seen or (self._who(order),),
            accession_numbers=(label,) if label else (),
            modalities=(order.modality,),
            station_ae_titles=order.station_ae_titles,
            acquired_at=moment(at),
            received_at=moment(at + timedelta(minutes=5)),
            quiet_at=moment(at + timedelta(minutes=7)),
            body_parts=self.dice.choice(((), (order.body_part,))),
            lateralities=(order.laterality,) if order.laterality else (),
            description=order.description,
        )

    def _admit(self, value: str) -> None:
        records = [self._made_up(value)]
        if self.dice.random() < 0.1:
            records.append(replace(records[0], patient_id=f"T{value}"))
        self.people.append(Person(f"person-{value}", f"record-{value}", tuple(records)))

    def _made_up(self, value: str) -> "Identity":
        sex = self.dice.choice("FM")
        given = self.dice.choice(GIVEN_F if sex == "F" else GIVEN_M)
        birth = (
            f"{self.dice.randrange(1930, 2015)}{self.dice.randrange(1, 13):02}{self.dice.randrange(1, 13):02}"
        )
        return Identity(value, "GENHOSP", f"{self.dice.choice(FAMILIES)}^{given}", birth, sex)

    def _twins(self) -> None:
        for number in range(4):
            one = self.people[number].records[0]
            sex, names = ("M", GIVEN_M) if one.sex == "F" else ("F", GIVEN_F)
            value = f"{self.day:02}9{number:03}"
            twin = replace(
                one, patient_id=value, sex=sex, name=f"{one.name.partition('^')[0]}^{names[number]}"
            )
            self.people.append(Person(f"person-{value}", f"record-{value}", (twin,)))

    def _order(self, whose: "Person") -> None:
        number = len(self.orders) + 1
        modality, station, part, side = self.dice.choice(KINDS)
        key = f"{self.day:02}-{number}"
        self.orders.append(
            Candidate(
                id=f"step-{key}",
                procedure=f"procedure-{key}",
                order=f"order-{key}",
                scheduled_procedure_step_id=f"SP{self.day:02}{number:05}",
                requested_procedure_id=f"RP{self.day:02}{number:05}",
                study_instance_uid=f"2.25.{self.day}.{number}",
                patient=whose,
                accession_number=f"00{26 + self.day:02}{number * 7:04}",
                description=f"{modality} {part}".lower(),
                body_part=part,
                laterality=side,
                modality=modality,
                station_ae_titles=(station,),
                due=moment(self.start + timedelta(minutes=self.dice.randrange(0, 600))),
                status="scheduled",
                content_received_at=moment(self.start - timedelta(hours=3)),
            )
        )

    def _who(self, order: "Candidate") -> "Identity":
        return order.patient.records[0]

    def _other(self, order: "Candidate") -> "Identity":
        others = [one for one in self.people if one.id != order.patient.id]
        return self.dice.choice(others).records[0]

    def _slip(self, word: str) -> str:
        place = self.dice.randrange(1, len(word) - 1)
        return self.dice.choice(
            (
                word[:place] + word[place + 1 :],
                word[:place] + "X" + word[place + 1 :],
                word[: place - 1] + word[place] + word[place - 1] + word[place + 1 :],
            )
        )


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ris_pacs.settings")
    import django

    django.setup()
    from archive.reconcile import order_evidence
    from archive.reconcile.candidates import Candidate, Person
    from archive.reconcile.reconcile_policy import Policy
    from archive.reconcile.registered_people import RegisteredPeople
    from archive.reconcile.study_evidence import Identity, StudyEvidence, moment
    from archive.reconcile.verdict import decide

    DEFAULT = Policy()
    main()
