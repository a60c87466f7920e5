"""What images do to the steps that they are of: start or complete them, until a person says better."""

from collections.abc import Collection
from datetime import datetime
from typing import Final

from accounts.models import Facility
from ledger.stamps import Stamp
from worklist import worklist_events
from worklist.models import StatusEvent, StepStatus
from worklist.orders import order_application, step_status
from worklist.orders.order_aggregate import OrderAggregate, StepRecord
from worklist.orders.order_book import OrderBook
from worklist.provenance import Provenance
from worklist.worklist_policy import WorklistPolicy

_BEFORE: Final = {
    StatusEvent.Kind.START: frozenset({StepStatus.SCHEDULED, StepStatus.ARRIVED, StepStatus.HELD}),
    StatusEvent.Kind.COMPLETE: frozenset(
        {StepStatus.SCHEDULED, StepStatus.ARRIVED, StepStatus.HELD, StepStatus.STARTED}
    ),
}
"""From which states images move a step. What has ended, by whomever, stays as it is."""
_BY_PERSONS: Final = ("user:", "act:")
"""What has taken back an act where a person did: the person, or the act of reopening."""


def are_followed() -> bool:
    """Whether the site has images move the steps that they are of."""
    return WorklistPolicy.current().on_images != "nothing"


def scanned(
    *,
    order: int,
    steps: Collection[int],
    facility: Facility,
    study: str,
    origin: str,
    at: datetime,
    is_quiet: bool = True,
) -> None:
    """Move steps of an order, by their keys, as the site says, since a study of them was received by `at`.

    While more may come, it `is_quiet` not, they are only started. `study` is its public id, `origin` what
    says that it is theirs: its images, a verdict or a decision. What a person has taken back of what this
    study did is not done again.
    """
    if not are_followed():
        return
    is_done = is_quiet and WorklistPolicy.current().on_images == "complete"
    kind = StatusEvent.Kind.COMPLETE if is_done else StatusEvent.Kind.START
    source = _source(study)
    provenance = Provenance(facility, Stamp(at, digest=origin), at, source)

    def act(orders: OrderBook, aggregate: OrderAggregate) -> None:
        taken_back = {
            event.step_id
            for event in aggregate.events
            if event.source == source and event.undone_by.startswith(_BY_PERSONS)
        }
        moved = [
            step
            for step in aggregate.steps
            if step.id in steps and _moves(aggregate, step, kind) and step.id not in taken_back
        ]
        for step in moved:
            orders.add_event(aggregate, kind, provenance, step=step)
            about = [("step", step.public_id), ("order", aggregate.order.public_id)]
            orders.note(worklist_events.STEP_CHANGED[kind], about, provenance)
        if moved:
            orders.derive(aggregate, provenance)

    order_application.on_order(order, act)


def withdrawn(*, order: int, facility: Facility, study: str, origin: str, at: datetime) -> None:
    """Take back what a study did to an order that it is no longer of; what people did stays."""
    source = _source(study)
    provenance = Provenance(facility, Stamp(at, digest=origin), at, source)

    def act(orders: OrderBook, aggregate: OrderAggregate) -> None:
        own = [
            event
            for event in aggregate.events
            if event.source == source and (not event.undone_by or event.undone_by.startswith("act:"))
        ]
        for event in own:
            event.undone_by = origin[:200]
            undone = worklist_events.UNDONE[StatusEvent.Kind(event.kind)]
            orders.note(undone, [("order", aggregate.order.public_id)], provenance)
        if own:
            orders.derive(aggregate, provenance)

    order_application.on_order(order, act)


def moved_by(study: str) -> set[int]:
    """The keys of the orders in which acts of a study, by its public id, stand."""
    rows = StatusEvent.objects.filter(source=_source(study), undone_by="")
    return set(rows.values_list("order_id", flat=True))


def taken_back_by(act: str) -> str:
    """What an end is marked with that an act of reopening, by its public id, has taken back."""
    return f"act:{act}"


def completed_alone(aggregate: OrderAggregate, step: int) -> bool:
    """Whether a step is completed by images and nobody has said so: a person may still confirm it."""
    ends = [
        event
        for event in aggregate.events
        if event.step_id == step and event.kind == StatusEvent.Kind.COMPLETE and not event.undone_by
    ]
    return bool(ends) and all(event.source.startswith(_source("")) for event in ends)


def _moves(aggregate: OrderAggregate, step: StepRecord, kind: StatusEvent.Kind) -> bool:
    """Images show that somebody did come, whatever the scheduling system says."""
    return step.status in _BEFORE[kind] or step_status.is_only_missed(aggregate.events_of(step))


def _source(study: str) -> str:
    return f"study:{study}"
