"""Codes of HL7 tables in messages, and what each is to the worklist."""

from collections.abc import Mapping
from typing import Final

from ledger.stamps import NONE, Null

MODALITIES: Final = frozenset(
    [
        "AR",
        "ASMT",
        "AU",
        "BDUS",
        "BI",
        "BMD",
        "CFM",
        "CR",
        "CT",
        "CTPROTOCOL",
        "DG",
        "DMS",
        "DOC",
        "DX",
        "ECG",
        "EEG",
        "EMG",
        "EOG",
        "EPS",
        "ES",
        "FID",
        "GM",
        "HC",
        "HD",
        "IO",
        "IOL",
        "IVOCT",
        "IVUS",
        "KER",
        "KO",
        "LEN",
        "LS",
        "MG",
        "MR",
        "M3D",
        "NM",
        "OAM",
        "OCT",
        "OP",
        "OPM",
        "OPT",
        "OPTBSV",
        "OPTENF",
        "OPV",
        "OSS",
        "OT",
        "PA",
        "PLAN",
        "POS",
        "PR",
        "PT",
        "PX",
        "REG",
        "RESP",
        "RF",
        "RG",
        "RTDOSE",
        "RTIMAGE",
        "RTPLAN",
        "RTRECORD",
        "RTSTRUCT",
        "RWV",
        "SEG",
        "SM",
        "SMR",
        "SR",
        "SRF",
        "STAIN",
        "TEXTUREMAP",
        "TG",
        "US",
        "VA",
        "XA",
        "XC",
        "XAPROTOCOL",
    ]
)
"""DICOM's modalities (PS3.3 C.7.3.1.1.1)."""

SECTIONS: Final[Mapping[str, str]] = {
    "CAT": "CT",
    **dict.fromkeys(("NMR", "MRI"), "MR"),
    "NMS": "NM",
    **dict.fromkeys(("RUS", "OUS", "VUS", "CUS"), "US"),
    "MAM": "MG",
    **dict.fromkeys(("CTH", "XRC"), "XA"),  # cardiac catheterization, cineradiography
    "EC": "ECG",
}
"""Diagnostic service sections (HL7 Table 0074) that name a modality; none is passed on as it is."""

SECTIONS_WITHOUT_MODALITY: Final = (
    frozenset(
        [
            "RAD",
            "RX",
            "AU",
            "BG",
            "BLB",
            "CG",
            "CH",
            "CP",
            "CUS",
            "EN",
            "HM",
            "ICU",
            "IMM",
            "LAB",
            "MB",
            "MCB",
            "MYC",
            "NRS",
            "OSL",
            "OTH",
            "PAR",
            "PAT",
            "PF",
            "PHR",
            "PHY",
            "PT",
            "RC",
            "RT",
            "SP",
            "SR",
            "TX",
            "VR",
            "XRC",
        ]
    )
    - MODALITIES
    - frozenset(SECTIONS)
)
"""Sections that name none; then the catalogue decides."""

PRIORITIES: Final[Mapping[str, str]] = {
    "S": "STAT",
    "A": "HIGH",
    "P": "HIGH",
    "C": "HIGH",
    "R": "ROUTINE",
    "T": "MEDIUM",
}

SEX: Final[Mapping[str, str | Null]] = {"M": "M", "F": "F", "O": "O", "A": "O", "N": "O", "U": NONE}
"""HL7 Table 0001 in DICOM's terms; unknown is empty."""
