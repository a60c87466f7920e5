"""The columns of the stations, and of what each asked and opened last."""

from typing import Final

from web.kernel.tables import Column, Table

STATIONS: Final = Table(
    row='id="{% if row.station %}station-{{ row.station.pk }}{% else %}stranger-{{ forloop.counter }}'
    '{% endif %}"{% if row.ae_title %} data-href="{% url "station" row.ae_title %}"{% endif %}',
    columns=(
        Column("title", "AE title", "", "web/stations/cells/title.html", css="nowrap"),
        Column(
            "name",
            "Name",
            "",
            "{% if row.station %}{{ row.station.name }}"
            '{% else %}<span class="tag">not declared</span>{% endif %}',
            share=2,
        ),
        Column("modalities", "Modalities", "", '{{ row.station.modalities|join:", " }}'),
        Column("room", "Room", "", "{{ row.station.location }}", share=1),
        Column("sees", "Sees", "", "{{ row.station.selection }}", share=2),
        Column(
            "may",
            "May",
            "",
            '{% if row.station %}{{ row.station.services|join:", "|default:"nothing" }}{% endif %}',
            share=2,
        ),
        Column(
            "query",
            "Last query",
            "",
            '{% if row.query %}{{ row.query.at|moment }}{% else %}<span class="quiet">none</span>{% endif %}',
            css="nowrap",
        ),
        Column("answers", "Answers", "", "{{ row.query.details.answers }}", css="number"),
        Column("association", "Last association", "", "web/stations/cells/association.html", css="nowrap"),
        Column("end", "How it ended", "", "web/stations/cells/end.html"),
    ),
)
QUERIES: Final = Table(
    css="",
    columns=(
        Column("when", "When", "", "{{ row.at|moment }}", css="nowrap"),
        Column("keys", "Keys", "", "web/stations/cells/keys.html", css="keys"),
        Column("answers", "Answers", "", "{{ row.details.answers }}", css="number"),
        Column("ms", "ms", "", "{% widthratio row.details.seconds 0.001 1 %}", css="number"),
        Column("end", "End", "", "web/stations/cells/query_end.html", css="nowrap"),
    ),
)
ASSOCIATIONS: Final = Table(
    css="",
    columns=(
        Column("when", "When", "", "{{ row.at|moment }}", css="nowrap"),
        Column(
            "from",
            "From",
            "",
            '{{ row.address }}{% if row.details.tls %} <span class="tag">TLS</span>{% endif %}',
            css="nowrap",
        ),
        Column("end", "End", "", "web/stations/cells/association_end.html", css="nowrap"),
        Column("objects", "Objects", "", '{{ row.details.objects|default:"" }}', css="number"),
        Column(
            "size",
            "Size",
            "",
            "{% if row.details.bytes %}{{ row.details.bytes|filesizeformat }}{% endif %}",
            css="number",
        ),
        Column("seconds", "s", "", "{{ row.details.seconds|floatformat:2 }}", css="number"),
        Column("software", "Software", "", "{{ row.details.implementation }}"),
    ),
)
