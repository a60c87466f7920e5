"""The columns of the studies that a figure counts."""

from typing import Final

from web.kernel.tables import Column, Table, part

CASES: Final = Table(
    row='id="case-{{ row.kind }}-{{ row.public_id }}-{{ forloop.counter }}" data-href="{{ row.url }}"',
    columns=(
        Column("start", "Began", "", "{{ row.start|clock }}", css="nowrap"),
        Column("patient", "Patient", "", '<span class="name">{{ row.patient|bdi }}</span>', share=3),
        Column("what", "Procedure", "", '<a href="{{ row.url }}">{{ row.procedure }}</a>', share=3),
        Column("accession", "Accession", "", "{{ row.accession }}", share=2),
        Column("priority", "Priority", "", part("web/parts/priority.html", priority="row.priority")),
        Column("state", "State", "", "{{ row.state }}", css="nowrap"),
        Column(
            "took",
            "Took",
            "",
            '<span{% if row.is_late %} class="overdue"{% endif %}>'
            '{% if row.is_late %}<span aria-hidden="true">▲</span> {% endif %}{{ row.took }}</span>',
            css="number nowrap",
        ),
        Column("target", "Target", "", "{{ row.target }}", css="number nowrap"),
        Column("who", "Reader", "", "{{ row.who }}", share=2),
    ),
)
