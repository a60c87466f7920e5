"""What HL7 reads of the site file at run time, beside its sources and destinations."""

from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from accounts.site_sections import Section
from interfaces.hl7.tls_files import OfListener


def _mail_address(value: str) -> str:
    name, at, domain = value.partition("@")
    if not (name and at and domain) or any(letter.isspace() for letter in value):
        raise ValueError(f"{value!r} is not a mail address")
    return value


def _web_address(value: str) -> str:
    if not value.startswith(("https://", "http://")):
        raise ValueError(f"{value!r} begins with neither https:// nor http://")
    return value


class AlarmPolicy(BaseModel):
    """Who is told of alarms, and when there is one.

    `mail` are addresses, `webhooks` addresses that get JSON. `stalled_minutes` is for how long a destination
    may give no answer, `backlog_minutes` how long a message may wait, `errors_per_hour` how many messages of
    a sender may fail within an hour.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    mail: list[Annotated[str, AfterValidator(_mail_address)]] = []
    webhooks: list[Annotated[str, AfterValidator(_web_address)]] = []
    stalled_minutes: int = Field(5, ge=1, le=10_080)
    backlog_minutes: int = Field(15, ge=1, le=10_080)
    errors_per_hour: int = Field(20, ge=1)


class HL7Section(Section):
    """`accept_unknown_sources`: a source for any application and facility counts; else only named ones do.

    `tls` is where it listens for MLLP over TLS. An alarm tells of certificates `expiry_days` before they end.
    """

    row: ClassVar = "hl7"

    accept_unknown_sources: bool = False
    tls: OfListener | None = None
    expiry_days: int = Field(30, ge=1, le=365)
    alarms: AlarmPolicy = AlarmPolicy()
