"""How a source's messages are read, as its row keeps it; the site file's entry adds who it is."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from accounts.site import TimeZone
from interfaces.hl7 import value_checks
from interfaces.hl7.models import Source

MAPPING: Final[Mapping[str, Sequence[str]]] = {
    "accession_number": ["IPC-1", "OBR-18", "OBR-3", "ORC-3", "OBR-2", "ORC-2"],
    "requested_procedure_id": ["IPC-2", "OBR-19"],
    "scheduled_procedure_step_id": ["IPC-4", "OBR-20"],
    "study_instance_uid": ["IPC-3", "ZDS-1"],
    "modality": ["IPC-5", "OBR-24"],
    "station_ae_title": ["IPC-9"],
    "station_name": ["IPC-7"],
    "location": ["IPC-8"],
    "start": ["TQ1-7", "ORC-7.4", "OBR-27.4", "OBR-36"],
    "priority": ["TQ1-9", "ORC-7.6", "OBR-27.6", "OBR-5"],
    "reason": ["OBR-31.2", "OBR-31"],
    "clinical_information": ["OBR-13"],
    "danger": ["OBR-12.2", "OBR-12"],
    "transport": ["OBR-30"],
    "confidentiality": ["ORC-28.2", "ORC-28"],
    "requesting_service": ["ORC-17.2", "ORC-17"],
    "appointment": ["SCH-2", "SCH-1"],
    "appointment_placer_order": ["SCH-26", "ARQ-24", "ORC-2", "OBR-2"],
    "appointment_filler_order": ["SCH-27", "ARQ-25", "ORC-3", "OBR-3"],
    "appointment_accession": ["OBR-18"],
    "appointment_start": ["TQ1-7", "SCH-11.4", "AIS-4"],
    "appointment_location": ["AIL-3.2", "AIL-3"],
    "appointment_station_ae_title": [],
    "catalogue_modality": ["OM1-49", "OM1-5"],
    "report_accession": ["OBR-18"],
    "report_study_instance_uid": ["ZDS-1"],
}
"""Where fields of orders and appointments are looked for; the first present wins (HL7 v2.5.1 4.5, 10.6)."""


def _mapped(name: str) -> str:
    if name not in MAPPING:
        raise ValueError(f"{name!r} is no field that can be mapped: {', '.join(MAPPING)}")
    return name


MappedName = Annotated[str, AfterValidator(_mapped)]
FieldPath = Annotated[str, AfterValidator(value_checks.path)]
TablePath = Annotated[str, AfterValidator(value_checks.path_of_all)]
DateFormat = Annotated[str, AfterValidator(value_checks.date_format)]
StatusPair = Annotated[str, AfterValidator(value_checks.control_and_status)]
Network = Annotated[str, AfterValidator(value_checks.network)]
CertificateName = Annotated[str, AfterValidator(value_checks.certificate_name)]
Act = Annotated[str, AfterValidator(value_checks.act)]


class SourceOptions(BaseModel):
    """The choices made for a sender. `receivers` are the applications (MSH-5) that it may address here,
    `*` for any; an empty `time_zone` is that of its facility. Placer order numbers without a namespace are in
    `order_namespace`, which empty is the sending application (MSH-3). A source that is `enhanced` gets what
    MSH-15 and MSH-16 ask for; its application acknowledgments go to the destination `application_acks`, else
    where the message came from. Messages of the types in `keep` are accepted and kept, and do nothing. Who
    arrives at one of the `imaging_locations` (`RAD^CT1`: point of care, room) has arrived for the day. With
    `order_responses` orders are answered by ORR, ORG and ORI, which say what became of each. Reports of
    others (ORU) are kept, may mark their studies as read, or are refused, by `outside_reports`. Only a
    `filler` is heard where it says what fillers say (ORC-1). With `orders_without_orc` an OBR alone is a new
    order.
    What a `shadow` source sends is accepted, kept and not applied, to be compared with another system.
    In original mode a source may be answered once a message is stored, whatever becomes of it: `acknowledge`.
    It may send from `addresses` (networks such as 10.1.0.0/16), and under `certificates` (subjects, or parts
    of one such as CN=his); from any and without one where these are empty.
    After `silence_alarm` minutes without a message somebody is told; `learnt` goes by what is usual then.

    `charset` is what its messages are in, whatever MSH-18 says; without one, `charset_detection` is what
    becomes of bytes that can't be of the Western set that MSH-18 says.

    `mapping` says where a field of an order lies. `translations` are tables by field, from the source's own
    values to HL7's (`""` is an empty field, `*` any other value); `date_formats` are its ways to write a date
    there, as `strptime` has them.

    Of messages of one time the later to come counts; the higher number where `control_ids` are `rising`.
    Of `contradicting_merges` the later may win; `two_identifiers` of one authority in one PID-3 may link
    their records. Where each patient has visit numbers of its own, `visit_numbers` are `per_patient`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    role: Literal["placer", "filler"] = "placer"
    assigning_authority: str = ""
    order_namespace: str = ""
    time_zone: Literal[""] | TimeZone = ""
    charset: str = ""
    charset_detection: Literal["correct", "refuse", "off"] = "correct"
    shadow: bool = False
    acknowledge: Literal["after_processing", "after_storing"] = "after_processing"
    enhanced: bool = False
    application_acks: str = ""
    stamp_from: Literal["MSH-7", "EVN-2", "ORC-9"] = "MSH-7"
    control_ids: Literal["any", "rising"] = "any"
    contradicting_merges: Literal["refuse", "latest"] = "refuse"
    two_identifiers: Literal["refuse", "link"] = "refuse"
    visit_numbers: Literal["unique", "per_patient"] = "unique"
    processing_ids: list[str] = ["P"]
    receivers: list[str] = ["*"]
    addresses: list[Network] = []
    certificates: list[CertificateName] = []
    imaging_locations: list[str] = []
    keep: list[Literal["MDM", "OML", "ORL", "BAR", "DFT"]] = []
    orders_without_orc: bool = False
    order_responses: bool = False
    outside_reports: Literal["keep", "mark_read", "refuse"] = "keep"
    mapping: dict[MappedName, list[FieldPath]] = {}
    translations: dict[TablePath, dict[str, str]] = {}
    date_formats: dict[TablePath, list[DateFormat]] = {}
    order_status: dict[StatusPair, Act] = {}
    silence_alarm: Literal["learnt", "off"] | Annotated[int, Field(ge=1, le=10_080)] = "learnt"

    @model_validator(mode="after")
    def _known_values(self) -> "SourceOptions":
        for path, table in self.translations.items():
            for said, meant in table.items():
                if meant and (why := self._refusal(path, meant)):
                    raise ValueError(f"translations: {path}: {said!r} is to be {meant!r}, which {why}")
        return self

    def paths_of(self, name: str) -> Sequence[str]:
        """Where a field of an order lies in this source's messages."""
        return self.mapping.get(name, MAPPING[name])

    def _refusal(self, path: str, value: str) -> str | None:
        """Why a value can't be taken from a field whose values are known here."""
        checks: Mapping[str, Callable[[str], str | None]] = {
            **dict.fromkeys(self.paths_of("modality"), value_checks.modality),
            **dict.fromkeys(self.paths_of("priority"), value_checks.priority),
            **value_checks.OF_FIELDS,
        }
        check = checks.get(path.removesuffix(".1"))
        return check(value) if check else None


def of(source: Source) -> SourceOptions:
    """The options of a source, as they were applied."""
    return SourceOptions.model_validate(source.options)
