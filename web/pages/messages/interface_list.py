"""The interfaces: each sender and destination, how it does, and what is wrong with it."""

import hashlib
from dataclasses import dataclass
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from interfaces.hl7.hl7_section import HL7Section
from interfaces.hl7.models import Alarm
from interfaces.hl7.monitoring import interface_state
from interfaces.hl7.monitoring.interface_state import DestinationState, SenderState
from web.kernel import layout
from web.pages.messages import interface_columns, message_tabs


@dataclass(frozen=True)
class Row:
    """A sender or a destination, and where its messages are."""

    state: SenderState | DestinationState
    name: str
    url: str
    partner: str

    @property
    def errors(self) -> list[tuple[str, int, str]]:
        """Codes and places of errors, how many of each, and where their messages are."""
        return [(place, number, self._url_of(place)) for place, number in self.state.errors]

    def _url_of(self, place: str) -> str:
        code = place.partition(" ")[0]
        query = {"partner": self.partner, "time": "day", "status": "trouble"}
        return f"{reverse('messages')}?{urlencode(query | ({'error': code} if code.isdigit() else {}))}"

    @property
    def key(self) -> str:
        """What names the row in the page."""
        return hashlib.sha256(self.partner.encode()).hexdigest()[:12]


@require_safe
@layout.may("message.view")
def interfaces(request: HttpRequest) -> HttpResponse:
    """All of them, with the alarms that are open and those that were."""
    found = interface_state.read()
    alarms = HL7Section.current().alarms
    context = {
        "senders": [_sender(one) for one in found.senders],
        "destinations": [_destination(one) for one in found.destinations],
        "alarms": found.alarms,
        "ended": Alarm.objects.exclude(cleared_at=None).order_by("-raised_at")[:20],
        "told": len(alarms.mail) + len(alarms.webhooks),
        "tables": {
            "senders": interface_columns.SENDERS,
            "destinations": interface_columns.DESTINATIONS,
            "alarms": interface_columns.ALARMS,
        },
        "hl7_address": "{}:{}".format(*settings.HL7_ADDRESS),
    }
    return message_tabs.page(request, "interfaces", "web/messages/interfaces.html", context)


def _sender(state: SenderState) -> Row:
    url = f"{reverse('messages')}?{urlencode({'direction': 'in', 'partner': state.name})}"
    return Row(state, interface_state.shown(state.name), url, state.name)


def _destination(state: DestinationState) -> Row:
    name = state.queue.destination.name
    return Row(state, name, reverse("destination", args=[name]), name)
