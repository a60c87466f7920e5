"""The columns of the queue of dictations."""

from typing import Final

from web.kernel.tables import Column, Table, part

TABLE: Final = Table(
    row='id="dictation-{{ row.dictation.uuid }}" data-href="{% url "dictation" row.dictation.uuid %}"',
    columns=(
        Column(
            "priority",
            "Priority",
            "",
            part("web/parts/priority.html", priority="row.dictation.item.priority"),
        ),
        Column("due", "Due", "", "web/transcription/cells/due.html", css="nowrap"),
        Column("age", "Age", "", "{{ row.age|span }}", css="nowrap"),
        Column("length", "Length", "", "{{ row.length|span }}", css="nowrap"),
        Column("author", "Author", "", "{{ row.dictation.author }}", share=1),
        Column(
            "patient",
            "Patient",
            "",
            '<a class="name" href="{% url "dictation" row.dictation.uuid %}">{{ row.name|bdi }}</a>'
            ' <span class="quiet">{{ row.identifier }}</span>',
            share=3,
        ),
        Column(
            "study",
            "Study",
            "",
            "{{ row.dictation.item.modality }} {{ row.dictation.item.description }}",
            share=3,
        ),
        Column(
            "state",
            "State",
            "",
            part("web/parts/status.html", status="row.dictation.state")
            + ' <span class="quiet">{{ row.dictation.return_reason }}</span>',
        ),
        Column(
            "typist",
            "Typist",
            "",
            '{% if row.holder %}<span aria-hidden="true">●</span> {{ row.holder }}{% endif %}',
            share=1,
        ),
    ),
)
