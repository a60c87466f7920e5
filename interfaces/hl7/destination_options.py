"""What a destination takes and how, as its row keeps it; the site file's entry adds who it is."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from interfaces.hl7.models import Destination


class DestinationOptions(BaseModel):
    """How a receiver takes our messages.

    `text` is the data type in which it takes the text of reports, `pdf` whether they come with it, `required`
    whether a report counts as delivered only when it has accepted it. `messages` are the types of messages
    that it gets; None is all. One that is `enhanced` stores a message (CA) before it applies it, and confirms
    that (AA) within `application_wait` seconds.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: Literal["FT", "TX"] = "FT"
    pdf: bool = False
    required: bool = True
    messages: list[str] | None = None
    enhanced: bool = False
    application_wait: int = Field(300, ge=1, le=86_400)

    def wants(self, message_type: str) -> bool:
        """Whether the destination gets messages of a type."""
        return self.messages is None or message_type in self.messages


def of(destination: Destination) -> DestinationOptions:
    """The options of a destination, as they were applied."""
    return DestinationOptions.model_validate(destination.options)
