"""The site file's section `hl7`: who sends to us and how it is read, and whom we send to."""

from collections.abc import Collection
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from accounts.models import Facility
from accounts.site_sync import Change, sync_rows, sync_section
from interfaces.hl7.destination_options import DestinationOptions
from interfaces.hl7.hl7_section import HL7Section
from interfaces.hl7.models import Destination, Source
from interfaces.hl7.outbound import message_types, outbox
from interfaces.hl7.source_options import SourceOptions
from ledger import jobs


class SourceEntry(SourceOptions):
    """A sender, named by MSH-3 and MSH-4 (`*` for any), and how its messages are read."""

    name: str = Field(max_length=64)
    application: str = "*"
    facility: str = "*"


def _known_message(name: str) -> str:
    if name not in message_types.names():
        raise ValueError(f"{name!r} is none of the messages that go out: {', '.join(message_types.names())}")
    return name


MessageName = Annotated[str, AfterValidator(_known_message)]


Version = Literal["2.2", "2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.8", "2.8.1", "2.8.2"]
"""Those in which messages are written."""


class DestinationEntry(DestinationOptions):
    """A receiver of our messages: who it is, and what it takes and how."""

    name: str = Field(max_length=64)
    address: str
    version: Version = "2.5.1"
    application: str = ""
    facility: str = ""
    messages: list[MessageName] | None = Field(None, min_length=1)

    @field_validator("address")
    @classmethod
    def _host_and_port(cls, value: str) -> str:
        host, _, port = value.rpartition(":")
        if not host or not port.isdigit() or not 0 < int(port) < 65536:
            raise ValueError(f"{value!r} is not host:port")
        return value


class HL7InFile(HL7Section):
    """All of HL7's part of the site file."""

    sources: list[SourceEntry] = []
    destinations: list[DestinationEntry] = []

    @model_validator(mode="after")
    def _application_acks(self) -> Self:
        names = {entry.name for entry in self.destinations}
        for entry in self.sources:
            if entry.application_acks and not (entry.enhanced and entry.application_acks in names):
                text = (
                    f"source {entry.name}: application_acks is the name of a destination, with enhanced: true"
                )
                raise ValueError(text)
        return self


def apply(section: HL7InFile, *, facility_code: str, dry_run: bool, overwrite: bool) -> list[Change]:
    """Bring sources, destinations and policies in line with the file."""
    options: dict[str, Any] = {"dry_run": dry_run, "overwrite": overwrite}
    facility = Facility.objects.filter(code=facility_code).first()
    sources = [_source(entry, facility) for entry in section.sources]
    destinations = [_destination(entry) for entry in section.destinations]
    changed = sync_rows(Destination, ["name"], destinations, **options)
    if changed and not dry_run:
        for entry in section.destinations:
            jobs.enqueue(outbox.JOB, entry.name)  # its queue may stand because of what was changed
    return [
        *sync_section(HL7Section, section, dry_run=dry_run),
        *sync_rows(Source, ["name"], sources, remove=True, **options),
        *changed,
        *_switch_off({entry.name for entry in section.destinations}, dry_run),
    ]


def _switch_off(named: Collection[str], dry_run: bool) -> list[Change]:
    """Send nothing more to destinations that the file no longer names; what was sent there stays."""
    gone = Destination.objects.filter(from_site_file=True, is_active=True).exclude(name__in=named)
    changes = [Change(f"destination {name}", "remove") for name in gone.values_list("name", flat=True)]
    if not dry_run:
        gone.update(is_active=False, stalled_since=None)
    return changes


def _source(entry: SourceEntry, facility: Facility | None) -> dict[str, Any]:
    return {
        "name": entry.name,
        "application": entry.application,
        "facility_name": entry.facility,
        "facility": facility,
        "options": entry.model_dump(exclude={"name", "application", "facility"}, exclude_defaults=True),
    }


def _destination(entry: DestinationEntry) -> dict[str, Any]:
    host, _, port = entry.address.rpartition(":")
    return {
        "name": entry.name,
        "is_active": True,
        "host": host,
        "port": int(port),
        "version": entry.version,
        "application": entry.application,
        "facility_name": entry.facility,
        "options": entry.model_dump(include=set(DestinationOptions.model_fields), exclude_defaults=True),
    }
