"""The columns of the reading worklist."""

from typing import Final

from web.kernel.tables import Column, Table, part

TABLE: Final = Table(
    usual="priority",
    css="list reading-list",
    row='id="item-{{ row.item.public_id }}" data-href="{% url "reading-item" row.item.public_id %}"'
    ' data-band="{{ row.item.band }}"',
    columns=(
        # Its order is that of need: STAT before the rest, then by due time.
        Column(
            "priority",
            "Priority",
            "",
            part("web/parts/priority.html", priority="row.item.priority"),
        ),
        Column("due", "Wait", "due_at", "web/reading/cells/wait.html", css="nowrap"),
        Column("patient", "Patient", "patient__name_key", "web/reading/cells/patient.html", share=4),
        Column(
            "born",
            "Born",
            "",
            part("web/parts/born.html", birth_date="row.birth_date", age="row.age", sex="row.sex"),
            css="nowrap",
        ),
        Column("modality", "Modality", "modality", "{{ row.item.modality }}"),
        Column("part", "Body part", "body_part", "{{ row.item.body_part|lower }}"),
        Column(
            "procedure",
            "Procedure",
            "description",
            '{{ row.item.description|default:"(not recorded)" }}',
            share=3,
        ),
        Column("images", "Images", "stored", "{{ row.images }}", css="number"),
        Column("status", "Status", "status", "web/reading/cells/status.html", css="nowrap"),
        Column(
            "reader",
            "Reader",
            "",
            '{% if row.is_held %}<span aria-hidden="true">●</span> {% endif %}{{ row.holder }}',
            share=3,
        ),
        Column("actions", "Actions", "", "web/reading/cells/actions.html", css="acts", is_title_hidden=True),
    ),
)
