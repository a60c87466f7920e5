"""By sets: how many statements a batch costs, and what happens when somebody else is quicker."""

import threading
from collections.abc import Iterable, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction

from accounts.models import Facility
from ledger.models import Event
from tests.worklist import histories
from tests.worklist.histories import GENHOSP, Group, order, registration
from worklist import catalogue
from worklist.batches import batch, changed_rows
from worklist.change_set import ChangeSet, Merge
from worklist.models import AssigningAuthority, Order, Patient, PatientLink, ScheduledProcedureStep
from worklist.orders.order_update import OrderUpdate
from worklist.patients.identifiers import Identifier
from worklist.provenance import Provenance

POLICY = histories.POLICY.model_copy(update={"unknown_authorities": "accept"})


def said(facility: Facility, groups: Sequence[Group], number: int = 1) -> ChangeSet:
    stamp = histories.made([], number).provenance.stamp
    return ChangeSet(Provenance(facility, stamp, histories.EIGHT, f"m{number}", policy=POLICY), groups)


def apply(*changes: ChangeSet) -> None:
    with transaction.atomic():
        batch.apply(changes, catalogue.current())


@contextmanager
def statements() -> Any:
    """The statements of a block, without those that begin and end transactions."""
    found: list[str] = []

    def note(execute: Any, sql: str, *rest: Any) -> Any:
        if not sql.startswith(("BEGIN", "SAVEPOINT", "RELEASE")):
            found.append(sql)
        return execute(sql, *rest)

    with connection.execute_wrapper(note):
        yield found


@pytest.fixture
def known(facility: Facility) -> Facility:
    AssigningAuthority.objects.create(namespace="GENHOSP")
    catalogue.current()
    return facility


def groups_of(count: int) -> list[Group]:
    return [Group(registration([f"P{n}"], name="a"), order=order(f"A{n}")) for n in range(count)]


@pytest.mark.django_db
def test_a_batch_takes_as_many_statements_as_one_order(known: Facility) -> None:
    counts = []
    for count in (1, 1, 20):  # at the first time the site's policies are read
        with statements() as found:
            apply(*(said(known, [group], 1) for group in groups_of(count)))
        counts.append(len(found))
        Order.objects.all().delete()
        Patient.objects.all().delete()
    assert counts[1] == counts[2] <= 13
    assert Event.objects.filter(kind="order.stated").count() == 22


@pytest.mark.django_db
def test_merges_cost_the_same_number_of_statements_however_many_they_are(known: Facility) -> None:
    counts = []
    for first, count in ((0, 2), (1000, 60)):
        ends = [(f"P{first + n}", f"P{first + n + 1}") for n in range(count)]
        merges = [Merge(Identifier(kept, GENHOSP), Identifier(gone, GENHOSP)) for kept, gone in ends]
        with statements() as found:
            apply(said(known, [Group(merges=[merge]) for merge in merges], 1))
        counts.append(len(found))
    assert counts[0] == counts[1]
    assert Patient.objects.filter(survivor__value="P1000").count() == 60


@pytest.mark.django_db
def test_a_name_that_somebody_else_makes_meanwhile_is_read_again(
    known: Facility, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On PostgreSQL another listener may commit between our reading and our writing."""
    real, authority, tries = changed_rows.allocate, AssigningAuthority.objects.get(), []

    def overtaken(counts: Any) -> Any:
        tries.append(1)
        if len(tries) == 1:
            Patient.objects.create(facility=known, authority=authority, value="P0", name="THEIRS")
        return real(counts)

    monkeypatch.setattr(changed_rows, "allocate", overtaken)
    with transaction.atomic(), pytest.raises(changed_rows.Overtaken), transaction.atomic():
        batch.apply([said(known, groups_of(1))], catalogue.current())
    tries.clear()
    with transaction.atomic():
        Patient.objects.all().delete()
        batch.apply_one(said(known, groups_of(1)))
    assert len(tries) == 2 and Patient.objects.get().name == "a" and Order.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_that_apply_at_once_end_as_one_after_the_other(known: Facility) -> None:
    """The same people and orders, named by two at the same time, in opposite orders."""
    numbers = [(f"A{n}", f"F{n}") for n in range(6)]
    sent = [
        said(known, [Group(registration([f"P{n}", f"P{n + 1}"]), order=order(*numbers[n]))], n)
        for n in range(6)
    ]
    sent += [said(known, [Group(order=OrderUpdate(order(*number).placer))], 9) for number in numbers]
    errors: list[BaseException] = []

    def work(changes: Iterable[ChangeSet]) -> None:
        try:
            for one in changes:
                for attempt in range(20):
                    try:
                        apply(one)
                        break
                    except (changed_rows.Overtaken, OperationalError):  # a deadlock
                        assert attempt < 19
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(part,)) for part in (sent, sent[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not errors
    assert (Patient.objects.count(), Order.objects.count(), ScheduledProcedureStep.objects.count()) == (
        7,
        6,
        6,
    )
    assert Patient.objects.filter(survivor__value="P0").count() == 6
    assert PatientLink.objects.count() == 6
