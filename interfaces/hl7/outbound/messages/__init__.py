"""The messages that go out, a module for each type: what causes it, what it tells, how it is written."""

from typing import Final

from interfaces.hl7.outbound.messages.application_ack import APPLICATION_ACK
from interfaces.hl7.outbound.messages.merges import MERGES
from interfaces.hl7.outbound.messages.order_status import ORDER_STATUS
from interfaces.hl7.outbound.messages.persons import PERSONS
from interfaces.hl7.outbound.messages.placed_orders import PLACED_ORDERS
from interfaces.hl7.outbound.messages.results import RESULTS

ALL: Final = (APPLICATION_ACK, MERGES, ORDER_STATUS, PERSONS, PLACED_ORDERS, RESULTS)
