"""The columns of patients, orders, steps and studies, where pages list them."""

from typing import Final

from web.kernel.tables import Column, Table, part

PATIENTS: Final = Table(
    row='id="patient-{{ forloop.counter }}" data-href="{{ row.url }}"',
    columns=(
        Column("name", "Name", "", "web/parts/cells/patient_name.html", share=4),
        Column("born", "Born", "", "{{ row.birth_date }}", css="nowrap"),
        Column("age", "Age", "", "{{ row.age }}"),
        Column("sex", "Sex", "", "{{ row.sex_word }}"),
        Column("identifier", "Identifier", "", "{{ row.identifier }}", share=2),
        Column("authority", "Authority", "", "{{ row.authority }}", share=2),
    ),
)
IDENTIFIERS: Final = Table(
    columns=(
        Column("identifier", "Identifier", "", "<b>{{ row.value }}</b>"),
        Column("authority", "Authority", "", "{{ row.authority }}", share=2),
        Column("type", "Type", "", "{{ row.type }}"),
        Column("use", "Use", "", "{{ row.use }}", css="quiet"),
    ),
)
ORDERS: Final = Table(
    row='id="order-{{ row.public_id }}" data-href="{% url "order" row.public_id %}"',
    columns=(
        Column("due", "Due", "", "web/parts/cells/order_due.html", css="nowrap"),
        Column("patient", "Patient", "", "web/parts/cells/order_patient.html", share=3),
        Column("procedure", "Procedure", "", "web/parts/cells/order_procedure.html", share=3),
        Column("accession", "Accession", "", "{{ row.accession_number }}"),
        Column("priority", "Priority", "", part("web/parts/priority.html", priority="row.priority")),
        Column("status", "Status", "", part("web/parts/status.html", status="row.status")),
    ),
)
STEPS: Final = Table(
    row='id="step-{{ row.step.public_id }}"{% if row.state %} data-state="{{ row.state }}"{% endif %}',
    empty="No step is scheduled.",
    columns=(
        Column(
            "due",
            "Due",
            "",
            "web/worklist/cells/time.html",
            css="nowrap",
        ),
        Column("place", "Room", "", "{{ row.place }}", share=1),
        Column("modality", "Modality", "", "{{ row.step.modality }}"),
        Column(
            "step",
            "Step",
            "",
            "{{ row.step.scheduled_procedure_step_id }}"
            ' <span class="quiet">{{ row.step.description }}</span>'
            ' {% include "web/worklist/cells/note.html" %}',
            share=4,
        ),
        Column("status", "Status", "", part("web/parts/status.html", status="row.step.status")),
        Column("actions", "Actions", "", "web/worklist/actions.html", css="acts", is_title_hidden=True),
    ),
)
STUDIES: Final = Table(
    row='id="study-{{ row.public_id }}" data-href="{% url "study" row.study_instance_uid %}"',
    columns=(
        Column("received", "Received", "", "{{ row.last_received_at|clock }}", css="nowrap"),
        Column("patient", "Patient", "", "web/parts/cells/study_patient.html", share=3),
        Column("modality", "Modality", "", '{{ row.modalities|join:", " }}'),
        Column(
            "study",
            "Study",
            "",
            '<a href="{% url "study" row.study_instance_uid %}">{{ row.description|default:"Study" }}</a>',
            share=3,
        ),
        Column("accession", "Accession", "", "{{ row.accession_number }}"),
        Column("images", "Images", "", "{{ row.instance_count }}", css="number"),
        Column(
            "verdict",
            "Verdict",
            "",
            part("web/parts/verdict.html", verdict="row.verdict", decision="row.exception.resolution"),
        ),
        Column("reading", "Reading", "", part("web/parts/status.html", status="row.reading_status")),
    ),
)
MESSAGES: Final = Table(
    columns=(
        Column("time", "Time", "", "{{ row.at|clock }}", css="nowrap"),
        Column(
            "way",
            "Way",
            "",
            '<span aria-hidden="true">{% if row.is_received %}→</span> in{% else %}←</span> out{% endif %}',
            css="nowrap",
        ),
        Column("partner", "Partner", "", "{{ row.partner }}", share=2),
        Column("type", "Type", "", "{{ row.message.message_type }}"),
        Column(
            "control",
            "Control ID",
            "",
            '{% if row.url %}<a href="{{ row.url }}">{{ row.message.control_id }}</a>'
            "{% else %}{{ row.message.control_id }}{% endif %}",
            share=3,
        ),
        Column("status", "Status", "", part("web/parts/status.html", status="row.message.status")),
        Column(
            "ack",
            "ACK",
            "",
            '<span class="ack {{ row.message.ack_code }}">{{ row.message.ack_code|default:"–" }}</span>',
        ),
    ),
)
