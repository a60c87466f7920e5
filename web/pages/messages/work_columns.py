"""The columns of what is to be worked off, and of a bulk replay."""

from typing import Final

from web.kernel.tables import Column, Table, part
from web.pages.messages.message_columns import PATIENT

_CODE: Final = '<span class="failed">{{ row.code }} {{ row.place }}</span>'
GROUPS: Final = Table(
    row='id="group-{{ row.key }}" data-href="{% url "message-work-group" row.key %}"',
    columns=(
        Column("number", "Messages", "", "{{ row.number }}", css="number"),
        Column("error", "Error", "", "web/messages/cells/group.html", css="nowrap"),
        Column("partner", "Source or destination", "", "web/messages/cells/group_partner.html", share=3),
        Column("example", "For example", "", "{{ row.example|truncatechars:160 }}", share=5),
        Column("oldest", "Oldest", "", "{{ row.oldest|moment }}", css="nowrap"),
        Column("newest", "Newest", "", "{{ row.newest|moment }}", css="nowrap"),
        Column("assigned", "Assigned", "", '{{ row.assigned|default:"" }}', css="number"),
    ),
)
_SELECT: Final = Column(
    "select", "Select", "", "web/messages/cells/work_select.html", css="box", is_title_hidden=True
)
_ROW: Final = 'id="message-{{ row.message.public_id }}" data-href="{% url "message" row.message.public_id %}"'
MESSAGES: Final = Table(
    row=_ROW,
    css="list messages",
    columns=(
        _SELECT,
        Column(
            "at",
            "Time",
            "",
            '<a href="{% url "message" row.message.public_id %}">{{ row.at|moment }}</a>',
            css="nowrap",
        ),
        Column("type", "Type", "", '{{ row.message.message_type|default:"none" }}', css="nowrap"),
        Column("control", "Control ID", "", "web/messages/cells/control.html", share=2),
        Column("patient", "Patient", "", PATIENT, share=3),
        Column("order", "Order", "", part("web/messages/cells/named.html", named="row.order"), share=2),
        Column("error", "Error", "", "{{ row.error_text|truncatechars:160 }}", share=5),
        Column("assignee", "Assigned to", "", '{{ row.message.assignee|default:"" }}', share=2),
    ),
)
REPLAYS: Final = Table(
    row='id="replay-{{ row.public_id }}" data-href="{% url "bulk-replay" row.public_id %}"',
    columns=(
        Column(
            "begun",
            "Begun",
            "",
            '<a href="{% url "bulk-replay" row.public_id %}">{{ row.begun_at|moment }}</a>',
            css="nowrap",
        ),
        Column("by", "By", "", '{{ row.by|default:"" }}', css="nowrap"),
        Column("state", "State", "", "{{ row.get_state_display }}", css="nowrap"),
        Column("applied", "Applied", "", "{{ row.applied }} of {{ row.total }}", css="number"),
        Column("failed", "Failed", "", '{{ row.failed|default:"" }}', css="number"),
        Column("reason", "Reason", "", "{{ row.reason }}", share=4),
    ),
)
REPLAYED: Final = Table(
    row='id="replayed-{{ row.position }}" data-href="{% url "message" row.shown.public_id %}"',
    columns=(
        Column("position", "No.", "", "{{ row.position }}", css="number"),
        Column(
            "message",
            "Message",
            "",
            '<a href="{% url "message" row.shown.public_id %}">{{ row.shown.control_id|default:"none" }}</a>',
            share=2,
        ),
        Column("type", "Type", "", "{{ row.original.message_type }}", css="nowrap"),
        Column("received", "Received", "", "{{ row.original.received_at|moment }}", css="nowrap"),
        Column("state", "State", "", part("web/parts/status.html", status="row.state")),
        Column(
            "error",
            "Error",
            "",
            '{% if row.state == "failed" %}<span class="failed">{{ row.replay.error_code|default:"" }}'
            " {{ row.place }}</span> {{ row.replay.error_text|truncatechars:160 }}{% endif %}",
            share=5,
        ),
    ),
)
