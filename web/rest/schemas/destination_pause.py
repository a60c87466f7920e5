"""HL7 destinations, as the API shows them."""

from datetime import datetime

from ninja import Schema

from web.rest.schemas import with_example


class DestinationSending(Schema):
    """Whether a destination is sent to."""

    model_config = with_example(
        {"name": "EHR", "paused_since": "2026-03-02T10:00:00+00:00", "stopped_since": None}
    )

    name: str
    paused_since: datetime | None
    stopped_since: datetime | None
