"""The columns of the lists of imports."""

from typing import Final

from web.kernel.tables import Column, Table

IMPORTS: Final = Table(
    row='id="import-{{ row.public_id }}" data-href="{% url "import" row.public_id %}"',
    columns=(
        Column("begun", "Begun", "", "{{ row.begun_at|clock }}", css="nowrap"),
        Column(
            "what",
            "What",
            "",
            '<a href="{% url "import" row.public_id %}">{{ row.source|default:"(no files yet)" }}</a>',
            tip="{{ row.source }}",
        ),
        Column("kind", "Kind", "", "{{ row.get_kind_display }}", css="nowrap"),
        Column("origin", "From", "", '{{ row.origin|default:"" }}', tip="{{ row.origin }}"),
        Column("by", "By", "", "{{ row.by }}"),
        Column("state", "State", "", "web/imports/cells/state.html", css="nowrap"),
        Column("taken", "New", "", "{{ row.taken }}", css="number", tip="objects that are new here"),
        Column("repeated", "Here already", "", "{{ row.repeated }}", css="number"),
        Column("refused", "Refused", "", "{{ row.refused }}", css="number"),
    ),
)
REFUSALS: Final = Table(
    columns=(
        Column("name", "File", "", "{{ row.name|bdi }}", tip="{{ row.name|isolated }}"),
        Column("reason", "Why it was not taken", "", "{{ row.reason|capfirst }}", tip="{{ row.reason }}"),
    ),
)
