"""The day is drawn by dice, the same by the same seed, and its faults have what they need."""

from collections import Counter
from itertools import islice

import pytest

from simulator import people, plan
from simulator.faults import EXPECTED, FAULTS, ODDITIES, Fault, slip, wrong_digit
from simulator.plan import Case, Fate, Reading

RUN = "1234567"


def day(seed: int = 1, orders: int = 150, faults: int | None = None) -> list[Case]:
    return plan.day(seed=seed, run=RUN, orders=orders, faults=faults)


def test_the_same_seed_draws_the_same_day_and_another_one_another() -> None:
    assert day() == day()
    assert day() != day(seed=2)


def test_another_run_has_the_same_day_under_other_numbers() -> None:
    ours, theirs = day(), plan.day(seed=1, run="7654321", orders=150)

    assert [case.procedure for case in ours] == [case.procedure for case in theirs]
    assert [case.fault for case in ours] == [case.fault for case in theirs]
    assert not {case.accession_number for case in ours} & {case.accession_number for case in theirs}
    assert not {case.person.patient_id for case in ours} & {case.person.patient_id for case in theirs}


@pytest.mark.parametrize("seed", range(1, 8))
def test_a_full_day_has_every_kind_of_fault_and_most_studies_are_sound(seed: int) -> None:
    seeded = Counter(case.fault for case in day(seed))

    assert {*FAULTS, *ODDITIES} <= set(seeded)
    assert seeded[None] > 0.75 * sum(seeded.values())


@pytest.mark.parametrize("seed", range(1, 8))
def test_what_a_fault_borrows_is_another_patient_at_the_same_station(seed: int) -> None:
    cases = {case.number: case for case in day(seed)}

    for case in cases.values():
        if case.partner is None:
            continue
        partner = cases[case.partner]
        assert partner.station == case.station
        assert partner.person.patient_id != case.person.patient_id
        assert partner.person.birth_date != case.person.birth_date
        assert partner.fault is None
        if case.fault is Fault.WRONG_ENTRY:
            assert partner.fate is Fate.NO_SHOW
            assert partner.ordered < case.comes_at
        else:
            assert partner.comes_at <= case.comes_at


@pytest.mark.parametrize("seed", range(1, 8))
def test_what_is_seeded_is_imaged_and_what_is_ordered_is_ordered_before(seed: int) -> None:
    for case in day(seed):
        if case.fault:
            assert case.fate is Fate.DONE
        if case.fate is not Fate.PRIOR:
            assert 0 <= case.ordered < case.comes_at


def test_a_day_is_a_day_in_a_hospital() -> None:
    cases = day()

    assert {case.procedure.modality for case in cases} == {"CT", "MR", "US", "CR"}
    assert {case.priority for case in cases} == {"S", "A", "R"}
    assert {case.patient_class for case in cases} == {"O", "I", "E"}
    assert {case.fate for case in cases} == set(Fate)
    assert {case.reading for case in cases} == set(Reading)
    assert any(case.moved_to for case in cases)
    assert any(case.person.allergy for case in cases)
    before_noon = sum(case.due < 240 for case in cases)
    assert before_noon > 0.5 * len(cases)
    priors = [case for case in cases if case.fate is Fate.PRIOR]
    others = {case.person.patient_id for case in cases if case.fate is Fate.DONE}
    assert priors
    assert all(case.days_ago >= 30 and case.person.patient_id in others for case in priors)


def test_numbers_are_unique_and_fit_what_dicom_allows() -> None:
    cases = day()
    numbers = [case.accession_number for case in cases]

    assert len(set(numbers)) == len(numbers)
    assert all(len(number) <= 16 and number.startswith("00") for number in numbers)
    assert all(len(f"RP{case.key}") <= 16 for case in cases)


@pytest.mark.parametrize(("orders", "faults"), [(1, 1), (8, 3), (20, 0), (20, 10)])
def test_a_small_day_has_the_faults_that_it_is_asked_for(orders: int, faults: int) -> None:
    cases = day(orders=orders, faults=faults)

    assert sum(case.fault in FAULTS for case in cases) == min(faults, orders)


def test_names_are_of_many_scripts_and_no_two_people_are_one() -> None:
    import random

    crowd = list(islice(people.crowd(random.Random(3), "77"), 150))
    names = "".join(person.dicom_name for person in crowd)

    for letter in "äöüßé山田やま洪홍قΠИ":
        assert letter in names, letter
    assert len({person.patient_id for person in crowd}) == len(crowd)
    assert len({(person.names[0][0], person.birth_date) for person in crowd}) == len(crowd)
    assert any(person.dicom_name.count("=") == 2 for person in crowd)
    assert any(len(person.names[0]) == 5 for person in crowd)


def test_no_number_of_a_patient_is_one_slip_from_anothers() -> None:
    import random

    ids = [person.patient_id for person in islice(people.crowd(random.Random(3), RUN), 200)]
    wrong = {wrong_digit(one, 2) for one in ids}

    assert not wrong & set(ids)


@pytest.mark.parametrize(
    ("text", "place", "slipped"), [("MUELLER", 2, "MULELER"), ("Müller", 2, "Mülller"), ("Bars", 1, "Bras")]
)
def test_a_slip_is_one_slip(text: str, place: int, slipped: str) -> None:
    assert slip(text, place) == slipped


def test_every_fault_says_what_is_right() -> None:
    assert set(EXPECTED) == set(Fault)
    assert all(expected.says for expected in EXPECTED.values())


def test_after_the_day_orders_go_on_without_end() -> None:
    after = list(islice(plan.trickle(seed=1, run=RUN, first=161), 5))

    assert [case.number for case in after] == [161, 162, 163, 164, 165]
    assert not {case.person.patient_id for case in after} & {case.person.patient_id for case in day()}
