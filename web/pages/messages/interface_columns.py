"""The columns of the senders and destinations."""

from typing import Final

from web.kernel.tables import Column, Table

_RATE: Final = Column("rate", "This hour", "", "web/messages/cells/rate.html", css="nowrap")
_ERRORS: Final = Column("errors", "Errors, 24 h", "", "web/messages/cells/errors.html", share=4)
SENDERS: Final = Table(
    row='id="sender-{{ row.key }}" data-href="{{ row.url }}"',
    columns=(
        Column("sender", "Sender", "", "web/messages/cells/sender.html", share=4),
        Column("state", "State", "", "web/messages/cells/sender_state.html", css="nowrap"),
        Column("connected", "Connected", "", "web/messages/cells/connected.html", css="nowrap"),
        Column(
            "last",
            "Last message",
            "",
            "{% if row.state.last %}{{ row.state.last|moment }}"
            '{% else %}<span class="quiet">none yet</span>{% endif %}',
            css="nowrap",
        ),
        _RATE,
        _ERRORS,
        Column("left_out", "Left out, 24 h", "", "web/messages/cells/left_out.html", share=3),
    ),
)
DESTINATIONS: Final = Table(
    row='id="to-{{ row.key }}" data-href="{{ row.url }}"',
    columns=(
        Column(
            "destination",
            "Destination",
            "",
            '<a href="{{ row.url }}"><b>{{ row.state.queue.destination.name }}</b></a> <span class="quiet">'
            "{{ row.state.queue.destination.host }}:{{ row.state.queue.destination.port }}</span>",
            share=4,
        ),
        Column("state", "State", "", "web/messages/cells/destination_state.html", css="nowrap"),
        Column(
            "last",
            "Last delivery",
            "",
            "{% if row.state.queue.last_delivered %}{{ row.state.queue.last_delivered|moment }}"
            '{% else %}<span class="quiet">none yet</span>{% endif %}',
            css="nowrap",
        ),
        _RATE,
        Column("waiting", "Waiting", "", "{{ row.state.queue.waiting }}", css="number"),
        Column("oldest", "Oldest", "", "{{ row.state.queue.oldest|moment }}", css="nowrap"),
        Column(
            "undecided",
            "Need a decision",
            "",
            "{% if row.state.queue.undecided %}"
            '<span class="failed">{{ row.state.queue.undecided }}</span>{% endif %}',
            css="number",
        ),
        _ERRORS,
    ),
)
ALARMS: Final = Table(
    css="",
    columns=(
        Column("from", "From", "", "{{ row.raised_at|moment }}", css="nowrap"),
        Column(
            "to",
            "To",
            "",
            "{% if row.cleared_at %}{{ row.cleared_at|moment }}"
            '{% else %}<span class="failed">open</span>{% endif %}',
            css="nowrap",
        ),
        Column("kind", "Alarm", "", "{{ row.get_kind_display|capfirst }}", css="nowrap"),
        Column("text", "What", "", "{{ row.text }}", css="wraps"),
    ),
)
