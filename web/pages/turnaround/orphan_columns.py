"""The columns of the lists of what nobody has in hand."""

from typing import Final

from web.kernel.tables import Column, Table

ORPHANS: Final = Table(
    row='id="orphan-{{ row.row.kind }}-{{ row.row.key }}" data-href="{{ row.url }}"',
    columns=(
        Column("what", "What", "", '<a href="{{ row.url }}">{{ row.row.label }}</a>'),
        Column(
            "status",
            "Status",
            "",
            '{% if row.row.kind == "study" %}'
            '{% include "web/parts/verdict.html" with verdict=row.row.status decision="" %}'
            '{% elif row.row.status %}{% include "web/parts/status.html" with status=row.row.status %}{% endif %}',
        ),
        Column("who", "Who", "", "{{ row.row.who }}"),
        Column("since", "Since", "", "{{ row.row.since|moment }}", css="nowrap"),
    ),
)
