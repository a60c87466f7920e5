"""The columns of the technologist worklist."""

from typing import Final

from web.kernel.tables import Column, Table, part

TABLE: Final = Table(
    usual="time",
    css="list worklist",
    row='id="step-{{ row.step.public_id }}" data-href="{{ row.url }}"'
    ' class="{{ row.step.status }}{% if row.is_past %} past{% endif %}"'
    '{% if row.state %} data-state="{{ row.state }}"{% endif %}',
    columns=(
        Column(
            "choose",
            "Choose",
            "",
            '<input type="checkbox" name="step" value="{{ row.step.public_id }}" data-select'
            ' aria-label="Choose {{ row.patient.name|isolated }}">',
            css="box",
            is_title_hidden=True,
        ),
        Column("time", "Time", "time", "web/worklist/cells/time.html", css="nowrap"),
        Column("station", "Room", "station", "{{ row.place }}", share=1),
        Column("patient", "Patient", "patient", "web/worklist/cells/patient.html", share=6),
        Column(
            "born",
            "Born",
            "",
            part(
                "web/parts/born.html",
                birth_date="row.patient.birth_date",
                age="row.patient.age",
                sex="row.patient.sex",
            ),
            css="nowrap",
        ),
        Column("procedure", "Procedure", "procedure", "web/worklist/cells/procedure.html", share=6),
        Column(
            "priority",
            "Priority",
            "priority",
            part("web/parts/priority.html", priority="row.order.priority"),
        ),
        Column("status", "Status", "status", part("web/parts/status.html", status="row.step.status")),
        Column("wait", "Wait", "", "web/worklist/cells/wait.html", css="nowrap"),
        Column("alerts", "Alerts", "", "web/worklist/cells/alerts.html", share=2),
        Column(
            "actions",
            "Actions",
            "",
            "web/worklist/actions.html",
            css="acts",
            is_title_hidden=True,
        ),
    ),
)
