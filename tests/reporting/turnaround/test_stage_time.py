"""Each second between ready and final has one owner, so the parts sum exactly."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from reporting.turnaround import stage_time
from reporting.turnaround.stage_time import CODE, NOBODY, Log

MINUTE = 60_000


def log(*entries: tuple[int, float, str]) -> Log:
    rows, minutes, owners = zip(*entries, strict=True)
    codes = [CODE.get(owner, NOBODY) for owner in owners]
    return Log.of(np.array(rows), np.array(minutes, float) * MINUTE, np.array(codes))


def minutes(spent: stage_time.Spent, row: int = 0) -> dict[str, float]:
    return {part: spent.time[code][row] / MINUTE for part, code in CODE.items() if spent.time[code][row]}


def spend(of: Log, ready: float = 0, stop: float = 100) -> stage_time.Spent:
    return stage_time.spend(of, np.array([ready * MINUTE]), np.array([stop * MINUTE]))


def test_a_released_item_is_the_queues_again() -> None:
    one = spend(log((0, 0, "queue"), (0, 10, "reader"), (0, 15, "queue"), (0, 40, "reader")))
    assert minutes(one) == {"queue": 35, "reader": 65}


def test_a_returned_dictation_is_its_authors() -> None:
    one = spend(
        log((0, 5, "reader"), (0, 10, "typist"), (0, 30, "reader"), (0, 40, "typist"), (0, 60, "signer"))
    )
    assert minutes(one) == {"queue": 5, "reader": 15, "typist": 40, "signer": 40}


def test_an_undone_signature_stays_with_its_signer() -> None:
    one = spend(log((0, 0, "queue"), (0, 10, "signer"), (0, 20, "nobody"), (0, 21, "signer")), stop=30)
    assert minutes(one) == {"queue": 10, "signer": 20}


def test_a_hold_is_nobodys_here_and_the_turn_stays() -> None:
    one = spend(log((0, 0, "queue"), (0, 10, "reader"), (0, 20, "outside")))
    assert minutes(one) == {"queue": 10, "reader": 10, "outside": 80}
    assert (one.holder[0], one.is_held[0]) == (CODE["reader"], True)


def test_what_has_no_log_was_in_the_queue() -> None:
    empty = Log.of(np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.int64))
    assert minutes(spend(empty)) == {"queue": 100}
    never = stage_time.spend(empty, np.array([np.nan]), np.array([5.0]))
    assert minutes(never) == {}


def test_rows_do_not_mix() -> None:
    both = log((1, 50, "reader"), (0, 10, "reader"))
    found = stage_time.spend(both, np.array([0.0, 20 * MINUTE]), np.array([30.0 * MINUTE, 60 * MINUTE]))
    assert (minutes(found, 0), minutes(found, 1)) == (
        {"queue": 10, "reader": 20},
        {"queue": 30, "reader": 10},
    )


def test_a_hold_counts_only_within_the_interval() -> None:
    of = log((0, 0, "queue"), (0, 10, "outside"), (0, 30, "queue"), (0, 50, "outside"), (0, 70, "queue"))
    start, stop = np.array([20.0 * MINUTE]), np.array([60.0 * MINUTE])
    assert stage_time.held(of, np.array([0.0]), start, stop)[0] == 20 * MINUTE


ENTRIES = st.lists(
    st.tuples(st.integers(-5_000, 10_000_000), st.sampled_from([*CODE, "nobody"])), max_size=25
)


@given(
    st.lists(st.tuples(ENTRIES, st.integers(0, 5_000_000), st.integers(0, 9_000_000)), min_size=1, max_size=4)
)
def test_the_parts_sum_exactly(items: list[tuple[list[tuple[int, str]], int, int]]) -> None:
    rows = [(row, at, owner) for row, (entries, _, _) in enumerate(items) for at, owner in entries]
    codes = [CODE.get(owner, NOBODY) for _, _, owner in rows]
    of = Log.of(
        np.array([row for row, _, _ in rows], np.int64),
        np.array([at for _, at, _ in rows], np.float64),
        np.array(codes, np.int64),
    )
    ready = np.array([ready for _, ready, _ in items], np.float64)
    stop = ready + np.array([length for _, _, length in items], np.float64)
    spent = stage_time.spend(of, ready, stop)
    assert (spent.time.sum(axis=0) == stop - ready).all()
    assert (stage_time.held(of, ready, ready, stop) == spent.time[CODE["outside"]]).all()
