"""What is decided of messages needs no database: thousands of histories in the time of a few."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.worklist.histories import (
    CATALOGUE,
    GENHOSP,
    HISTORIES,
    Group,
    made,
    order,
    registration,
    state_after,
)
from worklist.change_set import Merge
from worklist.patients import record_links
from worklist.patients.identifiers import Identifier
from worklist.patients.patient_index import PatientIndex


@settings(max_examples=600, deadline=None, suppress_health_check=list(HealthCheck))
@given(HISTORIES, st.data())
def test_any_order_of_arrival_with_repeats_ends_in_the_same_state(sent: list[Any], data: Any) -> None:
    history = [made(groups, number) for number, groups in enumerate(sent, start=1)]
    repeats = data.draw(st.lists(st.sampled_from(history), max_size=3))
    arrivals = data.draw(st.permutations([*history, *repeats]))
    assert state_after(arrivals) == state_after(history)


def test_a_difference_would_be_seen() -> None:
    """The negative control: two histories that differ in content do not end alike."""
    one, other = (
        [made([Group(registration(["P1"], name="a"), order=order("A", reason=text))], 1)]
        for text in ("Cough", "Fever")
    )
    assert state_after(one) != state_after(other)


def test_if_the_last_to_come_won_it_would_be_seen() -> None:
    """The negative control: with stamps of arrival, the same messages end differently."""
    sent = [[Group(registration(["P1"], name=name))] for name in ("a", "b")]
    as_it_came = [made(groups, number) for number, groups in enumerate(sent)]
    turned = [made(groups, number) for number, groups in enumerate(reversed(sent))]
    assert state_after(as_it_came) != state_after(turned)


def test_merges_of_one_message_are_weighed_against_each_other_at_once(monkeypatch: Any) -> None:
    """All links are told anew where an older one comes, not with each merge."""
    told, real = [], record_links.Standing.__init__
    monkeypatch.setattr(
        record_links.Standing, "__init__", lambda self, *links: (told.append(1), real(self, *links))[1]
    )
    patients, said = PatientIndex((), (), (), CATALOGUE), made([], 1).provenance
    for number in range(300):
        gone, keep = Identifier(f"P{number}", GENHOSP), Identifier(f"P{number + 1}", GENHOSP)
        patients.merge(Merge(keep, gone, may_contradict=False), said)
    patients.resolve(said)
    assert len(told) <= 2
