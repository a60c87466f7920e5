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
            "web/turnaround/orphan_status.html",
        ),
        Column("who", "Who", "", "{{ row.row.who }}"),
        Column("since", "Since", "", "{{ row.row.since|moment }}", css="nowrap"),
    ),
)
