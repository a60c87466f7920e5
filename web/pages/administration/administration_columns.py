"""The columns of the lists of administration."""

from typing import Final

from web.kernel.tables import Column, Table, part

USERS: Final = Table(
    row='id="user-{{ row.public_id }}" data-href="{% url "administration-user" row.public_id %}"',
    columns=(
        Column(
            "username",
            "User name",
            "",
            '<a href="{% url "administration-user" row.public_id %}"><b>{{ row.username }}</b></a>',
            share=2,
        ),
        Column("name", "Full name", "", "{{ row.full_name }}", share=2),
        Column("roles", "Roles", "", '{{ row.roles|join:", " }}', share=3),
        Column("facilities", "Facilities", "", "web/administration/cells/user_facilities.html", share=2),
        Column(
            "state",
            "State",
            "",
            '{% if row.is_active %}active{% else %}<span class="quiet">not active</span>{% endif %}',
            css="nowrap",
        ),
        Column(
            "signed_in",
            "Last sign-in",
            "",
            "{% if row.last_login %}{{ row.last_login|moment }}{% else %}"
            '<span class="quiet">never</span>{% endif %}',
            css="nowrap",
        ),
        Column("tokens", "Tokens", "", '{{ row.token_count|default:"" }}', css="number"),
        Column("since", "Since", "", "{{ row.created_at|moment }}", css="nowrap"),
    ),
)
_OF_TOKENS: Final = (
    Column("name", "Name", "", '{{ row.name|default:"(no name)" }}', share=3),
    Column(
        "user",
        "User",
        "",
        '<a href="{% url "administration-user" row.user.public_id %}">{{ row.user.username }}</a>'
        '{% if not row.user.is_active %} <span class="tag">not active</span>{% endif %}',
        share=2,
    ),
    Column("made", "Made", "", "{{ row.created_at|moment }}", css="nowrap"),
    Column(
        "used",
        "Last used",
        "",
        "{% if row.last_used_at %}{{ row.last_used_at|moment }}{% else %}"
        '<span class="quiet">never</span>{% endif %}',
        css="nowrap",
    ),
)
_REVOKE: Final = Column(
    "actions", "Actions", "", "web/administration/cells/revoke.html", css="acts", is_title_hidden=True
)
TOKENS: Final = Table(row='id="token-{{ row.public_id }}"', columns=(*_OF_TOKENS, _REVOKE))
REVOKED_TOKENS: Final = Table(
    row='id="token-{{ row.public_id }}"',
    columns=(*_OF_TOKENS, Column("revoked", "Revoked", "", "{{ row.revoked_at|moment }}", css="acts")),
)
JOBS: Final = Table(
    row='id="job-{{ row.public_id }}"',
    columns=(
        Column("kind", "Kind", "", "{{ row.kind }}", css="nowrap"),
        Column("key", "Key", "", "{{ row.key|truncatechars:60 }}", css="mono", share=2),
        Column("asked", "Requested", "", "{{ row.created_at|moment }}", css="nowrap"),
        Column("state", "State", "", part("web/parts/status.html", status="row.state")),
        Column("attempts", "Attempts", "", "{{ row.attempts }}", css="number"),
        Column("error", "What went wrong", "", "{{ row.last_error|truncatechars:300 }}", share=4),
        Column(
            "actions",
            "Actions",
            "",
            "web/administration/cells/try_again.html",
            css="acts",
            is_title_hidden=True,
        ),
    ),
)
KINDS: Final = Table(
    css="",
    columns=(
        Column(
            "kind",
            "Kind",
            "",
            '{{ row.words }} <span class="quiet">{{ row.kind }}</span>',
            css="wraps",
            is_row_head=True,
        ),
        Column("waiting", "Waiting", "", '{{ row.waiting|default:"" }}', css="number"),
        Column("running", "Running", "", '{{ row.running|default:"" }}', css="number"),
        Column("again", "Again later", "", '{{ row.again|default:"" }}', css="number"),
        Column(
            "stuck",
            "For a person",
            "",
            '{% if row.stuck %}<span class="failed">{{ row.stuck }}</span>{% endif %}',
            css="number",
        ),
        Column("oldest", "Due longest", "", "{{ row.oldest|moment }}", css="nowrap"),
    ),
)
DESTINATIONS: Final = Table(
    css="",
    columns=(
        Column(
            "destination",
            "Destination",
            "",
            '<a href="{% url "destination" row.destination.name %}">{{ row.destination.name }}</a>',
            is_row_head=True,
        ),
        Column("waiting", "Waiting", "", "{{ row.waiting }}", css="number"),
        Column("stuck", "For a person", "", "{{ row.held|add:row.stopped }}", css="number"),
        Column("oldest", "Oldest", "", "{{ row.oldest|moment }}", css="nowrap"),
        Column("state", "State", "", "web/administration/cells/queue_state.html"),
    ),
)
WORKS: Final = Table(
    css="",
    columns=(
        Column("work", "Work", "", "{{ row.name }}", is_row_head=True),
        Column(
            "waits",
            "Something to do",
            "",
            '{% if row.waits %}yes{% else %}<span class="quiet">no</span>{% endif %}',
        ),
        Column("holder", "Done now by", "", "web/administration/cells/work_holder.html"),
    ),
)
PROCESSES: Final = Table(
    css="",
    columns=(
        Column("process", "Process", "", "{{ row.0.process }}", is_row_head=True),
        Column("where", "Where", "", "{{ row.0.instance }}", css="mono nowrap"),
        Column("sign", "Last heartbeat", "", "web/administration/cells/sign_of_life.html", css="nowrap"),
        Column("figures", "Figures since its start", "", "{{ row.1 }}", css="quiet"),
    ),
)
QUARANTINED: Final = Table(
    row='id="quarantined-{{ row.0.public_id }}"',
    columns=(
        Column(
            "select",
            "Select",
            "",
            "web/administration/cells/quarantined_select.html",
            is_title_hidden=True,
        ),
        Column("received", "Received", "", "{{ row.0.received_at|moment }}", css="nowrap"),
        Column("from", "From", "", "web/administration/cells/quarantined_from.html", css="nowrap"),
        Column(
            "reason", "Reason", "", "{{ row.0.reason }}", css="nowrap", tip="{{ row.0.get_reason_display }}"
        ),
        Column("text", "What is wrong", "", "{{ row.0.text }}", share=4),
        Column(
            "uid", "SOP Instance UID, as announced", "", "{{ row.0.sop_instance_uid }}", css="mono", share=3
        ),
        Column("size", "Size", "", "{{ row.0.size|filesizeformat }}", css="number nowrap"),
        Column(
            "actions",
            "Actions",
            "",
            "web/administration/cells/quarantined_file.html",
            css="acts",
            is_title_hidden=True,
        ),
    ),
)
AUDIT: Final = Table(
    row='id="audit-{{ row.event.public_id }}"',
    columns=(
        Column("when", "When", "", "{{ row.event.at|second }}", css="nowrap"),
        Column(
            "who",
            "Who",
            "",
            '<a class="inline" href="?actor={{ row.event.actor|urlencode }}">{{ row.event.actor }}</a>'
            '{% if row.full_name %} <span class="quiet">{{ row.full_name }}</span>{% endif %}',
            css="nowrap",
            share=2,
        ),
        Column("from", "From", "", "{{ row.event.address }} {{ row.event.interface }}", css="nowrap quiet"),
        Column("kind", "Kind", "", "{{ row.kind }}", css="nowrap", tip="DICOM {{ row.event.code }}"),
        Column("action", "Action", "", "{{ row.event.act|default:row.action }}", share=3),
        Column("outcome", "Outcome", "", "web/administration/cells/audit_outcome.html", css="nowrap"),
        Column("what", "What", "", "web/administration/cells/audit_things.html", share=4),
    ),
)
