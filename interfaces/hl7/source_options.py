"""How a source's messages are read, as its row keeps it; the site file's entry adds who it is."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from accounts.site import TimeZone
from interfaces.hl7.models import Source


class SourceOptions(BaseModel):
    """The choices made for a sender. `receivers` are the applications (MSH-5) that it may address here,
    `*` for any; an empty `time_zone` is that of its facility. Placer order numbers without a namespace are in
    `order_namespace`, which empty is the sending application (MSH-3). A source that is `enhanced` gets what
    MSH-15 and MSH-16 ask for; its application acknowledgments go to the destination `application_acks`, else
    where the message came from.
    Messages of the types in `keep` are accepted and kept, and do nothing.
    After `silence_alarm` minutes without a message somebody is told; `learnt` goes by what is usual then.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    assigning_authority: str = ""
    order_namespace: str = ""
    time_zone: Literal[""] | TimeZone = ""
    charset: str = ""
    enhanced: bool = False
    application_acks: str = ""
    stamp_from: Literal["MSH-7", "EVN-2", "ORC-9"] = "MSH-7"
    processing_ids: list[str] = ["P"]
    receivers: list[str] = ["*"]
    keep: list[Literal["MDM", "OML", "ORL", "BAR", "DFT"]] = []
    mapping: dict[str, list[str]] = {}
    order_status: dict[str, str] = {}
    silence_alarm: Literal["learnt", "off"] | Annotated[int, Field(ge=1, le=10_080)] = "learnt"


def of(source: Source) -> SourceOptions:
    """The options of a source, as they were applied."""
    return SourceOptions.model_validate(source.options)
