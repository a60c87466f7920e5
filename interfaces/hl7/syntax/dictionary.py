"""What segments, fields and components are called: from hl7apy's tables of each version, in words.

hl7apy knows no names of segments, so these are written here (HL7 v2.5.1 appendix A), and it knows no segments
of other bodies.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from hl7apy import SUPPORTED_LIBRARIES, load_reference

USUAL_VERSION: Final = "2.5.1"
NEWEST_VERSION: Final = "2.8.2"

SEGMENTS: Final[Mapping[str, str]] = {
    "ACC": "accident",
    "AIG": "appointment, general resource",
    "AIL": "appointment, location",
    "AIP": "appointment, personnel",
    "AIS": "appointment, service",
    "AL1": "allergy",
    "BHS": "batch header",
    "BLG": "billing",
    "BTS": "batch trailer",
    "CTI": "clinical trial",
    "DB1": "disability",
    "DG1": "diagnosis",
    "DRG": "diagnosis related group",
    "DSC": "continuation",
    "DSP": "display data",
    "ERR": "error",
    "EVN": "event",
    "FHS": "file header",
    "FT1": "financial transaction",
    "FTS": "file trailer",
    "GT1": "guarantor",
    "IAM": "adverse reaction",
    "IN1": "insurance",
    "IN2": "insurance, more",
    "IN3": "insurance, certification",
    "IPC": "imaging procedure control",
    "LOC": "location",
    "MFE": "master file entry",
    "MFI": "master file",
    "MRG": "what is merged away",
    "MSA": "acknowledgment",
    "MSH": "message header",
    "NK1": "next of kin",
    "NTE": "note",
    "OBR": "observation request",
    "OBX": "observation",
    "ORC": "order",
    "PD1": "patient, more",
    "PDA": "patient death",
    "PID": "patient",
    "PR1": "procedure",
    "PRD": "provider",
    "PV1": "visit",
    "PV2": "visit, more",
    "QAK": "query acknowledgment",
    "QPD": "query parameters",
    "QRD": "query",
    "QRF": "query filter",
    "RGS": "resource group",
    "ROL": "role",
    "RXA": "administration",
    "RXC": "component of a medication",
    "RXD": "dispense",
    "RXE": "encoded medication order",
    "RXO": "medication order",
    "RXR": "route of a medication",
    "SAC": "specimen container",
    "SCH": "appointment",
    "SFT": "software",
    "SPM": "specimen",
    "STF": "staff",
    "TQ1": "timing",
    "TQ2": "timing relation",
    "TXA": "document",
    "UB1": "uniform billing 82",
    "UB2": "uniform billing 92",
    "ZDS": "study instance UID (IHE)",
}

_OURS: Final[Mapping[tuple[str, int], tuple[str, str, tuple[str, ...]]]] = {
    ("ZDS", 1): (
        "Study Instance UID",
        "RP",
        ("UID", "Application ID", "Type of data", "Subtype"),
    ),
}
"""Segments of other bodies: IHE RAD TF-2 table 4.4-6."""

_SPELLED: Final = {
    "ID": "ID",
    "IDS": "IDs",
    "UID": "UID",
    "SSN": "SSN",
    "DRG": "DRG",
    "OBR": "OBR",
    "UPS": "UPS",
    "NDC": "NDC",
    "HL7": "HL7",
    "ACK": "ACK",
    "FAMILIY": "family",
    "E": "e.",
    "G": "g.",
    "MD": "MD",
    "DR": "Dr.",
    "JR": "Jr.",
    "III": "III",
}


@dataclass(frozen=True, slots=True)
class Named:
    """What a field or a component is: its name, its data type, its table, and what it consists of."""

    name: str = ""
    data_type: str = ""
    table: str = ""
    parts: "tuple[Named, ...]" = ()

    def part(self, n: int) -> "Named":
        """The n-th component or subcomponent; nameless where the version has none."""
        return self.parts[n - 1] if 0 < n <= len(self.parts) else _NAMELESS


_NAMELESS = Named()


def segment(name: str) -> str:
    """What a segment is, in words; empty for one that is not in the standard."""
    return SEGMENTS.get(name, "")


def field(segment_name: str, n: int, version: str) -> Named:
    """What field n is in a version; where that lacks it, what it is in 2.5.1 or the newest."""
    if found := _OURS.get((segment_name, n)):
        name, data_type, parts = found
        return Named(name, data_type, "", tuple(Named(part) for part in parts))
    for candidate in dict.fromkeys([_library(version), USUAL_VERSION, NEWEST_VERSION]):
        known = _fields(segment_name, candidate)
        if n in known:
            return known[n]
    return _NAMELESS


def _library(version: str) -> str:
    found = re.match(r"\s*(2\.\d(?:\.\d)?)", version)
    return found[1] if found and found[1] in SUPPORTED_LIBRARIES else USUAL_VERSION


@lru_cache(maxsize=512)
def _fields(segment_name: str, version: str) -> dict[int, Named]:
    if not re.fullmatch(r"[A-Z][A-Z0-9]{2}", segment_name):
        return {}
    try:
        reference = load_reference(segment_name, "Segment", version)
    except Exception:  # hl7apy has an error of its own for each way to lack a segment
        return {}
    children = reference[1] if reference and len(reference) > 1 and reference[1] else ()
    return {int(name.rpartition("_")[2]): _named(child, 2) for name, child, _, _ in children}


def _named(reference: Any, depth: int) -> Named:
    """From hl7apy's `[kind, children, data type, NAME, table, length]`."""
    _, children, data_type, name, table, *_ = reference
    parts = tuple(_named(child[1], depth - 1) for child in children or ()) if depth else ()
    return Named(words(name or ""), data_type or "", table or "", parts)


def words(name: str) -> str:
    """`PATIENT_IDENTIFIER_LIST` as "Patient identifier list"."""
    parts = [part for part in re.split(r"[_\s]+", name) if part]
    if len(parts) > 1 and parts[-1] in SEGMENTS:
        parts.pop()  # hl7apy tells fields of one name in two segments apart so
    text = " ".join(_SPELLED.get(part, part.lower()) for part in parts)
    return text[:1].upper() + text[1:]
