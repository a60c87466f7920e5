"""What a destination takes and how, as its row keeps it; the site file's entry adds who it is."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from interfaces.hl7.models import Destination
from interfaces.hl7.tls_files import OfSender


def _field_of_a_message(text: str) -> str:
    if (found := OUTBOUND_FIELD.fullmatch(text)) is None:
        raise ValueError(f"{text!r} is no field such as OBR-24")
    if found[1] == "MSH" and int(found[2]) not in _FREE_OF_MSH:
        raise ValueError(f"{text} follows from the message")
    return text


OUTBOUND_FIELD: Final = re.compile(r"([A-Z][A-Z0-9]{2})-([1-9]\d{0,2})")
_FREE_OF_MSH: Final = (3, 4, 5, 6, 8, 11, 14, 17, 19, 21)
OutboundField = Annotated[str, AfterValidator(_field_of_a_message)]
Charset = Literal[
    "ASCII",
    "8859/1",
    "8859/2",
    "8859/3",
    "8859/4",
    "8859/5",
    "8859/6",
    "8859/7",
    "8859/8",
    "8859/9",
    "8859/15",
    "UNICODE UTF-8",
    "GB 18030-2000",
    "KS X 1001",
]
"""HL7 Table 0211, as far as a whole message can be written in one of it."""


class DestinationOptions(BaseModel):
    """How a receiver takes our messages.

    `text` is the data type in which it takes the text of reports, `pdf` whether they come with it, `required`
    whether a report counts as delivered only when it has accepted it. `messages` are the types of messages
    that it gets; None is the usual ones. A `placer` is asked for the numbers of orders that are placed here.
    One that is `enhanced` stores a message (CA) before it applies it, and confirms that (AA) within
    `application_wait` seconds.

    Messages are written in its `charset`, without the fields of `leave_out` and with those of `constants`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: Literal["FT", "TX"] = "FT"
    pdf: bool = False
    required: bool = True
    messages: list[str] | None = None
    role: Literal["", "placer"] = ""
    charset: Charset = "UNICODE UTF-8"
    leave_out: list[OutboundField] = []
    constants: dict[OutboundField, str] = {}
    tls: OfSender | None = None
    enhanced: bool = False
    application_wait: int = Field(300, ge=1, le=86_400)

    def shaped(self, segment: str, fields: Mapping[int, Any]) -> dict[int, Any]:
        """The fields of a segment as the receiver takes them."""
        kept = {n: value for n, value in fields.items() if f"{segment}-{n}" not in self.leave_out}
        for field, value in self.constants.items():
            name, _, n = field.partition("-")
            if name == segment:
                kept[int(n)] = tuple(value.split("^"))
        return kept

    def wants(self, message_type: str, *, by_default: bool = True) -> bool:
        """Whether the destination gets messages of a type."""
        return by_default if self.messages is None else message_type in self.messages


def of(destination: Destination) -> DestinationOptions:
    """The options of a destination, as they were applied."""
    return DestinationOptions.model_validate(destination.options)
