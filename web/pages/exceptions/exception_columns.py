"""The columns of the exceptions list."""

from typing import Final

from web.kernel.tables import Column, Table, part

_SEEN: Final = "{{ row.seen.name|isolated }} {{ row.seen.identifier }} {{ row.seen.born }} {{ row.seen.sex }}"
_EXPECTED: Final = (
    "{% if row.expected %}{{ row.expected.name|isolated }} {{ row.expected.identifier }}"
    " {{ row.expected.born }} {{ row.expected.sex }}{% endif %}"
)

TABLE: Final = Table(
    usual="due",
    css="list exceptions",
    row='id="e-{{ row.exception.public_id }}" data-href="{% url "exception" row.exception.public_id %}"',
    columns=(
        Column(
            "age",
            "Age",
            "age",
            part("web/exceptions/exception_clock.html", clock="row.clock"),
            css="nowrap",
        ),
        Column("due", "Due", "due", "{{ row.exception.due_at|clock }}", css="nowrap"),
        Column(
            "verdict",
            "Verdict",
            "verdict",
            "web/exceptions/cells/verdict.html",
            css="nowrap",
        ),
        Column("patient", "Patient as seen", "patient", "web/exceptions/cells/seen.html", tip=_SEEN, share=4),
        Column("expected", "As expected", "", "web/exceptions/cells/expected.html", tip=_EXPECTED, share=3),
        Column("station", "Station", "", "{{ row.stations }}", css="nowrap"),
        Column(
            "procedure",
            "Procedure",
            "",
            '{{ row.procedure }} <span class="quiet">{{ row.study.modalities|join:", " }}</span>',
            tip="{{ row.procedure }}",
            share=3,
        ),
        Column("evidence", "Strongest evidence", "", "web/exceptions/cells/evidence.html", share=4),
        Column("status", "Status", "status", "web/exceptions/cells/status.html", css="nowrap"),
    ),
)
