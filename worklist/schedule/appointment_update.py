"""What a message says of an appointment or of an arrival, in the worklist's own words."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from worklist.models import AppointmentReference, AppointmentStatus
from worklist.orders.order_update import Number


@dataclass(frozen=True)
class Service:
    """What is to be done at an appointment; `start` where it begins at another time than all of it."""

    code: str
    scheme: str = ""
    start: datetime | None = None


@dataclass(frozen=True)
class AppointmentUpdate:
    """An appointment: its number, where it stands, the orders that it is for, and its content.

    None says nothing.
    """

    number: Number
    status: AppointmentStatus
    orders: Sequence[tuple[AppointmentReference.Kind, Number]] = ()
    start: datetime | None = None
    location: str | None = None
    station_ae_title: str | None = None
    reason: str | None = None
    services: Sequence[Service] = field(default=())


@dataclass(frozen=True)
class ArrivalUpdate:
    """The registered patient is at an imaging location."""

    location: str
