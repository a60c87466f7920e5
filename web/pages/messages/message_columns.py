"""The columns of the messages, and of those that wait for a destination."""

from typing import Final

from interfaces.hl7.inspect.message_search import NEWEST
from web.kernel.tables import Column, Table, part

_ROW: Final = 'id="message-{{ row.message.public_id }}" data-href="{% url "message" row.message.public_id %}"'
_TIME: Final = '<a href="{% url "message" row.message.public_id %}">{{ row.at|moment }}</a>'
PATIENT: Final = part("web/messages/cells/named.html", named="row.patient")
_ORDER: Final = part("web/messages/cells/named.html", named="row.order")
_STATUS: Final = part("web/parts/status.html", status="row.message.status")

TABLE: Final = Table(
    usual=NEWEST,
    css="list messages",
    row=_ROW,
    columns=(
        Column("received", "Time", "received", _TIME, css="nowrap"),
        Column(
            "partner",
            "Source or destination",
            "partner",
            "web/messages/cells/partner.html",
            share=2,
        ),
        Column("type", "Type", "type", '{{ row.message.message_type|default:"none" }}', css="nowrap"),
        Column("control", "Control ID", "", "web/messages/cells/control.html", share=2),
        Column("patient", "Patient", "", PATIENT, share=4),
        Column("order", "Order", "", _ORDER, share=3),
        Column("status", "Status", "status", _STATUS),
        Column("ack", "ACK", "", "web/messages/cells/ack.html", css="nowrap"),
        Column("effect", "Effect", "", "web/messages/cells/effect.html", share=4),
    ),
)
WAITING: Final = Table(
    css="list messages",
    row=_ROW,
    columns=(
        Column("asked", "Requested", "", _TIME, css="nowrap"),
        Column("type", "Type", "", "{{ row.message.message_type }}", css="nowrap"),
        Column("control", "Control ID", "", "{{ row.message.control_id }}", share=2),
        Column("patient", "Patient", "", PATIENT, share=3),
        Column("order", "Order", "", _ORDER, share=2),
        Column("status", "Status", "", _STATUS),
        Column("attempts", "Attempts", "", "{{ row.message.attempts }}", css="number"),
        Column(
            "next",
            "Next try",
            "",
            '{% if row.message.status == "waiting" %}{% if row.message.destination.paused_since %}paused'
            "{% else %}{{ row.message.not_before|moment }}{% endif %}{% endif %}",
            css="nowrap",
        ),
        Column("why", "Why", "", "{{ row.error_text|truncatechars:120 }}", share=4),
    ),
)
