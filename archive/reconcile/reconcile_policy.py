"""The reconcile policy: weights, thresholds, and which normalisations need no person.

The site file's `archive.reconcile` overrides it key by key.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, field_validator

from archive.reconcile.finding import Agreement, Concordance, Finding

RULES: Final = 7
"""Raised whenever the rules in the code change, so that a verdict names the rules that made it."""


@dataclass(frozen=True)
class Evidence:
    """A field by which a study and a step are compared: its weight by default, and its name on pages."""

    weight: float
    title: str


RIVAL: Final = "rival"
"""The field of the finding that names somebody else whom the images' identity fits as well."""
FIELDS: Final[Mapping[str, Evidence]] = {
    "patient_id": Evidence(10, "Patient ID"),
    "patient_name": Evidence(6, "Name"),
    "birth_date": Evidence(5, "Born"),
    "sex": Evidence(1, "Sex"),
    "accession_number": Evidence(10, "Accession number"),
    "study_instance_uid": Evidence(8, "Study Instance UID"),
    "request": Evidence(8, "Requested procedure / step ID"),
    "modality": Evidence(3, "Modality"),
    "time": Evidence(2, "Time"),
    "laterality": Evidence(2, "Side"),
    "body_part": Evidence(1, "Body part"),
    "procedure": Evidence(0.5, "Procedure"),
    "station": Evidence(1, "Station"),
    "performing_physician": Evidence(0.5, "Performing physician"),
    "order_status": Evidence(0.5, "Order's state"),
    RIVAL: Evidence(0, "Another registered patient"),
}
WEIGHTS: Final[Mapping[str, float]] = {name: field.weight for name, field in FIELDS.items() if name != RIVAL}

DEMOGRAPHICS: Final[Mapping[str, float]] = {"patient_name": 1.0, "birth_date": 1.0, "sex": 0.5}
"""What the demographics count against each other: one sex is that of every second patient."""
OTHER_UID: Final = 0.05
"""The part of its weight that a Study Instance UID has against a candidate: a modality that makes its own
says little; one that takes the planned one says all."""
NAMES_FROM: Final = 0.95
"""The agreement from which an accession number names an order by itself."""
NAMING: Final = frozenset({"accession_number", "study_instance_uid", "request"})
"""The fields by which headers name an order."""
NEAR_FROM: Final = 0.5
"""The agreement from which an accession number is near enough to prefer one open step to others."""

FORMER: Final = "record corrected since"
"""What agrees with what the record said when the images came."""
PLAIN: Final = frozenset(
    {"", "case", "spaces", "no issuer", "merged record", FORMER, "less precise", "punctuation"}
)
"""Differences that are none: what agrees by these alone is `matched`, not `corrected`."""
GUESSES: Final = frozenset({"typo", "one digit", "digits swapped", "day and month swapped"})
"""Normalisations that suppose a slip; only few of them may come together."""
ALLOWED: Final[dict[str, list[str]]] = {
    "patient_id": [],
    "patient_name": [
        "transliteration",
        "component order",
        "initials",
        "missing given name",
        "prefix or suffix",
        "cut off",
        "typo",
    ],
    "birth_date": ["day and month swapped", "one digit", "digits swapped"],
    "accession_number": ["leading zeros", "prefix"],
}
"""Normalisations by which a field may agree without a person, by default."""


SIMILAR_MODALITIES: Final = [
    ["CR", "DX", "RG", "XR", "DR", "PX", "IO"],
    ["PT", "PET", "CT", "NM"],
    ["XA", "RF", "DSA"],
    ["MR", "MRI"],
    ["US", "IVUS"],
    ["MG", "DX"],
]
"""Groups of modalities that one order may be done on, by default."""


PLACEHOLDER_NAMES: Final = (
    "DOE^J*",
    "J* DOE",
    "UNKNOWN*",
    "*^UNKNOWN*",
    "UNBEKANNT*",
    "*^UNBEKANNT*",
    "INCONNU*",
    "TRAUMA*",
    "EMERGENCY*",
    "NOTFALL*",
    "NN",
    "NN^*",
    "N.N.*",
    "XX*",
)
"""Names, with the wildcards `*` and `?`, that stand for nobody: whoever is named later is no other person."""

_MODALITY: Final = re.compile("[A-Z0-9_ ]{1,16}")


class Policy(BaseModel):
    """What the verdict goes by."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    weights: dict[str, float] = dict(WEIGHTS)
    agrees_from: float = Field(0.8, gt=0.5, le=1)
    contradicts_to: float = Field(0.4, ge=0, lt=0.5)
    allowed: dict[str, list[str]] = ALLOWED
    most_guesses: int = Field(1, ge=0)
    window_hours: float = Field(12, gt=0)
    shown_days: float = Field(7, gt=0)
    former_hours: float = Field(
        48, ge=0, description="for which devices may go on with what a record said before it was corrected"
    )
    clear_lead: float = Field(0.1, ge=0, description="by which the best of several open steps must lead")
    shown_from: float = Field(0.2, ge=0, description="the least score of a candidate that is kept and shown")
    most_candidates: int = Field(50, ge=1, le=500)
    most_shown: int = Field(20, ge=1)
    accession_prefixes: list[str] = []
    similar_modalities: list[list[str]] = SIMILAR_MODALITIES
    issuer_aliases: dict[str, str] = {}
    placeholder_names: list[Annotated[str, Field(min_length=1, max_length=64)]] = Field(
        list(PLACEHOLDER_NAMES), max_length=100, description="of patients who are not known yet"
    )
    shortest_naming_id: int = Field(4, ge=1, description="a shorter procedure or step ID names nothing alone")
    accept_late_order: str = Field(
        "never",
        pattern="^(never|exact)$",
        description="`exact`: images of an order that comes later go on where everything agrees exactly",
    )
    other_id_same_demographics: str = Field("mismatch", pattern="^(mismatch|probable)$")

    @field_validator("weights")
    @classmethod
    def _known_weights(cls, value: dict[str, float]) -> dict[str, float]:
        if unknown := value.keys() - WEIGHTS.keys():
            raise ValueError(f"{', '.join(sorted(unknown))} is not a field that has a weight")
        if any(weight < 0 for weight in value.values()):
            raise ValueError("a weight can't be less than 0")
        return dict(WEIGHTS) | value

    @field_validator("similar_modalities")
    @classmethod
    def _groups_of_modalities(cls, value: list[list[str]]) -> list[list[str]]:
        for group in value:
            if len(set(group)) < 2:
                raise ValueError("a group of similar modalities has two at least")
            if wrong := [name for name in group if not _MODALITY.fullmatch(name)]:
                raise ValueError(f"{wrong[0]!r} is not a modality as DICOM writes it, such as CT")
        return value

    @field_validator("allowed")
    @classmethod
    def _beside_the_defaults(cls, value: dict[str, list[str]]) -> dict[str, list[str]]:
        return ALLOWED | value

    def overrides(self) -> dict[str, Any]:
        """What differs from the default policy, key by key."""
        usual, found = Policy(), {}
        for name in Policy.model_fields:
            value, default = getattr(self, name), getattr(usual, name)
            if isinstance(value, dict):
                value = {key: one for key, one in value.items() if default.get(key) != one}
                default = {}
            if value != default:
                found[name] = value
        return found

    def concordance(self, agreement: float | None) -> Concordance:
        """What an agreement from 0 to 1 comes to; without one, a side says nothing."""
        if agreement is None:
            return Concordance.SILENT
        if agreement <= self.contradicts_to:
            return Concordance.CONTRADICTS
        return Concordance.AGREES if agreement >= self.agrees_from else Concordance.UNCLEAR

    def finding(self, field: str, seen: str, expected: str, compared: Agreement) -> Finding:
        """What a comparison of a field comes to, and what it counts."""
        agreement, normaliser = compared
        concordance, weight = self.concordance(agreement), self.weight(field, agreement)
        return Finding(field, seen, expected, normaliser, agreement, concordance, weight)

    def weight(self, field: str, agreement: float | None) -> float:
        """What a finding counts; nothing where one side is silent."""
        if agreement is None:
            return 0.0
        return self.weights.get(field, 0.0) * (
            OTHER_UID if field == "study_instance_uid" and agreement == 0 else 1
        )

    def full_weight(self, finding: Finding) -> float:
        """What a finding would count if it agreed: all that was seen has to be agreed to."""
        if finding.agreement is not None:
            return finding.weight
        return self.weights[finding.field] if finding.seen and finding.field != "order_status" else 0.0

    @property
    def version(self) -> str:
        """A hash that names these rules and settings."""
        text = json.dumps([RULES, self.model_dump(mode="json")], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]
