"""What one chooses for an order that is placed here: the same on the walk-in's page and on the patient's."""

from collections.abc import Mapping

from web.kernel.choice_fields import ChoiceField
from worklist.schedule import order_choices


def fields(said: Mapping[str, str] | None = None) -> list[ChoiceField]:
    """Procedure, priority and room, as they were `said` before."""
    said = said or {}
    return [
        ChoiceField(
            "procedure_code",
            "Procedure",
            order_choices.procedures(),
            said.get("procedure_code", ""),
            is_required=True,
        ),
        ChoiceField(
            "priority", "Priority", order_choices.priorities(), said.get("priority", ""), open_text=""
        ),
        ChoiceField(
            "station_ae_title",
            "Room",
            order_choices.rooms(),
            said.get("station_ae_title", ""),
            open_text="As the catalogue says",
        ),
    ]
