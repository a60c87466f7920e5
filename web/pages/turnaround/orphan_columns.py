"""The columns of the lists of what nobody has in hand."""

from typing import Final

from web.kernel.tables import Column, Table

ORPHANS: Final = Table(
    row='id="orphan-{{ row.row.kind }}-{{ row.row.key }}" data-href="{{ row.url }}"',
    columns=(
        Column("what", "What", "", '<a href="{{ row.url }}">{{ row.row.label }}</a>', share=4),
        Column("status", "Status", "", "web/turnaround/orphan_status.html", share=2),
        Column("who", "Who", "", "{{ row.row.who }}", share=2),
        Column("since", "Since", "", "{{ row.row.since|moment }}", css="nowrap"),
    ),
)
