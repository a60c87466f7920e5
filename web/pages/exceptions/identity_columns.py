"""The columns of the list of identities in doubt."""

from typing import Final

from web.kernel.tables import Column, Table, part

TABLE: Final = Table(
    usual="-age",
    css="list exceptions",
    row='id="i-{{ row.row.public_id }}" data-href="{% url "identity-exception" row.row.public_id %}"',
    columns=(
        Column("age", "Since", "age", "{{ row.row.opened_at|clock }}", css="nowrap"),
        Column(
            "kind",
            "What",
            "kind",
            '<a href="{% url "identity-exception" row.row.public_id %}">'
            "{{ row.row.get_kind_display|capfirst }}</a>",
            share=3,
        ),
        Column(
            "patient",
            "Patient",
            "",
            '{{ row.patient.name|bdi }} <span class="quiet">{{ row.patient.identifier }}</span>',
            share=3,
        ),
        Column(
            "named",
            "Named in the message",
            "",
            '{{ row.named|bdi }} <span class="quiet">{{ row.identifiers }}</span>',
            tip="{{ row.named|isolated }} {{ row.identifiers }}",
            share=3,
        ),
        Column("accession", "Accession", "", '{{ row.row.order.accession_number|default:"" }}', css="nowrap"),
        Column("times", "Times", "", "{{ row.row.times }}", css="number", tip="how often messages said so"),
        Column(
            "status", "Status", "status", part("web/parts/status.html", status="row.row.status"), css="nowrap"
        ),
    ),
)
